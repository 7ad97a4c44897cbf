// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files in testdata/inputs were written by other programs about one small
// package: cyclonedx-npm 4 (JSON and XML), npm's own sbom command (CycloneDX and
// SPDX). hello.spdx is by hand.
func TestMergeOfWhatOthersWrite(t *testing.T) {
	files, err := filepath.Glob("testdata/inputs/*")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	var inputs []Input
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, Input{Name: filepath.Base(file), BOM: data})
	}
	out, merged := merge(t, inputs...)
	if len(merged.Unreadable) > 0 {
		t.Errorf("unreadable: %v", merged.Unreadable)
	}
	golden(t, "merged-inputs.txt", []byte(outline(t, out)))
}

// outline is a document's components and edges, a line each.
func outline(t *testing.T, data []byte) string {
	bom := decoded(t, data)
	var lines []string
	for _, c := range *bom.Components {
		hashes := []string{}
		for _, h := range deref(c.Hashes) {
			hashes = append(hashes, fmt.Sprintf("%s:%.8s", h.Algorithm, h.Value))
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s (%s) %s", c.BOMRef, c.Type, strings.Join(hashes, " "))))
	}
	for _, d := range *bom.Dependencies {
		for _, to := range deref(d.Dependencies) {
			lines = append(lines, d.Ref+" → "+to)
		}
	}
	for _, p := range *bom.Metadata.Properties {
		lines = append(lines, p.Name+" "+p.Value)
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestMergeReadsAllVersions(t *testing.T) {
	for _, version := range []string{"1.2", "1.3", "1.4", "1.5", "1.6", "1.7"} {
		one := Input{Name: version, BOM: fmt.Appendf(nil, `{"bomFormat": "CycloneDX", "specVersion": %q, "version": 1,
			"metadata": {"tools": [{"vendor": "acme", "name": "tool", "version": "1", "hashes": []}], "component": {"type": "application", "name": "app", "version": "1"}},
			"components": [{"type": "library", "name": "x", "version": "1", "licenses": [{"expression": "MIT"}, {"license": {"id": "ISC"}}]}]}`, version)}
		out, merged := merge(t, one)
		if merged.Components != 2 || len(merged.Unreadable) > 0 {
			t.Errorf("%s: %+v", version, merged)
		}
		bom := decoded(t, out)
		if tool := (*bom.Metadata.Tools.Components)[1]; tool.Publisher != "acme" || tool.Name != "tool" {
			t.Errorf("%s: tool %+v", version, tool)
		}
		var licences []string
		for _, c := range *bom.Components {
			if c.Licenses != nil {
				for _, l := range *c.Licenses {
					licences = append(licences, l.License.ID+l.License.Name)
				}
			}
		}
		// Version 1.6 has no lists of both; the expression becomes a name.
		if diff := cmp.Diff([]string{"MIT", "ISC"}, licences); diff != "" {
			t.Errorf("%s: licences (-want +got):\n%s", version, diff)
		}
	}
}

func TestMergeNamesInputsThatItCannotRead(t *testing.T) {
	valid := bomOf("valid", "").BOM
	sum := sha256.Sum256(valid)
	digest := fmt.Sprintf("sha256:%x", sum)
	read := func(data string) func(context.Context) (io.ReadCloser, error) {
		return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil }
	}
	for name, tc := range map[string]struct {
		input Input
		want  string
	}{
		"an empty file":           {Input{}, "neither CycloneDX"},
		"a log":                   {Input{BOM: []byte("done\n")}, "neither CycloneDX"},
		"an empty object":         {Input{BOM: []byte("{}")}, `not a CycloneDX document: bomFormat is ""`},
		"a broken document":       {Input{BOM: valid[:len(valid)-1]}, "line 2, column 89: the document ends too early"},
		"two documents":           {Input{BOM: append(valid[:len(valid):len(valid)], valid...)}, "something after the end"},
		"a member twice":          {Input{BOM: []byte(`{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [], "components": []}`)}, `member "components" twice`},
		"a member twice, deeper":  {bomOf("x", components(`{"type": "file", "name": "x", "name": "y"}`)), `member "name" twice`},
		"a control character":     {bomOf("x", components("{\"name\": \"x\n\"}")), "control character"},
		"a comma too many":        {bomOf("x", `, "components": [{},]`), "a comma before"},
		"values too deep":         {bomOf("x", `, "x": `+strings.Repeat("[", 100_000)), "more than 200 deep"},
		"components too deep":     {bomOf("x", `, "components": `+strings.Repeat(`[{"components":`, 100_000)), "more than 200 deep"},
		"a version to come":       {Input{BOM: []byte(`{"bomFormat": "CycloneDX", "specVersion": "2.0"}`)}, `specVersion is "2.0"`},
		"SPDX of a version":       {Input{BOM: []byte(`{"spdxVersion": "SPDX-9.9"}`)}, "not SPDX JSON"},
		"SPDX with holes":         {Input{BOM: []byte(`{"spdxVersion": "SPDX-2.3", "relationships": [null]}`)}, "null as a relationship"},
		"SPDX 3":                  {Input{BOM: []byte(`{"@context": "https://spdx.org/rdf/3.0.0/spdx-context.jsonld", "@graph": []}`)}, "SPDX 3 is not read"},
		"broken XML":              {Input{BOM: []byte("<bom")}, "not CycloneDX XML"},
		"other XML":               {Input{BOM: []byte("<html></html>")}, "not CycloneDX XML"},
		"a text without end":      {Input{BOM: []byte("SPDXVersion: SPDX-2.3\nPackageComment: <text>" + strings.Repeat("x\n", 10_000))}, "a text of more than"},
		"one that is not there":   {Input{Problem: "not in the locker", Digest: digest}, "not in the locker"},
		"one that does not open":  {Input{Open: func(context.Context) (io.ReadCloser, error) { return nil, errors.New("no such key") }}, "no such key"},
		"one with another digest": {Input{Digest: digest, Open: read("{}")}, "its digest is sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a, not " + digest},
		"one that is too large":   {Input{Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(endless{}), nil }}, "larger than the limit"},
		"XML that is too large":   {Input{Open: read("<bom>" + strings.Repeat(" ", MaxConvertedBytes))}, "larger than the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.input.Name = "bad"
			out, merged := merge(t, tc.input, Input{Name: "good", BOM: valid, Digest: digest})
			if len(merged.Unreadable) != 1 || !strings.Contains(merged.Unreadable[0].Problem, tc.want) {
				t.Fatalf("got %+v, want one with %q", merged.Unreadable, tc.want)
			}
			listed := notes(decoded(t, out), "unreadable-input")
			if len(listed) != 1 || !strings.HasPrefix(listed[0], `"bad" `) || !strings.Contains(listed[0], tc.want) {
				t.Errorf("the document says %q", listed)
			}
			if merged.Components != 1 {
				t.Errorf("got %d components, want the root of the good one", merged.Components)
			}
		})
	}
}

// endless is a document that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestMergeReadsADocumentOfSeveralNamesOnce(t *testing.T) {
	valid := bomOf("valid", "").BOM
	sum := sha256.Sum256(valid)
	var (
		lock   sync.Mutex
		opened []string
		inputs []Input
	)
	for _, name := range []string{"b", "a", "c"} {
		inputs = append(inputs, Input{Name: name, Digest: fmt.Sprintf("sha256:%x", sum), Open: func(context.Context) (io.ReadCloser, error) {
			lock.Lock()
			defer lock.Unlock()
			if opened = append(opened, name); name == "a" {
				return nil, errors.New("gone")
			}
			return io.NopCloser(bytes.NewReader(valid)), nil
		}})
	}
	out, merged := merge(t, inputs...)
	if diff := cmp.Diff([]string{"a", "b"}, opened); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}
	if len(merged.Unreadable) != 1 || len(notes(decoded(t, out), "input")) != 2 || merged.Components != 1 {
		t.Errorf("got %+v", merged)
	}
	// Digests that are not known beforehand change nothing.
	for i := range inputs {
		inputs[i].Digest = ""
	}
	again, _ := merge(t, inputs...)
	for _, name := range []string{"input", "left-out"} {
		if diff := cmp.Diff(notes(decoded(t, out), name), notes(decoded(t, again), name)); diff != "" {
			t.Errorf("without digests (-with +without):\n%s", diff)
		}
	}
}

func TestMergeOfInputsOfOneNameDoesNotDependOnTheirOrder(t *testing.T) {
	b, c := bomOf("b", components(`{`+libX+`, "description": "b"}`)), bomOf("c", components(`{`+libX+`, "description": "c"}`))
	b.Name, c.Name = "a", "a"
	inputs := []Input{b, bomOf("z", ""), c}
	out, merged := merge(t, inputs...)
	slices.Reverse(inputs)
	if again, _ := merge(t, inputs...); !bytes.Equal(out, again) {
		t.Error("the order of the inputs changed the document")
	}
	if merged.Components != 4 {
		t.Errorf("got %d components", merged.Components)
	}
}

func TestMergeEndsWithItsContextAndItsWriter(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	inputs := []Input{bomOf("a", ""), bomOf("b", "")}
	if _, err := Merge(ctx, io.Discard, target, inputs); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over: %v", err)
	}
	full := errors.New("disk full")
	if _, err := Merge(t.Context(), broken{full}, target, inputs); !errors.Is(err, full) {
		t.Errorf("with a writer that fails: %v", err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestMergeOfHostileSizesStaysSmall(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	refs := slices.Repeat([]string{`"1"`}, 200_000)
	for name, input := range map[string]Input{
		"a long purl with many references to it": bomOf("a", components(`{"bom-ref": "1", "type": "library", "name": "x", "purl": "pkg:npm/`+long+`"}`)+
			`, "dependencies": [{"ref": "root", "dependsOn": [`+strings.Join(refs, ",")+`]}], "compositions": [`+
			strings.Join(slices.Repeat([]string{`{"aggregate": "complete", "assemblies": ["1"]}`}, 10_000), ",")+`]`),
		"a long name with many references to it": bomOf("a", `, "services": [{"bom-ref": "`+long+`", "name": "s"}], "dependencies": [{"ref": "`+long+`"}]`),
	} {
		t.Run(name, func(t *testing.T) {
			out, _ := merge(t, input)
			if len(out) > 2*len(input.BOM) {
				t.Errorf("of %d bytes became %d", len(input.BOM), len(out))
			}
		})
	}
}

// References of three bytes become names of two hundred: a document within its
// limit would be one of many gigabytes. The limit is lower here.
func TestMergeEndsBeforeShortNamesFillTheMemory(t *testing.T) {
	maxOutputBytes = 20 << 20
	defer func() { maxOutputBytes = MaxOutputBytes }()
	var list, refs []string
	for i := range 1000 {
		list = append(list, fmt.Sprintf(`{"bom-ref": "%d", "type": "file", "name": "x", "purl": "pkg:npm/%d%s"}`, i, i, strings.Repeat("x", 180)))
		refs = append(refs, fmt.Sprintf(`"%d"`, i))
	}
	assemblies := strings.Join(refs, ",")
	var compositions []string
	for i := range 200 {
		compositions = append(compositions, fmt.Sprintf(`{"bom-ref": "c%d", "aggregate": "complete", "assemblies": [%s]}`, i, assemblies))
	}
	input := bomOf("a", components(list...)+`, "compositions": [`+strings.Join(compositions, ",")+`]`)
	if _, err := Merge(t.Context(), io.Discard, target, []Input{input}); !errors.Is(err, errOutput) {
		t.Errorf("of %d bytes: %v", len(input.BOM), err)
	}
}
