// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/pkg/sbom/internal/document"
)

type field struct {
	name  string
	value []byte
}

func fieldsOf(object []byte) []field {
	fields := make([]field, 0, 16)
	document.Members(object, func(name string, value []byte) { fields = append(fields, field{name, value}) })
	return fields
}

func valueOf(fields []field, name string) []byte {
	for _, f := range fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// joinedFields of components are lists of which all items count.
var joinedFields = map[string]bool{
	"hashes": true, "externalReferences": true, "properties": true, "tags": true, "authors": true,
	"omniborId": true, "swhid": true, "data": true,
}

// joinedEvidence are those in a component's evidence.
var joinedEvidence = map[string]bool{"identity": true, "occurrences": true, "copyright": true}

// uniteComponents joins what two documents say of one component. Of fields that
// are no lists the first counts; differing counts those that have another value
// in the second. It also says whether the hashes may be others than before.
func uniteComponents(to, from []byte, differing map[string]int) (component []byte, hashes bool) {
	a, b := fieldsOf(to), fieldsOf(from)
	hashes = !bytes.Equal(valueOf(a, "hashes"), valueOf(b, "hashes"))
	var extra []byte
	united := uniteFields(a, b, func(name string, x, y []byte) []byte {
		switch {
		case joinedFields[name]:
			return joinLists(x, y)
		case name == "licenses":
			joined, beside := joinLicences(x, y)
			extra = append(extra, beside...)
			return joined
		case name == "evidence":
			return writeObject(uniteFields(fieldsOf(x), fieldsOf(y), func(name string, x, y []byte) []byte {
				if joinedEvidence[name] && x[0] == '[' && y[0] == '[' {
					return joinLists(x, y)
				}
				differing["evidence."+name]++
				return x
			}))
		}
		differing[strings.Clone(name)]++ // it is in memory that will be used again
		return x
	})
	// Without a scope, a component is required; that is the stricter.
	isComponent := len(b) > 0 && b[0].name == "type"
	if isComponent && !bytes.Equal(valueOf(a, "scope"), valueOf(b, "scope")) {
		delete(differing, "scope")
		united = slices.DeleteFunc(united, func(f field) bool { return f.name == "scope" })
	}
	if len(extra) > 0 {
		extra[len(extra)-1] = ']'
		list := append([]byte{'['}, extra...)
		i := slices.IndexFunc(united, func(f field) bool { return f.name == "properties" })
		if i >= 0 {
			united[i].value = joinLists(united[i].value, list)
		} else {
			united = append(united, field{"properties", list})
		}
	}
	slices.SortStableFunc(united, func(x, y field) int { return document.OrderOf(x.name) - document.OrderOf(y.name) })
	return writeObject(united), hashes
}

// namesThatGo are names inside the components of a document that go when these
// are united with what is there: those of parts that are not taken over.
func (m *merger) namesThatGo(d *document.Document) map[document.Ref]bool {
	var lost map[document.Ref]bool
	for i := range d.Components {
		c := &d.Components[i]
		if m.isNew[i] || !hasNames(c.Slots) {
			continue
		}
		there := map[string][]byte{}
		for _, f := range fieldsOf(m.components[m.placedAt[i]].json) {
			there[f.name] = f.value
		}
		offset := uint32(1)
		document.Members(d.JSON(&c.Element), func(name string, value []byte) {
			offset += uint32(len(`"":`) + len(name))
			start, end := offset, offset+uint32(len(value))
			offset = end + 1
			have := there[name]
			kept := have == nil || joinedFields[name] || name == "licenses" && !isExpression(have) && !isExpression(value)
			for _, slot := range c.Slots {
				if !kept && slot.Kind != document.Uses && slot.Ref != document.NoRef && start <= slot.Offset && slot.Offset < end {
					if lost == nil {
						lost = map[document.Ref]bool{}
					}
					lost[slot.Ref] = true
				}
			}
		})
	}
	return lost
}

func hasNames(slots []document.Slot) bool {
	return slices.ContainsFunc(slots, func(s document.Slot) bool { return s.Kind != document.Uses && s.Ref != document.NoRef })
}

// uniteFields joins two objects; both makes one of two values that differ.
func uniteFields(a, b []field, both func(name string, x, y []byte) []byte) []field {
	united := slices.Clone(a)
	for _, f := range b {
		i := slices.IndexFunc(united, func(have field) bool { return have.name == f.name })
		switch {
		case i < 0:
			united = append(united, f)
		case !bytes.Equal(united[i].value, f.value):
			united[i].value = both(f.name, united[i].value, f.value)
		}
	}
	return united
}

func writeObject(fields []field) []byte {
	out := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), f.name...), '"', ':')
		out = append(out, f.value...)
	}
	return append(out, '}')
}

// fewItems is up to how many items are looked for one by one.
const fewItems = 8

// joinLists appends to a list the items of another that it does not have.
func joinLists(a, b []byte) []byte {
	if len(a) == len("[]") {
		return b
	}
	var items [][]byte
	document.Items(b, func(item []byte) { items = append(items, item) })
	out := make([]byte, 0, len(a)+len(b))
	out = append(out, a...)
	var have map[string]bool
	if len(items) > fewItems {
		have = map[string]bool{}
		document.Items(a, func(item []byte) { have[string(item)] = true })
	}
	for _, item := range items {
		if have != nil && have[string(item)] || have == nil && hasItem(out, item) {
			continue
		}
		if have != nil {
			have[string(item)] = true
		}
		out[len(out)-1] = ','
		out = append(append(out, item...), ']')
	}
	return out
}

func hasItem(list, item []byte) bool {
	if !bytes.Contains(list, item) {
		return false
	}
	found := false // and not a part of something else
	document.Items(list, func(have []byte) { found = found || bytes.Equal(have, item) })
	return found
}

// joinLicences joins licences. The format has lists of licences and single
// expressions; an expression beside something else is kept as a property, which
// beside holds, with a comma after each.
func joinLicences(a, b []byte) (joined, beside []byte) {
	if len(a) == len("[]") {
		return b, nil
	}
	if !isExpression(a) && !isExpression(b) {
		return joinLists(a, b), nil
	}
	document.Items(b, func(item []byte) {
		if bytes.Contains(a, item) {
			return
		}
		beside = append(beside, `{"name":"`+propertyPrefix+`also-licensed","value":`...)
		beside = document.AppendString(beside, licence(item))
		beside = append(beside, '}', ',')
	})
	return a, beside
}

func isExpression(licenses []byte) bool {
	found := false
	document.Items(licenses, func(item []byte) {
		document.Members(item, func(name string, _ []byte) { found = found || name == "expression" })
	})
	return found
}

// licence is an expression, id or name.
func licence(item []byte) string {
	is := ""
	document.Members(item, func(name string, value []byte) {
		switch name {
		case "expression":
			is = text(value)
		case "license":
			document.Members(value, func(name string, value []byte) {
				if name == "id" || name == "name" {
					is = text(value)
				}
			})
		}
	})
	return is
}
