// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"

	"github.com/countersign-dev/countersign/pkg/sbom/internal/document"
)

// elements are the parts of the result of one kind that are no components, each
// content once; but what one document has twice under different names, twice.
type elements struct {
	list []element
	seen map[hashKey]*queueOfElements
}

type element struct {
	// name is its number, or -1.
	name  int32
	input int32
	json  []byte
}

// queueOfElements are elements of one content.
type queueOfElements struct {
	members []int32
	input   int32
	at      int
}

// addElements takes in the elements of the current document.
func (m *merger) addElements(to *elements, from []document.Element) error {
	for i := range from {
		m.addElement(to, &from[i])
		if m.size > maxOutputBytes {
			return errOutput
		}
	}
	return nil
}

func (m *merger) addElement(to *elements, e *document.Element) {
	json := m.render(e)
	q := to.queue(json)
	// Something referred to the element before it came: it has its name.
	named := e.Ref != document.NoRef && m.local[e.Ref] >= 0
	if !named {
		if same := to.find(q, m.input, e.Ref == document.NoRef); same != nil {
			same.input = m.input
			if e.Ref != document.NoRef {
				if same.name < 0 {
					same.name = m.nameOf(e.Ref)
					m.defined[same.name] = true
				}
				m.local[e.Ref] = same.name
			}
			return
		}
	}
	name := int32(-1)
	if e.Ref != document.NoRef {
		name = m.nameOf(e.Ref)
		m.defined[name] = true
	}
	m.size += len(json)
	to.add(name, m.input, bytes.Clone(json))
}

// queue is the elements of a content.
func (to *elements) queue(json []byte) *queueOfElements {
	if to.seen == nil {
		to.seen = map[hashKey]*queueOfElements{}
	}
	key := keyOfBytes(json)
	q := to.seen[key]
	if q == nil {
		q = &queueOfElements{input: -1}
		to.seen[key] = q
	}
	return q
}

func (to *elements) add(name, input int32, json []byte) {
	q := to.queue(json)
	q.members = append(q.members, int32(len(to.list)))
	to.list = append(to.list, element{name: name, input: input, json: json})
}

// find returns the first element of a content that the input does not have yet;
// any, if it has no name to keep apart.
func (to *elements) find(q *queueOfElements, input int32, any bool) *element {
	if any && len(q.members) > 0 {
		return &to.list[q.members[0]]
	}
	if q.input != input {
		q.input, q.at = input, 0
	}
	for q.at < len(q.members) && to.list[q.members[q.at]].input == input {
		q.at++
	}
	if q.at == len(q.members) {
		return nil
	}
	return &to.list[q.members[q.at]]
}
