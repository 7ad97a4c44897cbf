// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/countersign-dev/countersign/pkg/sbom/internal/schema"
)

// kind is a type of JSON value.
type kind uint8

const (
	kindString kind = 1 << iota
	kindNumber
	kindBoolean
	kindArray
	kindObject
)

// refUse says what a string has to do with the names of elements.
type refUse uint8

const (
	refNone refUse = iota
	// refDefines is a bom-ref: it names the object that it is in.
	refDefines
	// refNames is the bom-ref of a component or service inside an element.
	refNames
	// refUses is the name of another element.
	refUses
)

// node is one place of the schema, made ready for reading.
type node struct {
	kind kind

	// of strings
	ref   refUse
	enum  map[string]bool
	check func(string) (string, bool)

	// of numbers
	integer            bool
	minimum, maximum   float64
	bounded, boundedUp bool

	// of arrays
	items  *node
	unique bool

	// of objects
	properties []property
	index      map[string]int
	required   []int
	// choices are the alternatives of which an object has exactly one, each by
	// the properties that it needs.
	choices [][]int
	// forbidden are the properties that must not be beside each alternative.
	forbidden []uint64
	// repair gives the values of required properties that are made up, because
	// the object is worth more than its fault.
	repair map[int]string

	// branches are the alternatives for a whole value.
	branches []*node

	// special says which places are read in their own way.
	special special
}

type special uint8

const (
	_ special = iota
	// component: its own bom-ref and the components inside it may become parts
	// of the document.
	component
	// license: an id that is not one of SPDX's becomes a name.
	license
	// licenses: a list of licences, or of one expression.
	licenses
	// signature: left out.
	signature
)

type property struct {
	name string
	node *node
}

// prop is the place of a property, or -1.
func (n *node) prop(name string) int {
	if i, ok := n.index[name]; ok {
		return i
	}
	return -1
}

// raw is a schema as it is written.
type raw struct {
	Ref         string         `json:"$ref"`
	Type        string         `json:"type"`
	Enum        []string       `json:"enum"`
	Pattern     string         `json:"pattern"`
	Format      string         `json:"format"`
	MinLength   int            `json:"minLength"`
	MaxLength   int            `json:"maxLength"`
	Minimum     *float64       `json:"minimum"`
	Maximum     *float64       `json:"maximum"`
	Items       items          `json:"items"`
	Unique      bool           `json:"uniqueItems"`
	Properties  members        `json:"properties"`
	Required    []string       `json:"required"`
	OneOf       []*raw         `json:"oneOf"`
	AnyOf       []*raw         `json:"anyOf"`
	Definitions map[string]raw `json:"definitions"`
}

// items is one schema; the only list of them is that of licence expressions,
// which are read in their own way.
type items struct{ schema *raw }

func (i *items) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return nil
	}
	i.schema = &raw{}
	return json.Unmarshal(data, i.schema)
}

// members are properties in their order.
type members []struct {
	name   string
	schema *raw
}

func (m *members) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		schema := &raw{}
		if err := dec.Decode(schema); err != nil {
			return err
		}
		*m = append(*m, struct {
			name   string
			schema *raw
		}{name.(string), schema})
	}
	return nil
}

// places are the parts of a document that are read by the schema.
type places struct {
	component, service, vulnerability, composition, annotation *node
	properties, externalReferences, tool                       *node
}

var compiled = sync.OnceValue(compile)

func compile() *places {
	c := compiler{nodes: map[string]*node{}, definitions: map[string]raw{}}
	var bom, spdx raw
	for name, to := range map[string]*raw{schema.CycloneDX: &bom, schema.SPDX: &spdx} {
		data, err := schema.Files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		if err := json.Unmarshal(data, to); err != nil {
			panic(fmt.Errorf("schema %s: %w", name, err))
		}
	}
	c.definitions = bom.Definitions
	c.definitions["spdx"] = spdx
	root := map[string]*node{}
	for _, m := range bom.Properties {
		switch m.name {
		case "properties", "externalReferences":
			root[m.name] = c.node(m.schema)
		}
	}
	return &places{
		component: c.definition("component"), service: c.definition("service"),
		vulnerability: c.definition("vulnerability"), composition: c.definition("compositions"),
		annotation: c.definition("annotations"), tool: c.definition("tool"),
		properties: root["properties"], externalReferences: root["externalReferences"],
	}
}

type compiler struct {
	definitions map[string]raw
	nodes       map[string]*node
}

func (c *compiler) definition(name string) *node {
	if n := c.nodes[name]; n != nil {
		return n
	}
	n := &node{}
	c.nodes[name] = n // before its parts: definitions refer to themselves
	switch name {
	case "signature":
		*n = node{kind: kindObject, special: signature}
	case "licenseChoice":
		*n = *c.licenses()
	case "refType", "refLinkType":
		*n = node{kind: kindString, ref: refUses}
	case "bomLink":
		*n = node{kind: kindString, check: iriReference}
	default:
		schema, ok := c.definitions[name]
		if !ok {
			panic("schema: no definition of " + name)
		}
		*n = *c.node(&schema)
	}
	switch name {
	case "component":
		n.properties[0].node = &node{kind: kindString, ref: refNames}
		n.special = component
		n.repair = map[int]string{n.prop("type"): `"library"`, n.prop("name"): `"unnamed"`}
	case "service":
		n.properties[0].node = &node{kind: kindString, ref: refNames}
		n.repair = map[int]string{n.prop("name"): `"unnamed"`}
	case "license":
		n.special = license
	case "hash-content":
		n.check = hashContent
	case "compositions":
		// Names of elements, which the schema has as strings.
		for _, name := range []string{"dependencies", "vulnerabilities"} {
			n.properties[n.prop(name)].node.items = c.definition("refLinkType")
		}
	}
	return n
}

// licenses is a list of licences and expressions; which lists are allowed is
// seen to where they are read.
func (c *compiler) licenses() *node {
	item := &node{kind: kindObject, index: map[string]int{}}
	c.add(item, "bom-ref", &node{kind: kindString, ref: refDefines})
	c.add(item, "license", c.definition("license"))
	c.add(item, "expression", &node{kind: kindString})
	c.add(item, "acknowledgement", c.definition("licenseAcknowledgementEnumeration"))
	item.choices = [][]int{{item.prop("license")}, {item.prop("expression")}}
	item.forbidden = []uint64{^(1 << item.prop("license")), 1 << item.prop("license")}
	return &node{kind: kindArray, items: item, special: licenses}
}

func (c *compiler) add(n *node, name string, of *node) {
	n.index[name] = len(n.properties)
	n.properties = append(n.properties, property{name, of})
}

func (c *compiler) node(s *raw) *node {
	if s.Ref != "" {
		if strings.HasPrefix(s.Ref, "spdx.") {
			return c.definition("spdx")
		}
		if strings.HasPrefix(s.Ref, "jsf-") {
			return c.definition("signature")
		}
		return c.definition(strings.TrimPrefix(s.Ref, "#/definitions/"))
	}
	if len(s.AnyOf) > 0 {
		return c.anyOf(s.AnyOf)
	}
	if len(s.OneOf) > 0 && s.OneOf[0].Required == nil {
		n := &node{}
		for _, alternative := range s.OneOf {
			branch := c.node(alternative)
			n.branches = append(n.branches, branch)
			n.kind |= branch.kind
		}
		return n
	}
	switch s.Type {
	case "string":
		return c.text(s)
	case "boolean":
		return &node{kind: kindBoolean}
	case "number", "integer":
		n := &node{kind: kindNumber, integer: s.Type == "integer"}
		if s.Minimum != nil {
			n.minimum, n.bounded = *s.Minimum, true
		}
		if s.Maximum != nil {
			n.maximum, n.boundedUp = *s.Maximum, true
		}
		return n
	case "array":
		return &node{kind: kindArray, items: c.node(s.Items.schema), unique: s.Unique}
	case "object":
		return c.object(s)
	}
	panic(fmt.Sprintf("schema: type %q is not known", s.Type))
}

// anyOf is always about strings: names of elements, links to other documents,
// and addresses.
func (c *compiler) anyOf(alternatives []*raw) *node {
	for _, alternative := range alternatives {
		if alternative.Ref == "#/definitions/refLinkType" {
			return c.definition("refLinkType")
		}
		if alternative.Format == "iri-reference" {
			return c.text(alternative)
		}
	}
	panic("schema: anyOf of something new")
}

func (c *compiler) text(s *raw) *node {
	n := &node{kind: kindString}
	if len(s.Enum) > 0 {
		n.enum = map[string]bool{}
		for _, value := range s.Enum {
			n.enum[value] = true
		}
	}
	var checks []func(string) (string, bool)
	if s.Format != "" {
		check, ok := formats[s.Format]
		if !ok {
			panic("schema: no format " + s.Format)
		}
		checks = append(checks, check)
	}
	if s.Pattern != "" {
		pattern := regexp.MustCompile(s.Pattern)
		checks = append(checks, func(v string) (string, bool) { return v, pattern.MatchString(v) })
	}
	if s.MinLength > 0 || s.MaxLength > 0 {
		checks = append(checks, func(v string) (string, bool) {
			length := len([]rune(v))
			return v, length >= s.MinLength && (s.MaxLength == 0 || length <= s.MaxLength)
		})
	}
	switch len(checks) {
	case 0:
	case 1:
		n.check = checks[0]
	default:
		n.check = func(v string) (string, bool) {
			for _, check := range checks {
				var ok bool
				if v, ok = check(v); !ok {
					return v, false
				}
			}
			return v, true
		}
	}
	return n
}

func (c *compiler) object(s *raw) *node {
	n := &node{kind: kindObject, index: map[string]int{}}
	// The name of an object comes first, so that it can be taken out without
	// reading what follows.
	for _, m := range s.Properties {
		if m.name == "bom-ref" {
			c.add(n, m.name, &node{kind: kindString, ref: refDefines})
		}
	}
	for _, m := range s.Properties {
		if m.name != "bom-ref" {
			c.add(n, m.name, c.node(m.schema))
		}
	}
	for _, name := range s.Required {
		n.required = append(n.required, n.prop(name))
	}
	for _, alternative := range s.OneOf {
		var needs []int
		for _, name := range alternative.Required {
			needs = append(needs, n.prop(name))
		}
		n.choices = append(n.choices, needs)
	}
	for chosen := range n.choices {
		mask := uint64(0)
		for _, needs := range n.choices {
			for _, i := range needs {
				mask |= 1 << i
			}
		}
		for _, i := range n.choices[chosen] {
			mask &^= 1 << i
		}
		n.forbidden = append(n.forbidden, mask)
	}
	if len(n.properties) > 64 {
		panic("schema: an object with more than 64 properties")
	}
	return n
}
