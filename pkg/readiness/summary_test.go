// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// explained is a verdict by a checks file in which everything that can be told
// is told.
func explained(t *testing.T) (builder, Verdict) {
	t.Helper()
	b := collect(t, shop, evidence.Component{Entry: "chart", Provenance: "https://files.example/chart.tgz"})
	b.add(t, imageURI, "com.ibm.cloud.image_signing", "success").Signature = evidence.Signature{Status: evidence.SignatureValid, Signer: "release-team"}
	staged(b.add(t, imageURI, "com.ibm.acceptance_tests", "failure"), "us-east").Issues = evidence.Texts{"https://forge.example/acme/shop/issues/7"}
	b.add(t, imageURI, "com.ibm.dynamic_scan", "pending")
	b.add(t, commitURI, "com.ibm.static_scan", "failure")
	b.add(t, commitURI, "acme.own", "success")
	file := parse(t, `{"version": "2.0", "pre-deployment": [
  {"evidence_type_id": "com.ibm.cloud.image_signing", "rules": [{"asset_type": "image", `+tools("required", "*")+`}]},
  {"evidence_type_id": "com.ibm.acceptance_tests", "rules": [{"asset_type": "image", "source_environments": [{"name": "stage"}], `+tools("required", "*")+`}]},
  {"evidence_type_id": "com.ibm.dynamic_scan", "rules": [{"asset_type": "image", `+tools("required_if_present", "*")+`}]},
  {"evidence_type_id": "com.ibm.static_scan", "rules": [{"asset_type": "commit", `+tools("recommended", "*")+`}]},
  {"evidence_type_id": "com.ibm.unit_tests", "rules": [{"asset_type": "commit", `+tools("required", "jest")+`}]}
]}`)
	return b, Evaluate(Input{
		Evidence: b.Collection, Checks: file, Now: now, Deleted: []string{"old"},
		Source: checks.Environment{Name: "stage", Region: "us-east"}, Target: checks.Environment{Name: "prod", Region: "us-east"},
		Demanded: []Demand{{AssetID: strings.Repeat("c", 64), TypeID: "com.ibm.cloud.verify_signature", By: "ChangePolicy production, signatures[0]"}},
	})
}

// The three forms of a verdict, as people and programs see them.
func TestAVerdictExplainsItself(t *testing.T) {
	b, v := explained(t)
	for name, options := range map[string]TableOptions{"explained.txt": {Full: true}, "explained-short.txt": {}, "explained-blocking.txt": {BlockingOnly: true}} {
		var table bytes.Buffer
		if err := v.WriteTable(&table, options); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(table.String(), "\n") {
			if plaintext.Columns(line) > tableColumns {
				t.Errorf("%d columns: %s", plaintext.Columns(line), line)
			}
		}
		golden(t, name, table.Bytes())
	}
	s, err := Summarise(b.Collection, v, "cd-7", now)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explained.md", []byte(s.Markdown()))
	data, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explained.json", data)
}

func TestStatements(t *testing.T) {
	type verdict struct{ asset, digest, result string }
	statements := func(b builder, in Input) []verdict {
		in.Evidence, in.Now = b.Collection, now
		var out []verdict
		for _, s := range Statements(b.Collection, Evaluate(in)) {
			if s.Type != StatementType || s.PredicateType != PredicateType || s.Predicate.TimeVerified != "2026-01-03T00:00:00Z" {
				t.Errorf("got %+v", s)
			}
			want := []string{LevelReady}
			if s.Predicate.VerificationResult == resultFailed {
				want = []string{LevelFailed}
			}
			if diff := cmp.Diff(want, s.Predicate.VerifiedLevels); diff != "" {
				t.Errorf("levels (-want +got):\n%s", diff)
			}
			out = append(out, verdict{s.Predicate.ResourceURI, s.digest(), s.Predicate.VerificationResult})
		}
		return out
	}
	image := func(result string) verdict { return verdict{imageURI, "sha256:" + strings.Repeat("c", 64), result} }
	commit := func(result string) verdict { return verdict{commitURI, "gitCommit:" + sha, result} }
	for name, tc := range map[string]struct {
		build func() builder
		in    Input
		want  []verdict
	}{
		"all is good": {build: func() builder { return allGood(t) }, want: []verdict{image("PASSED"), commit("PASSED")}},
		"an image does not pass when its commit does not": {
			build: func() builder { b := allGood(t); b.add(t, commitURI, "acme.own", "failure"); return b },
			want:  []verdict{image("FAILED"), commit("FAILED")},
		},
		"a commit passes when its image does not": {
			build: func() builder { b := allGood(t); b.add(t, imageURI, "acme.own", "failure"); return b },
			want:  []verdict{image("FAILED"), commit("PASSED")},
		},
		"a shared image passes only if all entries that deploy it do": {
			build: func() builder {
				twin := shop
				twin.Entry, twin.CommitSHA = "twin", otherSHA
				b := collect(t, shop, twin)
				b.good(t, imageURI)
				b.good(t, commitURI)
				return b
			},
			want: []verdict{image("FAILED"), commit("PASSED"), {repo + ".git#" + otherSHA, "gitCommit:" + otherSHA, "FAILED"}},
		},
		"an artifact needs a digest": {
			build: func() builder {
				return collect(t, evidence.Component{Entry: "a", Provenance: "https://files.example/a.tgz"},
					evidence.Component{Entry: "b", Provenance: "https://files.example/b.tgz#sha256=" + strings.Repeat("d", 64)})
			},
			want: []verdict{{"https://files.example/b.tgz#sha256=" + strings.Repeat("d", 64), "sha256:" + strings.Repeat("d", 64), "PASSED"}},
		},
		"nothing passes that a Rego policy refuses": {
			build: func() builder { return allGood(t) }, in: Input{Decision: &Decision{}},
			want: []verdict{image("FAILED"), commit("FAILED")},
		},
		"nothing passes where the policy came to no decision": {
			build: func() builder { return allGood(t) }, in: Input{Decision: &Decision{Allow: true, Problem: "p"}},
			want: []verdict{image("FAILED"), commit("FAILED")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, statements(tc.build(), tc.in), cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The summary has every evidence that decided, also where a newer one of another
// environment is there.
func TestSummaryHasWhatDecided(t *testing.T) {
	b := collect(t, shop)
	b.add(t, commitURI, "acme.check", "failure")
	staged(b.add(t, commitURI, "acme.check", "success"), "").Date = "2026-01-02T12:00:00Z"
	v := Evaluate(Input{Evidence: b.Collection, Now: now, Checks: parse(t, section2(checks.PreDeployment, "acme.check", `{"asset_type": "commit", `+tools("required", "*")+`}`))})
	s, err := Summarise(b.Collection, v, "cd-7", now)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, raw := range s.Evidences {
		var e struct{ ID string }
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	for _, c := range v.Checks {
		if c.Evidence != "" && !strings.Contains(strings.Join(ids, " "), c.Evidence) {
			t.Errorf("evidence %s of a check that came to %s is not in the summary", c.Evidence, c.Outcome)
		}
	}
	if len(ids) != 2 {
		t.Errorf("got %v", ids)
	}
}

// Every reason is on the page.
func TestReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("rules.go")
	if err != nil {
		t.Fatal(err)
	}
	problems, err := os.ReadFile("../evidence/component.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`Reason\w+ +(?:Reason|ProblemReason) += "(\w+)"`).FindAllStringSubmatch(string(source)+string(problems), -1) {
		found++
		if !strings.Contains(string(page), fmt.Sprintf("`%s`", m[1])) {
			t.Errorf("docs/reference/reasons.md lacks %s", m[1])
		}
		if strings.Contains(string(problems), `= "`+m[1]+`"`) && remedies[evidence.ProblemReason(m[1])] == "" {
			t.Errorf("%s has no remedy", m[1])
		}
	}
	if found < 25 {
		t.Errorf("found %d reasons only", found)
	}
}

// 1,000 assets with 8 checks each: deciding takes milliseconds, beside reading
// that takes seconds.
func BenchmarkEvaluate(b *testing.B) {
	c := &evidence.Collection{Assets: map[string]*evidence.AssetState{}}
	types := []string{"acme.a", "acme.b", "acme.c", "acme.d", "acme.e", "acme.f", "acme.g", "acme.h"}
	var rules []string
	for _, typeID := range types {
		rules = append(rules, fmt.Sprintf(`{"evidence_type_id": %q, "rules": [{"asset_type": "image", "source_environments": [{"name": "ci-pipeline"}], %s}]}`, typeID, tools("required", "*")))
	}
	for i := range 1000 {
		uri, err := evidence.ParseURI(fmt.Sprintf("docker://registry.example/acme/shop@sha256:%064x", i))
		if err != nil {
			b.Fatal(err)
		}
		state := &evidence.AssetState{URI: uri, Record: &evidence.Asset{}}
		for _, typeID := range types {
			e, err := evidence.Complete(evidence.Evidence{
				TypeID: evidence.Text(typeID), Date: "2026-01-02T00:00:00Z", Details: evidence.Details{Result: "success", Tool: "tool"},
				Assets: []evidence.AssetRef{{URI: evidence.Text(uri.String)}},
			})
			if err != nil {
				b.Fatal(err)
			}
			state.Evidences = append(state.Evidences, e)
		}
		c.Assets[uri.ID] = state
		c.Components = append(c.Components, evidence.ComponentAssets{
			Component: evidence.Component{Entry: fmt.Sprintf("entry-%d", i), Provenance: uri.String, PipelineRunID: "run"},
			Assets:    []evidence.Link{{ID: uri.ID, Via: evidence.ViaEntry}},
		})
	}
	file, err := checks.Parse("validation.json", []byte(`{"version": "2.0", "pre-deployment": [`+strings.Join(rules, ", ")+`]}`))
	if err != nil {
		b.Fatal(err)
	}
	for name, checks := range map[string]*checks.File{"default mode": nil, "checks file": file} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if v := Evaluate(Input{Evidence: c, Checks: checks, Now: now}); len(v.Checks) < 8000 {
					b.Fatalf("%d checks", len(v.Checks))
				}
			}
		})
	}
}
