// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
)

// bomOf is a CycloneDX document with a root and the rest of its members.
func bomOf(name, members string) Input {
	return Input{Name: name, BOM: fmt.Appendf(nil, `{"bomFormat": "CycloneDX", "specVersion": "1.6",
		"metadata": {"component": {"bom-ref": "root", "type": "application", "name": %q}}%s}`, name, members)}
}

func components(list ...string) string {
	return `, "components": [` + strings.Join(list, ",") + `]`
}

func hash(algorithm string, digit string) string {
	length := map[string]int{"MD5": 32, "SHA-1": 40, "SHA-256": 64}[algorithm]
	return fmt.Sprintf(`{"alg": %q, "content": %q}`, algorithm, strings.Repeat(digit, length))
}

const libX = `"type": "library", "name": "x", "purl": "pkg:npm/x@1"`

// Which components of two documents are one thing.
func TestIdentity(t *testing.T) {
	hashes := func(list ...string) string { return `, "hashes": [` + strings.Join(list, ",") + `]` }
	for name, tc := range map[string]struct {
		a, b []string
		want int
	}{
		"the same purl":                           {[]string{libX}, []string{`"type": "framework", "name": "y", "purl": "pkg:npm/x@1"`}, 1},
		"purls that differ in a qualifier":        {[]string{libX}, []string{`"type": "library", "name": "x", "purl": "pkg:npm/x@1?arch=arm64"`}, 2},
		"purls that differ in a subpath":          {[]string{libX}, []string{`"type": "library", "name": "x", "purl": "pkg:npm/x@1#2"`}, 2},
		"names that differ in case":               {[]string{`"type": "library", "name": "x"`}, []string{`"type": "library", "name": "X"`}, 2},
		"the same name, version and type":         {[]string{`"type": "library", "name": "x"`}, []string{`"name": "x", "type": "library"`}, 1},
		"another group":                           {[]string{`"type": "library", "name": "x", "group": "a"`}, []string{`"type": "library", "name": "x"`}, 2},
		"another type":                            {[]string{`"type": "library", "name": "x"`}, []string{`"type": "file", "name": "x"`}, 2},
		"the same name with and without hash":     {[]string{`"type": "file", "name": "x"`}, []string{`"type": "file", "name": "x"` + hashes(hash("SHA-1", "a"))}, 2},
		"a name, and a purl of it":                {[]string{`"type": "library", "name": "x"`}, []string{libX}, 2},
		"the same cpe":                            {[]string{`"type": "library", "name": "x", "cpe": "cpe:/a:b:c"`}, []string{`"type": "file", "name": "y", "cpe": "cpe:/a:b:c"`}, 1},
		"a purl that looks like a cpe":            {[]string{`"type": "library", "name": "x", "cpe": "cpe:/a:b:c"`}, []string{`"type": "library", "name": "x", "purl": "cpe:/a:b:c"`}, 2},
		"the same SWID tag":                       {[]string{`"type": "library", "name": "x", "swid": {"tagId": "t", "name": "x"}`}, []string{`"type": "file", "name": "y", "swid": {"tagId": "t", "name": "y"}`}, 1},
		"one with and one without hashes":         {[]string{libX}, []string{libX + hashes(hash("SHA-256", "a"))}, 1},
		"the same hash":                           {[]string{libX + hashes(hash("SHA-256", "a"))}, []string{libX + hashes(hash("SHA-256", "a"))}, 1},
		"the same hash in capitals":               {[]string{libX + hashes(hash("SHA-256", "a"))}, []string{libX + hashes(hash("SHA-256", "A"))}, 1},
		"different hashes":                        {[]string{libX + hashes(hash("SHA-256", "a"))}, []string{libX + hashes(hash("SHA-256", "b"))}, 2},
		"hashes of different algorithms":          {[]string{libX + hashes(hash("SHA-256", "a"))}, []string{libX + hashes(hash("SHA-1", "a"))}, 2},
		"one shared hash, one more":               {[]string{libX + hashes(hash("SHA-256", "a"))}, []string{libX + hashes(hash("SHA-256", "a"), hash("MD5", "c"))}, 1},
		"one shared hash, one different":          {[]string{libX + hashes(hash("MD5", "c"), hash("SHA-256", "a"))}, []string{libX + hashes(hash("MD5", "c"), hash("SHA-256", "b"))}, 2},
		"hashes in another order":                 {[]string{libX + hashes(hash("MD5", "c"), hash("SHA-256", "a"))}, []string{libX + hashes(hash("SHA-256", "a"), hash("MD5", "c"))}, 1},
		"twice in one document":                   {[]string{libX, libX}, nil, 2},
		"twice in each of two documents":          {[]string{libX, libX}, []string{libX, libX}, 2},
		"twice in one, once in the other":         {[]string{libX, libX}, []string{libX}, 2},
		"with and without hashes, in both":        {[]string{libX, libX + hashes(hash("SHA-1", "a"))}, []string{libX + hashes(hash("SHA-1", "a")), libX}, 2},
		"a component that is the other's root":    {[]string{`"type": "application", "name": "b"`}, nil, 0},
		"a purl too long for a name":              {[]string{`"type": "library", "name": "x", "purl": "pkg:npm/` + strings.Repeat("x", 500) + `"`}, []string{`"type": "library", "name": "x", "purl": "pkg:npm/` + strings.Repeat("x", 500) + `"`}, 1},
		"two such purls that differ at their end": {[]string{`"type": "library", "name": "x", "purl": "pkg:npm/` + strings.Repeat("x", 500) + `a"`}, []string{`"type": "library", "name": "x", "purl": "pkg:npm/` + strings.Repeat("x", 500) + `b"`}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			list := func(bodies []string) string {
				var all []string
				for i, body := range bodies {
					all = append(all, fmt.Sprintf(`{"bom-ref": "c%d", %s}`, i, body))
				}
				return components(all...)
			}
			_, merged := merge(t, bomOf("a", list(tc.a)), bomOf("b", list(tc.b)))
			if got := merged.Components - 2; got != tc.want {
				t.Errorf("got %d components beside the two roots, want %d", got, tc.want)
			}
		})
	}
}

// united is the one component x of two documents that have it.
func united(t *testing.T, a, b string) (cdx.Component, *cdx.BOM) {
	t.Helper()
	out, _ := merge(t, bomOf("a", components(`{"bom-ref": "c", `+libX+a+`}`)), bomOf("b", components(`{"bom-ref": "d", `+libX+b+`}`)))
	bom := decoded(t, out)
	for _, c := range *bom.Components {
		if c.Name == "x" {
			return c, bom
		}
	}
	t.Fatal("no component x")
	return cdx.Component{}, nil
}

func TestUnite(t *testing.T) {
	licences := func(c cdx.Component) (list []string) {
		for _, l := range *c.Licenses {
			if l.License != nil {
				list = append(list, l.License.ID+l.License.Name)
			} else {
				list = append(list, l.Expression)
			}
		}
		return list
	}
	for name, tc := range map[string]struct {
		a, b string
		got  func(cdx.Component) any
		want any
	}{
		"licences are joined": {
			`, "licenses": [{"license": {"id": "MIT"}}]`, `, "licenses": [{"license": {"id": "ISC"}}, {"license": {"id": "MIT"}}]`,
			func(c cdx.Component) any { return licences(c) }, []string{"MIT", "ISC"},
		},
		"an expression beside a licence is a property": {
			`, "licenses": [{"license": {"id": "MIT"}}]`, `, "licenses": [{"expression": "MIT OR ISC"}]`,
			func(c cdx.Component) any {
				return append(licences(c), (*c.Properties)[0].Name, (*c.Properties)[0].Value)
			},
			[]string{"MIT", "countersign:also-licensed", "MIT OR ISC"},
		},
		"external references are joined": {
			`, "externalReferences": [{"type": "vcs", "url": "https://a.example"}]`, `, "externalReferences": [{"type": "vcs", "url": "https://b.example"}]`,
			func(c cdx.Component) any { return len(*c.ExternalReferences) }, 2,
		},
		"properties are joined, each once": {
			`, "properties": [{"name": "p", "value": "1"}]`, `, "properties": [{"value": "1", "name": "p"}, {"name": "p", "value": "2"}]`,
			func(c cdx.Component) any { return *c.Properties }, []cdx.Property{{Name: "p", Value: "1"}, {Name: "p", Value: "2"}},
		},
		"the first description counts": {
			`, "description": "first"`, `, "description": "second"`,
			func(c cdx.Component) any { return c.Description }, "first",
		},
		"a description that only the second has counts": {
			``, `, "description": "second"`,
			func(c cdx.Component) any { return c.Description }, "second",
		},
		"required by one is required": {
			`, "scope": "optional"`, `, "scope": "required"`,
			func(c cdx.Component) any { return c.Scope }, cdx.Scope(""),
		},
		"optional for both is optional": {
			`, "scope": "optional"`, `, "scope": "optional", "copyright": "c"`,
			func(c cdx.Component) any { return c.Scope }, cdx.ScopeOptional,
		},
		"occurrences are joined": {
			`, "evidence": {"occurrences": [{"location": "/a"}]}`, `, "evidence": {"occurrences": [{"location": "/b"}]}`,
			func(c cdx.Component) any { return len(*c.Evidence.Occurrences) }, 2,
		},
		"hashes are joined": {
			``, `, "hashes": [` + hash("SHA-1", "a") + `]`,
			func(c cdx.Component) any { return len(*c.Hashes) }, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := united(t, tc.a, tc.b)
			if diff := cmp.Diff(tc.want, tc.got(c)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func notes(bom *cdx.BOM, name string) []string {
	var values []string
	for _, p := range *bom.Metadata.Properties {
		if p.Name == propertyPrefix+name {
			values = append(values, p.Value)
		}
	}
	return values
}

func TestMergeNamesWhatItLeavesOut(t *testing.T) {
	for name, tc := range map[string]struct {
		members string
		want    []string
	}{
		"nothing":                   {components(`{` + libX + `}`), nil},
		"a signature":               {`, "signature": {"algorithm": "ES256", "value": "x"}`, []string{"a: 1 × signatures"}},
		"a component's signature":   {components(`{` + libX + `, "signature": {"algorithm": "ES256", "value": "x"}}`), []string{"a: 1 × signatures"}},
		"a formulation":             {`, "formulation": [{"bom-ref": "f"}]`, []string{"a: 1 × formulation"}},
		"a member of version 1.7":   {`, "citations": []`, []string{"a: 1 × citations"}},
		"an unknown member":         {components(`{` + libX + `, "\u202eevil": 1}`), []string{`a: 1 × components."\u202eevil"`}},
		"a value of the wrong type": {components(`{` + libX + `, "version": 7}`), []string{"a: 1 × components.version"}},
		"a hash that is none":       {components(`{` + libX + `, "hashes": [{"alg": "SHA-1", "content": "xyz"}]}`), []string{"a: 1 × components.hashes.content"}},
		"an address that is none":   {components(`{` + libX + `, "externalReferences": [{"type": "vcs", "url": "http://[::"}]}`), []string{"a: 1 × components.externalReferences.url"}},
		"a dangling dependency":     {`, "dependencies": [{"ref": "root", "dependsOn": ["ghost"]}]`, []string{"a: 1 × references that lead nowhere: dependencies"}},
		"a composition of nothing": {
			`, "compositions": [{"aggregate": "complete", "assemblies": ["ghost"]}]`,
			[]string{"a: 1 × compositions about nothing that is there", "a: 1 × references that lead nowhere: compositions.assemblies"},
		},
		"what annotates only what is left out": {
			`, "compositions": [{"bom-ref": "c", "aggregate": "complete", "assemblies": ["ghost"]}], "annotations": [{"subjects": ["c"], "annotator": {"individual": {"name": "x"}}, "timestamp": "2026-01-01T00:00:00Z", "text": "t"}]`,
			[]string{
				"a: 1 × annotations about nothing that is there", "a: 1 × compositions about nothing that is there",
				"a: 1 × references that lead nowhere: annotations.subjects", "a: 1 × references that lead nowhere: compositions.assemblies",
			},
		},
		"two things of one name": {components(`{"bom-ref": "c", "type": "file", "name": "x"}`, `{"bom-ref": "c", "type": "file", "name": "y"}`), []string{"a: 1 × names used twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, _ := merge(t, bomOf("a", tc.members))
			if diff := cmp.Diff(tc.want, notes(decoded(t, out), "left-out")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeSaysWhichFieldsDiffer(t *testing.T) {
	_, bom := united(t, `, "description": "first"`, `, "description": "second"`)
	want := []string{"1 × description of a component that another input says differently"}
	if diff := cmp.Diff(want, notes(bom, "left-out")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A part that goes with a field of which the first counts takes with it what
// refers to it, not more.
func TestMergeDropsReferencesToPartsThatItDrops(t *testing.T) {
	pedigree := `, "pedigree": {"ancestors": [{"bom-ref": "old", "type": "library", "name": "old-%s"}]}`
	a := bomOf("a", components(`{"bom-ref": "c", `+libX+fmt.Sprintf(pedigree, "a")+`}`)+`, "compositions": [{"aggregate": "complete", "assemblies": ["old"]}]`)
	b := bomOf("b", components(`{"bom-ref": "c", `+libX+fmt.Sprintf(pedigree, "b")+`}`)+`, "compositions": [{"aggregate": "incomplete", "assemblies": ["old", "c"]}]`)
	out, _ := merge(t, a, b)
	var assemblies []int
	for _, c := range *decoded(t, out).Compositions {
		assemblies = append(assemblies, len(*c.Assemblies))
	}
	if diff := cmp.Diff([]int{1, 1}, assemblies); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMergeKeepsTheGraphs(t *testing.T) {
	a := bomOf("a", components(`{"bom-ref": "1", `+libX+`}`, `{"bom-ref": "2", "type": "library", "name": "y", "purl": "pkg:npm/y@1"}`)+
		`, "dependencies": [{"ref": "root", "dependsOn": ["1"]}, {"ref": "1", "dependsOn": ["2"]}]`)
	b := bomOf("b", components(`{"bom-ref": "2", `+libX+`}`, `{"bom-ref": "1", "type": "library", "name": "z", "purl": "pkg:npm/z@1"}`)+
		`, "dependencies": [{"ref": "root", "dependsOn": ["2"]}, {"ref": "2", "dependsOn": ["1"]}, {"ref": "1", "provides": ["2"]}]`)
	// The same document under two names, without a root.
	c := Input{Name: "c", BOM: []byte(`{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
		{"bom-ref": "u", "type": "library", "name": "u"}, {"bom-ref": "v", "type": "library", "name": "v"}],
		"dependencies": [{"ref": "u", "dependsOn": ["v"]}]}`)}
	d := Input{Name: "d", BOM: c.BOM}
	out, _ := merge(t, a, b, c, d)
	bom := decoded(t, out)
	names := map[string]string{rootRef: "target"}
	for _, c := range *bom.Components {
		names[c.BOMRef] = c.Name
	}
	var edges []string
	for _, entry := range *bom.Dependencies {
		for _, to := range deref(entry.Dependencies) {
			edges = append(edges, names[entry.Ref]+" → "+names[to])
		}
		for _, to := range deref(entry.Provides) {
			edges = append(edges, names[entry.Ref]+" provides "+names[to])
		}
	}
	slices.Sort(edges)
	want := []string{
		"a → x", "b → x", "c → u", "d → u", "target → a", "target → b", "target → c", "target → d", "u → v", "x → y", "x → z", "z provides x",
	}
	if diff := cmp.Diff(want, edges); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMergeKeepsOtherElements(t *testing.T) {
	const rest = `, "services": [{"bom-ref": "s", "name": "payments"}],
		"vulnerabilities": [{"bom-ref": "v", "id": "CVE-1", "affects": [{"ref": "c"}, {"ref": "s"}, {"ref": "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#part"}]}],
		"compositions": [{"aggregate": "complete", "assemblies": ["c"], "vulnerabilities": ["v"]}],
		"annotations": [{"subjects": ["v"], "annotator": {"individual": {"name": "x"}}, "timestamp": "2026-01-01T00:00:00Z", "text": "t"}],
		"properties": [{"name": "p", "value": "1"}], "externalReferences": [{"type": "bom", "url": "https://a.example"}]`
	a := bomOf("a", components(`{"bom-ref": "c", `+libX+`}`)+rest)
	b := bomOf("b", components(`{"bom-ref": "c", `+libX+`}`)+rest)
	out, _ := merge(t, a, b)
	bom := decoded(t, out)
	// What both say of the same things is there once.
	got := map[string]int{
		"services": len(*bom.Services), "vulnerabilities": len(*bom.Vulnerabilities), "affects": len(*(*bom.Vulnerabilities)[0].Affects),
		"compositions": len(*bom.Compositions), "annotations": len(*bom.Annotations),
	}
	want := map[string]int{"services": 1, "vulnerabilities": 1, "affects": 3, "compositions": 1, "annotations": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	roots := map[string]bool{}
	for _, c := range *bom.Components {
		if c.Type == cdx.ComponentTypeApplication && len(deref(c.Properties)) == 1 && len(deref(c.ExternalReferences)) == 1 {
			roots[c.Name] = true
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, slices.Sorted(maps.Keys(roots))); diff != "" {
		t.Errorf("roots with the properties of their documents (-want +got):\n%s", diff)
	}
}
