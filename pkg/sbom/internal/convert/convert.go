// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package convert makes CycloneDX JSON of bills of materials in other forms.
//
// The forms are read by libraries: CycloneDX XML by cyclonedx-go, SPDX 2 by
// spdx/tools-golang. What SPDX says is mapped to CycloneDX here, and not by
// protobom, which does both, for two reasons: protobom keeps only the
// relationships that its own graph has, and it is not to be had from the public
// module proxy.
//
// Both libraries read into their models, without bounds and without promises
// about hostile input. So inputs are bounded before, in what is known to take
// quadratic time, too, and a panic becomes an error.
package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	cdx "github.com/CycloneDX/cyclonedx-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/tagvalue"
)

// Result is a converted document.
type Result struct {
	// CycloneDX is JSON. It may have values that the format does not allow.
	CycloneDX []byte
	// LeftOut says what the document had that CycloneDX has no place for.
	LeftOut []string
}

// CycloneDXXML reads CycloneDX XML, versions 1.0 to 1.6.
func CycloneDXXML(data []byte) (result *Result, err error) {
	defer recovered(&err)
	bom := &cdx.BOM{}
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatXML).Decode(bom); err != nil {
		return nil, fmt.Errorf("not CycloneDX XML: %w", err)
	}
	bom.BOMFormat = cdx.BOMFormat
	for i := range deref(bom.Components) {
		dropEmptyLicences(&(*bom.Components)[i])
	}
	var leftOut []string
	if bom.Metadata != nil {
		if bom.Metadata.Licenses != nil {
			bom.Metadata.Licenses = nil // which the library may refuse to write
			leftOut = append(leftOut, "1 × metadata.licenses")
		}
		if bom.Metadata.Component != nil {
			dropEmptyLicences(bom.Metadata.Component)
		}
	}
	return written(bom, leftOut)
}

// dropEmptyLicences drops licences without id and name, which the library reads
// and then refuses to write.
func dropEmptyLicences(c *cdx.Component) {
	if c.Licenses != nil {
		kept := cdx.Licenses{}
		for _, l := range *c.Licenses {
			if l.Expression != "" || l.License != nil && (l.License.ID != "" || l.License.Name != "") {
				kept = append(kept, l)
			}
		}
		c.Licenses = &kept
	}
	for i := range deref(c.Components) {
		dropEmptyLicences(&(*c.Components)[i])
	}
}

func deref[T any](list *[]T) []T {
	if list == nil {
		return nil
	}
	return *list
}

// SPDXJSON reads SPDX 2.1 to 2.3 as JSON.
func SPDXJSON(data []byte) (result *Result, err error) {
	defer recovered(&err)
	// The library removes these one by one, each time moving all that follow.
	var holes struct{ Relationships []*struct{} }
	if err := json.Unmarshal(data, &holes); err != nil {
		return nil, fmt.Errorf("not SPDX JSON: %w", err)
	}
	for _, r := range holes.Relationships {
		if r == nil {
			return nil, errors.New("not SPDX JSON: null as a relationship")
		}
	}
	document, err := spdxjson.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not SPDX JSON: %w", err)
	}
	return fromSPDX(document)
}

// Bounds of one value of several lines in tag-value form: the library joins the
// lines one by one, each time copying all before.
const (
	maxTextLines = 4000
	maxTextBytes = 256 << 10
)

// IsTagValue reports whether something looks like SPDX in tag-value form.
func IsTagValue(data []byte) bool {
	for line := range bytes.Lines(data[:min(len(data), 4096)]) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("SPDXVersion:"))
		}
	}
	return false
}

// SPDXTagValue reads SPDX 2.1 to 2.3 in tag-value form.
func SPDXTagValue(data []byte) (result *Result, err error) {
	defer recovered(&err)
	lines, size, inside := 0, 0, false
	for line := range bytes.Lines(data) {
		if !inside && bytes.Contains(line, []byte("<text>")) {
			inside, lines, size = true, 0, 0
		}
		if lines, size = lines+1, size+len(line); inside && (lines > maxTextLines || size > maxTextBytes) {
			return nil, fmt.Errorf("not read: a text of more than %d lines or %d bytes", maxTextLines, maxTextBytes)
		}
		if bytes.Contains(line, []byte("</text>")) {
			inside = false
		}
	}
	document, err := tagvalue.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not SPDX tag-value: %w", err)
	}
	return fromSPDX(document)
}

func written(bom *cdx.BOM, leftOut []string) (*Result, error) {
	data, err := json.Marshal(bom)
	if err != nil {
		return nil, fmt.Errorf("converting to CycloneDX JSON: %w", err)
	}
	return &Result{data, leftOut}, nil
}

// recovered turns a panic of a library into an error: the document is at fault.
func recovered(err *error) {
	if thrown := recover(); thrown != nil {
		*err = fmt.Errorf("the document cannot be read: %.200v", thrown)
	}
}
