// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package sbom writes the two bills of materials of a change, as CycloneDX 1.6
// JSON:
//
//   - [DeploymentBOM] lists what the change deploys and deletes: one component
//     per inventory entry, with version, digest, signature and commit;
//   - [Merge] joins the bills of materials that the builds of all entries left
//     in the evidence locker, as one that validates and keeps every graph.
//
// Both are deterministic: the same input gives the same bytes, serial number
// included, so that storing one again stores nothing new. Both fit the official
// schema, whatever the entries and the inputs of a merge are.
//
// What is made here uses the model of cyclonedx-go, and so does the conversion of
// XML and SPDX. The merge does not: it works on the JSON itself, led by the
// schema (see internal/document), for three reasons. The model has no place for
// what a later version of the library would know, so that decoding loses it; it
// takes values that the schema forbids, so that a result would have to be
// validated and thrown away; and it needs ten times the time and several times
// the memory, as every string of half a million components becomes an object.
package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/sbom/internal/document"
)

// MediaType of what this package writes.
const MediaType = "application/vnd.cyclonedx+json; version=1.6"

// specVersion is the version of CycloneDX that is written.
const specVersion = cdx.SpecVersion1_6

// Prefix of the names of properties that this package adds.
const propertyPrefix = "countersign:"

// Target is what a bill of materials is for.
type Target struct {
	// Name of the root component, such as "prod" or "us-south/prod".
	Name string
	// Version of the root component, such as the inventory commit.
	Version string
	// Timestamp of the document.
	Timestamp time.Time
	// Properties of the root component, such as the change request's id; their
	// names are prefixed with "countersign:".
	Properties []Property
}

// Property is a name with a value.
type Property struct{ Name, Value string }

// Actions of a change on a component.
const (
	ActionDeploy = "deploy"
	ActionDelete = "delete"
)

// Component is an inventory entry in a deployment.
type Component struct {
	// Entry is the entry's name, its path in the inventory.
	Entry string
	// Action is ActionDeploy or ActionDelete.
	Action string
	// Type of the entry as the inventory has it, such as image.
	Type string
	// Artifact is the reference that is deployed, such as an image name.
	Artifact string
	Version  string
	// Digest of the artifact, sha256:<hex>; empty if the entry names none.
	Digest        string
	Provenance    string
	Signature     string
	RepositoryURL string
	CommitSHA     string
	PipelineRunID string
}

// toolName is this program among the tools that made a document.
const toolName = "countersign"

// rootRef is the bom-ref of the root component.
const rootRef = "target"

// DeploymentBOM is the bill of materials of a deployment.
func DeploymentBOM(target Target, components []Component) ([]byte, error) {
	bom := newBOM(target)
	components = slices.Clone(components)
	slices.SortFunc(components, func(a, b Component) int {
		return cmp.Or(cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Action, b.Action))
	})
	refs := newRefs(rootRef)
	list := make([]cdx.Component, 0, len(components))
	edges := []cdx.Dependency{{Ref: rootRef}}
	deployed := []string{}
	for _, c := range components {
		component := c.cyclonedx()
		component.BOMRef = refs.take("entry:" + c.Entry)
		list = append(list, component)
		edges = append(edges, cdx.Dependency{Ref: component.BOMRef})
		if c.Action != ActionDelete {
			deployed = append(deployed, component.BOMRef)
		}
	}
	edges[0].Dependencies = &deployed
	bom.Components, bom.Dependencies = &list, &edges
	return encode(bom)
}

// maxVersion is how long the schema lets a version be, in characters.
const maxVersion = 1024

// version is one that fits the schema. One that does not is cut, and stands whole
// in a property.
func version(v string) string {
	if utf8.RuneCountInString(v) <= maxVersion {
		return v
	}
	return plaintext.Clip(v, maxVersion)
}

func (c Component) cyclonedx() cdx.Component {
	digest := strings.ToLower(strings.TrimPrefix(c.Digest, "sha256:"))
	if _, fromURI, ok := strings.Cut(c.Provenance, "@sha256:"); digest == "" && ok {
		digest = strings.ToLower(fromURI)
	}
	component := cdx.Component{
		Type:    cdx.ComponentTypeApplication,
		Name:    cmp.Or(c.Entry, "unnamed"),
		Version: version(c.Version),
	}
	if sha256Pattern.MatchString(digest) {
		component.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: digest}}
		for _, image := range []string{c.Provenance, c.Artifact} {
			if purl, ok := ociPURL(image, digest); ok {
				component.Type, component.PackageURL = cdx.ComponentTypeContainer, purl
				break
			}
		}
	}
	if c.RepositoryURL != "" {
		if u, err := url.Parse(c.RepositoryURL); err == nil && u.Host != "" {
			u.User = nil // credentials reach no document
			if address, ok := document.IRIReference(u.String()); ok {
				component.ExternalReferences = &[]cdx.ExternalReference{{Type: cdx.ERTypeVCS, URL: address}}
			}
		}
	}
	properties := []cdx.Property{}
	for _, p := range []Property{
		{"action", c.Action},
		{"artifact", c.Artifact},
		{"commit", c.CommitSHA},
		{"entry", c.Entry},
		{"pipeline-run", c.PipelineRunID},
		{"provenance", c.Provenance},
		{"signature", c.Signature},
		{"type", c.Type},
	} {
		if p.Value != "" {
			properties = append(properties, cdx.Property{Name: propertyPrefix + p.Name, Value: p.Value})
		}
	}
	if component.Version != c.Version {
		properties = append(properties, cdx.Property{Name: propertyPrefix + "version", Value: c.Version})
	}
	component.Properties = &properties
	return component
}

var (
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
	imagePattern  = regexp.MustCompile(`^(?:docker://)?([A-Za-z0-9][A-Za-z0-9.\-_:/]*?)(?::([A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}))?@sha256:[0-9a-fA-F]{64}$`)
)

// ociPURL is the package URL of an image: pkg:oci/<last part>@<digest> with
// the repository as a qualifier, as the purl specification has it.
func ociPURL(image, digest string) (string, bool) {
	m := imagePattern.FindStringSubmatch(image)
	if m == nil || !strings.HasSuffix(strings.ToLower(image), digest) {
		return "", false
	}
	repository, tag := strings.ToLower(m[1]), m[2]
	name := repository[strings.LastIndex(repository, "/")+1:]
	if name == "" {
		return "", false
	}
	qualifiers := "repository_url=" + url.QueryEscape(repository)
	if tag != "" {
		qualifiers += "&tag=" + url.QueryEscape(tag)
	}
	return "pkg:oci/" + url.PathEscape(name) + "@sha256%3A" + digest + "?" + qualifiers, true
}

// newBOM is a document with its root component.
func newBOM(target Target) *cdx.BOM {
	root := &cdx.Component{
		BOMRef: rootRef, Type: cdx.ComponentTypePlatform,
		Name: cmp.Or(target.Name, "target"), Version: version(target.Version),
	}
	var properties []cdx.Property
	for _, p := range target.Properties {
		properties = append(properties, cdx.Property{Name: propertyPrefix + p.Name, Value: p.Value})
	}
	if len(properties) > 0 {
		root.Properties = &properties
	}
	bom := cdx.NewBOM()
	bom.SpecVersion = specVersion
	bom.Metadata = &cdx.Metadata{
		Timestamp: target.Timestamp.UTC().Format(time.RFC3339),
		Component: root,
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{
			{Type: cdx.ComponentTypeApplication, Name: toolName},
		}},
	}
	return bom
}

// encode writes a document under a serial number derived from everything in it
// but its timestamp.
func encode(bom *cdx.BOM) ([]byte, error) {
	timestamp := bom.Metadata.Timestamp
	bom.SerialNumber, bom.Metadata.Timestamp = "", ""
	content, err := encodeOnce(bom, false)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	bom.SerialNumber, bom.Metadata.Timestamp = uuid(sum[:]), timestamp
	return encodeOnce(bom, true)
}

func encodeOnce(bom *cdx.BOM, pretty bool) ([]byte, error) {
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(pretty).EncodeVersion(bom, specVersion); err != nil {
		return nil, fmt.Errorf("encoding bill of materials: %w", err)
	}
	return out.Bytes(), nil
}

// refs hands out references that are unique in a document. The value is the
// number to try next for a reference that is taken.
type refs map[string]int

func newRefs(taken ...string) refs {
	r := refs{}
	for _, ref := range taken {
		r[ref] = 2
	}
	return r
}

// take returns the wish, or the wish with a number if it is taken.
func (r refs) take(wish string) string {
	ref := wish
	for r[ref] > 0 {
		ref = fmt.Sprintf("%s#%d", wish, r[wish])
		r[wish]++
	}
	r[ref] = 2
	return ref
}
