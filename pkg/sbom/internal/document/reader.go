// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// reader copies values that the schema allows.
type reader struct {
	scanner
	schema *places
	limits Limits
	doc    *Document

	out   []byte
	slots []Slot
	// numbers of the names that were met.
	numbers map[string]Ref
	// own is set for the object that is an element, and taken by it.
	own *own
	// members of the objects that are being read, a stack.
	members []member
	scratch []byte
	// path of the place, for what is left out.
	path []string
	// losses counts what was left out; while trying is above 0, nothing else is
	// told about it.
	losses, trying int
	// known, when an element is read again, says which names lead somewhere; the
	// names in it are numbers already.
	known func(Ref) bool
	// forgotten are names that are not to be kept.
	forgotten map[Ref]bool
}

// own says what becomes of the name of an element and of the components in it.
type own struct {
	ref Ref
	// component is the index of the component that this is, or -1 if the
	// components in it stay there.
	component int32
	// start of the element in what is written; components taken out of it move
	// it.
	start int
}

// member is a member of an object that was written, from its name to before its
// comma.
type member struct {
	property   int
	start, end int
}

// lost counts a value at a place inside the current one.
func (r *reader) lost(name string) {
	r.losses++
	if r.trying == 0 {
		r.doc.leaveOut(r.place(name))
	}
}

func (r *reader) place(name string) string {
	path := strings.Join(r.path, ".")
	if name == "" || path == "" {
		return path + name
	}
	return path + "." + name
}

// value copies the next value. It reports whether the schema allows it; if not,
// it has been read and nothing was written.
func (r *reader) value(n *node) bool {
	k := r.kindAt()
	if n.branches != nil {
		return r.branch(n, k)
	}
	if n.special == signature || k&n.kind == 0 {
		r.skip()
		return false
	}
	switch k {
	case kindString:
		return r.stringValue(n)
	case kindNumber:
		return r.numberValue(n)
	case kindBoolean:
		if r.data[r.pos] == 't' {
			r.word("true")
			r.out = append(r.out, "true"...)
		} else {
			r.word("false")
			r.out = append(r.out, "false"...)
		}
		return true
	case kindArray:
		if n.special == licenses {
			return r.licences(n)
		}
		return r.array(n)
	default:
		return r.object(n)
	}
}

// branch copies a value that has alternatives: the first that takes it whole,
// else the first that takes some of it.
func (r *reader) branch(n *node, k kind) bool {
	var fit *node
	several := false
	for _, b := range n.branches {
		if b.kind&k != 0 {
			several = fit != nil
			if !several {
				fit = b
			}
		}
	}
	if fit == nil {
		r.skip()
		return false
	}
	if !several {
		return r.value(fit)
	}
	start, written, slots := r.pos, len(r.out), len(r.slots)
	for _, lossless := range []bool{true, false} {
		for _, b := range n.branches {
			if b.kind&k == 0 {
				continue
			}
			r.pos, r.out, r.slots = start, r.out[:written], r.slots[:slots]
			if !lossless {
				if r.value(b) {
					return true
				}
				continue
			}
			losses := r.losses
			r.trying++
			ok := r.value(b)
			r.trying--
			if ok && r.losses == losses {
				return true
			}
		}
	}
	return false
}

var bomLink = regexp.MustCompile(`^urn:cdx:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/[1-9][0-9]*#.+$`)

func (r *reader) stringValue(n *node) bool {
	t := r.str()
	if n.ref != refNone {
		return r.refValue(n, t)
	}
	if n.enum != nil {
		if !n.enum[viewed(t)] {
			return false
		}
		r.copyString(t)
		return true
	}
	if n.check != nil {
		was := viewed(t)
		is, ok := n.check(was)
		if !ok {
			return false
		}
		if t.simple && is == was {
			r.copyString(t)
		} else {
			r.out = AppendString(r.out, is)
		}
		return true
	}
	r.copyString(t)
	return true
}

// viewed is what a string means, for looking at, not for keeping.
func viewed(t text) string {
	if t.simple {
		return string(t.raw)
	}
	return t.decode()
}

func (r *reader) copyString(t text) {
	if !t.simple {
		r.out = AppendString(r.out, t.decode())
		return
	}
	r.out = append(r.out, '"')
	r.out = append(r.out, t.raw...)
	r.out = append(r.out, '"')
}

// refValue writes the number of a name, eight hex digits.
func (r *reader) refValue(n *node, t text) bool {
	if len(t.raw) == 0 {
		return false
	}
	if n.ref == refUses && bytes.HasPrefix(t.raw, []byte("urn:cdx:")) {
		// An element of another document, by its serial number: as it is.
		if !bomLink.MatchString(viewed(t)) {
			return false
		}
		r.copyString(t)
		return true
	}
	var ref Ref
	if r.known != nil {
		number, err := strconv.ParseUint(string(t.raw), 16, 31)
		if err != nil {
			r.fail("%q is no number of a name", t.raw)
		}
		if ref = Ref(number); !r.known(ref) && n.ref == refUses {
			return false
		}
	} else {
		ref = r.numberOf(t)
	}
	r.slots = append(r.slots, Slot{Offset: uint32(len(r.out)), Ref: ref, Kind: slotKinds[n.ref]})
	const hex = "0123456789abcdef"
	r.out = append(r.out, '"')
	for shift := 28; shift >= 0; shift -= 4 {
		r.out = append(r.out, hex[uint32(ref)>>shift&15])
	}
	r.out = append(r.out, '"')
	return true
}

var slotKinds = map[refUse]SlotKind{refUses: Uses, refDefines: NamesPart, refNames: NamesComponent}

func (r *reader) numberOf(t text) Ref {
	if ref, ok := r.numbers[viewed(t)]; ok {
		return ref
	}
	name, ref := t.decode(), Ref(len(r.doc.Names))
	r.numbers[name] = ref
	r.doc.Names = append(r.doc.Names, name)
	return ref
}

func (r *reader) numberValue(n *node) bool {
	written := r.number()
	if len(written) < 16 && (written[0] != '0' || len(written) == 1) {
		// A short whole number, as nearly all are, is written as it is read.
		whole := written[0] != '-'
		for _, c := range written {
			whole = whole && c >= '0' && c <= '9'
		}
		if whole && !n.bounded && !n.boundedUp {
			r.out = append(r.out, written...)
			return true
		}
	}
	v, err := strconv.ParseFloat(string(written), 64)
	if err != nil || n.integer && (v != math.Trunc(v) || math.Abs(v) >= 1<<53) ||
		n.bounded && v < n.minimum || n.boundedUp && v > n.maximum {
		return false
	}
	r.out = appendNumber(r.out, v)
	return true
}

// array copies a list without what the schema does not allow in it. A list of
// which nothing is left is not allowed itself.
func (r *reader) array(n *node) bool {
	start, slots := len(r.out), len(r.slots)
	var unique distinct
	r.pos++
	r.enter()
	r.out = append(r.out, '[')
	count, lost := 0, false
	for first := true; r.more(first, ']'); first = false {
		null := r.kindAt() == 0
		from, fromSlot, losses := len(r.out), len(r.slots), r.losses
		if !r.value(n.items) {
			if lost = true; !null && r.losses == losses {
				r.lost("")
			}
			continue
		}
		if n.unique && !unique.add(r.out, from, len(r.out)) {
			r.out, r.slots = r.out[:from], r.slots[:fromSlot]
			continue
		}
		r.out = append(r.out, ',')
		count++
	}
	r.leave()
	if count == 0 {
		if lost {
			r.out, r.slots = r.out[:start], r.slots[:slots]
			return false
		}
		r.out = append(r.out, ']')
		return true
	}
	r.out[len(r.out)-1] = ']'
	return true
}

// distinct finds values that are in a list already.
type distinct struct {
	spans [][2]int
	seen  map[string]bool
}

// add reports whether the value is new.
func (d *distinct) add(out []byte, start, end int) bool {
	value := out[start:end]
	if d.seen == nil {
		for _, span := range d.spans {
			if bytes.Equal(out[span[0]:span[1]], value) {
				return false
			}
		}
		if d.spans = append(d.spans, [2]int{start, end}); len(d.spans) == 16 {
			d.seen = make(map[string]bool, 64)
			for _, span := range d.spans {
				d.seen[string(out[span[0]:span[1]])] = true
			}
		}
		return true
	}
	if d.seen[string(value)] {
		return false
	}
	d.seen[string(value)] = true
	return true
}

// Members calls member for each member of an object in the form that this
// package writes. The arguments are valid as long as the JSON.
func Members(object []byte, member func(name string, value []byte)) {
	for i := 1; i < len(object)-1; {
		start := i + 1
		i = start + bytes.IndexByte(object[start:], '"')
		name := object[start:i]
		i += 2 // quote and colon
		end := i + valueLength(object[i:])
		member(string(name), object[i:end])
		i = end + 1
	}
}

// Items calls item for each element of a list in the form that this package
// writes.
func Items(list []byte, item func(value []byte)) {
	for i := 1; i < len(list)-1; {
		end := i + valueLength(list[i:])
		item(list[i:end])
		i = end + 1
	}
}

// valueLength is the length of the value at the start of JSON that this package
// wrote.
func valueLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for {
				i += 1 + bytes.IndexByte(b[i+1:], '"')
				escapes := 0
				for b[i-1-escapes] == '\\' {
					escapes++
				}
				if escapes%2 == 0 {
					break
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(b)
}
