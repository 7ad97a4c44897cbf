// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writer writes the parts of a document, and remembers the first error.
type writer struct {
	*bufio.Writer
	written int
	err     error
}

func (w *writer) bytes(b []byte) {
	if w.written += len(b); w.written > maxOutputBytes && w.err == nil {
		w.err = errOutput
	}
	if w.err == nil {
		_, w.err = w.Write(b)
	}
}

func (w *writer) string(s string) {
	if w.written += len(s); w.err == nil {
		_, w.err = w.WriteString(s)
	}
}

// value writes a value of the library's model.
func (w *writer) value(v any) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil && w.err == nil {
		w.err = err
	}
	w.bytes(bytes.TrimRight(out.Bytes(), "\n"))
}

// named writes an element with its name.
func (w *writer) named(name, object []byte) {
	if name == nil {
		w.bytes(object)
		return
	}
	w.string(`{"bom-ref":`)
	w.bytes(name)
	if len(object) > len("{}") {
		w.string(",")
	}
	w.bytes(object[1:])
}

// write writes the document.
func (m *merger) write(to io.Writer, target Target, serialNumber string) error {
	w := &writer{Writer: bufio.NewWriterSize(to, 256<<10)}
	head := newBOM(target)
	w.string(`{"$schema":"http://cyclonedx.org/schema/bom-1.6.schema.json","bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":`)
	w.value(serialNumber)
	w.string(`,"version":1,"metadata":{"timestamp":`)
	w.value(head.Metadata.Timestamp)
	w.string(`,"tools":{"components":[`)
	m.writeElements(w, &m.toolComponents)
	w.string("]")
	if len(m.toolServices.list) > 0 {
		w.string(`,"services":[`)
		m.writeElements(w, &m.toolServices)
		w.string("]")
	}
	w.string(`},"component":`)
	w.value(head.Metadata.Component)
	if properties := m.properties(); len(properties) > 0 {
		w.string(`,"properties":`)
		w.value(properties)
	}
	w.string(`},"components":[`)

	order := m.order()
	for i, c := range order.components {
		if i > 0 {
			w.string(",")
		}
		w.named(m.names[m.components[c].name], m.components[c].json)
	}
	w.string("]")
	for _, part := range []struct {
		name string
		list *elements
	}{
		{"services", &m.services}, {"vulnerabilities", &m.vulnerabilities},
		{"compositions", &m.compositions}, {"annotations", &m.annotations},
	} {
		if len(part.list.list) > 0 {
			w.string(`,"` + part.name + `":[`)
			m.writeElements(w, part.list)
			w.string("]")
		}
	}
	w.string(`,"dependencies":[`)
	m.writeGraph(w, order.names)
	w.string("]}\n")
	if w.err != nil {
		return w.err
	}
	return w.Flush()
}

func (m *merger) writeElements(w *writer, list *elements) {
	for i := range list.list {
		e := &list.list[i]
		if i > 0 {
			w.string(",")
		}
		if e.name < 0 {
			w.bytes(e.json)
		} else {
			w.named(m.names[e.name], e.json)
		}
	}
}

// properties are the notes of the merge, in order.
func (m *merger) properties() []cdx.Property {
	for _, field := range slices.Sorted(maps.Keys(m.differing)) {
		m.note("left-out", fmt.Sprintf("%d × %s of a component that another input says differently", m.differing[field], field))
	}
	properties := []cdx.Property{}
	for _, n := range m.notes {
		properties = append(properties, cdx.Property{Name: propertyPrefix + n.Name, Value: n.Value})
	}
	slices.SortStableFunc(properties, func(a, b cdx.Property) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	return properties
}

// order is the result's order: components by name, and names.
type order struct {
	components []int32
	// names gives each name's place.
	names []int32
}

func (m *merger) order() order {
	o := order{components: make([]int32, len(m.components)), names: make([]int32, len(m.names))}
	for i := range o.components {
		o.components[i] = int32(i)
	}
	slices.SortFunc(o.components, func(a, b int32) int {
		return bytes.Compare(m.names[m.components[a].name], m.names[m.components[b].name])
	})
	// The root first, then components, then whatever else has edges.
	place := int32(1)
	for _, c := range o.components {
		o.names[m.components[c].name] = place
		place++
	}
	var others []int32
	for name := range m.names {
		if o.names[name] == 0 && name != rootName {
			others = append(others, int32(name))
		}
	}
	slices.SortFunc(others, func(a, b int32) int { return bytes.Compare(m.names[a], m.names[b]) })
	for _, name := range others {
		o.names[name] = place
		place++
	}
	return o
}

// writeGraph writes the dependency graph, sorted, each line once.
func (m *merger) writeGraph(w *writer, place []int32) {
	names := make([]int32, len(place)) // by place
	for name, at := range place {
		names[at] = int32(name)
	}
	sorted := func(edges []uint64) []uint64 {
		for i, e := range edges {
			edges[i] = uint64(place[e>>32])<<32 | uint64(place[uint32(e)])
		}
		slices.Sort(edges)
		return slices.Compact(edges)
	}
	edges, provides := sorted(m.edges), sorted(m.provides)
	declared := make([]bool, len(place))
	declared[0] = true
	for _, name := range m.declared {
		declared[place[name]] = true
	}
	list := func(member string, edges []uint64, from uint64) []uint64 {
		if len(edges) == 0 || edges[0]>>32 != from {
			return edges
		}
		before := `,"` + member + `":[`
		for len(edges) > 0 && edges[0]>>32 == from {
			w.string(before)
			before = ","
			w.bytes(m.names[names[uint32(edges[0])]])
			edges = edges[1:]
		}
		w.string("]")
		return edges
	}
	before := `{"ref":`
	for at := range names {
		from := uint64(at)
		has := declared[at] || len(edges) > 0 && edges[0]>>32 == from || len(provides) > 0 && provides[0]>>32 == from
		if !has {
			continue
		}
		w.string(before)
		before = `,{"ref":`
		w.bytes(m.names[names[at]])
		edges = list("dependsOn", edges, from)
		provides = list("provides", provides, from)
		w.string("}")
	}
}
