// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, members string) *Document {
	t.Helper()
	d, err := Parse([]byte(`{"bomFormat": "CycloneDX", "specVersion": "1.6"`+members+`}`), nil, Limits{Components: 100})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// written is an element's JSON with the names of the document.
func written(d *Document, e *Element) string {
	return string(d.AppendJSON(nil, e, func(ref Ref) []byte { return AppendString(nil, d.Names[ref]) }))
}

func TestComponent(t *testing.T) {
	for name, tc := range map[string]struct {
		component, want string
		leftOut         []string
	}{
		"in the order of the schema":       {`{"version": "1", "name": "x", "type": "library"}`, `{"type":"library","name":"x","version":"1"}`, nil},
		"without space":                    {"{ \"type\" :\t\"file\" ,\r\n \"name\" : \"a b\" }", `{"type":"file","name":"a b"}`, nil},
		"with its own name taken out":      {`{"bom-ref": "r", "type": "file", "name": "x"}`, `{"type":"file","name":"x"}`, nil},
		"with strings in one form":         {`{"type": "file", "name": "\u00fc\/\u0041\n\ud83d\ude00"}`, `{"type":"file","name":"ü/A\n😀"}`, nil},
		"with half a surrogate":            {`{"type": "file", "name": "a\ud800b"}`, `{"type":"file","name":"a` + "\ufffd" + `b"}`, nil},
		"with bytes that are no UTF-8":     {"{\"type\": \"file\", \"name\": \"a\xffb\"}", `{"type":"file","name":"a` + "\ufffd" + `b"}`, nil},
		"without type and name":            {`{}`, `{"type":"library","name":"unnamed"}`, []string{"made up: components.name", "made up: components.type"}},
		"with an unknown type":             {`{"type": "thing", "name": "x"}`, `{"type":"library","name":"x"}`, []string{"components.type", "made up: components.type"}},
		"with null":                        {`{"type": "file", "name": "x", "version": null}`, `{"type":"file","name":"x"}`, nil},
		"with a licence id that is none":   {`{"type": "file", "name": "x", "licenses": [{"license": {"id": "BSD"}}]}`, `{"type":"file","name":"x","licenses":[{"license":{"name":"BSD"}}]}`, nil},
		"with a licence id and name":       {`{"type": "file", "name": "x", "licenses": [{"license": {"name": "n", "id": "MIT"}}]}`, `{"type":"file","name":"x","licenses":[{"license":{"id":"MIT"}}]}`, []string{"components.licenses.license.name"}},
		"with a wrong id, and a name":      {`{"type": "file", "name": "x", "licenses": [{"license": {"name": "n", "id": "No"}}]}`, `{"type":"file","name":"x","licenses":[{"license":{"name":"n"}}]}`, []string{"components.licenses.license.id"}},
		"with a licence of nothing":        {`{"type": "file", "name": "x", "licenses": [{"license": {"url": "https://x.example"}}]}`, `{"type":"file","name":"x"}`, []string{"components.licenses.license"}},
		"with an expression":               {`{"type": "file", "name": "x", "licenses": [{"expression": "MIT", "acknowledgement": "declared"}]}`, `{"type":"file","name":"x","licenses":[{"expression":"MIT","acknowledgement":"declared"}]}`, nil},
		"with two expressions":             {`{"type": "file", "name": "x", "licenses": [{"expression": "A"}, {"expression": "B", "acknowledgement": "declared"}]}`, `{"type":"file","name":"x","licenses":[{"license":{"name":"A"}},{"license":{"name":"B","acknowledgement":"declared"}}]}`, nil},
		"with a hash in capitals":          {`{"type": "file", "name": "x", "hashes": [{"alg": "MD5", "content": "` + strings.Repeat("A", 32) + `"}]}`, `{"type":"file","name":"x","hashes":[{"alg":"MD5","content":"` + strings.Repeat("a", 32) + `"}]}`, nil},
		"with a hash of an unknown kind":   {`{"type": "file", "name": "x", "hashes": [{"alg": "CRC", "content": "` + strings.Repeat("A", 32) + `"}]}`, `{"type":"file","name":"x"}`, []string{"components.hashes.alg"}},
		"with an address with spaces":      {`{"type": "file", "name": "x", "externalReferences": [{"type": "vcs", "url": "https://x.example/a b#c#d%"}]}`, `{"type":"file","name":"x","externalReferences":[{"url":"https://x.example/a%20b#c%23d%25","type":"vcs"}]}`, nil},
		"with an address of SSH":           {`{"type": "file", "name": "x", "externalReferences": [{"type": "vcs", "url": "git@forge.example:a/b.git"}]}`, `{"type":"file","name":"x","externalReferences":[{"url":"ssh://git@forge.example/a/b.git","type":"vcs"}]}`, nil},
		"with numbers in one form":         {`{"type": "file", "name": "x", "evidence": {"occurrences": [{"location": "l", "line": 1.0e1}], "identity": [{"field": "name", "confidence": 1.0}]}}`, `{"type":"file","name":"x","evidence":{"identity":[{"field":"name","confidence":1}],"occurrences":[{"location":"l","line":10}]}}`, nil},
		"with a number that is too large":  {`{"type": "file", "name": "x", "evidence": {"identity": [{"field": "name", "confidence": 1.5}], "occurrences": [{"location": "l", "line": -1}, {"location": "l", "line": 1e999}]}}`, `{"type":"file","name":"x","evidence":{"identity":[{"field":"name"}],"occurrences":[{"location":"l"},{"location":"l"}]}}`, []string{"components.evidence.identity.confidence", "components.evidence.occurrences.line"}},
		"with one identity as an object":   {`{"type": "file", "name": "x", "evidence": {"identity": {"field": "purl"}}}`, `{"type":"file","name":"x","evidence":{"identity":{"field":"purl"}}}`, nil},
		"with a name of a licence, unused": {`{"type": "file", "name": "x", "licenses": [{"license": {"id": "MIT", "bom-ref": "l"}}]}`, `{"type":"file","name":"x","licenses":[{"license":{"id":"MIT"}}]}`, nil},
		"with a list of a licence only":    {`{"type": "file", "name": "x", "licenses": []}`, `{"type":"file","name":"x","licenses":[]}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := parse(t, `, "components": [`+tc.component+`]`)
			if diff := cmp.Diff(tc.want, written(d, &d.Components[0].Element)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.leftOut, slices.Sorted(maps.Keys(d.LeftOut))); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
		})
	}
}

func TestComponentsInsideComponents(t *testing.T) {
	d := parse(t, `, "components": [
		{"name": "a", "components": [{"name": "b", "components": [{"name": "c", "type": "file"}], "type": "file"}, {"name": "d", "type": "file"}], "type": "file", "licenses": [{"license": {"id": "MIT"}}]},
		{"name": "e", "type": "file"}], "metadata": {"component": {"name": "root", "type": "application", "components": [{"name": "f", "type": "file"}]}}`)
	var got []string
	for i := range d.Components {
		parent := d.Components[i].Parent
		got = append(got, fmt.Sprintf("%s in %d", written(d, &d.Components[i].Element), parent))
	}
	want := []string{
		`{"type":"application","name":"root"} in -1`,
		`{"type":"file","name":"a","licenses":[{"license":{"id":"MIT"}}]} in -1`,
		`{"type":"file","name":"b"} in 1`, `{"type":"file","name":"c"} in 2`, `{"type":"file","name":"d"} in 1`,
		`{"type":"file","name":"e"} in -1`, `{"type":"file","name":"f"} in 0`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	d := parse(t, `, "components": [
		{"bom-ref": "a", "name": "a", "type": "file", "licenses": [{"license": {"bom-ref": "lic", "id": "MIT"}}]},
		{"bom-ref": "a", "name": "b", "type": "file"},
		{"bom-ref": "k", "name": "k", "type": "cryptographic-asset", "cryptoProperties": {"assetType": "certificate", "certificateProperties": {"signatureAlgorithmRef": "a", "subjectPublicKeyRef": "ghost"}}}],
		"annotations": [{"subjects": ["lic", "ghost", "lic"], "annotator": {"individual": {"name": "x"}}, "timestamp": "2026-01-01T00:00:00", "text": "t"}],
		"dependencies": [{"ref": "a", "dependsOn": ["k", "ghost", 7]}, {"dependsOn": []}]`)
	want := []string{
		`{"type":"file","name":"a","licenses":[{"license":{"bom-ref":"lic","id":"MIT"}}]}`,
		`{"type":"file","name":"b"}`,
		`{"type":"cryptographic-asset","name":"k","cryptoProperties":{"assetType":"certificate","certificateProperties":{"signatureAlgorithmRef":"a"}}}`,
		`{"subjects":["lic"],"annotator":{"individual":{"name":"x"}},"timestamp":"2026-01-01T00:00:00Z","text":"t"}`,
	}
	var got []string
	for i := range d.Components {
		got = append(got, written(d, &d.Components[i].Element))
	}
	got = append(got, written(d, &d.Annotations[0]))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Components[1].Ref != NoRef || len(d.Edges) != 1 || d.Names[d.Edges[0].To] != "k" {
		t.Errorf("second component %d, edges %v", d.Components[1].Ref, d.Edges)
	}
}

func TestMembersAndItems(t *testing.T) {
	const object = `{"a":"x\\","b":{"c":[1,{"d":"]}"}]},"e":[],"f":-1.5,"g":true,"h":"\"{"}`
	var got []string
	Members([]byte(object), func(name string, value []byte) { got = append(got, name+"="+string(value)) })
	want := []string{`a="x\\"`, `b={"c":[1,{"d":"]}"}]}`, `e=[]`, `f=-1.5`, `g=true`, `h="\"{"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	got = nil
	Items([]byte(`["a,",{"b":[1,2]},[],3]`), func(value []byte) { got = append(got, string(value)) })
	if diff := cmp.Diff([]string{`"a,"`, `{"b":[1,2]}`, `[]`, `3`}, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestFormatOf(t *testing.T) {
	for document, want := range map[string]Format{
		`{"x": [{}], "bomFormat": "CycloneDX"`: FormatCycloneDX, `{"spdxVersion": "SPDX-2.3"`: FormatSPDX2,
		`{"@context": "x", "@graph": []}`: FormatSPDX3, `{}`: FormatUnknown, `[]`: FormatUnknown,
	} {
		if got, err := FormatOf([]byte(document)); got != want || err != nil {
			t.Errorf("%s: got %d, %v", document, got, err)
		}
	}
	if _, err := FormatOf([]byte(`{"x"`)); err == nil {
		t.Error("no error for what is no JSON")
	}
}

// FuzzParse compares what is taken for JSON with what the standard library takes
// for it, and checks that what is written is JSON with names that lead somewhere.
func FuzzParse(f *testing.F) {
	for _, members := range []string{
		``, `, "components": [{"bom-ref": "a", "name": "\u00fc", "components": [{}]}]`, `, "metadata": {"tools": [{"vendor": "v"}]}`,
		`, "vulnerabilities": [{"id": "x", "affects": [{"ref": "a"}], "ratings": [{"score": 1e1}]}], "services": [{"bom-ref": "a", "name": "s"}]`,
		`, "components": [{"licenses": [{"license": {"id": "x"}}, {"expression": "y", "bom-ref": "z"}]}], "annotations": [{"subjects": ["z"]}]`,
	} {
		f.Add([]byte(`{"bomFormat": "CycloneDX", "specVersion": "1.6"` + members + `}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data, nil, Limits{Components: 1000})
		if _, formatErr := FormatOf(data); formatErr != nil && err == nil {
			t.Fatalf("FormatOf: %v", formatErr)
		}
		if err != nil {
			return
		}
		if !json.Valid(data) && utf8.Valid(data) && string(data[:min(3, len(data))]) != "\xef\xbb\xbf" {
			t.Fatal("read what is not JSON")
		}
		defined := map[Ref]bool{}
		elements := slices.Concat(d.Services, d.Vulnerabilities, d.Compositions, d.Annotations, d.ToolComponents, d.ToolServices, d.Extras)
		for i := range d.Components {
			elements = append(elements, d.Components[i].Element)
		}
		for i := range elements {
			e := &elements[i]
			if !json.Valid([]byte(written(d, e))) {
				t.Fatalf("wrote %s", written(d, e))
			}
			for _, ref := range append([]Slot{{Ref: e.Ref, Kind: NamesPart}}, e.Slots...) {
				if ref.Kind != Uses && ref.Ref != NoRef {
					if defined[ref.Ref] {
						t.Fatalf("%q is defined twice", d.Names[ref.Ref])
					}
					defined[ref.Ref] = true
				}
			}
		}
		for i := range elements {
			for _, ref := range elements[i].Slots {
				if ref.Kind == Uses && !defined[ref.Ref] {
					t.Fatalf("%q is not defined", d.Names[ref.Ref])
				}
			}
		}
		for _, e := range d.Edges {
			if !defined[e.From] || !defined[e.To] {
				t.Fatal("an edge leads nowhere")
			}
		}
	})
}
