// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

var (
	hexA = strings.Repeat("a", 64)
	hexB = strings.Repeat("b", 64)
)

func TestParseEntry(t *testing.T) {
	commit := strings.Repeat("c", 40)
	for name, c := range map[string]struct {
		raw  string
		want Entry
	}{
		"the documented form": {
			`{"name":"web","artifact":"registry/web:1@sha256:` + hexA + `","version":"v1","repository_url":"https://git/web","commit_sha":"` + commit + `",
			  "build_number":42,"pipeline_run_id":"run-1","type":"image","sha256":"sha256:` + hexA + `","provenance":"registry/web:1@sha256:` + hexA + `",
			  "signature":"c2ln","app_artifacts":{"chart":{"v":1}},"locations":{"prod":"eu/web@sha256:` + hexA + `"},"owner":"team"}`,
			Entry{Title: "web", Artifact: "registry/web:1@sha256:" + hexA, Version: "v1", RepositoryURL: "https://git/web", CommitSHA: commit,
				BuildNumber: "42", PipelineRunID: "run-1", Type: "image", Digest: "sha256:" + hexA, Provenance: "registry/web:1@sha256:" + hexA,
				Signature: "c2ln", AppArtifacts: map[string]json.RawMessage{"chart": json.RawMessage(`{"v":1}`)},
				Locations: map[string]string{"prod": "eu/web@sha256:" + hexA}, Extra: map[string]json.RawMessage{"owner": json.RawMessage(`"team"`)}},
		},
		"a bare digest in capitals, a number as text": {
			`{"sha256":"` + strings.ToUpper(hexA) + `","build_number":"42","type":"Image"}`,
			Entry{Digest: "sha256:" + hexA, BuildNumber: "42", Type: "image"},
		},
		"signature and provenance in app_artifacts": {
			`{"app_artifacts":{"signature":"c2ln","provenance":"r/web@sha256:` + hexA + `","other":[1]}}`,
			Entry{Type: "image", Signature: "c2ln", Provenance: "r/web@sha256:" + hexA, Digest: "sha256:" + hexA,
				AppArtifacts: map[string]json.RawMessage{"signature": json.RawMessage(`"c2ln"`), "provenance": json.RawMessage(`"r/web@sha256:` + hexA + `"`), "other": json.RawMessage(`[1]`)}},
		},
		"nulls, empty values and a byte order mark": {
			"\ufeff" + `{"name":null,"type":"helm","sha256":null,"app_artifacts":"","locations":null}`,
			Entry{Type: "helm"},
		},
		"a file whose digest is not that of an image": {
			`{"type":"helm","artifact":"r/chart@sha256:` + hexB + `","sha256":"` + hexA + `"}`,
			Entry{Type: "helm", Artifact: "r/chart@sha256:" + hexB, Digest: "sha256:" + hexA},
		},
		"nothing at all": {`{}`, Entry{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := ParseEntry("team/web", []byte(c.raw))
			if len(problems) != 0 {
				t.Errorf("problems: %v", problems)
			}
			c.want.Name, c.want.Raw = "team/web", []byte(c.raw)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseEntryProblems(t *testing.T) {
	for name, c := range map[string]struct {
		raw     string
		reasons []Reason
		says    string
	}{
		"not JSON":                      {`version: 1`, []Reason{ReasonNotJSON}, "list it in .inventoryignore"},
		"an empty file":                 {" \n", []Reason{ReasonNotJSON}, "empty"},
		"a list":                        {`[]`, []Reason{ReasonNotJSON}, "not an object"},
		"half an object":                {`{"name":"web"`, []Reason{ReasonNotJSON}, "not JSON"},
		"two objects":                   {`{}{}`, []Reason{ReasonNotJSON}, "text follows"},
		"a key twice":                   {`{"version":"1","version":"2"}`, []Reason{ReasonNotJSON}, `"version" appears twice`},
		"no UTF-8":                      {"{\"a\":\"\xff\"}", []Reason{ReasonNotJSON}, "UTF-8"},
		"a Git LFS pointer":             {"version https://git-lfs.github.com/spec/v1\n", []Reason{ReasonNotJSON}, "LFS"},
		"deeply nested":                 {`{"a":` + strings.Repeat("[", 100_000) + `}`, []Reason{ReasonNotJSON}, "depth"},
		"too large":                     {`{"a":"` + strings.Repeat("x", MaxEntrySize) + `"}`, []Reason{ReasonTooLarge}, "more than the"},
		"a digest that is none":         {`{"sha256":"sha256:123"}`, []Reason{ReasonInvalidField}, "64 hex digits"},
		"two digests":                   {`{"type":"image","sha256":"` + hexA + `","provenance":"r/a@sha256:` + hexB + `"}`, []Reason{ReasonDigestMismatch}, "not clear"},
		"two digests of a container":    {`{"type":"container","sha256":"` + hexA + `","provenance":"r/a@sha256:` + hexB + `"}`, []Reason{ReasonDigestMismatch}, "not clear"},
		"two digests in references":     {`{"type":"image","sha256":"` + hexA + `","provenance":"r/a@sha256:` + hexA + `","artifact":"r/a@sha256:` + hexB + `"}`, []Reason{ReasonDigestMismatch}, "not clear"},
		"a chart that deploys an image": {`{"type":"chart","provenance":"https://r/a.tgz","artifact":"r/a@sha256:` + hexB + `"}`, []Reason{ReasonDigestMismatch}, "not clear"},
		"another digest in a location":  {`{"type":"image","provenance":"r/a@sha256:` + hexA + `","locations":{"prod":"r/b@sha256:` + hexB + `"}}`, []Reason{ReasonDigestMismatch}, "locations.prod"},
		"an image without a digest":     {`{"type":"image","artifact":"r/a:1"}`, []Reason{ReasonMissingDigest}, "no digest"},
		"values of the wrong kind":      {`{"version":{},"name":[],"app_artifacts":7}`, []Reason{ReasonInvalidField, ReasonInvalidField, ReasonInvalidField}, "is a number"},
		"control and bidi characters":   {`{"version":"1\u001b[2J","artifact":"a\u202eb"}`, []Reason{ReasonInvalidField, ReasonInvalidField}, `\u202e`},
		"a version of many bytes":       {`{"version":"` + strings.Repeat("1", 2000) + `"}`, []Reason{ReasonInvalidField}, "2000 bytes"},
		"a short commit":                {`{"commit_sha":"abc"}`, []Reason{ReasonInvalidField}, "full commit hash"},
		"a location of the wrong kind":  {`{"locations":{"prod":[]}}`, []Reason{ReasonInvalidField}, "locations.prod is a list"},
		"a provenance of a wrong kind":  {`{"app_artifacts":{"provenance":{}}}`, []Reason{ReasonInvalidField}, "app_artifacts.provenance is an object"},
		"an unreadable string":          {`{"version":"\q"}`, []Reason{ReasonNotJSON}, "not JSON"},
		"shell text in a field is fine": {"{\"version\":\"$(params.x) `id` ; rm -rf /\"}", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			entry, problems := ParseEntry("web", []byte(c.raw))
			var reasons []Reason
			var says []string
			for _, p := range problems {
				reasons = append(reasons, p.Reason)
				says = append(says, p.String())
				if strings.ContainsFunc(p.String(), invisible) {
					t.Errorf("not safe to show: %q", p.String())
				}
			}
			if diff := cmp.Diff(c.reasons, reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			if all := strings.Join(says, "\n"); !strings.Contains(all, c.says) {
				t.Errorf("want %q in %q", c.says, all)
			}
			if entry.Name != "web" {
				t.Errorf("the entry lost its name: %+v", entry)
			}
		})
	}
}

func TestEntriesTellsEveryProblem(t *testing.T) {
	b := newBuilder(t)
	commit := b.commit("first", map[string]string{
		"broken": `nonsense`, "good": `{"version":"1"}`, "huge": strings.Repeat(" ", MaxEntrySize+1), "bare": `{"type":"image"}`,
	})
	s := b.snapshot(b.clone(commit), commit)
	entries, problems := s.Entries(context.Background(), append(s.Names(), "absent"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff([]string{"bare", "broken", "good", "huge"}, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	got := map[string]Reason{}
	for _, p := range problems {
		got[p.Path] = p.Reason
	}
	want := map[string]Reason{"bare": ReasonMissingDigest, "broken": ReasonNotJSON, "huge": ReasonTooLarge, "absent": ReasonNotFound}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if e, w := len(Errors(problems)), len(problems)-len(Errors(problems)); e != 3 || w != 1 {
		t.Errorf("%d errors, %d warnings", e, w)
	}
}

func TestSubjects(t *testing.T) {
	entries := []Entry{
		{Name: "web", Type: "image", Version: "1", Artifact: "web", Provenance: "r/web@sha256:" + hexA, Digest: "sha256:" + hexA},
		{Name: "chart", Type: "helm", Artifact: "chart.tgz"},
	}
	want := []v1alpha1.Subject{
		{Name: "web", Action: "deploy", Version: "1", Artifact: "r/web@sha256:" + hexA, Digest: "sha256:" + hexA},
		{Name: "chart", Action: "delete", Artifact: "chart.tgz"},
	}
	if diff := cmp.Diff(want, Subjects(entries[:1], entries[1:])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(`{"name":"web","sha256":"` + hexA + `","app_artifacts":{"provenance":"r@sha256:` + hexB + `"}}`))
	f.Add([]byte(`{"locations":{"a":1},"build_number":1e9,"type":true}`))
	f.Add([]byte("{\"a\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entry, problems := ParseEntry("x", raw)
		if entry.Name != "x" || string(entry.Raw) != string(raw) {
			t.Error("name or content lost")
		}
		if len(problems) == 0 && !json.Valid([]byte(strings.TrimPrefix(string(raw), "\ufeff"))) {
			t.Errorf("accepted %q", raw)
		}
		for _, p := range problems {
			if strings.ContainsFunc(p.String(), invisible) {
				t.Errorf("not safe to show: %q", p.String())
			}
		}
	})
}

func FuzzParseIgnore(f *testing.F) {
	f.Add("**\n!a/b\n", "a/b")
	f.Add(".md\n[", "x/y.md")
	f.Fuzz(func(_ *testing.T, file, name string) {
		if i, err := ParseIgnore([]byte(file)); err == nil {
			i.Excludes(name)
		}
	})
}
