// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

var update = flag.Bool("update", false, "rewrite golden files")

var now = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)

const (
	sha      = "2222222222222222222222222222222222222222"
	otherSHA = "3333333333333333333333333333333333333333"
	repo     = "https://forge.example/acme/shop"
	runURI   = "pipelinerun://ci/run-7"
)

var imageURI = "docker://registry.example/acme/shop:1@sha256:" + strings.Repeat("c", 64)

// shop is an entry with an image and a commit.
var shop = evidence.Component{Entry: "shop", Type: "image", Provenance: imageURI, RepositoryURL: repo, CommitSHA: sha}

// builder makes a collection as a locker would give it.
type builder struct{ *evidence.Collection }

func collect(t *testing.T, components ...evidence.Component) builder {
	t.Helper()
	b := builder{&evidence.Collection{Assets: map[string]*evidence.AssetState{}}}
	for _, c := range components {
		own, problems := c.Own()
		ca := evidence.ComponentAssets{Component: c, Problems: problems}
		for _, uri := range own {
			ca.Assets = append(ca.Assets, evidence.Link{ID: uri.ID, Via: evidence.ViaEntry})
			if b.Assets[uri.ID] == nil {
				b.Assets[uri.ID] = &evidence.AssetState{URI: uri, Record: &evidence.Asset{}}
			}
		}
		b.Components = append(b.Components, ca)
	}
	return b
}

func (b builder) asset(t *testing.T, uri string) *evidence.AssetState {
	t.Helper()
	parsed, err := evidence.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	if b.Assets[parsed.ID] == nil {
		b.Assets[parsed.ID] = &evidence.AssetState{URI: parsed, Record: &evidence.Asset{}}
	}
	return b.Assets[parsed.ID]
}

// link makes the first component reach an asset by a relation.
func (b builder) link(t *testing.T, uri string) {
	b.Components[0].Assets = append(b.Components[0].Assets, evidence.Link{ID: b.asset(t, uri).ID, Via: evidence.ViaRelated})
}

func (b builder) add(t *testing.T, uri, typeID, result string) *evidence.Evidence {
	t.Helper()
	asset := b.asset(t, uri)
	e := &evidence.Evidence{
		ID: evidence.Text(fmt.Sprintf("%064x", len(asset.Evidences)+1)), TypeID: evidence.Text(typeID), Date: "2026-01-02T00:00:00Z",
		Details: evidence.Details{Result: evidence.Text(result), Tool: "tool"},
	}
	asset.Evidences = append(asset.Evidences, e)
	return e
}

// good gives an asset every built-in required check.
func (b builder) good(t *testing.T, uri string) {
	for _, r := range BuiltinRequired() {
		if r.AssetType == string(b.asset(t, uri).Type) {
			for _, typeID := range r.EvidenceTypes {
				b.add(t, uri, typeID, "success")
			}
		}
	}
}

func allGood(t *testing.T) builder {
	b := collect(t, shop)
	b.good(t, imageURI)
	b.good(t, repo+".git#"+sha)
	return b
}

func TestEvaluate(t *testing.T) {
	commitURI, otherCommit := repo+".git#"+sha, repo+".git#"+otherSHA
	drop := func(b builder, uri, typeID string) {
		asset := b.asset(t, uri)
		for i, e := range asset.Evidences {
			if string(e.TypeID) == typeID {
				asset.Evidences = append(asset.Evidences[:i:i], asset.Evidences[i+1:]...)
				return
			}
		}
		t.Fatalf("no %s to drop", typeID)
	}
	result := func(b builder, uri, typeID, result string) {
		for _, e := range b.asset(t, uri).Evidences {
			if string(e.TypeID) == typeID {
				e.Details.Result = evidence.Text(result)
			}
		}
	}
	for name, tc := range map[string]struct {
		build    func() builder
		required []v1alpha1.RequiredChecks
		deleted  []string
		// blocking checks as "entry type check: reason"
		want   []string
		passed int
	}{
		"everything is good": {build: func() builder { return allGood(t) }, passed: 7},
		"a failed check blocks": {
			build: func() builder {
				b := allGood(t)
				result(b, commitURI, evidence.TypeUnitTests, "failure")
				return b
			},
			want: []string{"shop commit com.ibm.unit_tests required: Failure"}, passed: 6,
		},
		"a pending check blocks": {
			build: func() builder {
				b := allGood(t)
				result(b, imageURI, evidence.TypeImageSigning, "pending")
				return b
			},
			want: []string{"shop image com.ibm.cloud.image_signing required: Pending"}, passed: 6,
		},
		"a missing check blocks": {
			build: func() builder { b := allGood(t); drop(b, imageURI, evidence.TypeImageSigning); return b },
			want:  []string{"shop image com.ibm.cloud.image_signing required: Missing"}, passed: 6,
		},
		"a result in another word blocks": {
			build: func() builder {
				b := allGood(t)
				result(b, commitURI, evidence.TypeStaticScan, "Success")
				return b
			},
			want: []string{"shop commit com.ibm.static_scan required: UnknownResult"}, passed: 6,
		},
		"no result blocks": {
			build: func() builder { b := allGood(t); result(b, commitURI, evidence.TypeStaticScan, ""); return b },
			want:  []string{"shop commit com.ibm.static_scan required: UnknownResult"}, passed: 6,
		},
		"all of them at once": {
			build: func() builder {
				b := allGood(t)
				result(b, commitURI, evidence.TypeUnitTests, "failure")
				result(b, commitURI, evidence.TypeStaticScan, "pending")
				drop(b, imageURI, evidence.TypeImageSigning)
				return b
			},
			want: []string{
				"shop image com.ibm.cloud.image_signing required: Missing",
				"shop commit com.ibm.static_scan required: Pending",
				"shop commit com.ibm.unit_tests required: Failure",
			}, passed: 4,
		},
		"a check that nobody requires must be good too": {
			build: func() builder { b := allGood(t); b.add(t, imageURI, "acme.own", "failure"); return b },
			want:  []string{"shop image acme.own existing: Failure"}, passed: 7,
		},
		"one tool's success does not outweigh another's failure": {
			build: func() builder {
				b := allGood(t)
				b.add(t, commitURI, evidence.TypeUnitTests, "failure").Details.Tool = "other"
				return b
			},
			want: []string{"shop commit com.ibm.unit_tests required: Failure"}, passed: 7,
		},
		"evidence from the future counts for nothing": {
			build: func() builder {
				b := allGood(t)
				drop(b, commitURI, evidence.TypeUnitTests)
				b.add(t, commitURI, evidence.TypeUnitTests, "success").Date = "2026-02-01T00:00:00Z"
				return b
			},
			want: []string{
				"shop commit com.ibm.unit_tests required: Missing",
				"shop commit com.ibm.unit_tests integrity: FromFuture",
			}, passed: 6,
		},
		"a hole in the locker blocks beside good checks": {
			build: func() builder {
				b := allGood(t)
				asset := b.asset(t, commitURI)
				asset.Problems = append(asset.Problems, evidence.Problem{Reason: evidence.ReasonEvidenceMissing, AssetID: asset.ID, Message: "m"})
				return b
			},
			want: []string{"shop commit locker-record integrity: EvidenceMissing"}, passed: 7,
		},
		"an entry without image and commit blocks": {
			build: func() builder { return collect(t, evidence.Component{Entry: "shop"}) },
			want:  []string{"shop  entry-identity identity: NotIdentified"},
		},
		"an entry whose image has no digest blocks though its commit is good": {
			build: func() builder {
				b := collect(t, evidence.Component{Entry: "shop", Provenance: "docker://registry.example/shop:1", RepositoryURL: repo, CommitSHA: sha})
				b.good(t, commitURI)
				return b
			},
			want: []string{"shop  entry-identity identity: NotIdentified"}, passed: 5,
		},
		"an image whose commit nobody knows blocks": {
			build: func() builder {
				b := collect(t, evidence.Component{Entry: "shop", Provenance: imageURI})
				b.good(t, imageURI)
				return b
			},
			want: []string{"shop image entry-identity identity: NotIdentified"}, passed: 2,
		},
		"an image without a commit is fine where code needs no checks": {
			build: func() builder {
				b := collect(t, evidence.Component{Entry: "shop", Provenance: imageURI})
				b.good(t, imageURI)
				return b
			},
			required: []v1alpha1.RequiredChecks{{AssetType: "image", EvidenceTypes: []string{evidence.TypeImageSigning}}}, passed: 2,
		},
		"a commit reached through the image must have the checks of a commit": {
			build: func() builder {
				b := collect(t, evidence.Component{Entry: "shop", Provenance: imageURI})
				b.good(t, imageURI)
				b.link(t, commitURI)
				b.good(t, commitURI)
				drop(b, commitURI, evidence.TypeCodeBOM)
				return b
			},
			want: []string{"shop commit com.ibm.code_bom_check required: Missing"}, passed: 6,
		},
		"another related commit need not have them, but what it has must be good": {
			build: func() builder {
				b := allGood(t)
				b.link(t, otherCommit)
				b.add(t, otherCommit, evidence.TypeUnitTests, "failure")
				return b
			},
			want: []string{"shop commit com.ibm.unit_tests existing: Failure"}, passed: 7,
		},
		"a pipeline run never gates": {
			build: func() builder {
				b := allGood(t)
				b.link(t, runURI)
				b.add(t, runURI, "com.ibm.pipeline_logs", "failure")
				b.asset(t, runURI).Problems = []evidence.Problem{{Reason: evidence.ReasonEvidenceMissing}}
				return b
			},
			passed: 7,
		},
		"a policy replaces the required set": {
			build: func() builder {
				b := collect(t, shop)
				b.add(t, imageURI, "acme.scan", "success")
				return b
			},
			required: []v1alpha1.RequiredChecks{{AssetType: "image", EvidenceTypes: []string{"acme.scan", "acme.sign"}}},
			want:     []string{"shop image acme.sign required: Missing"}, passed: 1,
		},
		"a policy that requires nothing still blocks on a failure": {
			build:    func() builder { b := collect(t, shop); b.add(t, imageURI, "acme.scan", "failure"); return b },
			required: []v1alpha1.RequiredChecks{},
			want:     []string{"shop image acme.scan existing: Failure"},
		},
		"an artifact has only the checks that a policy names": {
			build: func() builder {
				return collect(t, evidence.Component{Entry: "chart", Provenance: "https://files.example/chart.tgz"})
			},
			required: []v1alpha1.RequiredChecks{{AssetType: "artifact", EvidenceTypes: []string{"acme.lint"}}},
			want:     []string{"chart artifact acme.lint required: Missing"},
		},
		"each entry is judged, also on an asset that they share": {
			build: func() builder {
				twin := shop
				twin.Entry = "twin"
				b := collect(t, shop, twin)
				b.good(t, imageURI)
				b.good(t, commitURI)
				result(b, commitURI, evidence.TypeUnitTests, "failure")
				return b
			},
			want: []string{"shop commit com.ibm.unit_tests required: Failure", "twin commit com.ibm.unit_tests required: Failure"}, passed: 12,
		},
		"nothing to judge is not ready": {
			build: func() builder { return collect(t) },
			want:  []string{"  entry-identity identity: NotIdentified"},
		},
		"deletions alone are ready": {build: func() builder { return collect(t) }, deleted: []string{"old"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := Evaluate(Input{Evidence: tc.build().Collection, Deleted: tc.deleted, Required: tc.required, Now: now})
			var got []string
			for _, c := range v.Checks {
				if c.Outcome == Block {
					got = append(got, fmt.Sprintf("%s %s %s %s: %s", c.Entry, c.AssetType, c.Check, c.Rule, c.Reason))
					if c.Unblock == "" || c.Message == "" {
						t.Errorf("%s: message %q, unblock %q", c.Check, c.Message, c.Unblock)
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("what blocks (-want +got):\n%s", diff)
			}
			if v.Ready != (len(tc.want) == 0) || v.Blocked != len(tc.want) || v.Passed != tc.passed {
				t.Errorf("ready=%t passed=%d blocked=%d, want ready=%t passed=%d blocked=%d",
					v.Ready, v.Passed, v.Blocked, len(tc.want) == 0, tc.passed, len(tc.want))
			}
		})
	}
}

func TestEvaluateWithoutACollectionIsNotReady(t *testing.T) {
	if v := Evaluate(Input{Now: now}); v.Ready {
		t.Error("it is ready")
	}
}

func TestAQuestionThatNoRuleAnswersBlocks(t *testing.T) {
	if got := judge(question{}); got.Outcome != Block || got.Reason != ReasonNoRuleApplies {
		t.Errorf("got %+v", got)
	}
	// A success that no evidence stands behind is no success.
	if got := judge(question{Check: Check{Result: "success"}}); got.Outcome != Block {
		t.Errorf("got %+v", got)
	}
}

// Every reason of a problem must say what would close it.
func TestRemedies(t *testing.T) {
	for _, reason := range []evidence.ProblemReason{
		evidence.ReasonNotIdentified, evidence.ReasonAssetMissing, evidence.ReasonAssetUnreadable, evidence.ReasonLinkUnusable,
		evidence.ReasonParentCycle, evidence.ReasonMarkerUnusable, evidence.ReasonEvidenceMissing, evidence.ReasonEvidenceUnreadable,
		evidence.ReasonWrongID, evidence.ReasonWrongAsset, evidence.ReasonTooLarge, evidence.ReasonTooMany,
		evidence.ReasonDateUnreadable, evidence.ReasonFromFuture, evidence.ReasonUnsigned, evidence.ReasonUntied,
		evidence.ReasonAttachmentMissing, evidence.ReasonAttachmentWrong,
	} {
		if remedies[reason] == "" {
			t.Errorf("%s has no remedy", reason)
		}
	}
}

// hostile is a verdict over text that an attacker chose.
func hostile(t *testing.T) (builder, Verdict) {
	b := collect(t, shop, evidence.Component{
		Entry:      "evil\x1b[2J\u202e`|<script>@everyone\nDEPLOYMENT_READY=true",
		Provenance: "docker://$(id)`\u202e",
	}, evidence.Component{Entry: "DEPLOYMENT_READY=true"}, evidence.Component{Entry: "宽宽宽/" + strings.Repeat("long", 60)})
	b.good(t, imageURI)
	e := b.add(t, imageURI, "com.evil\r\x1b]0;title\x07|`[x](http://evil)`", "success\u200b")
	e.Details.Tool = "tool\u009b31m\u2066" + evidence.Text(strings.Repeat("w", 300))
	b.add(t, repo+".git#"+sha, evidence.TypeUnitTests, "failure").Issues = evidence.Texts{"https://forge.example/1\x1b[0m"}
	b.asset(t, repo+".git#"+sha).Evidences[0].Findings = make([]evidence.Finding, 3)
	b.link(t, runURI)
	b.add(t, runURI, "com.ibm.pipeline_logs", "success")
	return b, Evaluate(Input{Evidence: b.Collection, Deleted: []string{"old"}, Now: now})
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

func TestWriteTable(t *testing.T) {
	_, v := hostile(t)
	var out bytes.Buffer
	if err := v.WriteTable(&out, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", out.Bytes())
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if last := lines[len(lines)-1]; last != "DEPLOYMENT_READY=false" {
		t.Errorf("the last line is %q", last)
	}
	ready := 0
	for _, line := range lines {
		if plaintext.Columns(line) > tableColumns {
			t.Errorf("%d columns: %s", plaintext.Columns(line), line)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "DEPLOYMENT_READY=") {
			ready++
		}
		for _, r := range line {
			if r < ' ' || (r >= 0x7f && r < 0xa0) || (r >= 0x200b && r <= 0x200f) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
				t.Errorf("%U in %q", r, line)
			}
		}
	}
	if ready != 1 {
		t.Errorf("DEPLOYMENT_READY appears %d times", ready)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colours though nobody asked")
	}

	out.Reset()
	if err := v.WriteTable(&out, TableOptions{Color: true, BlockingOnly: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[31mBLOCK\x1b[0m") || strings.Contains(out.String(), "  ok ") {
		t.Errorf("colour or blocking only:\n%s", out.String())
	}
}

func TestMarkdown(t *testing.T) {
	_, v := hostile(t)
	golden(t, "verdict.md", []byte(v.Markdown(1000)))
	if got := v.Markdown(2); strings.Count(got, "\n| block |") != 2 || !strings.Contains(got, "more checks are in the summary") {
		t.Errorf("limit of 2:\n%s", got)
	}
}

func TestAPI(t *testing.T) {
	var components []evidence.Component
	for i := range 150 {
		components = append(components, evidence.Component{Entry: fmt.Sprintf("entry-%d\x1b%s", i, strings.Repeat("x", 5000))})
	}
	v := Evaluate(Input{Evidence: collect(t, components...).Collection, Now: now.Add(time.Millisecond)})
	got := v.API()
	if got.Ready || got.Blocked != 150 || len(got.Blocking) != 100 || !got.EvaluatedAt.Time.Equal(now) {
		t.Errorf("ready=%t blocked=%d listed=%d at %s", got.Ready, got.Blocked, len(got.Blocking), got.EvaluatedAt)
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 500_000 {
		t.Errorf("%d bytes are too many for an object of the API", len(data))
	}
	if strings.Contains(got.Blocking[0].Entry, "\x1b") || !strings.Contains(got.Blocking[0].Reason, "to unblock: ") {
		t.Errorf("got %+v", got.Blocking[0])
	}
}

func TestSummary(t *testing.T) {
	b, v := hostile(t)
	s, err := Summarise(b.Collection, v, "cd-run-1", now)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got Summary
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, got.Readiness); diff != "" {
		t.Errorf("the verdict does not survive (-want +got):\n%s", diff)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"version", "date", "pipeline_run_id", "evidences", "readiness"} {
		if keys[key] == nil {
			t.Errorf("no %s", key)
		}
	}
}

func FuzzCode(f *testing.F) {
	f.Add("宽|`\x1b` \n[x](http://evil)")
	f.Fuzz(func(t *testing.T, s string) {
		if got := code(s, 100); strings.Count(got, "`") > 2 || strings.ContainsAny(got, "|\n") {
			t.Errorf("code(%q) = %q", s, got)
		}
	})
}

// Ten thousand records of a commit are ten thousand questions for each entry
// that was built from it.
func TestMoreChecksThanAreJudgedBlock(t *testing.T) {
	uri, err := evidence.CommitURI("https://forge.example/shop", strings.Repeat("1", 40))
	if err != nil {
		t.Fatal(err)
	}
	commit := &evidence.AssetState{URI: uri}
	for i := range 10_000 {
		commit.Evidences = append(commit.Evidences, &evidence.Evidence{
			ID: evidence.Text(fmt.Sprintf("%064x", i)), TypeID: evidence.Text(fmt.Sprint("com.example.", i)), Date: "2026-01-01T00:00:00Z",
			Details: evidence.Details{Result: evidence.Text(evidence.ResultSuccess)},
		})
	}
	c := &evidence.Collection{Assets: map[string]*evidence.AssetState{uri.ID: commit}}
	for i := range 100 {
		c.Components = append(c.Components, evidence.ComponentAssets{
			Component: evidence.Component{Entry: fmt.Sprintf("e%03d", i)}, Assets: []evidence.Link{{ID: uri.ID, Via: evidence.ViaEntry}},
		})
	}
	in := Input{Evidence: c, Now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Required: []v1alpha1.RequiredChecks{}}
	v := Evaluate(in)
	last := v.Checks[len(v.Checks)-1]
	if v.Ready || len(v.Checks) > 220_000 || last.Entry != "e099" || last.Outcome != Block || last.Reason != Reason(evidence.ReasonTooMany) {
		t.Errorf("ready %t, %d checks, the last %+v", v.Ready, len(v.Checks), last)
	}
}
