// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/inputs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSPDXTagValue(t *testing.T) {
	data := read(t, "hello.spdx")
	if !IsTagValue(data) {
		t.Error("not recognised")
	}
	result, err := SPDXTagValue(data)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(result.CycloneDX, &value); err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/hello.cdx.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got; -update rewrites it):\n%s", diff)
	}
}

const example = `{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "d", "documentNamespace": "https://x.example/d", "creationInfo": {"creators": ["Tool: t"]},
	"packages": [{"SPDXID": "SPDXRef-a", "name": "a"}, {"SPDXID": "SPDXRef-b", "name": "b"}, {"SPDXID": "SPDXRef-b", "name": "again"}],
	"files": [{"SPDXID": "SPDXRef-f", "fileName": "./f", "checksums": [{"algorithm": "SHA1", "checksumValue": "x"}]}], "relationships": [%]}`

func TestRelationships(t *testing.T) {
	relationship := func(a, kind, b string) string {
		return `{"spdxElementId": "` + a + `", "relationshipType": "` + kind + `", "relatedSpdxElement": "` + b + `"}`
	}
	for name, tc := range map[string]struct {
		relationship string
		edge         string
		property     string
		leftOut      []string
	}{
		"a depends on b":       {relationship("SPDXRef-a", "DEPENDS_ON", "SPDXRef-b"), "SPDXRef-a SPDXRef-b", "", nil},
		"b is needed by a":     {relationship("SPDXRef-b", "DEPENDENCY_OF", "SPDXRef-a"), "SPDXRef-a SPDXRef-b", "", nil},
		"a contains a file":    {relationship("SPDXRef-a", "CONTAINS", "SPDXRef-f"), "SPDXRef-a SPDXRef-f", "", nil},
		"b, only for tests":    {relationship("SPDXRef-b", "TEST_DEPENDENCY_OF", "SPDXRef-a"), "SPDXRef-a SPDXRef-b", "TEST_DEPENDENCY_OF a", nil},
		"something else":       {relationship("SPDXRef-a", "PATCH_FOR", "SPDXRef-b"), "", "PATCH_FOR b", nil},
		"to nothing":           {relationship("SPDXRef-a", "CONTAINS", "NONE"), "", "CONTAINS NONE", nil},
		"to what is not there": {relationship("SPDXRef-a", "CONTAINS", "SPDXRef-z"), "", "", []string{"1 × relationships with what is not there of SPDX"}},
		"to another document":  {relationship("SPDXRef-a", "CONTAINS", "DocumentRef-x:SPDXRef-z"), "", "", []string{"1 × relationships with elements of other documents of SPDX"}},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := SPDXJSON([]byte(strings.Replace(example, "%", tc.relationship, 1)))
			if err != nil {
				t.Fatal(err)
			}
			var bom struct {
				Components []struct {
					Properties []struct{ Name, Value string }
				}
				Dependencies []struct {
					Ref       string
					DependsOn []string
				}
			}
			if err := json.Unmarshal(result.CycloneDX, &bom); err != nil {
				t.Fatal(err)
			}
			edge, property := "", ""
			for _, d := range bom.Dependencies {
				edge += d.Ref + " " + strings.Join(d.DependsOn, " ")
			}
			for _, c := range bom.Components {
				for _, p := range c.Properties {
					property += p.Value
				}
			}
			if edge != tc.edge || property != tc.property {
				t.Errorf("got edge %q and property %q, want %q and %q", edge, property, tc.edge, tc.property)
			}
			want := append([]string{"1 × elements with the id of another of SPDX"}, tc.leftOut...)
			if diff := cmp.Diff(want, result.LeftOut); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSPDXOfSeveralThingsHasARoot(t *testing.T) {
	result, err := SPDXJSON([]byte(strings.Replace(strings.Replace(example, "%", "", 1), `"name": "d"`, `"name": "d", "documentDescribes": ["SPDXRef-a", "SPDXRef-b"]`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"component":{"bom-ref":"document","type":"application","name":"d"}`, `{"ref":"document","dependsOn":["SPDXRef-a","SPDXRef-b"]}`} {
		if !strings.Contains(string(result.CycloneDX), want) {
			t.Errorf("no %s in %s", want, result.CycloneDX)
		}
	}
}

// FuzzConvert feeds all readers.
func FuzzConvert(f *testing.F) {
	f.Add(read(f, "hello.spdx"))
	f.Add(read(f, "npm-sbom.spdx.json"))
	f.Add(read(f, "cyclonedx-npm.xml"))
	f.Add([]byte(strings.Replace(example, "%", "", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, convert := range map[string]func([]byte) (*Result, error){
			"XML": CycloneDXXML, "SPDX JSON": SPDXJSON, "SPDX tag-value": SPDXTagValue,
		} {
			if result, err := convert(data); err == nil && !json.Valid(result.CycloneDX) {
				t.Errorf("%s became %q", name, result.CycloneDX)
			}
		}
	})
}
