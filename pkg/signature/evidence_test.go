// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

var update = flag.Bool("update", false, "write golden files")

func TestEvidence(t *testing.T) {
	asset := func(hex string) evidence.URI {
		uri, err := evidence.ParseURI("docker://registry.example/app@sha256:" + string(bytes.Repeat([]byte(hex), 64)))
		if err != nil {
			t.Fatal(err)
		}
		return uri
	}
	item := func(entry string, uri evidence.URI) Item {
		return Item{Subject: Subject{Entry: entry, Asset: uri, Digest: "sha256:" + uri.ID}}
	}
	a, b := asset("a"), asset("b")
	results := []Result{
		{Item: item("one", a), OK: true, Reason: ReasonVerified, Tool: ToolCosign, Authority: "ours", Signer: "key sha256:00", Message: "entry one: signed"},
		{Item: item("two", b), OK: true, Reason: ReasonVerified, Tool: ToolCosign, Authority: "ours", Signer: "key sha256:00", Message: "entry two: signed"},
		{Item: item("three", a), Reason: ReasonTagMoved, Tool: ToolCosign, Message: "entry three: moved", Remedy: "move it back"},
		{Item: Item{Subject: Subject{Entry: "nameless"}}, Reason: ReasonNotIdentified, Message: "entry nameless: none"},
	}
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	got, err := json.MarshalIndent(Evidence(results, now, "run-1"), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	golden := filepath.Join("testdata", "evidence.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}
