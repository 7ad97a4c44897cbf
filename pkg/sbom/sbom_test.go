// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/sbom/sbomtest"
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
	if err := sbomtest.Check(got); err != nil {
		t.Errorf("the document is not valid: %v", err)
	}
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

// merge merges inputs, and checks all that holds for every result.
func merge(t testing.TB, inputs ...Input) ([]byte, *Merged) {
	t.Helper()
	var out bytes.Buffer
	merged, err := Merge(t.Context(), &out, target, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if err := sbomtest.Check(out.Bytes()); err != nil {
		t.Fatalf("the merged document is not valid: %v\n%.2000s", err, out.Bytes())
	}
	return out.Bytes(), merged
}

func deref[T any](list *[]T) []T {
	if list == nil {
		return nil
	}
	return *list
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
		{Name: "spdx", BOM: []byte(`{"spdxVersion": "SPDX-3.9"}`)},
		{Name: "old", BOM: []byte(`{"bomFormat": "CycloneDX", "specVersion": "9.9", "components": 7}`)},
		{Name: "gone", Digest: "sha256:" + h2, Problem: "not in the locker"},
	}
	out, merged := merge(t, inputs...)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "merged-sbom.json", pretty.Bytes())
	var unreadable []string
	for _, u := range merged.Unreadable {
		unreadable = append(unreadable, u.Name)
	}
	if diff := cmp.Diff([]string{"gone", "log", "old", "spdx"}, unreadable); diff != "" {
		t.Errorf("unreadable inputs (-want +got):\n%s", diff)
	}

	bom := decoded(t, out)
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
	if again, _ := merge(t, inputs...); !bytes.Equal(out, again) {
		t.Error("the order of the inputs changed the document")
	}
}

func TestMergeOfNothingIsADocument(t *testing.T) {
	out, merged := merge(t)
	if bom := decoded(t, out); bom.Metadata.Component.Name != "prod" || merged.Components != 0 {
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
			data := randomBOM(r, 1+r.Intn(20))
			inputs = append(inputs, Input{Name: fmt.Sprintf("input-%d", i), BOM: data})
			most = max(most, countComponents(t, data))
		}
		out, merged := merge(t, inputs...)
		bom := decoded(t, out)
		if len(merged.Unreadable) > 0 {
			t.Errorf("seed %d: unreadable: %v", seed, merged.Unreadable)
		}
		if merged.Components < most || len(*bom.Components) != merged.Components {
			t.Errorf("seed %d: %d components (%d said), fewer than the %d of one input", seed, len(*bom.Components), merged.Components, most)
		}
		for _, d := range *bom.Dependencies {
			if d.Ref == rootRef && len(deref(d.Dependencies)) == 0 {
				t.Errorf("seed %d: the root depends on no input", seed)
			}
		}
		r.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
		if again, _ := merge(t, inputs...); !bytes.Equal(out, again) {
			t.Errorf("seed %d: the order of the inputs changed the document", seed)
		}
		// The root of the first result is a component of the second.
		_, once := merge(t, Input{Name: "merged", BOM: out})
		_, twice := merge(t, Input{Name: "a", BOM: out}, Input{Name: "b", BOM: append(out, ' ')})
		if once.Components != merged.Components+1 || twice.Components != once.Components {
			t.Errorf("seed %d: %d components, merged again %d, merged with itself %d", seed, merged.Components, once.Components, twice.Components)
		}
	}
}

// countComponents counts a document's components, wherever they are in each
// other, without its root.
func countComponents(t *testing.T, data []byte) int {
	count := 0
	var each func(list *[]cdx.Component)
	each = func(list *[]cdx.Component) {
		for _, c := range deref(list) {
			count++
			each(c.Components)
		}
	}
	each(decoded(t, data).Components)
	return count
}

func TestMergeStaysFastOnOnePackageWithEverNewHashes(t *testing.T) {
	for name, hash := range map[string]func(i int) *[]cdx.Hash{
		"a hash each": func(i int) *[]cdx.Hash {
			return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%064x", i)}}
		},
		"a hash each beside one that all share": func(i int) *[]cdx.Hash {
			return &[]cdx.Hash{{Algorithm: cdx.HashAlgoMD5, Value: fmt.Sprintf("%032x", 7)}, {Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%064x", i)}}
		},
		"no hashes": func(int) *[]cdx.Hash { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			const n = 8_000
			inputs := []Input{}
			for _, from := range []int{0, 0, n} {
				list := []cdx.Component{}
				for i := range n {
					list = append(list, cdx.Component{
						BOMRef: fmt.Sprint(i), Type: cdx.ComponentTypeLibrary, Name: "same", PackageURL: "pkg:generic/same@1", Hashes: hash(from + i),
					})
				}
				bom := cdx.NewBOM()
				bom.Components, bom.Version = &list, len(inputs)+1
				data, err := json.Marshal(bom)
				if err != nil {
					t.Fatal(err)
				}
				inputs = append(inputs, Input{Name: fmt.Sprint("hostile-", len(inputs)), BOM: data})
			}
			var out bytes.Buffer
			start := time.Now()
			merged, err := Merge(t.Context(), &out, target, inputs)
			if err != nil {
				t.Fatal(err)
			}
			want := 2*n + 3 // and the roots
			if name == "no hashes" {
				want = n + 3
			}
			if merged.Components != want {
				t.Errorf("got %d components, want %d: different hashes are different things", merged.Components, want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte(one), []byte(two))
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"components":[{}]}]}`), []byte(`{}`))
	f.Add([]byte(one), sbomtest.Random(rand.New(rand.NewSource(1)), 0.1))
	f.Add([]byte("SPDXVersion: SPDX-2.3\nSPDXID: SPDXRef-DOCUMENT\nPackageName: x\nSPDXID: SPDXRef-x\n"), []byte(`<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components><component type="file"><name>x</name></component></components></bom>`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		out, merged := merge(t, Input{Name: "a", BOM: a}, Input{Name: "b", BOM: b})
		again, _ := merge(t, Input{Name: "b", BOM: b}, Input{Name: "a", BOM: a})
		if !bytes.Equal(out, again) {
			t.Error("the order of the inputs changed the document")
		}
		if len(merged.Unreadable) == 2 {
			return
		}
		if _, once := merge(t, Input{Name: "merged", BOM: out}); once.Components != merged.Components+1 {
			t.Errorf("%d components, merged again %d", merged.Components, once.Components)
		}
	})
}

func FuzzDeploymentBOM(f *testing.F) {
	digest := strings.Repeat("ab", 32)
	f.Add("web/shop", "image", "registry.example:5000/acme/Shop:1.2.3@sha256:"+digest, "sha256:"+digest, "https://user:secret@forge.example/acme/shop")
	f.Add("\u202e|\xff", "", "[::]/a@sha256:"+digest, digest, "https://[::1%25x]/a b?#%")
	f.Fuzz(func(t *testing.T, entry, kind, artifact, digest, repository string) {
		got, err := DeploymentBOM(target, []Component{
			{Entry: entry, Action: ActionDeploy, Type: kind, Artifact: artifact, Provenance: artifact, Digest: digest, RepositoryURL: repository, Version: kind},
			{Entry: entry, Action: ActionDelete, Version: digest, Signature: artifact},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := sbomtest.Check(got); err != nil {
			t.Fatalf("not valid: %v\n%s", err, got)
		}
	})
}

// BenchmarkMerge merges documents as build tools make them; a third of the
// components are in all of them.
func BenchmarkMerge(b *testing.B) {
	for _, size := range []struct{ documents, components int }{{50, 500}, {125, 500}, {10, 10_000}} {
		b.Run(fmt.Sprintf("%d of %d", size.documents, size.components), func(b *testing.B) {
			inputs, total := []Input{}, 0
			for i := range size.documents {
				var document bytes.Buffer
				if err := sbomtest.Generate(&document, i, size.components); err != nil {
					b.Fatal(err)
				}
				total += document.Len()
				sum := sha256.Sum256(document.Bytes())
				inputs = append(inputs, Input{Name: fmt.Sprint("app-", i), Digest: fmt.Sprintf("sha256:%x", sum), BOM: document.Bytes()})
			}
			b.SetBytes(int64(total))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Merge(b.Context(), io.Discard, target, inputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
