// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package document reads one CycloneDX document into the parts that a merge
// works on.
//
// It does not read into the model of a library: it goes through the JSON once,
// led by the official schema of CycloneDX 1.6, and copies what the schema allows
// into one buffer. The reasons are
//
//   - validity: what comes out fits the schema by construction, whatever came
//     in. What does not fit is left out, and counted by its place;
//   - completeness: no field is lost because a model does not have it;
//   - cost: half a million components are half a million pieces of one buffer,
//     not a graph of pointers.
//
// The copy has one form: no space, members in the schema's order, one way to
// write each string and number. Equal content is therefore equal bytes.
//
// Names of elements (bom-ref, and what refers to one) are not copied but
// numbered, with their places listed, so that the merge can give new names.
// After [Parse], every reference leads to an element of the same document.
package document

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Ref is the number of a name in a document.
type Ref int32

// NoRef is the Ref of what has no name.
const NoRef Ref = -1

// Slot is a place in an element that holds a name.
type Slot struct {
	// Offset in the element's JSON of the string that stands for the name,
	// SlotLength bytes with its quotes.
	Offset uint32
	Ref    Ref
	Kind   SlotKind
}

// SlotKind says what a name does at its place.
type SlotKind uint8

const (
	// Uses means that it refers to an element.
	Uses SlotKind = iota
	// NamesPart means that it is the bom-ref of a part of the element, such as a licence.
	// If Ref is NoRef, nothing refers to the part, and it needs no name.
	NamesPart
	// NamesComponent means that it is the bom-ref of a component or service inside the
	// element.
	NamesComponent
)

// SlotLength is how long the string at a Slot is.
const SlotLength = 10

// Element is a part of a document, without its own bom-ref.
type Element struct {
	// Ref is the element's own name.
	Ref   Ref
	Slots []Slot
	// start and end in the document's buffer.
	start, end uint32
}

// Component is a component with those inside it taken out.
type Component struct {
	Element
	// Parent is the component that it was inside, by index, or -1.
	Parent int32
}

// Edge is a line of the dependency graph.
type Edge struct {
	From, To Ref
	Provides bool
}

// Limits bound what is read.
type Limits struct {
	// Components in a document, those inside others counted too.
	Components int
}

// Document is a CycloneDX document in parts.
type Document struct {
	SpecVersion string
	// SerialNumber is empty if the document has none that is one.
	SerialNumber string
	// HasRoot: the document says what it is about. That is Components[0].
	HasRoot         bool
	Components      []Component
	Services        []Element
	Vulnerabilities []Element
	Compositions    []Element
	Annotations     []Element
	// ToolComponents and ToolServices are what made the document.
	ToolComponents []Element
	ToolServices   []Element
	// Extras are properties and external references of the document itself, in
	// the form of components that have nothing else.
	Extras []Element
	// Names are the names by their numbers.
	Names []string
	// Edges of the graph, and the names that are said to have edges, even if
	// they have none.
	Edges    []Edge
	Declared []Ref
	// LeftOut counts what is not copied, by its place or nature; and after MadeUp,
	// the required members that were missing.
	LeftOut map[string]int

	buffer []byte
}

// JSON returns an element's JSON, with slots in the place of names. It is valid
// as long as the document.
func (d *Document) JSON(e *Element) []byte { return d.buffer[e.start:e.end:e.end] }

// ErrFormat says that something is not a CycloneDX document.
var ErrFormat = errors.New("not a CycloneDX document")

var (
	versionPattern = regexp.MustCompile(`^1\.[0-7]$`)
	serialPattern  = regexp.MustCompile(`^urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// Parse reads a document. It does not keep data. The buffer, which may be nil,
// is used for the copy, so that it can be used again when the document is done
// with.
func Parse(data, buffer []byte, limits Limits) (doc *Document, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			syntax, ok := thrown.(syntaxError)
			if !ok {
				panic(thrown)
			}
			doc, err = nil, syntax.error
		}
	}()
	r := &reader{
		scanner: scanner{data: data}, out: buffer[:0], limits: limits, schema: compiled(),
		doc: &Document{LeftOut: map[string]int{}}, numbers: map[string]Ref{},
	}
	// Without space, and with the names of elements as numbers, documents become
	// about half as large.
	r.out = slices.Grow(r.out, len(data)/2)
	if len(data) >= 3 && string(data[:3]) == "\xef\xbb\xbf" {
		r.pos = 3
	}
	if err := r.document(); err != nil {
		return nil, err
	}
	r.resolveAll()
	r.doc.buffer = r.out
	return r.doc, nil
}

// Buffer gives back the buffer, for the next document. The document cannot be
// used after that.
func (d *Document) Buffer() []byte { return d.buffer }

// MadeUp is the start of a place in LeftOut where a value was made up.
const MadeUp = "made up: "

// maxPlaces bounds the list of what was left out.
const maxPlaces = 64

func (d *Document) leaveOut(place string) {
	if _, known := d.LeftOut[place]; !known && len(d.LeftOut) >= maxPlaces {
		place = "other places"
	}
	d.LeftOut[place]++
}

// document reads the members of the document.
func (r *reader) document() error {
	var format, version string
	seen := map[string]bool{}
	if r.kindAt() != kindObject {
		return fmt.Errorf("%w: it is no JSON object", ErrFormat)
	}
	// Room for the document's subject, which comes first however late the
	// document tells it.
	r.doc.Components = append(r.doc.Components, Component{Parent: -1, Element: Element{Ref: NoRef}})
	r.object1(func(name string) {
		if seen[name] {
			r.fail("member %.40q twice", name)
		}
		seen[name] = true
		switch name {
		case "bomFormat":
			format = r.string1()
		case "specVersion":
			version = r.string1()
		case "serialNumber":
			if r.doc.SerialNumber = r.string1(); !serialPattern.MatchString(r.doc.SerialNumber) {
				r.doc.SerialNumber = ""
			}
		case "version", "$schema":
			r.skip()
		case "metadata":
			r.metadata()
		case "components":
			r.components(-1)
		case "services":
			r.elements(name, &r.doc.Services, r.schema.service)
		case "vulnerabilities":
			r.elements(name, &r.doc.Vulnerabilities, r.schema.vulnerability)
		case "compositions":
			r.elements(name, &r.doc.Compositions, r.schema.composition)
		case "annotations":
			r.elements(name, &r.doc.Annotations, r.schema.annotation)
		case "dependencies":
			r.dependencies()
		case "properties":
			r.extra(name, r.schema.properties)
		case "externalReferences":
			r.extra(name, r.schema.externalReferences)
		case "signature":
			r.skip()
			r.doc.leaveOut("signatures")
		default:
			r.skip()
			r.doc.leaveOut(place(name))
		}
	})
	r.end()
	if format != "CycloneDX" {
		return fmt.Errorf("%w: bomFormat is %.40q", ErrFormat, format)
	}
	if !versionPattern.MatchString(version) {
		return fmt.Errorf("%w of a version from 1.2 to 1.7: specVersion is %.40q", ErrFormat, version)
	}
	r.doc.SpecVersion = version
	if !r.doc.HasRoot {
		r.dropRoot()
	}
	return nil
}

// dropRoot removes the room for a subject that the document does not have.
func (r *reader) dropRoot() {
	d := r.doc
	d.Components = d.Components[1:]
	for i := range d.Components {
		if d.Components[i].Parent >= 0 {
			d.Components[i].Parent--
		}
	}
}

func (r *reader) end() {
	for ; r.pos < len(r.data); r.pos++ {
		switch r.data[r.pos] {
		case ' ', '\n', '\t', '\r':
		default:
			r.fail("something after the end of the document")
		}
	}
}

// place names a member that is unknown, and so may be anything.
func place(name string) string {
	if quoted := strconv.Quote(name); len(name) > 40 || len(quoted) != len(name)+2 {
		return fmt.Sprintf("%.40q", name)
	}
	return name
}

// Format is a kind of document.
type Format int

const (
	// FormatUnknown is neither of the others.
	FormatUnknown Format = iota
	// FormatCycloneDX is CycloneDX of any version.
	FormatCycloneDX
	// FormatSPDX2 is SPDX 2.1 to 2.3.
	FormatSPDX2
	// FormatSPDX3 is SPDX 3, which cannot be read.
	FormatSPDX3
)

// FormatOf tells by its members what a JSON document is.
func FormatOf(data []byte) (format Format, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			syntax, ok := thrown.(syntaxError)
			if !ok {
				panic(thrown)
			}
			err = syntax.error
		}
	}()
	r := &reader{scanner: scanner{data: data}, doc: &Document{}}
	if r.kindAt() != kindObject {
		return FormatUnknown, nil
	}
	r.expect('{')
	for first := true; r.more(first, '}'); first = false {
		name := r.str().decode()
		r.expect(':')
		switch name {
		case "bomFormat":
			return FormatCycloneDX, nil
		case "spdxVersion":
			return FormatSPDX2, nil
		case "@graph":
			format = FormatSPDX3
		}
		r.skip()
	}
	return format, nil
}

// OrderOf is the place of a member in a component.
func OrderOf(member string) int { return compiled().component.prop(member) }
