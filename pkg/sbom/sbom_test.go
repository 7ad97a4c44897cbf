// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

var target = Target{
	Name: "prod", Version: "1111111111111111111111111111111111111111",
	Timestamp:  time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	Properties: []Property{{"inventory", "https://forge.example/acme/inventory"}},
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", name, diff)
	}
}

func TestDeploymentBOM(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	components := []Component{
		{
			Entry: "web/shop", Action: ActionDeploy, Type: "image", Version: "1.2.3", Digest: "sha256:" + digest,
			Artifact:      "registry.example:5000/acme/Shop:1.2.3@sha256:" + digest,
			Provenance:    "docker://registry.example:5000/acme/Shop:1.2.3@sha256:" + digest,
			RepositoryURL: "https://user:secret@forge.example/acme/shop", CommitSHA: strings.Repeat("1", 40),
			PipelineRunID: "run-7", Signature: "c2lnbmF0dXJl",
		},
		{Entry: "old", Action: ActionDelete, Type: "image", Version: "0.9"},
		{Entry: "chart", Action: ActionDeploy, Type: "helm", Artifact: "chart", Version: "2", Digest: digest},
		{Entry: "odd\u202e|`\n", Action: ActionDeploy, Digest: "sha256:short", Provenance: "not a reference", RepositoryURL: "::"},
	}
	got, err := DeploymentBOM(target, components)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "deployment-bom.json", got)
	if bytes.Contains(got, []byte("user:secret")) {
		t.Error("a password reached the document")
	}

	slices.Reverse(components)
	again, err := DeploymentBOM(target, components)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(again)); diff != "" {
		t.Errorf("the order of the entries changed the document:\n%s", diff)
	}
}

// decoded is a merged document as its readers see it.
func decoded(t testing.TB, data []byte) *cdx.BOM {
	t.Helper()
	var bom cdx.BOM
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	return &bom
}

// faults finds, independently of the code under test, names used twice and
// references that lead nowhere, over the plain JSON.
func faults(t testing.TB, data []byte) []string {
	t.Helper()
	var document any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	var found []string
	defined := map[string]bool{}
	var define, use func(v any)
	define = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["bom-ref"].(string); ok {
				if defined[ref] {
					found = append(found, "twice: "+ref)
				}
				defined[ref] = true
			}
			for _, child := range v {
				define(child)
			}
		case []any:
			for _, child := range v {
				define(child)
			}
		}
	}
	check := func(v any) {
		for _, ref := range append(asList(v), v) {
			if s, ok := ref.(string); ok && !defined[s] && !strings.HasPrefix(s, "urn:cdx:") {
				found = append(found, "dangling: "+s)
			}
		}
	}
	use = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, child := range v {
				switch name {
				case "ref", "dependsOn", "provides", "assemblies", "subjects", "cryptoRefArray", "algorithmRef":
					check(child)
				}
				use(child)
			}
		case []any:
			for _, child := range v {
				use(child)
			}
		}
	}
	define(document)
	use(document)
	slices.Sort(found)
	return found
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

const one = `{
 "bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": "urn:uuid:00000000-0000-4000-8000-000000000001", "version": 1,
 "metadata": {"component": {"bom-ref": "app", "type": "application", "name": "shop", "version": "1"}},
 "components": [
  {"bom-ref": "a", "type": "library", "name": "left-pad", "version": "1.0", "purl": "pkg:npm/left-pad@1.0",
   "hashes": [{"alg": "SHA-256", "content": "` + h1 + `"}], "licenses": [{"license": {"bom-ref": "lic", "id": "MIT"}}],
   "components": [{"bom-ref": "inner", "type": "library", "name": "vendored", "version": "0.1"}]},
  {"bom-ref": "b", "type": "library", "name": "glibc", "version": "2.36", "cpe": "cpe:2.3:a:gnu:glibc:2.36:*:*:*:*:*:*:*"},
  {"bom-ref": "k", "type": "cryptographic-asset", "name": "tls", "cryptoProperties": {"assetType": "protocol", "protocolProperties": {"type": "tls", "cryptoRefArray": ["a", "ghost"]}}}
 ],
 "services": [{"bom-ref": "s", "name": "payments", "services": [{"bom-ref": "s2", "name": "cards"}]}],
 "dependencies": [{"ref": "app", "dependsOn": ["a", "b", "ghost"]}, {"ref": "a", "dependsOn": ["b"]}, {"ref": "ghost", "dependsOn": ["a"]}],
 "vulnerabilities": [{"bom-ref": "v", "id": "CVE-2026-1", "affects": [{"ref": "a"}, {"ref": "ghost"}]}],
 "compositions": [{"aggregate": "complete", "assemblies": ["app"]}, {"aggregate": "incomplete", "assemblies": ["ghost"]}],
 "annotations": [{"bom-ref": "n", "subjects": ["a"], "annotator": {"individual": {"name": "x"}}, "timestamp": "2026-01-01T00:00:00Z", "text": "t"}],
 "formulation": [{"bom-ref": "f"}],
 "signature": {"algorithm": "ES256", "value": "x"}
}`

const two = `{
 "bomFormat": "CycloneDX", "specVersion": "1.4", "version": 1,
 "components": [
  {"bom-ref": "a", "type": "library", "name": "left-pad", "version": "1.0", "purl": "pkg:npm/left-pad@1.0", "hashes": [{"alg": "SHA-1", "content": "` + h0 + `"}], "licenses": [{"expression": "MIT OR ISC"}]},
  {"bom-ref": "x", "type": "library", "name": "left-pad", "version": "1.0", "purl": "pkg:npm/left-pad@1.0", "hashes": [{"alg": "SHA-256", "content": "` + h2 + `"}]},
  {"bom-ref": "x", "type": "nonsense", "name": "", "hashes": [{"alg": "SHA-256", "content": "not hex"}]},
  {"type": "library", "name": "no-ref", "group": "g", "version": "3"}
 ],
 "dependencies": [{"ref": "a", "dependsOn": ["x"]}, {"ref": "a", "dependsOn": ["a"]}]
}`

const (
	h0 = "0000000000000000000000000000000000000000"
	h1 = "1111111111111111111111111111111111111111111111111111111111111111"
	h2 = "2222222222222222222222222222222222222222222222222222222222222222"
)

func TestMerge(t *testing.T) {
	inputs := []Input{
		{Name: "shop", BOM: []byte(one)},
		{Name: "cart", BOM: []byte(two)},
		{Name: "log", BOM: []byte("scan finished\n")},
		{Name: "spdx", BOM: []byte(`{"spdxVersion": "SPDX-2.3"}`)},
		{Name: "old", BOM: []byte(`{"bomFormat": "CycloneDX", "specVersion": "9.9", "components": 7}`)},
		{Name: "gone", Digest: "sha256:" + h2, Problem: "not in the locker"},
	}
	merged, err := Merge(target, inputs)
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, merged.JSON, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "merged-sbom.json", pretty.Bytes())
	if diff := cmp.Diff([]string(nil), faults(t, merged.JSON)); diff != "" {
		t.Errorf("faults in the merged document:\n%s", diff)
	}
	var unreadable []string
	for _, u := range merged.Unreadable {
		unreadable = append(unreadable, u.Name)
	}
	if diff := cmp.Diff([]string{"gone", "log", "old", "spdx"}, unreadable); diff != "" {
		t.Errorf("unreadable inputs (-want +got):\n%s", diff)
	}

	bom := decoded(t, merged.JSON)
	edges := map[string][]string{}
	for _, d := range *bom.Dependencies {
		edges[d.Ref] = deref(d.Dependencies)
	}
	names := map[string]string{}
	for _, c := range *bom.Components {
		names[c.BOMRef] = c.Name
	}
	var roots []string
	for _, ref := range edges[rootRef] {
		roots = append(roots, names[ref])
	}
	slices.Sort(roots)
	if diff := cmp.Diff([]string{"cart", "shop"}, roots); diff != "" {
		t.Errorf("what the root depends on (-want +got):\n%s", diff)
	}

	slices.Reverse(inputs)
	again, err := Merge(target, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(merged.JSON, again.JSON) {
		t.Error("the order of the inputs changed the document")
	}
}

func TestMergeLeavesOutWhatCannotBeWritten(t *testing.T) {
	// The library reads a licence without id and name, but does not write it.
	bad := strings.Replace(one, `"id": "MIT"`, `"url": "https://x.example"`, 1)
	merged, err := Merge(target, []Input{{Name: "bad", BOM: []byte(bad)}, {Name: "good", BOM: []byte(two)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(merged.Unreadable) != 1 || merged.Unreadable[0].Name != "bad" || merged.Components != 4 {
		t.Errorf("got %d components, unreadable %v", merged.Components, merged.Unreadable)
	}
}

func TestMergeOfNothingIsADocument(t *testing.T) {
	merged, err := Merge(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bom := decoded(t, merged.JSON); bom.Metadata.Component.Name != "prod" || merged.Components != 0 {
		t.Errorf("got %d components under root %q", merged.Components, bom.Metadata.Component.Name)
	}
}

// randomBOM makes a document with every kind of fault that real ones have:
// references to nothing, names used twice, components inside components,
// shared packages with and without hashes, no root.
func randomBOM(r *rand.Rand, components int) []byte {
	bom := cdx.NewBOM()
	ref := func() string { return fmt.Sprintf("r%d", r.Intn(components+3)) }
	if r.Intn(4) > 0 {
		bom.Metadata = &cdx.Metadata{Component: &cdx.Component{BOMRef: "r0", Type: cdx.ComponentTypeApplication, Name: fmt.Sprintf("app-%d", r.Intn(5))}}
	}
	make1 := func(i int) cdx.Component {
		c := cdx.Component{
			BOMRef: fmt.Sprintf("r%d", i), Type: cdx.ComponentTypeLibrary,
			Name: fmt.Sprintf("lib-%d", r.Intn(components)), Version: fmt.Sprintf("%d.0", r.Intn(3)),
		}
		switch r.Intn(5) {
		case 0:
			c.BOMRef = ref()
		case 1:
			c.BOMRef = ""
		}
		if r.Intn(2) == 0 {
			c.PackageURL = fmt.Sprintf("pkg:generic/%s@%s", c.Name, c.Version)
		}
		if r.Intn(2) == 0 {
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: strings.Repeat(fmt.Sprintf("%02x", r.Intn(3)), 32)}}
		}
		if r.Intn(3) == 0 {
			c.Licenses = &cdx.Licenses{{License: &cdx.License{BOMRef: ref(), ID: "MIT"}}}
		}
		return c
	}
	list := []cdx.Component{}
	for i := range components {
		c := make1(i)
		if r.Intn(6) == 0 {
			c.Components = &[]cdx.Component{make1(i), make1(i + 1)}
		}
		list = append(list, c)
	}
	dependencies := []cdx.Dependency{}
	for range components {
		dependencies = append(dependencies, cdx.Dependency{Ref: ref(), Dependencies: &[]string{ref(), ref()}, Provides: &[]string{ref()}})
	}
	vulnerabilities := []cdx.Vulnerability{{BOMRef: ref(), ID: "CVE-2026-2", Affects: &[]cdx.Affects{{Ref: ref()}, {Ref: ref()}}}}
	compositions := []cdx.Composition{{Aggregate: cdx.CompositionAggregateComplete, Assemblies: &[]cdx.BOMReference{cdx.BOMReference(ref())}}}
	bom.Components, bom.Dependencies, bom.Vulnerabilities, bom.Compositions = &list, &dependencies, &vulnerabilities, &compositions
	data, err := json.Marshal(bom)
	if err != nil {
		panic(err)
	}
	return data
}

func TestMergeKeepsItsPromisesForAnyInput(t *testing.T) {
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		inputs := []Input{}
		most := 0
		for i := range 1 + r.Intn(6) {
			inputs = append(inputs, Input{Name: fmt.Sprintf("input-%d", i), BOM: randomBOM(r, 1+r.Intn(20))})
			alone, err := Merge(target, inputs[i:])
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			most = max(most, alone.Components)
		}
		merged, err := Merge(target, inputs)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if found := faults(t, merged.JSON); len(found) > 0 {
			t.Fatalf("seed %d: %v", seed, found)
		}
		if merged.Components < most {
			t.Errorf("seed %d: %d components, fewer than the %d of one input", seed, merged.Components, most)
		}
		for _, d := range *decoded(t, merged.JSON).Dependencies {
			if d.Ref == rootRef && len(deref(d.Dependencies)) == 0 {
				t.Errorf("seed %d: the root depends on no input", seed)
			}
		}
		r.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
		again, err := Merge(target, inputs)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(merged.JSON, again.JSON) {
			t.Errorf("seed %d: the order of the inputs changed the document", seed)
		}
	}
}

func TestMergeStaysFastOnOnePackageWithEverNewHashes(t *testing.T) {
	list := []cdx.Component{}
	for i := range 20_000 {
		list = append(list, cdx.Component{
			BOMRef: fmt.Sprint(i), Type: cdx.ComponentTypeLibrary, Name: "same", PackageURL: "pkg:generic/same@1",
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%064x", i)}},
		})
	}
	bom := cdx.NewBOM()
	bom.Components = &list
	data, err := json.Marshal(bom)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := Merge(target, []Input{{Name: "hostile", BOM: data}})
	if err != nil {
		t.Fatal(err)
	}
	if want := len(list) + 1; merged.Components != want {
		t.Errorf("got %d components, want %d: different hashes are different things", merged.Components, want)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte(one), []byte(two))
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"components":[{}]}]}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		merged, err := Merge(target, []Input{{Name: "a", BOM: a}, {Name: "b", BOM: b}})
		if err != nil {
			t.Fatal(err)
		}
		if found := faults(t, merged.JSON); len(found) > 0 {
			t.Fatal(found)
		}
	})
}

// BenchmarkMerge merges 50 documents of 500 components, a third of them shared.
func BenchmarkMerge(b *testing.B) {
	inputs := []Input{}
	for n := range 50 {
		bom := cdx.NewBOM()
		bom.Metadata = &cdx.Metadata{Component: &cdx.Component{BOMRef: "root", Type: cdx.ComponentTypeApplication, Name: fmt.Sprint("app-", n)}}
		list, dependencies := []cdx.Component{}, []cdx.Dependency{}
		for i := range 500 {
			owner := n
			if i%3 == 0 {
				owner = 0
			}
			list = append(list, cdx.Component{
				BOMRef: fmt.Sprint(i), Type: cdx.ComponentTypeLibrary, Name: fmt.Sprintf("lib-%d-%d", owner, i), Version: "1.0",
				PackageURL: fmt.Sprintf("pkg:generic/lib-%d-%d@1.0", owner, i),
				Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%064x", owner*1000+i)}},
			})
			dependencies = append(dependencies, cdx.Dependency{Ref: fmt.Sprint(i), Dependencies: &[]string{fmt.Sprint((i + 1) % 500), fmt.Sprint((i + 7) % 500)}})
		}
		bom.Components, bom.Dependencies = &list, &dependencies
		data, err := json.Marshal(bom)
		if err != nil {
			b.Fatal(err)
		}
		inputs = append(inputs, Input{Name: fmt.Sprint("app-", n), BOM: data})
	}
	b.ResetTimer()
	for b.Loop() {
		if _, err := Merge(target, inputs); err != nil {
			b.Fatal(err)
		}
	}
}
