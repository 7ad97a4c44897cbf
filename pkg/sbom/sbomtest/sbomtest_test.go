// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbomtest

import (
	"bytes"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckFindsWhatIsWrong(t *testing.T) {
	const head = `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"bom-ref":"a","type":"library","name":"a"}`
	for name, tc := range map[string]struct {
		document string
		want     []string
	}{
		"nothing":            {head + `],"dependencies":[{"ref":"a","dependsOn":["a"]}]}`, nil},
		"a dangling ref":     {head + `],"dependencies":[{"ref":"a","dependsOn":["b"]}]}`, []string{"1 references that lead nowhere"}},
		"a name twice":       {head + `,{"bom-ref":"a","type":"file","name":"b"}]}`, []string{"1 names of several things"}},
		"dependencies twice": {head + `],"dependencies":[{"ref":"a"},{"ref":"a","dependsOn":[]}]}`, []string{"1 repeated `ref`s in `dependencies`"}},
		"an unknown type":    {head + `,{"type":"thing","name":"b"}]}`, []string{"1 parts that do not fit the schema"}},
		"a bad address": {
			head + `,{"type":"file","name":"b","externalReferences":[{"type":"vcs","url":"%zz"}]}]}`,
			[]string{"1 parts that do not fit the schema"},
		},
		"a licence that is none": {
			head + `,{"type":"file","name":"b","licenses":[{"license":{"id":"No-Such"}}]}]}`,
			[]string{"1 parts that do not fit the schema"},
		},
		"the same component twice": {
			head + `,{"type":"file","name":"b"},{"type":"file","name":"b"}]}`,
			[]string{"2 parts that do not fit the schema"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Check([]byte(tc.document)); (err == nil) != (tc.want == nil) {
				t.Errorf("Check: %v", err)
			}
			found, err := CheckLarge(bytes.NewReader([]byte(tc.document)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, found.Problems()); diff != "" {
				t.Errorf("CheckLarge (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGeneratedDocumentsHaveNoFaults(t *testing.T) {
	var out bytes.Buffer
	if err := Generate(&out, 3, 50); err != nil {
		t.Fatal(err)
	}
	document := bytes.Replace(out.Bytes(), []byte(`"specVersion": "1.5"`), []byte(`"specVersion": "1.6"`), 1)
	if err := Check(document); err != nil {
		t.Error(err)
	}
	valid := 0
	for seed := range int64(50) {
		if Validate(Random(rand.New(rand.NewSource(seed)), 0)) == nil {
			valid++
		}
	}
	if valid < 25 { // some have something twice in a list
		t.Errorf("of 50 random documents without faults, %d fit the schema", valid)
	}
}
