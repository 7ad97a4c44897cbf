// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package document

// object1 calls member for each member of the next value, which must be an
// object, at its value; member reads it.
func (r *reader) object1(member func(name string)) {
	r.expect('{')
	r.enter()
	for first := true; r.more(first, '}'); first = false {
		name := r.str().decode()
		r.expect(':')
		member(name)
	}
	r.leave()
}

// string1 reads a string, or past what is none.
func (r *reader) string1() string {
	if r.kindAt() == kindString {
		return r.str().decode()
	}
	r.skip()
	return ""
}

// list calls item at each element of the next value; what is no list is left
// out.
func (r *reader) list(name string, item func()) {
	if r.kindAt() != kindArray {
		r.leaveOutValue(name)
		return
	}
	r.pos++
	r.enter()
	r.path = append(r.path, name)
	for first := true; r.more(first, ']'); first = false {
		item()
	}
	r.path = r.path[:len(r.path)-1]
	r.leave()
}

// leaveOutValue reads past a value and counts it, if it is one.
func (r *reader) leaveOutValue(name string) {
	null := r.kindAt() == 0
	r.skip()
	if !null {
		r.doc.leaveOut(r.place(name))
	}
}

func (r *reader) metadata() {
	if r.kindAt() != kindObject {
		r.leaveOutValue("metadata")
		return
	}
	r.path = append(r.path, "metadata")
	seen := map[string]bool{}
	r.object1(func(name string) {
		if seen[name] {
			r.fail("member %.40q twice", name)
		}
		seen[name] = true
		switch name {
		case "component":
			if r.kindAt() == kindObject {
				r.doc.HasRoot = true
				r.component(0)
				return
			}
			r.leaveOutValue(name)
		case "tools":
			r.tools()
		case "properties":
			r.extra(name, r.schema.properties)
		case "timestamp":
			r.skip() // of the source; the merged document has its own
		default:
			r.leaveOutValue(place(name))
		}
	})
	r.path = r.path[:len(r.path)-1]
}

func (r *reader) components(parent int32) {
	r.list("components", func() {
		if r.kindAt() != kindObject {
			r.leaveOutValue("[]")
			return
		}
		if len(r.doc.Components) > r.limits.Components {
			r.fail("more than %d components", r.limits.Components)
		}
		r.doc.Components = append(r.doc.Components, Component{Parent: parent, Element: Element{Ref: NoRef}})
		r.component(int32(len(r.doc.Components) - 1))
	})
}

// component reads the component of an index.
func (r *reader) component(index int32) {
	element, ok := r.element(r.schema.component, &own{ref: NoRef, component: index})
	if !ok {
		r.fail("a component that cannot be read") // it is an object, and repaired
	}
	r.doc.Components[index].Element = element
}

// element reads one element. What r.own is set to says what becomes of parts of
// it.
func (r *reader) element(n *node, own *own) (Element, bool) {
	firstSlot := len(r.slots)
	own.start = len(r.out)
	r.own = own
	ok := r.value(n)
	r.own = nil
	element := r.cut(own.start, firstSlot)
	element.Ref = own.ref
	return element, ok
}

// cut makes an element of what was written since start.
func (r *reader) cut(start, firstSlot int) Element {
	element := Element{Ref: NoRef, start: uint32(start), end: uint32(len(r.out))}
	if len(r.slots) > firstSlot {
		element.Slots = make([]Slot, len(r.slots)-firstSlot)
		copy(element.Slots, r.slots[firstSlot:])
		for i := range element.Slots {
			element.Slots[i].Offset -= uint32(start)
		}
		r.slots = r.slots[:firstSlot]
	}
	return element
}

func (r *reader) elements(name string, to *[]Element, n *node) {
	r.list(name, func() {
		if r.kindAt() != kindObject {
			r.leaveOutValue("[]")
			return
		}
		if element, ok := r.element(n, &own{ref: NoRef, component: -1}); ok {
			*to = append(*to, element)
		} else {
			r.doc.leaveOut(r.place(""))
		}
	})
}

// extra reads a list of the document's own.
func (r *reader) extra(name string, n *node) {
	start, firstSlot := len(r.out), len(r.slots)
	r.out = append(r.out, `{"`...)
	r.out = append(r.out, name...)
	r.out = append(r.out, `":`...)
	r.path = append(r.path, name)
	ok := r.value(n)
	r.path = r.path[:len(r.path)-1]
	if !ok {
		r.out, r.slots = r.out[:start], r.slots[:firstSlot]
		return
	}
	r.out = append(r.out, '}')
	r.doc.Extras = append(r.doc.Extras, r.cut(start, firstSlot))
}

// tools reads what made the document: components and services, or the form of
// older versions, which becomes components.
func (r *reader) tools() {
	switch r.kindAt() {
	case kindObject:
		r.path = append(r.path, "tools")
		r.object1(func(name string) {
			switch name {
			case "components":
				r.elements(name, &r.doc.ToolComponents, r.schema.component)
			case "services":
				r.elements(name, &r.doc.ToolServices, r.schema.service)
			default:
				r.leaveOutValue(place(name))
			}
		})
		r.path = r.path[:len(r.path)-1]
	case kindArray:
		r.list("tools", func() {
			if r.kindAt() != kindObject {
				r.leaveOutValue("[]")
				return
			}
			if element, ok := r.element(r.schema.tool, &own{ref: NoRef, component: -1}); ok {
				r.doc.ToolComponents = append(r.doc.ToolComponents, r.toolComponent(element))
			}
		})
	default:
		r.leaveOutValue("tools")
	}
}

// toolComponent rewrites a tool of the older form as a component.
func (r *reader) toolComponent(tool Element) Element {
	if len(tool.Slots) > 0 {
		r.fail("a tool with names inside it") // the schema has none there
	}
	var vendor, rest []byte
	named := false
	Members(r.out[tool.start:tool.end], func(name string, value []byte) {
		if name == "vendor" {
			vendor = append(vendor, value...)
			return
		}
		named = named || name == "name"
		rest = append(rest, `,"`...)
		rest = append(rest, name...)
		rest = append(rest, `":`...)
		rest = append(rest, value...)
	})
	r.out = append(r.out[:tool.start], `{"type":"application"`...)
	if vendor != nil {
		r.out = append(r.out, `,"publisher":`...)
		r.out = append(r.out, vendor...)
	}
	if !named {
		r.out = append(r.out, `,"name":"unnamed"`...)
	}
	r.out = append(r.out, rest...)
	r.out = append(r.out, '}')
	return Element{Ref: NoRef, start: tool.start, end: uint32(len(r.out))}
}

// dependencies reads the graph.
func (r *reader) dependencies() {
	var dependsOn, provides []Ref
	r.list("dependencies", func() {
		if r.kindAt() != kindObject {
			r.leaveOutValue("[]")
			return
		}
		from := NoRef
		dependsOn, provides = dependsOn[:0], provides[:0]
		r.object1(func(name string) {
			switch name {
			case "ref":
				if from != NoRef {
					r.fail("member \"ref\" twice")
				}
				from = r.refName()
			case "dependsOn":
				r.list(name, func() { dependsOn = append(dependsOn, r.refName()) })
			case "provides":
				r.list(name, func() { provides = append(provides, r.refName()) })
			default:
				r.leaveOutValue(place(name))
			}
		})
		if from == NoRef {
			r.doc.leaveOut("dependencies without a ref")
			return
		}
		r.doc.Declared = append(r.doc.Declared, from)
		for _, to := range dependsOn {
			r.doc.Edges = append(r.doc.Edges, Edge{From: from, To: to})
		}
		for _, to := range provides {
			r.doc.Edges = append(r.doc.Edges, Edge{From: from, To: to, Provides: true})
		}
	})
}

// refName reads the name of an element; NoRef if it is none.
func (r *reader) refName() Ref {
	if r.kindAt() != kindString {
		r.skip()
		return NoRef
	}
	t := r.str()
	if len(t.raw) == 0 {
		return NoRef
	}
	return r.numberOf(t)
}
