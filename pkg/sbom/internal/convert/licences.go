// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"regexp"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

var simpleLicence = regexp.MustCompile(`^[A-Za-z0-9.+-]+$`)

// licences keeps what was concluded and what was declared. CycloneDX has one
// expression, or several licences; a second expression becomes a property.
func (m *mapping) licences(c *cdx.Component, concluded, declared string) {
	list := cdx.Licenses{}
	for _, l := range []struct {
		value string
		how   cdx.LicenseAcknowledgement
	}{{concluded, cdx.LicenseAcknowledgementConcluded}, {declared, cdx.LicenseAcknowledgementDeclared}} {
		switch {
		case l.value == "" || l.value == "NOASSERTION" || l.value == "NONE":
			if l.value == "NONE" {
				property(c, "license-"+string(l.how), l.value)
			}
		case simpleLicence.MatchString(l.value) && (len(list) == 0 || list[0].License != nil):
			list = append(list, cdx.LicenseChoice{License: m.licence(l.value, l.how)})
		case len(list) == 0:
			list = append(list, cdx.LicenseChoice{Expression: l.value, Acknowledgement: &l.how})
		case list[0].Expression != l.value:
			property(c, "license-"+string(l.how), l.value)
		}
	}
	if len(list) > 0 {
		c.Licenses = &list
	}
}

// licence is a licence by its id, or by its name with the text that the document
// has for it.
func (m *mapping) licence(id string, how cdx.LicenseAcknowledgement) *cdx.License {
	other := m.extracted[id]
	if other == nil {
		return &cdx.License{ID: id, Acknowledgement: how}
	}
	l := &cdx.License{Name: id, Acknowledgement: how}
	if other.ExtractedText != "" {
		l.Text = &cdx.AttachedText{Content: other.ExtractedText}
	}
	return l
}

// licenceTexts keeps the texts of the document's own licences that stand in
// expressions only. CycloneDX has no place for those, so they are properties.
func (m *mapping) licenceTexts() {
	placed := map[string]bool{}
	inExpression := map[string]*cdx.Component{} // the first
	for _, c := range m.components {
		if c.Licenses == nil {
			continue
		}
		for _, l := range *c.Licenses {
			if l.License != nil {
				placed[l.License.Name] = true
				continue
			}
			for _, id := range strings.FieldsFunc(l.Expression, func(r rune) bool { return strings.ContainsRune(" ()", r) }) {
				if inExpression[id] == nil {
					inExpression[id] = c
				}
			}
		}
	}
	for _, l := range m.document.OtherLicenses {
		switch {
		case l == nil || placed[l.LicenseIdentifier]:
		case inExpression[l.LicenseIdentifier] != nil:
			property(inExpression[l.LicenseIdentifier], "extracted-text:"+l.LicenseIdentifier, l.ExtractedText)
			placed[l.LicenseIdentifier] = true
		default:
			m.count("texts of licences that nothing has", 1)
		}
	}
}
