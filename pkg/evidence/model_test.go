// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	shaA   = "1111111111111111111111111111111111111111"
	digest = "35bada5c46ecc5b409303c513cac10613e86be65ff5547c03163a2122d62a079"
)

func TestParseURI(t *testing.T) {
	image := URI{AssetImage, "docker://registry.example/acme/shop:1.0@sha256:" + digest, digest}
	commit := URI{AssetCommit, "https://forge.example/acme/shop.git#" + shaA, CommitID(shaA)}
	for name, tc := range map[string]struct {
		in   string
		want URI
	}{
		"an image is its digest":                  {"docker://registry.example/acme/shop:1.0@sha256:" + digest, image},
		"an image may come without a scheme":      {"registry.example/acme/shop:1.0@sha256:" + digest, image},
		"a digest is lower case":                  {"registry.example/acme/shop:1.0@sha256:" + strings.ToUpper(digest), image},
		"a commit is its SHA":                     {"https://forge.example/acme/shop.git#" + shaA, commit},
		"a repository gets its .git":              {"https://forge.example/acme/shop#" + shaA, commit},
		"a commit's trailing slash goes":          {"https://forge.example/acme/shop/#" + shaA, commit},
		"credentials go":                          {"https://me:secret@forge.example/acme/shop#" + shaA, commit},
		"surrounding space goes":                  {" https://forge.example/acme/shop.git#" + shaA + "\n", commit},
		"a pipeline run is the hash of its URI":   {"pipelinerun://ci/run-7", URI{AssetPipelineRun, "pipelinerun://ci/run-7", sha256Hex([]byte("pipelinerun://ci/run-7"))}},
		"anything else is the hash of its URI":    {"https://files.example/a%20b.tgz", URI{AssetArtifact, "https://files.example/a%20b.tgz", sha256Hex([]byte("https://files.example/a%20b.tgz"))}},
		"a short fragment is no commit":           {"https://files.example/x#abc", URI{AssetArtifact, "https://files.example/x#abc", sha256Hex([]byte("https://files.example/x#abc"))}},
		"credentials of an artifact go":           {"https://u:p@files.example/x", URI{AssetArtifact, "https://files.example/x", sha256Hex([]byte("https://files.example/x"))}},
		"a registry's port is not taken for more": {"localhost:5000/shop@sha256:" + digest, URI{AssetImage, "docker://localhost:5000/shop@sha256:" + digest, digest}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseURI(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for name, in := range map[string]string{
		"empty":                           "",
		"an image by tag":                 "docker://registry.example/shop:latest",
		"a name without scheme or digest": "shop",
		"a digest of another length":      "registry.example/shop@sha256:abcd",
		"a digest of another kind":        "docker://registry.example/shop@sha512:" + digest,
		"a space":                         "docker://registry.example/sh op@sha256:" + digest,
		"a bidirectional character":       "https://files.example/\u202egpj.sh",
		"a line break inside":             "https://files.example/a\nb",
		"a shell in an image name":        "docker://$(id)@sha256:" + digest,
		"a path that climbs":              "docker://../../etc@sha256:" + digest,
		"a megabyte":                      "https://files.example/" + strings.Repeat("a", 1<<20),
		"no host":                         "https://#" + shaA,
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			if got, err := ParseURI(in); err == nil {
				t.Errorf("got %+v, want an error", got)
			} else if len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestCommitURI(t *testing.T) {
	want := "https://forge.example/acme/shop.git#" + shaA
	for _, repository := range []string{
		"https://forge.example/acme/shop", "https://forge.example/acme/shop.git", "git@forge.example:acme/shop.git",
		"ssh://git@forge.example:22/acme/shop", "https://forge.example/acme/shop?x=y",
	} {
		got, err := CommitURI(repository, strings.ToUpper(shaA))
		if err != nil || got.String != want {
			t.Errorf("CommitURI(%q) = %q, %v; want %q", repository, got.String, err, want)
		}
	}
	for _, in := range [][2]string{{"https://forge.example/x", "main"}, {"https://forge.example/x", shaA[:7]}, {"shop", shaA}, {"", shaA}} {
		if got, err := CommitURI(in[0], in[1]); err == nil {
			t.Errorf("CommitURI(%q, %q) = %+v, want an error", in[0], in[1], got)
		}
	}
}

// The values are those of a public locker.
func TestIDs(t *testing.T) {
	if diff := cmp.Diff("a98b9235709c7d6f83775f79d90b1c417cca2d6166c41d3852ace27d058b4c11", ScopeID("0d0ec0f0-5f87-4ac6-8c4f-91331957bad4")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("62ca437aa47f9ce2dab050e82c8fb5471fd821b1ece4cc119169bb827a99f20c", CommitID("b8e36fcc8a0872545c72b5564a12d2f748ee95e1")); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeEvidence(t *testing.T) {
	valid := `{"version":"2","id":"x","date":"2026-01-02T03:04:05.678Z","evidence_type_id":"com.ibm.unit_tests","details":{"result":"success","tool":"go"}}`
	for name, tc := range map[string]struct {
		in   string
		want Result
	}{
		"the documented form":                 {valid, ResultSuccess},
		"fields nobody knows":                 {strings.Replace(valid, "{", `{"extra":{"a":[1]},`, 1), ResultSuccess},
		"a number for a version":              {strings.Replace(valid, `"2"`, `2`, 1), ResultSuccess},
		"no result":                           {`{"id":"x"}`, ResultUnknown},
		"a result in another word":            {strings.Replace(valid, "success", "passed", 1), ResultUnknown},
		"a result in capitals":                {strings.Replace(valid, "success", "SUCCESS", 1), ResultUnknown},
		"a result with a space":               {strings.Replace(valid, "success", "success ", 1), ResultUnknown},
		"a boolean result":                    {strings.Replace(valid, `"success"`, "true", 1), ResultUnknown},
		"a field that differs in case only":   {strings.Replace(valid, `"result":"success"`, `"result":"failure","Result":"success"`, 1), ResultFailure},
		"one issue where a list is due":       {strings.Replace(valid, "{", `{"issues":"https://forge.example/1",`, 1), ResultSuccess},
		"issues in a form of their own":       {strings.Replace(valid, "{", `{"issues":[{"url":"u"},null,"https://forge.example/1"],`, 1), ResultSuccess},
		"assets named by id alone":            {strings.Replace(valid, "{", `{"assets":["`+digest+`",{"hash":"x"},null],`, 1), ResultSuccess},
		"attachments by label":                {strings.Replace(valid, "{", `{"attachments":{"b.json":"`+digest+`","a.json":1},`, 1), ResultSuccess},
		"nothing where lists are due":         {strings.Replace(valid, "{", `{"issues":null,"assets":null,"attachments":null,`, 1), ResultSuccess},
		"the result at the top, as version 1": {`{"id":"x","result":"success"}`, ResultUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := DecodeEvidence([]byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Result(); got != tc.want {
				t.Errorf("got result %q, want %q", got, tc.want)
			}
			if string(e.Raw) != tc.in {
				t.Errorf("the record was not kept: %s", e.Raw)
			}
		})
	}
	for name, in := range map[string]string{
		"nothing":                     "",
		"a list":                      "[]",
		"half a record":               valid[:40],
		"a result twice":              strings.Replace(valid, `"result":"success"`, `"result":"failure","result":"success"`, 1),
		"details twice":               strings.Replace(valid, `"details"`, `"details":{"result":"failure"},"details"`, 1),
		"a list where a result is":    strings.Replace(valid, `"success"`, `["success"]`, 1),
		"a hundred thousand brackets": strings.Repeat(`{"details":`, 100_000),
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			if e, err := DecodeEvidence([]byte(in)); err == nil {
				t.Errorf("got %+v, want an error", e)
			}
		})
	}
}

func TestDecodeAssetLinks(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for name, tc := range map[string]struct {
		in   string
		want Links
	}{
		"ids":                       {`["` + a + `","` + b + `","` + a + `"]`, Links{a, b}},
		"digests":                   {`["sha256:` + a + `"]`, Links{a}},
		"URIs":                      {`["https://forge.example/acme/shop.git#` + shaA + `"]`, Links{CommitID(shaA)}},
		"objects":                   {`[{"hash":"` + a + `"},{"id":"` + b + `"},{"uri":"docker://x@sha256:` + digest + `"}]`, Links{a, b, digest}},
		"a tree":                    {`[{"id":"` + a + `","parents":[{"id":"` + b + `"}]}]`, Links{a, b}},
		"nothing":                   {`null`, nil},
		"what is no link is kept":   {`["../../etc/passwd"]`, Links{"../../etc/passwd"}},
		"an object that names none": {`[{"x":1}]`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			asset, err := DecodeAsset([]byte(`{"related":` + tc.in + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, asset.Related); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	deep := strings.Repeat(`[{"id":"`+a+`","parents":`, 50) + "null" + strings.Repeat("}]", 50)
	if _, err := DecodeAsset([]byte(`{"parents":` + deep + `}`)); err == nil {
		t.Error("a tree 50 levels deep was taken")
	}
}

func TestComponentOwn(t *testing.T) {
	image := "registry.example/acme/shop@sha256:" + digest
	for name, tc := range map[string]struct {
		component Component
		want      []AssetType
		problem   string
	}{
		"image and commit":            {Component{Provenance: image, RepositoryURL: "https://forge.example/acme/shop", CommitSHA: shaA}, []AssetType{AssetImage, AssetCommit}, ""},
		"commit only":                 {Component{RepositoryURL: "https://forge.example/acme/shop", CommitSHA: shaA}, []AssetType{AssetCommit}, ""},
		"provenance is the commit":    {Component{Provenance: "https://forge.example/acme/shop.git#" + shaA, RepositoryURL: "https://forge.example/acme/shop", CommitSHA: shaA}, []AssetType{AssetCommit}, ""},
		"nothing":                     {Component{}, nil, "names neither"},
		"image by tag":                {Component{Provenance: "docker://registry.example/shop:1"}, nil, "no digest"},
		"image type, no provenance":   {Component{Type: "image", RepositoryURL: "https://forge.example/acme/shop", CommitSHA: shaA}, []AssetType{AssetCommit}, "by digest"},
		"an image that is a commit":   {Component{Type: "image", Provenance: "https://forge.example/acme/shop.git#" + shaA}, nil, "no image"},
		"an image that is a file":     {Component{Type: "image", Provenance: "https://files.example/shop.tgz"}, nil, "no image"},
		"commit by branch":            {Component{Provenance: image, RepositoryURL: "https://forge.example/acme/shop", CommitSHA: "main"}, []AssetType{AssetImage}, "full commit id"},
		"commit without repository":   {Component{Provenance: image, CommitSHA: shaA}, []AssetType{AssetImage}, "is not a URL"},
		"provenance is a run's asset": {Component{Provenance: "pipelinerun://ci/1"}, nil, "pipeline run"},
	} {
		t.Run(name, func(t *testing.T) {
			own, problems := tc.component.Own()
			var types []AssetType
			for _, uri := range own {
				types = append(types, uri.Type)
			}
			if diff := cmp.Diff(tc.want, types); diff != "" {
				t.Errorf("assets (-want +got):\n%s", diff)
			}
			switch {
			case tc.problem == "" && len(problems) > 0:
				t.Errorf("unwanted problems: %v", problems)
			case tc.problem != "" && (len(problems) != 1 || !strings.Contains(problems[0].Message, tc.problem)):
				t.Errorf("got problems %v, want one that says %q", problems, tc.problem)
			}
		})
	}
}

func TestNewest(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(id string, minutes int, result string) *Evidence {
		return &Evidence{
			ID: Text(id), TypeID: TypeUnitTests, Date: Text(now.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339)),
			Details: Details{Result: Text(result), Tool: "go"},
		}
	}
	for name, tc := range map[string]struct {
		evidences []*Evidence
		want      string
		problem   ProblemReason
	}{
		"the newest counts":                                 {[]*Evidence{at("a", -3, "failure"), at("b", -1, "success"), at("c", -2, "failure")}, "b", ""},
		"a later failure supersedes a success":              {[]*Evidence{at("a", -2, "success"), at("b", -1, "failure")}, "b", ""},
		"a result supersedes an earlier pending":            {[]*Evidence{at("a", -2, "pending"), at("b", -1, "success")}, "b", ""},
		"a pending supersedes an earlier success":           {[]*Evidence{at("a", -2, "success"), at("b", -1, "pending")}, "b", ""},
		"a pending never supersedes a failure":              {[]*Evidence{at("a", -2, "failure"), at("b", -1, "pending")}, "a", ""},
		"nor do two pendings":                               {[]*Evidence{at("a", -3, "failure"), at("b", -2, "pending"), at("c", -1, "pending")}, "a", ""},
		"nor an unknown result":                             {[]*Evidence{at("a", -2, "passed"), at("b", -1, "pending")}, "a", ""},
		"a failure that was made good is over":              {[]*Evidence{at("a", -3, "failure"), at("b", -2, "success"), at("c", -1, "pending")}, "c", ""},
		"on equal dates failure wins":                       {[]*Evidence{at("a", -1, "success"), at("b", -1, "failure"), at("c", -1, "pending")}, "b", ""},
		"on equal dates an unknown result wins over all":    {[]*Evidence{at("a", -1, "failure"), at("b", -1, "ok"), at("c", -1, "success")}, "b", ""},
		"on equal dates a result wins over pending":         {[]*Evidence{at("a", -1, "pending"), at("b", -1, "success")}, "b", ""},
		"clocks may differ a little":                        {[]*Evidence{at("a", -1, "failure"), at("b", 4, "success")}, "b", ""},
		"evidence from the future is refused":               {[]*Evidence{at("a", -1, "failure"), at("b", 6, "success")}, "a", ReasonFromFuture},
		"evidence from the future alone counts for nothing": {[]*Evidence{at("a", 60, "success")}, "", ReasonFromFuture},
		"evidence without a date is refused":                {[]*Evidence{{ID: "a", TypeID: TypeUnitTests, Details: Details{Result: "success"}}}, "", ReasonDateUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // in either order
				current, problems := Newest(tc.evidences, now)
				got := ""
				if len(current) > 0 {
					got = string(current[0].ID)
				}
				if got != tc.want || len(current) > 1 {
					t.Errorf("got %q of %d, want %q", got, len(current), tc.want)
				}
				var reason ProblemReason
				if len(problems) > 0 {
					reason = problems[0].Reason
				}
				if reason != tc.problem {
					t.Errorf("got problems %v, want %q", problems, tc.problem)
				}
				reverse(tc.evidences)
			}
		})
	}
	t.Run("each tool counts for itself", func(t *testing.T) {
		other := at("b", -1, "success")
		other.Details.Tool = "other"
		current, _ := Newest([]*Evidence{at("a", -2, "failure"), other}, now)
		if len(current) != 2 {
			t.Errorf("got %d, want 2", len(current))
		}
	})
}

func reverse(e []*Evidence) {
	for i, j := 0, len(e)-1; i < j; i, j = i+1, j-1 {
		e[i], e[j] = e[j], e[i]
	}
}
