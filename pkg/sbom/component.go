// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"regexp"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// identity is what makes two components the same thing, hashes aside.
func identity(c *cdx.Component) string {
	switch {
	case c.PackageURL != "":
		return "purl:" + c.PackageURL
	case c.CPE != "":
		return "cpe:" + c.CPE
	case c.SWID != nil && c.SWID.TagID != "":
		return "swid:" + c.SWID.TagID
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{string(c.Type), c.Group, c.Name, c.Version}, "\x00")))
	return "component:" + c.Name + ":" + hex.EncodeToString(sum[:8])
}

// maxCompatible bounds how many different components of one identity are
// compared with each other. Documents that repeat one purl under ever new
// hashes would else take quadratic time.
const maxCompatible = 64

// group is the different components of one identity.
type group struct {
	byHashes map[string]*cdx.Component
	members  []member
}

type member struct {
	component *cdx.Component
	hashes    map[string]map[string]bool
}

// place finds the component that c is, or makes it. A new one has nothing yet
// but its name.
func (m *merger) place(c *cdx.Component) (placed *cdx.Component, isNew bool) {
	id := identity(c)
	g := m.groups[id]
	if g == nil {
		g = &group{byHashes: map[string]*cdx.Component{}}
		m.groups[id] = g
	}
	key, hashes := hashesOf(c)
	if found := g.byHashes[key]; found != nil {
		return found, false
	}
	for i := range min(len(g.members), maxCompatible) {
		candidate := &g.members[i]
		if compatible(candidate.hashes, hashes) {
			for algorithm, values := range hashes {
				candidate.hashes[algorithm] = values
			}
			g.byHashes[key] = candidate.component
			return candidate.component, false
		}
	}
	placed = &cdx.Component{BOMRef: m.refs.take(id)}
	g.byHashes[key] = placed
	g.members = append(g.members, member{placed, hashes})
	m.components = append(m.components, placed)
	return placed, true
}

// hashesOf is a component's hashes by algorithm, and all of them as one key.
func hashesOf(c *cdx.Component) (string, map[string]map[string]bool) {
	byAlgorithm := map[string]map[string]bool{}
	var all []string
	for _, h := range deref(c.Hashes) {
		algorithm := string(h.Algorithm)
		if byAlgorithm[algorithm] == nil {
			byAlgorithm[algorithm] = map[string]bool{}
		}
		byAlgorithm[algorithm][h.Value] = true
		all = append(all, algorithm+":"+h.Value)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ","), byAlgorithm
}

// compatible reports whether two sets of hashes can be of one thing: no
// algorithm has different values in them.
func compatible(a, b map[string]map[string]bool) bool {
	for algorithm, values := range b {
		if known := a[algorithm]; known != nil && !reflect.DeepEqual(known, values) {
			return false
		}
	}
	return true
}

// unite adds to a component what another occurrence of it knows more.
func unite(to, from *cdx.Component) {
	to.Hashes = union(to.Hashes, from.Hashes, func(h cdx.Hash) string { return string(h.Algorithm) + ":" + h.Value })
	to.ExternalReferences = union(to.ExternalReferences, from.ExternalReferences, func(r cdx.ExternalReference) string {
		return string(r.Type) + " " + r.URL
	})
	to.Properties = union(to.Properties, from.Properties, func(p cdx.Property) string { return p.Name + "\x00" + p.Value })
	uniteLicences(to, from)
	to.Description = cmp.Or(to.Description, from.Description)
	to.Publisher = cmp.Or(to.Publisher, from.Publisher)
	to.Copyright = cmp.Or(to.Copyright, from.Copyright)
	to.MIMEType = cmp.Or(to.MIMEType, from.MIMEType)
	to.CPE = cmp.Or(to.CPE, from.CPE)
	to.Author = cmp.Or(to.Author, from.Author)
	to.Supplier = cmp.Or(to.Supplier, from.Supplier)
	to.Manufacturer = cmp.Or(to.Manufacturer, from.Manufacturer)
	to.Authors = cmp.Or(to.Authors, from.Authors)
	to.SWID = cmp.Or(to.SWID, from.SWID)
	to.Pedigree = cmp.Or(to.Pedigree, from.Pedigree)
	to.Evidence = cmp.Or(to.Evidence, from.Evidence)
	to.CryptoProperties = cmp.Or(to.CryptoProperties, from.CryptoProperties)
	to.ModelCard = cmp.Or(to.ModelCard, from.ModelCard)
	to.ReleaseNotes = cmp.Or(to.ReleaseNotes, from.ReleaseNotes)
	to.Data = cmp.Or(to.Data, from.Data)
	if to.Scope != from.Scope {
		to.Scope = "" // required, the default, is the stricter of the two
	}
}

func union[T any](a, b *[]T, key func(T) string) *[]T {
	if b == nil {
		return a
	}
	seen := map[string]bool{}
	out := []T{}
	for _, item := range slices.Concat(deref(a), *b) {
		if k := key(item); !seen[k] {
			seen[k] = true
			out = append(out, item)
		}
	}
	return &out
}

// uniteLicences joins licences. The format has either a list of licences or
// one expression, so an expression beside something else is kept as a property.
func uniteLicences(to, from *cdx.Component) {
	if from.Licenses == nil || len(*from.Licenses) == 0 {
		return
	}
	if to.Licenses == nil || len(*to.Licenses) == 0 {
		to.Licenses = from.Licenses
		return
	}
	hasExpression := func(l *cdx.Licenses) bool {
		return slices.ContainsFunc(*l, func(c cdx.LicenseChoice) bool { return c.Expression != "" })
	}
	if hasExpression(to.Licenses) || hasExpression(from.Licenses) {
		properties := []cdx.Property{}
		for _, l := range *from.Licenses {
			if !slices.ContainsFunc(*to.Licenses, func(have cdx.LicenseChoice) bool { return licence(have) == licence(l) }) {
				properties = append(properties, cdx.Property{Name: propertyPrefix + "also-licensed", Value: licence(l)})
			}
		}
		if len(properties) > 0 {
			to.Properties = union(to.Properties, &properties, func(p cdx.Property) string { return p.Name + "\x00" + p.Value })
		}
		return
	}
	a, b := []cdx.LicenseChoice(*to.Licenses), []cdx.LicenseChoice(*from.Licenses)
	joined := cdx.Licenses(*union(&a, &b, licence))
	to.Licenses = &joined
}

func licence(c cdx.LicenseChoice) string {
	if c.License != nil {
		return cmp.Or(c.License.ID, c.License.Name, c.License.URL)
	}
	return c.Expression
}

// componentTypes are the types that the format knows.
var componentTypes = map[cdx.ComponentType]bool{
	cdx.ComponentTypeApplication: true, cdx.ComponentTypeContainer: true, cdx.ComponentTypeCryptographicAsset: true,
	cdx.ComponentTypeData: true, cdx.ComponentTypeDevice: true, cdx.ComponentTypeDeviceDriver: true,
	cdx.ComponentTypeFile: true, cdx.ComponentTypeFirmware: true, cdx.ComponentTypeFramework: true,
	cdx.ComponentTypeLibrary: true, cdx.ComponentTypeMachineLearningModel: true, cdx.ComponentTypeOS: true,
	cdx.ComponentTypePlatform: true,
}

var hashPattern = regexp.MustCompile(`^([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$`)

// clean makes an input's parts fit for the result: signatures go, and what the
// format requires is there.
func clean(bom *cdx.BOM) {
	var each func(components *[]cdx.Component)
	each = func(components *[]cdx.Component) {
		for i := range deref(components) {
			c := &(*components)[i]
			sanitise(c)
			each(c.Components)
		}
	}
	if bom.Metadata != nil && bom.Metadata.Component != nil {
		sanitise(bom.Metadata.Component)
		each(bom.Metadata.Component.Components)
	}
	each(bom.Components)
	var services func(list *[]cdx.Service)
	services = func(list *[]cdx.Service) {
		for i := range deref(list) {
			s := &(*list)[i]
			s.Signature = nil
			s.Name = cmp.Or(s.Name, "unnamed")
			services(s.Services)
		}
	}
	services(bom.Services)
	for i := range deref(bom.Compositions) {
		(*bom.Compositions)[i].Signature = nil
	}
	for i := range deref(bom.Annotations) {
		(*bom.Annotations)[i].Signature = nil
	}
}

func sanitise(c *cdx.Component) {
	c.Signature = nil
	c.Name = cmp.Or(c.Name, "unnamed")
	if !componentTypes[c.Type] {
		c.Type = cdx.ComponentTypeLibrary
	}
	if c.Hashes == nil {
		return
	}
	kept := []cdx.Hash{}
	for _, h := range *c.Hashes {
		h.Value = strings.ToLower(h.Value)
		if h.Algorithm != "" && hashPattern.MatchString(h.Value) {
			kept = append(kept, h)
		}
	}
	c.Hashes = &kept
	if len(kept) == 0 {
		c.Hashes = nil
	}
}
