// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
)

// prefix of the names of properties for what CycloneDX has no field for.
const prefix = "spdx:"

// edge says how an SPDX relationship stands in the dependency graph of
// CycloneDX: whether the first element depends on the second, or the second on
// the first. Relationships that are not here become properties.
var edges = map[string]bool{
	common.TypeRelationshipContains:             true,
	common.TypeRelationshipDependsOn:            true,
	common.TypeRelationshipHasPrerequisite:      true,
	common.TypeRelationshipDynamicLink:          true,
	common.TypeRelationshipStaticLink:           true,
	common.TypeRelationshipContainedBy:          false,
	common.TypeRelationshipDependencyOf:         false,
	common.TypeRelationshipBuildDependencyOf:    false,
	common.TypeRelationshipDevDependencyOf:      false,
	common.TypeRelationshipOptionalDependencyOf: false,
	common.TypeRelationshipProvidedDependencyOf: false,
	common.TypeRelationshipRuntimeDependencyOf:  false,
	common.TypeRelationshipTestDependencyOf:     false,
	common.TypeRelationshipPrerequisiteFor:      false,
	common.TypeRelationshipPackageOf:            false,
}

// plainEdges are those that an edge says all of.
var plainEdges = map[string]bool{
	common.TypeRelationshipContains: true, common.TypeRelationshipContainedBy: true,
	common.TypeRelationshipDependsOn: true, common.TypeRelationshipDependencyOf: true,
}

// mapping is a conversion under way.
type mapping struct {
	document *spdx.Document
	bom      *cdx.BOM
	// components by SPDX id, in their order.
	components  []*cdx.Component
	byID        map[string]*cdx.Component
	described   []string
	isDescribed map[string]bool
	dependsOn   map[string][]string
	extracted   map[string]*spdx.OtherLicense
	leftOut     map[string]int
}

func fromSPDX(document *spdx.Document) (*Result, error) {
	m := &mapping{
		document: document, bom: cdx.NewBOM(), byID: map[string]*cdx.Component{}, isDescribed: map[string]bool{},
		dependsOn: map[string][]string{}, extracted: map[string]*spdx.OtherLicense{}, leftOut: map[string]int{},
	}
	for _, l := range document.OtherLicenses {
		if l != nil {
			m.extracted[l.LicenseIdentifier] = l
		}
	}
	m.bom.SerialNumber = serialOf(document.DocumentNamespace)
	m.bom.Metadata = &cdx.Metadata{Tools: m.tools()}
	m.packages()
	for _, f := range document.Files {
		if f != nil {
			m.file(f)
		}
	}
	for _, r := range document.Relationships {
		if r != nil {
			m.relationship(r)
		}
	}
	m.annotations()
	m.licenceTexts()
	m.properties(m.bom)
	m.count("snippets", len(document.Snippets))
	m.count("reviews", len(document.Reviews))
	m.count("external document references", len(document.ExternalDocumentReferences))
	m.assemble()
	var leftOut []string
	for _, what := range slices.Sorted(maps.Keys(m.leftOut)) {
		leftOut = append(leftOut, fmt.Sprintf("%d × %s of SPDX", m.leftOut[what], what))
	}
	return written(m.bom, leftOut)
}

// serialOf makes a serial number of a document's namespace, which is what names
// it in SPDX.
func serialOf(namespace string) string {
	if namespace == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(namespace))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (m *mapping) count(what string, n int) {
	if n > 0 {
		m.leftOut[what] += n
	}
}

func (m *mapping) tools() *cdx.ToolsChoice {
	if m.document.CreationInfo == nil {
		return nil
	}
	tools := []cdx.Component{}
	for _, c := range m.document.CreationInfo.Creators {
		if c.CreatorType == "Tool" {
			tools = append(tools, cdx.Component{Type: cdx.ComponentTypeApplication, Name: c.Creator})
		}
	}
	return &cdx.ToolsChoice{Components: &tools}
}

// properties keeps what the document says of itself.
func (m *mapping) properties(bom *cdx.BOM) {
	d := m.document
	properties := []cdx.Property{}
	add := func(name, value string) {
		if value != "" {
			properties = append(properties, cdx.Property{Name: prefix + name, Value: value})
		}
	}
	add("document-name", d.DocumentName)
	add("document-namespace", d.DocumentNamespace)
	add("document-comment", d.DocumentComment)
	if d.CreationInfo != nil {
		for _, c := range d.CreationInfo.Creators {
			if c.CreatorType != "Tool" {
				add("creator", c.CreatorType+": "+c.Creator)
			}
		}
	}
	bom.Properties = &properties
}

func (m *mapping) add(id common.ElementID, c *cdx.Component) {
	name := string(id)
	if _, known := m.byID[name]; known || name == "" {
		m.count("elements with the id of another", 1)
		c.BOMRef = ""
	} else {
		c.BOMRef = ref(name)
		m.byID[name] = c
	}
	m.components = append(m.components, c)
}

func ref(id string) string { return "SPDXRef-" + id }

func property(c *cdx.Component, name, value string) {
	if value == "" || value == "NOASSERTION" {
		return
	}
	if c.Properties == nil {
		c.Properties = &[]cdx.Property{}
	}
	*c.Properties = append(*c.Properties, cdx.Property{Name: prefix + name, Value: value})
}

var purposes = map[string]cdx.ComponentType{
	"APPLICATION": cdx.ComponentTypeApplication, "FRAMEWORK": cdx.ComponentTypeFramework, "LIBRARY": cdx.ComponentTypeLibrary,
	"CONTAINER": cdx.ComponentTypeContainer, "OPERATING-SYSTEM": cdx.ComponentTypeOS, "DEVICE": cdx.ComponentTypeDevice,
	"FIRMWARE": cdx.ComponentTypeFirmware, "FILE": cdx.ComponentTypeFile,
}

func (m *mapping) packages() {
	for _, p := range m.document.Packages {
		if p == nil {
			continue
		}
		c := &cdx.Component{
			Type: cdx.ComponentTypeLibrary, Name: p.PackageName, Version: p.PackageVersion,
			Description: firstOf(p.PackageDescription, p.PackageSummary), Copyright: asserted(p.PackageCopyrightText),
		}
		if t, ok := purposes[p.PrimaryPackagePurpose]; ok {
			c.Type = t
		} else {
			property(c, "primary-package-purpose", p.PrimaryPackagePurpose)
		}
		if s := p.PackageSupplier; s != nil && asserted(s.Supplier) != "" {
			c.Supplier = &cdx.OrganizationalEntity{Name: s.Supplier}
		}
		if o := p.PackageOriginator; o != nil && asserted(o.Originator) != "" {
			c.Publisher = o.Originator
		}
		hashes(c, p.PackageChecksums)
		m.licences(c, p.PackageLicenseConcluded, p.PackageLicenseDeclared)
		externals(c, p)
		property(c, "package-file-name", p.PackageFileName)
		property(c, "source-info", p.PackageSourceInfo)
		property(c, "comment", p.PackageComment)
		property(c, "license-comments", p.PackageLicenseComments)
		property(c, "release-date", p.ReleaseDate)
		property(c, "built-date", p.BuiltDate)
		property(c, "valid-until-date", p.ValidUntilDate)
		if p.PackageDescription != "" {
			property(c, "summary", p.PackageSummary)
		}
		for _, l := range p.PackageLicenseInfoFromFiles {
			property(c, "license-info-from-files", l)
		}
		for _, a := range p.PackageAttributionTexts {
			property(c, "attribution-text", a)
		}
		if v := p.PackageVerificationCode; v != nil {
			property(c, "package-verification-code", v.Value)
		}
		m.add(p.PackageSPDXIdentifier, c)
		for i := range p.Annotations {
			m.annotation(&p.Annotations[i], c.BOMRef)
		}
		for _, f := range p.Files {
			if f != nil {
				m.file(f)
				m.depends(string(p.PackageSPDXIdentifier), string(f.FileSPDXIdentifier))
			}
		}
	}
}

func (m *mapping) file(f *spdx.File) {
	c := &cdx.Component{Type: cdx.ComponentTypeFile, Name: f.FileName, Copyright: asserted(f.FileCopyrightText)}
	hashes(c, f.Checksums)
	m.licences(c, f.LicenseConcluded, "")
	for _, t := range f.FileTypes {
		property(c, "file-type", t)
	}
	for _, l := range f.LicenseInfoInFiles {
		property(c, "license-info-in-file", l)
	}
	for _, a := range f.FileContributors {
		property(c, "file-contributor", a)
	}
	for _, a := range f.FileAttributionTexts {
		property(c, "attribution-text", a)
	}
	property(c, "comment", f.FileComment)
	property(c, "notice", f.FileNotice)
	property(c, "license-comments", f.LicenseComments)
	m.add(f.FileSPDXIdentifier, c)
	for i := range f.Annotations {
		m.annotation(&f.Annotations[i], c.BOMRef)
	}
}

func asserted(v string) string {
	if v == "NOASSERTION" {
		return ""
	}
	return v
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

var algorithms = map[common.ChecksumAlgorithm]cdx.HashAlgorithm{
	common.MD5: cdx.HashAlgoMD5, common.SHA1: cdx.HashAlgoSHA1, common.SHA256: cdx.HashAlgoSHA256,
	common.SHA384: cdx.HashAlgoSHA384, common.SHA512: cdx.HashAlgoSHA512,
	common.SHA3_256: cdx.HashAlgoSHA3_256, common.SHA3_384: cdx.HashAlgoSHA3_384, common.SHA3_512: cdx.HashAlgoSHA3_512,
	common.BLAKE2b_256: cdx.HashAlgoBlake2b_256, common.BLAKE2b_384: cdx.HashAlgoBlake2b_384,
	common.BLAKE2b_512: cdx.HashAlgoBlake2b_512, common.BLAKE3: cdx.HashAlgoBlake3,
}

func hashes(c *cdx.Component, checksums []common.Checksum) {
	list := []cdx.Hash{}
	for _, sum := range checksums {
		if algorithm, ok := algorithms[sum.Algorithm]; ok {
			list = append(list, cdx.Hash{Algorithm: algorithm, Value: sum.Value})
		} else {
			property(c, "checksum", string(sum.Algorithm)+":"+sum.Value)
		}
	}
	if len(list) > 0 {
		c.Hashes = &list
	}
}

func externals(c *cdx.Component, p *spdx.Package) {
	list := []cdx.ExternalReference{}
	add := func(t cdx.ExternalReferenceType, address, comment string) {
		if address != "" && address != "NOASSERTION" && address != "NONE" {
			list = append(list, cdx.ExternalReference{Type: t, URL: address, Comment: comment})
		}
	}
	add(cdx.ERTypeDistribution, p.PackageDownloadLocation, "")
	add(cdx.ERTypeWebsite, p.PackageHomePage, "")
	for _, r := range p.PackageExternalReferences {
		switch {
		case r == nil:
		case r.RefType == common.TypePackageManagerPURL && c.PackageURL == "":
			c.PackageURL = r.Locator
		case (r.RefType == common.TypeSecurityCPE23Type || r.RefType == common.TypeSecurityCPE22Type) && c.CPE == "":
			c.CPE = r.Locator
		case r.RefType == common.TypePersistentIdSwh || r.RefType == common.TypePersistentIdGitoid ||
			r.RefType == common.TypePackageManagerPURL || strings.HasPrefix(r.RefType, "cpe2"):
			property(c, "external-ref:"+r.RefType, r.Locator)
		case r.RefType == common.TypeSecurityAdvisory || r.RefType == common.TypeSecurityFix:
			add(cdx.ERTypeAdvisories, r.Locator, r.ExternalRefComment)
		default:
			add(cdx.ERTypeOther, r.Locator, firstOf(r.ExternalRefComment, r.Category+" "+r.RefType))
		}
	}
	if len(list) > 0 {
		c.ExternalReferences = &list
	}
}

func (m *mapping) depends(from, to string) {
	if m.byID[from] != nil && m.byID[to] != nil {
		m.dependsOn[from] = append(m.dependsOn[from], to)
	} else {
		m.count("relationships with what is not there", 1)
	}
}

func (m *mapping) relationship(r *spdx.Relationship) {
	from, to := string(r.RefA.ElementRefID), string(r.RefB.ElementRefID)
	document := string(m.document.SPDXIdentifier)
	if r.Relationship == common.TypeRelationshipDescribeBy {
		from, to = to, from
	}
	switch {
	case r.RefB.SpecialID != "":
		if c := m.byID[from]; c != nil {
			property(c, "relationship", r.Relationship+" "+r.RefB.SpecialID)
		}
		return
	case r.RefA.DocumentRefID != "" || r.RefB.DocumentRefID != "":
		m.count("relationships with elements of other documents", 1)
		return
	case from == document && (r.Relationship == common.TypeRelationshipDescribe || r.Relationship == common.TypeRelationshipDescribeBy):
		if m.byID[to] != nil && !m.isDescribed[to] {
			m.isDescribed[to] = true
			m.described = append(m.described, to)
		}
		return
	case m.byID[from] == nil || m.byID[to] == nil:
		m.count("relationships with what is not there", 1)
		return
	}
	forward, isEdge := edges[r.Relationship]
	if isEdge && forward {
		m.depends(from, to)
	} else if isEdge {
		m.depends(to, from)
	}
	if !isEdge || !plainEdges[r.Relationship] {
		other := m.byID[to]
		property(m.byID[from], "relationship", strings.TrimSpace(r.Relationship+" "+firstOf(other.PackageURL, other.Name+" "+other.Version)))
	}
	property(m.byID[from], "relationship-comment", r.RelationshipComment)
}

func (m *mapping) annotations() {
	for _, a := range m.document.Annotations {
		if a == nil {
			continue
		}
		subject := string(a.AnnotationSPDXIdentifier.ElementRefID)
		if m.byID[subject] == nil {
			m.count("annotations of the document itself", 1)
			continue
		}
		m.annotation(a, ref(subject))
	}
}

func (m *mapping) annotation(a *spdx.Annotation, subject string) {
	if subject == "" {
		m.count("annotations of elements with the id of another", 1)
		return
	}
	annotator := &cdx.Annotator{Individual: &cdx.OrganizationalContact{Name: a.Annotator.Annotator}}
	switch a.Annotator.AnnotatorType {
	case "Organization":
		annotator = &cdx.Annotator{Organization: &cdx.OrganizationalEntity{Name: a.Annotator.Annotator}}
	case "Tool":
		annotator = &cdx.Annotator{Component: &cdx.Component{Type: cdx.ComponentTypeApplication, Name: a.Annotator.Annotator}}
	}
	if m.bom.Annotations == nil {
		m.bom.Annotations = &[]cdx.Annotation{}
	}
	*m.bom.Annotations = append(*m.bom.Annotations, cdx.Annotation{
		Subjects: &[]cdx.BOMReference{cdx.BOMReference(subject)}, Annotator: annotator,
		Timestamp: a.AnnotationDate, Text: a.AnnotationComment,
	})
}

// assemble puts the document together. What the document describes is its root
// if it is one thing; if it is several, the root is the document.
func (m *mapping) assemble() {
	var root *cdx.Component
	switch len(m.described) {
	case 0:
	case 1:
		root = m.byID[m.described[0]]
	default:
		root = &cdx.Component{BOMRef: "document", Type: cdx.ComponentTypeApplication, Name: firstOf(m.document.DocumentName, "SPDX document")}
	}
	list := []cdx.Component{}
	for _, c := range m.components {
		if c != root {
			list = append(list, *c)
		}
	}
	m.bom.Metadata.Component = root
	m.bom.Components = &list

	dependencies := []cdx.Dependency{}
	if len(m.described) > 1 {
		all := []string{}
		for _, id := range m.described {
			all = append(all, ref(id))
		}
		dependencies = append(dependencies, cdx.Dependency{Ref: root.BOMRef, Dependencies: &all})
	}
	for _, c := range m.components {
		id := strings.TrimPrefix(c.BOMRef, "SPDXRef-")
		if c.BOMRef == "" || len(m.dependsOn[id]) == 0 {
			continue
		}
		to := []string{}
		for _, id := range m.dependsOn[id] {
			to = append(to, ref(id))
		}
		dependencies = append(dependencies, cdx.Dependency{Ref: c.BOMRef, Dependencies: &to})
	}
	m.bom.Dependencies = &dependencies
}
