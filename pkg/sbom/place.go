// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import "slices"

// placed is a component of the result.
type placed struct {
	name int32
	// next is the next component of the same identity, or -1.
	next int32
	// input is the last input that has this component.
	input int32
	key   hashKey
	json  []byte
}

// group is the components of one identity, a list through placed.next.
type group struct {
	first, last int32
	count       int32
	index       *groupIndex
}

// indexedFrom is how many components of one identity are looked through one by
// one. Documents that repeat one purl under ever new hashes would else take
// quadratic time.
const indexedFrom = 8

// groupIndex finds components of an identity that has many.
type groupIndex struct {
	byKey  map[hashKey]*queue // by all hashes
	byHash map[hashKey]*queue // by one of them
}

// queue gives the components of a list in turn, to each input from the start.
type queue struct {
	members []int32
	input   int32
	at      int
}

// take returns the next component that the input does not have yet, or -1.
func (q *queue) take(m *merger, fits func(int32) bool) int32 {
	if q == nil {
		return -1
	}
	if q.input != m.input {
		q.input, q.at = m.input, 0
	}
	for q.at < len(q.members) && m.components[q.members[q.at]].input == m.input {
		q.at++
	}
	// What does not fit this one may fit the next, so that the place stays. The
	// bound keeps that from being quadratic; not merging is always safe.
	for _, i := range q.members[q.at:min(q.at+16, len(q.members))] {
		if m.components[i].input != m.input && (fits == nil || fits(i)) {
			return i
		}
	}
	return -1
}

// place finds for each component of a document the one of the result that it is,
// or makes it. Components of one document never become one. Those that have
// exactly the same hashes find each other first.
func (m *merger) place(r *reading) {
	n := len(r.identities)
	m.placedAt = slices.Grow(m.placedAt[:0], n)[:n]
	m.isNew = slices.Grow(m.isNew[:0], n)[:n]
	for i, identity := range r.identities {
		m.isNew[i] = false
		m.placedAt[i] = m.exact(m.groups[identity], r.hashes[i])
		m.occupy(m.placedAt[i])
	}
	for i, identity := range r.identities {
		if m.placedAt[i] >= 0 {
			continue
		}
		g := m.groups[identity]
		if g != nil {
			m.placedAt[i] = m.similar(g, r, i)
			m.occupy(m.placedAt[i])
		}
		if m.placedAt[i] < 0 {
			m.placedAt[i], m.isNew[i] = m.create(g, identity, r.hashes[i], r, i), true
		}
	}
}

func (m *merger) occupy(i int32) {
	if i >= 0 {
		m.components[i].input = m.input
	}
}

func (m *merger) exact(g *group, key hashKey) int32 {
	switch {
	case g == nil:
		return -1
	case g.index != nil:
		return g.index.byKey[key].take(m, nil)
	}
	for i := g.first; i >= 0; i = m.components[i].next {
		if c := &m.components[i]; c.key == key && c.input != m.input {
			return i
		}
	}
	return -1
}

func (m *merger) similar(g *group, r *reading, i int) int32 {
	list := hashesOf(r.json(i))
	fits := func(c int32) bool { return compatible(hashesOf(m.components[c].json), list) }
	if g.index == nil {
		for c := g.first; c >= 0; c = m.components[c].next {
			if m.components[c].input != m.input && fits(c) {
				return c
			}
		}
		return -1
	}
	if len(list) == 0 {
		return g.index.byHash[hashKey{}].take(m, nil)
	}
	for _, hash := range list {
		if c := g.index.byHash[keyOfBytes(hash)].take(m, fits); c >= 0 {
			return c
		}
	}
	return g.index.byKey[hashKey{}].take(m, fits)
}

// create makes a component of the result. Its content follows when the names of
// all elements of its document are known; until then it has the hashes.
func (m *merger) create(g *group, identity string, key hashKey, r *reading, at int) int32 {
	i := int32(len(m.components))
	name := m.takeName(identity, true)
	m.components = append(m.components, placed{name: name, next: -1, input: m.input, key: key, json: r.json(at)})
	if g == nil {
		m.groups[identity] = &group{first: i, last: i, count: 1}
		return i
	}
	m.components[g.last].next = i
	g.last = i
	g.count++
	if g.index != nil {
		m.index(g, i)
	} else if g.count > indexedFrom {
		g.index = &groupIndex{map[hashKey]*queue{}, map[hashKey]*queue{}}
		for c := g.first; c >= 0; c = m.components[c].next {
			m.index(g, c)
		}
	}
	return i
}

// index adds a component of a group to the index, or what it has new.
func (m *merger) index(g *group, i int32) {
	c := &m.components[i]
	add := func(to map[hashKey]*queue, key hashKey) {
		q := to[key]
		if q == nil {
			q = &queue{input: -1}
			to[key] = q
		}
		if !slices.Contains(q.members[max(0, len(q.members)-64):], i) {
			q.members = append(q.members, i)
		}
	}
	add(g.index.byKey, c.key)
	for _, hash := range hashesOf(c.json) {
		add(g.index.byHash, keyOfBytes(hash))
	}
	add(g.index.byHash, hashKey{}) // all, for those without hashes
}
