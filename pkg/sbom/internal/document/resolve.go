// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package document

// patientPasses is how often elements may be left out for references that lead
// nowhere, and leave others behind whose references then do, before all that may
// be left out loses its name.
const patientPasses = 3

// resolveAll makes every name the name of one thing, and leaves out references
// that lead nowhere, with what has no meaning without them.
func (r *reader) resolveAll() {
	d := r.doc
	for pass := 0; ; pass++ {
		defined := r.define(pass)
		known := func(ref Ref) bool { return int(ref) < len(defined) && defined[ref] }
		changed := false
		each := func(list *[]Element, name string, n *node) {
			kept := (*list)[:0]
			for _, element := range *list {
				if dangles(&element, known) {
					changed = true
					var ok bool
					if element, ok = r.again(element, name, n, known); !ok {
						continue
					}
				}
				kept = append(kept, element)
			}
			*list = kept
		}
		for i := range d.Components {
			if c := &d.Components[i]; dangles(&c.Element, known) {
				changed = true
				c.Element, _ = r.again(c.Element, "components", r.schema.component, known)
			}
		}
		each(&d.Services, "services", r.schema.service)
		each(&d.Vulnerabilities, "vulnerabilities", r.schema.vulnerability)
		each(&d.ToolComponents, "metadata.tools.components", r.schema.component)
		each(&d.ToolServices, "metadata.tools.services", r.schema.service)
		each(&d.Compositions, "compositions", r.schema.composition)
		each(&d.Annotations, "annotations", r.schema.annotation)
		if !changed {
			r.resolveEdges(known)
			break
		}
	}
	r.dropNames()
}

// define finds what names there are. A name that several things have belongs to
// the first.
func (r *reader) define(pass int) []bool {
	d := r.doc
	defined := make([]bool, len(d.Names))
	take := func(ref Ref) bool {
		if r.forgotten[ref] {
			return false
		}
		if defined[ref] {
			if pass == 0 {
				d.leaveOut("names used twice")
			}
			return false
		}
		defined[ref] = true
		return true
	}
	own := func(element *Element) {
		if element.Ref != NoRef && !take(element.Ref) {
			element.Ref = NoRef
		}
	}
	permanent := [][]Element{d.Services, d.Vulnerabilities, d.ToolComponents, d.ToolServices}
	fragile := [][]Element{d.Compositions, d.Annotations}
	for i := range d.Components {
		own(&d.Components[i].Element)
	}
	for _, list := range permanent {
		for i := range list {
			own(&list[i])
		}
	}
	patient := pass < patientPasses
	for _, list := range fragile {
		for i := range list {
			if patient {
				own(&list[i])
			} else {
				list[i].Ref = NoRef
			}
		}
	}
	fresh := len(d.Names)
	inside := func(element *Element) {
		for i := range element.Slots {
			slot := &element.Slots[i]
			if slot.Kind == Uses || slot.Ref == NoRef || int(slot.Ref) >= fresh {
				continue
			}
			if patient && take(slot.Ref) {
				continue
			}
			if slot.Kind == NamesPart {
				slot.Ref = NoRef
				continue
			}
			d.Names = append(d.Names, d.Names[slot.Ref])
			slot.Ref = Ref(len(d.Names) - 1)
		}
	}
	for i := range d.Components {
		inside(&d.Components[i].Element)
	}
	for _, list := range append(permanent, fragile...) {
		for i := range list {
			inside(&list[i])
		}
	}
	return defined
}

// Forget takes names away from parts of elements, because the parts will not be
// kept, and leaves out what refers to them. Components are never left out.
func (d *Document) Forget(names map[Ref]bool) {
	r := &reader{schema: compiled(), doc: d, out: d.buffer, forgotten: names}
	r.resolveAll()
	d.buffer = r.out
}

func dangles(element *Element, known func(Ref) bool) bool {
	for _, slot := range element.Slots {
		if slot.Kind == Uses && !known(slot.Ref) {
			return true
		}
	}
	return false
}

// again reads an element that was written once more, without the references that
// are not known. An element that says something about others goes if none of
// them is left.
func (r *reader) again(element Element, name string, n *node, known func(Ref) bool) (Element, bool) {
	written := r.out[element.start:element.end]
	reread := &reader{
		scanner: scanner{data: append([]byte(nil), written...)}, schema: r.schema, doc: r.doc, out: r.out,
		known: known, path: []string{"references that lead nowhere: " + name},
	}
	start := len(reread.out)
	ok := reread.value(n)
	r.out = reread.out
	cut := reread.cut(start, 0)
	cut.Ref = element.Ref
	if ok && n == r.schema.composition {
		ok = false
		Members(r.out[cut.start:cut.end], func(name string, _ []byte) {
			ok = ok || name == "assemblies" || name == "dependencies" || name == "vulnerabilities"
		})
	}
	if !ok {
		r.doc.leaveOut(name + " about nothing that is there")
	}
	return cut, ok
}

func (r *reader) resolveEdges(known func(Ref) bool) {
	d := r.doc
	resolved := func(ref Ref) bool {
		if ref != NoRef && known(ref) {
			return true
		}
		d.leaveOut("references that lead nowhere: dependencies")
		return false
	}
	edges := d.Edges[:0]
	for _, e := range d.Edges {
		if resolved(e.From) && resolved(e.To) {
			edges = append(edges, e)
		}
	}
	d.Edges = edges
	declared := d.Declared[:0]
	for _, ref := range d.Declared {
		if known(ref) {
			declared = append(declared, ref)
		}
	}
	d.Declared = declared
}

// dropNames takes the names of parts that nothing refers to.
func (r *reader) dropNames() {
	d := r.doc
	var parts []*Slot
	used := make([]bool, len(d.Names))
	visit := func(element *Element) {
		for i := range element.Slots {
			switch slot := &element.Slots[i]; slot.Kind {
			case Uses:
				used[slot.Ref] = true
			case NamesPart:
				parts = append(parts, slot)
			}
		}
	}
	for i := range d.Components {
		visit(&d.Components[i].Element)
	}
	for _, list := range [][]Element{d.Services, d.Vulnerabilities, d.ToolComponents, d.ToolServices, d.Compositions, d.Annotations} {
		for i := range list {
			visit(&list[i])
		}
	}
	for _, e := range d.Edges {
		used[e.From], used[e.To] = true, true
	}
	for _, ref := range d.Declared {
		used[ref] = true
	}
	for _, slot := range parts {
		if slot.Ref != NoRef && !used[slot.Ref] {
			slot.Ref = NoRef
		}
	}
}

// AppendJSON writes an element's JSON with names in their places; name gives
// them as JSON strings.
func (d *Document) AppendJSON(out []byte, e *Element, name func(Ref) []byte) []byte {
	const key = `"bom-ref":`
	written := d.JSON(e)
	from := uint32(0)
	for _, slot := range e.Slots {
		if slot.Kind == NamesPart && slot.Ref == NoRef {
			out = append(out, written[from:slot.Offset-uint32(len(key))]...)
			if from = slot.Offset + SlotLength; written[from] == ',' {
				from++
			}
			continue
		}
		out = append(out, written[from:slot.Offset]...)
		out = append(out, name(slot.Ref)...)
		from = slot.Offset + SlotLength
	}
	return append(out, written[from:]...)
}
