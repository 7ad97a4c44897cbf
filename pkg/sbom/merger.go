// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-dev/countersign/pkg/sbom/internal/document"
)

// merger is a merge under way.
type merger struct {
	// input counts the documents that were added.
	input int32

	// names of elements by number, as JSON strings. Number 0 is the root.
	names [][]byte
	// taken are the names that are no identity of a component, and for each
	// name that is wanted again the number to try next.
	taken map[string]int
	// defined: something in the result has the name.
	defined []bool

	components []placed
	groups     map[string]*group
	services, vulnerabilities, compositions,
	annotations, toolComponents, toolServices elements

	// edges of the graph, from << 32 | to.
	edges, provides []uint64
	// declared are the names that have an entry in the graph even without edges.
	declared []int32

	notes     []Property
	differing map[string]int
	// added documents, by digest.
	added map[string]*added

	keep memory
	// size of the contents that were kept.
	size int
	// of the current document
	read     *reading
	prefix   string
	local    []int32
	placedAt []int32
	isNew    []bool
	quoted   []byte
	rendered []byte
}

const rootName = 0

// ownTool is this program among the tools that made the result.
const ownTool = `{"type":"application","name":"` + toolName + `"}`

func newMerger() *merger {
	m := &merger{groups: map[string]*group{}, taken: map[string]int{}, differing: map[string]int{}, added: map[string]*added{}}
	m.takeName(rootRef, false)
	m.defined[rootName] = true
	m.toolComponents.add(-1, 0, []byte(ownTool))
	return m
}

// maxOutputBytes is MaxOutputBytes, but in tests.
var maxOutputBytes = MaxOutputBytes

// errOutput says that names that are short in an input are too long in the
// result.
var errOutput = fmt.Errorf("the document would be larger than %d bytes", MaxOutputBytes)

// memory keeps bytes, in large pieces.
type memory struct{ free []byte }

const pieceOfMemory = 1 << 20

func (m *memory) clone(b []byte) []byte {
	if len(b) > pieceOfMemory/8 {
		return bytes.Clone(b)
	}
	if len(b) > cap(m.free)-len(m.free) {
		m.free = make([]byte, 0, pieceOfMemory)
	}
	start := len(m.free)
	m.free = append(m.free, b...)
	return m.free[start:len(m.free):len(m.free)]
}

func (r *reading) json(i int) []byte { return r.document.JSON(&r.document.Components[i].Element) }

// takeName makes a name that is not taken: the wish, or the wish with a number.
// The name of the first component of an identity is that identity, and is known
// as such.
func (m *merger) takeName(wish string, identity bool) int32 {
	name := wish
	for m.isTaken(name) {
		n := max(2, m.taken[wish])
		m.taken[wish] = n + 1
		name = wish + "#" + strconv.Itoa(n)
	}
	if name != wish || !identity {
		m.taken[name] = max(2, m.taken[name])
	}
	m.quoted = document.AppendString(m.quoted[:0], name)
	m.names = append(m.names, m.keep.clone(m.quoted))
	m.defined = append(m.defined, false)
	return int32(len(m.names) - 1)
}

func (m *merger) isTaken(name string) bool {
	_, identity := m.groups[name]
	return identity || m.taken[name] > 0
}

// added is what is to be known of a document that was taken in, should it come
// again under another name.
type added struct {
	rooted     bool
	tops       []int32
	extras     [][]byte
	serial     string
	components int
	leftOut    []Property
}

// take takes one document in, under all its names.
func (m *merger) take(r *reading) error {
	for _, in := range r.failed {
		m.note("unreadable-input", strconv.QuoteToGraphic(in.Name)+" "+cmp.Or(in.Digest, "-")+" "+in.Problem)
	}
	if r.document == nil {
		return nil
	}
	digest := r.inputs[0].Digest
	a := m.added[digest]
	if a == nil {
		var err error
		if a, err = m.add(r); err != nil {
			return err
		}
		m.added[digest] = a
	}
	for _, in := range r.inputs {
		if !a.rooted {
			m.makeRoot(in, a)
		}
		m.note("input", fmt.Sprintf("%s %s %s %d components", in.Name, in.Digest, cmp.Or(a.serial, "-"), a.components))
		for _, n := range a.leftOut {
			m.note(n.Name, in.Name+": "+n.Value)
		}
	}
	return nil
}

// add takes in what a document has.
func (m *merger) add(r *reading) (*added, error) {
	d := r.document
	if len(m.components)+len(d.Components) > MaxComponents {
		return nil, fmt.Errorf("more than %d components, reached with %q", MaxComponents, r.inputs[0].Name)
	}
	m.input++
	m.read = r
	// Names are made of the content, so that another input does not change them.
	m.prefix = "input-" + r.inputs[0].Digest[len("sha256:"):][:12] + ":"
	m.place(r)
	if lost := m.namesThatGo(d); lost != nil {
		d.Forget(lost)
	}
	m.local = slices.Grow(m.local[:0], len(d.Names))[:len(d.Names)]
	for i := range m.local {
		m.local[i] = -1
	}
	for i := range d.Components {
		name := m.components[m.placedAt[i]].name
		m.defined[name] = true
		if ref := d.Components[i].Ref; ref != document.NoRef {
			m.local[ref] = name
		}
	}
	for _, part := range []struct {
		to   *elements
		from []document.Element
	}{{&m.toolComponents, d.ToolComponents}, {&m.toolServices, d.ToolServices}} {
		if err := m.addElements(part.to, part.from); err != nil {
			return nil, err
		}
	}
	if err := m.addContents(d); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		to   *elements
		from []document.Element
	}{
		{&m.services, d.Services}, {&m.vulnerabilities, d.Vulnerabilities},
		{&m.compositions, d.Compositions}, {&m.annotations, d.Annotations},
	} {
		if err := m.addElements(part.to, part.from); err != nil {
			return nil, err
		}
	}
	m.addGraph(d)

	a := &added{rooted: d.HasRoot, serial: d.SerialNumber, components: len(d.Components), leftOut: r.leftOut()}
	if !d.HasRoot {
		a.tops = m.tops(d)
		for i := range d.Extras {
			a.extras = append(a.extras, bytes.Clone(m.render(&d.Extras[i])))
		}
		return a, nil
	}
	m.edge(rootName, m.components[m.placedAt[0]].name)
	for i := range d.Extras {
		m.unite(m.placedAt[0], m.render(&d.Extras[i]))
	}
	return a, nil
}

// leftOut says what was left out of a document, and what was made up for it.
func (r *reading) leftOut() []Property {
	var list []Property
	d := r.document
	for _, what := range slices.Sorted(maps.Keys(d.LeftOut)) {
		name, place := "left-out", what
		if made, ok := strings.CutPrefix(what, document.MadeUp); ok {
			name, place = "made-up", made
		}
		list = append(list, Property{name, fmt.Sprintf("%d × %s", d.LeftOut[what], place)})
	}
	for _, what := range r.left {
		list = append(list, Property{"left-out", what})
	}
	return list
}

// nameOf is the name in the result of what has a name in the current document.
func (m *merger) nameOf(ref document.Ref) int32 {
	if m.local[ref] < 0 {
		wish := m.read.document.Names[ref]
		if len(wish) > maxName-len(m.prefix) {
			sum := sha256.Sum256([]byte(wish))
			wish = hex.EncodeToString(sum[:])
		}
		m.local[ref] = m.takeName(m.prefix+wish, false)
	}
	return m.local[ref]
}

// render is an element's JSON with the names of the result. It is valid until
// the next call.
func (m *merger) render(e *document.Element) []byte {
	if len(e.Slots) == 0 {
		return m.read.document.JSON(e)
	}
	for _, slot := range e.Slots {
		if slot.Kind != document.Uses && slot.Ref != document.NoRef {
			m.defined[m.nameOf(slot.Ref)] = true
		}
	}
	m.rendered = m.read.document.AppendJSON(m.rendered[:0], e, func(ref document.Ref) []byte { return m.names[m.nameOf(ref)] })
	return m.rendered
}

// addContents gives components their content.
func (m *merger) addContents(d *document.Document) error {
	for i := range d.Components {
		c := &m.components[m.placedAt[i]]
		json := m.render(&d.Components[i].Element)
		switch {
		case m.isNew[i]:
			m.size += len(json)
			c.json = m.keep.clone(json)
		case !bytes.Equal(c.json, json):
			m.unite(m.placedAt[i], json)
		}
		if parent := d.Components[i].Parent; parent >= 0 {
			m.edge(m.components[m.placedAt[parent]].name, c.name)
		}
		if m.size > maxOutputBytes {
			return errOutput
		}
	}
	return nil
}

// unite adds to a component what another document says of it.
func (m *merger) unite(i int32, json []byte) {
	c := &m.components[i]
	united, hashes := uniteComponents(c.json, json, m.differing)
	// Not among what is kept to the end: the next document may replace it.
	m.size += len(united) - len(c.json)
	c.json = united
	if !hashes {
		return
	}
	c.key = keyOf(hashesOf(c.json))
	identity, _ := identify(c.json)
	if g := m.groups[identity]; g != nil && g.index != nil {
		m.index(g, i)
	}
}

func (m *merger) edge(from, to int32) {
	if from != to {
		m.edges = append(m.edges, uint64(from)<<32|uint64(to))
	}
}

func (m *merger) addGraph(d *document.Document) {
	for _, e := range d.Edges {
		from, to := m.nameOf(e.From), m.nameOf(e.To)
		if e.Provides && from != to {
			m.provides = append(m.provides, uint64(from)<<32|uint64(to))
		} else {
			m.edge(from, to)
		}
	}
	for _, ref := range d.Declared {
		m.declared = append(m.declared, m.nameOf(ref))
	}
}

// makeRoot makes a root for a document that has none.
func (m *merger) makeRoot(in Input, a *added) {
	json := []byte(`{"type":"application","name":`)
	json = document.AppendString(json, cmp.Or(in.Name, "unnamed"))
	json = append(document.AppendString(append(json, `,"version":`...), in.Digest), '}')
	identity, _ := identify(json)
	var root int32
	if g := m.groups[identity]; g != nil {
		root = g.first // of a merge that is merged again
	} else {
		root = m.createRoot(identity, m.keep.clone(json))
	}
	m.edge(rootName, m.components[root].name)
	for _, top := range a.tops {
		m.edge(m.components[root].name, top)
	}
	for _, extra := range a.extras {
		m.unite(root, extra)
	}
}

func (m *merger) createRoot(identity string, json []byte) int32 {
	i := int32(len(m.components))
	m.components = append(m.components, placed{name: m.takeName(identity, true), next: -1, input: m.input, json: json})
	m.defined[m.components[i].name] = true
	m.groups[identity] = &group{first: i, last: i, count: 1}
	return i
}

// tops are the components of the current document that no other in it depends
// on; all of them if they depend on each other in a circle.
func (m *merger) tops(d *document.Document) []int32 {
	below := map[int32]bool{}
	for _, e := range d.Edges {
		if from, to := m.nameOf(e.From), m.nameOf(e.To); from != to {
			below[to] = true
		}
	}
	var tops, all []int32
	for i := range d.Components {
		name := m.components[m.placedAt[i]].name
		if all = append(all, name); !below[name] && d.Components[i].Parent < 0 {
			tops = append(tops, name)
		}
	}
	if len(tops) == 0 {
		return all
	}
	return tops
}

func (m *merger) note(name, value string) {
	m.notes = append(m.notes, Property{name, value})
}

// check refuses a result that breaks the promises of Merge: a name that nothing
// has would be a reference that leads nowhere.
func (m *merger) check() error {
	for i, defined := range m.defined {
		if !defined {
			return fmt.Errorf("reference %s leads nowhere", m.names[i])
		}
	}
	return nil
}
