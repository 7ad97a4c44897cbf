// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"slices"
)

// object copies an object: members that the schema knows and allows, in its
// order.
func (r *reader) object(n *node) bool {
	own := r.own
	r.own = nil
	start, slots, base := len(r.out), len(r.slots), len(r.members)
	seen := uint64(0)
	var idName []byte // a licence id that is none
	r.pos++
	r.enter()
	r.out = append(r.out, '{')
	guess, ordered := 0, true
	for first := true; r.more(first, '}'); first = false {
		key := r.str()
		r.expect(':')
		i := guess
		if i >= len(n.properties) || n.properties[i].name != viewed(key) {
			i = n.prop(viewed(key))
		}
		if i < 0 {
			if r.kindAt() != 0 {
				r.lost(place(key.decode()))
			}
			r.skip()
			continue
		}
		if guess = i + 1; seen&(1<<i) != 0 {
			r.fail("member %q twice", n.properties[i].name)
		}
		p := &n.properties[i]
		null := r.kindAt() == 0
		if own != nil && p.name == "bom-ref" {
			seen |= 1 << i
			r.ownName(own)
			continue
		}
		if own != nil && own.component >= 0 && n.special == component && p.name == "components" {
			seen |= 1 << i
			start = r.inner(own.component, start, slots, base)
			own.start = start
			continue
		}
		from := len(r.out)
		r.out = append(append(append(r.out, '"'), p.name...), '"', ':')
		r.path = append(r.path, p.name)
		valueStart, losses := r.pos, r.losses
		ok := r.value(p.node)
		r.path = r.path[:len(r.path)-1]
		if !ok {
			r.out = r.out[:from]
			if n.special == license && p.name == "id" && r.data[valueStart] == '"' {
				idName = r.data[valueStart:r.pos]
			} else if !null && r.losses == losses {
				r.lostMember(p)
			}
			continue
		}
		seen |= 1 << i
		if last := len(r.members) - 1; last >= base && r.members[last].property > i {
			ordered = false
		}
		r.members = append(r.members, member{i, from, len(r.out)})
		r.out = append(r.out, ',')
	}
	r.leave()
	if idName != nil {
		seen, ordered = r.nameOfID(n, idName, seen), false
	}
	seen, ok := r.complete(n, seen, &ordered)
	seen, changed := r.choose(n, seen, base)
	ok = ok && n.chosen(seen)
	if ok {
		if !ordered || changed {
			r.reorder(start, slots, base)
		}
		if len(r.members) == base {
			r.out = append(r.out, '}')
		} else {
			r.out[len(r.out)-1] = '}'
		}
	} else {
		r.out, r.slots = r.out[:start], r.slots[:slots]
	}
	r.members = r.members[:base]
	return ok
}

func (r *reader) lostMember(p *property) {
	if p.node.special == signature {
		r.losses++
		if r.trying == 0 {
			r.doc.leaveOut("signatures")
		}
		return
	}
	r.lost(p.name)
}

// ownName reads the name of an element.
func (r *reader) ownName(own *own) {
	if r.kindAt() != kindString {
		if r.kindAt() != 0 {
			r.lost("bom-ref")
		}
		r.skip()
		return
	}
	if t := r.str(); len(t.raw) > 0 {
		own.ref = r.numberOf(t)
	}
}

// inner reads the components inside a component, which become parts of the
// document beside it. What is written of the outer one so far goes out of the
// way for that. It returns where the outer one starts now.
func (r *reader) inner(parent int32, start, slots, base int) int {
	written := bytes.Clone(r.out[start:])
	held := slices.Clone(r.slots[slots:])
	r.out, r.slots = r.out[:start], r.slots[:slots]
	path := r.path
	r.path = nil
	r.components(parent)
	r.path = path
	moved := len(r.out) - start
	r.out = append(r.out, written...)
	for _, slot := range held {
		slot.Offset += uint32(moved)
		r.slots = append(r.slots, slot)
	}
	for i := range r.members[base:] {
		r.members[base+i].start += moved
		r.members[base+i].end += moved
	}
	return start + moved
}

// nameOfID makes the name of a licence from an id that SPDX does not have.
func (r *reader) nameOfID(n *node, id []byte, seen uint64) uint64 {
	name := n.prop("name")
	if seen&(1<<name|1<<n.prop("id")) != 0 {
		r.lost("id")
		return seen
	}
	from := len(r.out)
	r.out = append(r.out, `"name":`...)
	again := scanner{data: id}
	r.copyString(again.str())
	r.members = append(r.members, member{name, from, len(r.out)})
	r.out = append(r.out, ',')
	return seen | 1<<name
}

// complete makes up required members where the object is worth it, and reports
// whether all are there.
func (r *reader) complete(n *node, seen uint64, ordered *bool) (uint64, bool) {
	for _, i := range n.required {
		if seen&(1<<i) != 0 {
			continue
		}
		value, ok := n.repair[i]
		if !ok {
			return seen, false
		}
		from := len(r.out)
		r.out = append(append(append(r.out, '"'), n.properties[i].name...), '"', ':')
		r.out = append(r.out, value...)
		r.members = append(r.members, member{i, from, len(r.out)})
		r.out = append(r.out, ',')
		seen |= 1 << i
		*ordered = false
		if r.trying == 0 {
			r.doc.leaveOut(MadeUp + r.place(n.properties[i].name))
		}
	}
	return seen, true
}

// choose leaves out the members of all alternatives but the first that is
// there.
func (r *reader) choose(n *node, seen uint64, base int) (uint64, bool) {
	for c, needs := range n.choices {
		if !hasAll(seen, needs) {
			continue
		}
		surplus := seen & n.forbidden[c]
		if surplus == 0 {
			return seen, false
		}
		kept := base
		for _, m := range r.members[base:] {
			if surplus&(1<<m.property) != 0 {
				r.lost(n.properties[m.property].name)
				continue
			}
			r.members[kept] = m
			kept++
		}
		r.members = r.members[:kept]
		return seen &^ surplus, true
	}
	return seen, false
}

// chosen reports whether one of the alternatives is there.
func (n *node) chosen(seen uint64) bool {
	if n.choices == nil {
		return true
	}
	for _, needs := range n.choices {
		if hasAll(seen, needs) {
			return true
		}
	}
	return false
}

func hasAll(seen uint64, needs []int) bool {
	for _, i := range needs {
		if seen&(1<<i) == 0 {
			return false
		}
	}
	return true
}

// reorder writes the object at start again, with its members in the order of the
// schema, and without those that are no longer in the list.
func (r *reader) reorder(start, firstSlot, base int) {
	members := r.members[base:]
	slices.SortFunc(members, func(a, b member) int { return a.property - b.property })
	slots := slices.Clone(r.slots[firstSlot:])
	r.slots = r.slots[:firstSlot]
	r.scratch = append(r.scratch[:0], '{')
	for i := range members {
		m := &members[i]
		to := start + len(r.scratch)
		for _, slot := range slots {
			if int(slot.Offset) >= m.start && int(slot.Offset) < m.end {
				slot.Offset = uint32(int(slot.Offset) - m.start + to)
				r.slots = append(r.slots, slot)
			}
		}
		r.scratch = append(append(r.scratch, r.out[m.start:m.end]...), ',')
		m.start, m.end = to, to+m.end-m.start
	}
	r.out = append(r.out[:start], r.scratch...)
}

// licences copies a list of licences. The format has lists of licences and lists
// of exactly one expression; in what mixes them, an expression becomes the name
// of a licence.
func (r *reader) licences(n *node) bool {
	start, firstSlot := len(r.out), len(r.slots)
	if !r.array(n) {
		return false
	}
	items, expressions := 0, 0
	Items(r.out[start:], func(item []byte) {
		items++
		Members(item, func(name string, _ []byte) {
			if name == "expression" {
				expressions++
			}
		})
	})
	if expressions > 0 && items > 1 {
		r.nameExpressions(start, firstSlot)
	}
	return true
}

// nameExpressions turns the expressions in a list into names of licences.
func (r *reader) nameExpressions(start, firstSlot int) {
	slots := slices.Clone(r.slots[firstSlot:])
	r.slots = r.slots[:firstSlot]
	r.scratch = append(r.scratch[:0], '[')
	from := start + 1
	Items(r.out[start:], func(item []byte) {
		end := from + len(item)
		isExpression := !bytes.HasPrefix(item, []byte(`{"license":`))
		to := start + len(r.scratch)
		if isExpression {
			r.scratch = append(r.scratch, `{"license":{`...)
			// The name of the item comes first, before and after.
			to += len(`{"license":{`) - len(`{`)
			Members(item, func(name string, value []byte) {
				if name == "expression" {
					name = "name"
				}
				r.scratch = append(append(append(r.scratch, '"'), name...), '"', ':')
				r.scratch = append(append(r.scratch, value...), ',')
			})
			r.scratch = append(r.scratch[:len(r.scratch)-1], '}', '}', ',')
		} else {
			r.scratch = append(append(r.scratch, item...), ',')
		}
		for _, slot := range slots {
			if int(slot.Offset) >= from && int(slot.Offset) < end {
				slot.Offset = uint32(int(slot.Offset) - from + to)
				r.slots = append(r.slots, slot)
			}
		}
		from = end + 1
	})
	r.scratch[len(r.scratch)-1] = ']'
	r.out = append(r.out[:start], r.scratch...)
}
