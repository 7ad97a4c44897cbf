// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// Bounds of a merge.
const (
	// MaxInputBytes is the largest bill of materials that is read.
	MaxInputBytes = 64 << 20
	// MaxComponents is how many components all inputs may have together.
	MaxComponents = 1_000_000
)

// Input is one bill of materials to merge.
type Input struct {
	// Name says where it comes from, such as an inventory entry.
	Name string
	// Digest of the document, sha256:<hex>; worked out if empty.
	Digest string
	// BOM is the document, CycloneDX JSON.
	BOM []byte
	// Problem, if set, says why the document could not be had.
	Problem string
}

// Merged is the outcome of a merge.
type Merged struct {
	// JSON is the merged document.
	JSON []byte
	// Components in it, the root aside.
	Components int
	// Unreadable are the inputs that could not be used; the document names them
	// too.
	Unreadable []Unreadable
}

// Unreadable is an input that could not be used.
type Unreadable struct{ Name, Digest, Problem string }

// Merge joins bills of materials under one root. Its rules:
//
//   - A component is identified by its purl, else its cpe, else its swid tag,
//     else by type, group, name and version. Components of one identity become
//     one, unless they have different hashes: those are different things.
//   - Every reference is rewritten to the one component or element that it
//     means. The result has no reference that leads nowhere, and no two
//     elements of one name; both are checked before it is returned.
//   - The root depends on the root of every input. An input without a root gets
//     one, which depends on what nothing else in it depends on.
//   - Licences, hashes, properties and external references are joined; of
//     other fields the first that is set counts.
//   - Components inside components become components of their own, and what
//     they were inside depends on them.
//   - Signatures are dropped, since they would no longer hold. So are
//     formulations, declarations, definitions and citations, and the document
//     says so.
//   - An input that cannot be read is named in the document, and is no error.
//
// The order of the inputs does not matter.
func Merge(target Target, inputs []Input) (*Merged, error) {
	inputs = slices.Clone(inputs)
	for i := range inputs {
		if inputs[i].Digest == "" && inputs[i].Problem == "" {
			sum := sha256.Sum256(inputs[i].BOM)
			inputs[i].Digest = "sha256:" + hex.EncodeToString(sum[:])
		}
	}
	slices.SortStableFunc(inputs, func(a, b Input) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest, b.Digest))
	})

	merged, err := merge(target, inputs)
	if errors.Is(err, errEncoding) && refuseUnwritable(inputs) {
		return merge(target, inputs)
	}
	return merged, err
}

func merge(target Target, inputs []Input) (*Merged, error) {
	m := newMerger(target)
	for _, input := range inputs {
		bom, err := decodeInput(input)
		if err != nil {
			m.unreadable = append(m.unreadable, Unreadable{input.Name, input.Digest, err.Error()})
			continue
		}
		if err := m.add(input, bom); err != nil {
			return nil, err
		}
	}
	bom, err := m.finish()
	if err != nil {
		return nil, err
	}
	data, err := encode(bom, false)
	if err != nil {
		return nil, err
	}
	return &Merged{JSON: data, Components: len(*bom.Components), Unreadable: m.unreadable}, nil
}

// refuseUnwritable finds inputs that can be read but, for what the format
// forbids in them, not written again, and marks them as unreadable. It reports
// whether there were any.
func refuseUnwritable(inputs []Input) bool {
	found := false
	for i := range inputs {
		bom, err := decodeInput(inputs[i])
		if err != nil {
			continue
		}
		if _, err := encodeOnce(bom, false); err != nil {
			inputs[i].Problem = err.Error()
			found = true
		}
	}
	return found
}

func decodeInput(input Input) (*cdx.BOM, error) {
	if input.Problem != "" {
		return nil, errors.New(input.Problem)
	}
	if len(input.BOM) > MaxInputBytes {
		return nil, fmt.Errorf("%d bytes, more than the limit of %d", len(input.BOM), MaxInputBytes)
	}
	// Anything else that a build attaches, such as a log, ends here.
	var head struct {
		BOMFormat string `json:"bomFormat"`
	}
	if err := json.Unmarshal(input.BOM, &head); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if head.BOMFormat != cdx.BOMFormat {
		return nil, fmt.Errorf("bomFormat is %.40q, not CycloneDX", head.BOMFormat)
	}
	var bom cdx.BOM
	if err := json.Unmarshal(input.BOM, &bom); err != nil {
		return nil, fmt.Errorf("not a CycloneDX document: %w", err)
	}
	return &bom, nil
}

// merger builds the merged document.
type merger struct {
	bom    *cdx.BOM
	refs   refs
	groups map[string]*group
	// order of components as they were first met.
	components []*cdx.Component
	edges      map[string]map[string]bool
	provides   map[string]map[string]bool
	seen       map[string]bool // services, vulnerabilities, … by content
	notes      []Property
	unreadable []Unreadable
	total      int
}

func newMerger(target Target) *merger {
	m := &merger{
		bom: newBOM(target), refs: newRefs(rootRef), groups: map[string]*group{},
		edges: map[string]map[string]bool{rootRef: {}}, provides: map[string]map[string]bool{}, seen: map[string]bool{},
	}
	m.bom.Components, m.bom.Dependencies = &[]cdx.Component{}, &[]cdx.Dependency{}
	return m
}

// add takes one input in.
func (m *merger) add(input Input, bom *cdx.BOM) error {
	clean(bom)
	root, synthetic := rootOf(bom, input)
	flat, inside := flatten(root, bom.Components)
	if m.total += len(flat); m.total > MaxComponents {
		return fmt.Errorf("merging bills of materials: more than %d components in total, reached with %q", MaxComponents, input.Name)
	}

	// Give every element its new name.
	local := make(map[string]string, len(flat))
	name := func(old, new string) {
		if _, taken := local[old]; old != "" && !taken {
			local[old] = new
		}
	}
	placed := make([]*cdx.Component, len(flat))
	isNew := make([]bool, len(flat))
	for i := range flat {
		placed[i], isNew[i] = m.place(flat[i])
		name(flat[i].BOMRef, placed[i].BOMRef)
		flat[i].BOMRef = ""
	}
	// Named after the content, so that another input does not rename them.
	sum := sha256.Sum256(input.BOM)
	prefix := "input-" + hex.EncodeToString(sum[:6]) + ":"
	elements := []any{flat, bom.Services, bom.Vulnerabilities, bom.Compositions, bom.Annotations}
	for _, element := range elements {
		visitRefs(element, func(kind refKind, ref *string) {
			if kind == defines {
				unique := m.refs.take(prefix + *ref)
				name(*ref, unique)
				*ref = unique
			}
		})
	}
	rewrite := func(kind refKind, ref *string) {
		if kind == uses && !strings.HasPrefix(*ref, "urn:cdx:") {
			*ref = local[*ref]
		}
	}
	for _, element := range elements {
		visitRefs(element, rewrite)
	}

	for i := range flat {
		if isNew[i] {
			flat[i].BOMRef = placed[i].BOMRef
			*placed[i] = *flat[i]
		} else {
			unite(placed[i], flat[i])
		}
		if inside[i] >= 0 {
			m.edge(placed[inside[i]].BOMRef, placed[i].BOMRef)
		}
	}
	m.addDependencies(local, deref(bom.Dependencies))
	rootName := placed[0].BOMRef
	m.edges[rootRef][rootName] = true
	if synthetic {
		m.dependOnTops(rootName, placed)
	}
	m.addElements(bom)
	m.note("input", fmt.Sprintf("%s %s %s %d components", input.Name, input.Digest, cmp.Or(bom.SerialNumber, "-"), len(flat)))
	for what, present := range map[string]bool{
		"formulation": bom.Formulation != nil, "declarations": bom.Declarations != nil,
		"definitions": bom.Definitions != nil, "citations": bom.Citations != nil,
	} {
		if present {
			m.note("left-out", input.Name+" "+what)
		}
	}
	return nil
}

func (m *merger) note(name, value string) {
	m.notes = append(m.notes, Property{name, value})
}

// rootOf is the component that a document is about; one is made if it does not
// say.
func rootOf(bom *cdx.BOM, input Input) (root *cdx.Component, synthetic bool) {
	if bom.Metadata != nil && bom.Metadata.Component != nil {
		return bom.Metadata.Component, false
	}
	root = &cdx.Component{Type: cdx.ComponentTypeApplication, Name: input.Name, Version: input.Digest}
	sanitise(root)
	return root, true
}

// flatten lists a root and all components, those inside others after what they
// are inside; inside says in which, by index, or is -1.
func flatten(root *cdx.Component, components *[]cdx.Component) (flat []*cdx.Component, inside []int) {
	var add func(c *cdx.Component, parent int)
	add = func(c *cdx.Component, parent int) {
		index := len(flat)
		flat, inside = append(flat, c), append(inside, parent)
		nested := deref(c.Components)
		c.Components = nil
		for i := range nested {
			add(&nested[i], index)
		}
	}
	add(root, -1)
	list := deref(components)
	for i := range list {
		add(&list[i], -1)
	}
	return flat, inside
}

func deref[T any](list *[]T) []T {
	if list == nil {
		return nil
	}
	return *list
}

func (m *merger) edge(from, to string) {
	if from == to || from == "" || to == "" {
		return
	}
	if m.edges[from] == nil {
		m.edges[from] = map[string]bool{}
	}
	m.edges[from][to] = true
}

func (m *merger) addDependencies(local map[string]string, dependencies []cdx.Dependency) {
	for _, d := range dependencies {
		from := local[d.Ref]
		if from == "" {
			continue
		}
		if m.edges[from] == nil {
			m.edges[from] = map[string]bool{}
		}
		for _, to := range deref(d.Dependencies) {
			m.edge(from, local[to])
		}
		for _, to := range deref(d.Provides) {
			if to := local[to]; to != "" && to != from {
				if m.provides[from] == nil {
					m.provides[from] = map[string]bool{}
				}
				m.provides[from][to] = true
			}
		}
	}
}

// dependOnTops makes a root depend on the components of its input that no
// other depends on; on all of them if they depend on each other in a circle.
func (m *merger) dependOnTops(root string, placed []*cdx.Component) {
	below := map[string]bool{}
	for _, c := range placed {
		for to := range m.edges[c.BOMRef] {
			below[to] = true
		}
	}
	tops := 0
	for _, c := range placed[1:] {
		if !below[c.BOMRef] {
			m.edge(root, c.BOMRef)
			tops++
		}
	}
	if tops == 0 {
		for _, c := range placed[1:] {
			m.edge(root, c.BOMRef)
		}
	}
}

// addElements takes in what is not a component, each content once.
func (m *merger) addElements(bom *cdx.BOM) {
	m.bom.Services = appendNew(m, "service", m.bom.Services, bom.Services, func(s *cdx.Service) *string { return &s.BOMRef })
	m.bom.Vulnerabilities = appendNew(m, "vulnerability", m.bom.Vulnerabilities, bom.Vulnerabilities, func(v *cdx.Vulnerability) *string { return &v.BOMRef })
	m.bom.Compositions = appendNew(m, "composition", m.bom.Compositions, bom.Compositions, func(c *cdx.Composition) *string { return &c.BOMRef })
	m.bom.Annotations = appendNew(m, "annotation", m.bom.Annotations, bom.Annotations, func(a *cdx.Annotation) *string { return &a.BOMRef })
}

func appendNew[T any](m *merger, kind string, to, from *[]T, ref func(*T) *string) *[]T {
	for _, element := range deref(from) {
		name := *ref(&element)
		*ref(&element) = ""
		content, err := json.Marshal(element)
		*ref(&element) = name
		// What cannot be encoded is taken along, for the encoder to report.
		if key := kind + string(content); err != nil || !m.seen[key] {
			m.seen[key] = true
			if to == nil {
				to = &[]T{}
			}
			*to = append(*to, element)
		}
	}
	return to
}

// finish puts the document together, sorted, and checks it.
func (m *merger) finish() (*cdx.BOM, error) {
	components := make([]cdx.Component, 0, len(m.components))
	for _, c := range m.components {
		components = append(components, *c)
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	m.bom.Components = &components

	dependencies := make([]cdx.Dependency, 0, len(m.edges))
	from := maps.Clone(m.provides)
	maps.Copy(from, m.edges)
	for _, ref := range slices.Sorted(maps.Keys(from)) {
		d := cdx.Dependency{Ref: ref}
		if to := slices.Sorted(maps.Keys(m.edges[ref])); len(to) > 0 {
			d.Dependencies = &to
		}
		if to := slices.Sorted(maps.Keys(m.provides[ref])); len(to) > 0 {
			d.Provides = &to
		}
		dependencies = append(dependencies, d)
	}
	m.bom.Dependencies = &dependencies

	dropDangling(m.bom)

	properties := []cdx.Property{}
	for _, n := range m.notes {
		properties = append(properties, cdx.Property{Name: propertyPrefix + n.Name, Value: n.Value})
	}
	for _, u := range m.unreadable {
		properties = append(properties, cdx.Property{
			Name:  propertyPrefix + "unreadable-input",
			Value: strconv.QuoteToGraphic(u.Name) + " " + cmp.Or(u.Digest, "-") + " " + u.Problem,
		})
	}
	slices.SortStableFunc(properties, func(a, b cdx.Property) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	if len(properties) > 0 {
		m.bom.Metadata.Properties = &properties
	}
	return m.bom, check(m.bom)
}

// dropDangling removes references to elements that were the same as others and
// therefore not taken over, and what has lost its point by that.
func dropDangling(bom *cdx.BOM) {
	defined := map[string]bool{}
	visitRefs(bom, func(kind refKind, ref *string) {
		if kind == defines {
			defined[*ref] = true
		}
	})
	visitRefs(bom, func(kind refKind, ref *string) {
		if kind == uses && !defined[*ref] && !strings.HasPrefix(*ref, "urn:cdx:") {
			*ref = ""
		}
	})
	edges := slices.DeleteFunc(*bom.Dependencies, func(d cdx.Dependency) bool { return d.Ref == "" })
	bom.Dependencies = &edges
	if bom.Vulnerabilities != nil {
		for i := range *bom.Vulnerabilities {
			v := &(*bom.Vulnerabilities)[i]
			if v.Affects != nil {
				kept := slices.DeleteFunc(*v.Affects, func(a cdx.Affects) bool { return a.Ref == "" })
				v.Affects = &kept
			}
		}
	}
	if bom.Compositions != nil {
		kept := slices.DeleteFunc(*bom.Compositions, func(c cdx.Composition) bool {
			return len(deref(c.Assemblies))+len(deref(c.Dependencies))+len(deref(c.Vulnerabilities)) == 0
		})
		bom.Compositions = &kept
	}
	if bom.Annotations != nil {
		kept := slices.DeleteFunc(*bom.Annotations, func(a cdx.Annotation) bool { return len(deref(a.Subjects)) == 0 })
		bom.Annotations = &kept
	}
}

// check refuses a document that breaks the promises of Merge.
func check(bom *cdx.BOM) error {
	defined := map[string]bool{}
	var problems []error
	visitRefs(bom, func(kind refKind, ref *string) {
		if kind != defines {
			return
		}
		if defined[*ref] {
			problems = append(problems, fmt.Errorf("two elements are named %q", *ref))
		}
		defined[*ref] = true
	})
	visitRefs(bom, func(kind refKind, ref *string) {
		if kind == uses && !defined[*ref] && !strings.HasPrefix(*ref, "urn:cdx:") {
			problems = append(problems, fmt.Errorf("reference %q leads nowhere", *ref))
		}
	})
	if len(problems) > 0 {
		return fmt.Errorf("merging bills of materials: %d faults in the result, the first: %w", len(problems), problems[0])
	}
	return nil
}
