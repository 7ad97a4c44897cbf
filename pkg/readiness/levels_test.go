// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

var commitURI = repo + ".git#" + sha

func parse(t *testing.T, text string) *checks.File {
	t.Helper()
	file, err := checks.Parse("validation.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// section2 is a file of version 2.0 with one section of one rule.
func section2(phase checks.Phase, typeID, rule string) string {
	return fmt.Sprintf(`{"version": "2.0", %q: [{"evidence_type_id": %q, "rules": [%s]}]}`, phase, typeID, rule)
}

func tools(level string, names ...string) string {
	return fmt.Sprintf(`%q: [{"name": "tool", "values": ["%s"]}]`, level, strings.Join(names, `", "`))
}

// staged moves evidence to environment stage.
func staged(e *evidence.Evidence, region string) *evidence.Evidence {
	e.Details.Extra = map[string]any{"environment": "stage"}
	if region != "" {
		e.Details.Extra["region"] = region
	}
	return e
}

// told says what matters of the checks, without those that are only listed.
func told(v Verdict, all bool) []string {
	var out []string
	for _, c := range v.Checks {
		if c.Outcome == Info && !all {
			continue
		}
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s %s: %s %s", c.Entry, c.AssetType, c.Check, c.Tool, c.Source, c.Rule, c.Outcome, c.Reason)), " "))
	}
	return out
}

// Every cell of the table of levels, of both versions of the file and of default
// mode.
func TestLevels(t *testing.T) {
	const (
		success, pending, failure, other, missing = "success", "pending", "failure", "passed", ""
		required                                  = "required"
		existing                                  = "default mode"
	)
	for _, tc := range []struct {
		level, result string
		want          Outcome
		reason        Reason
	}{
		{"required", success, Pass, ReasonSuccess},
		{"required", pending, Block, ReasonPending},
		{"required", failure, Block, ReasonFailure},
		{"required", other, Block, ReasonUnknownResult},
		{"required", missing, Block, ReasonMissing},
		{"required_if_present", success, Pass, ReasonSuccess},
		{"required_if_present", pending, Pass, ReasonPending},
		{"required_if_present", failure, Block, ReasonFailure},
		{"required_if_present", other, Block, ReasonUnknownResult},
		{"required_if_present", missing, Pass, ReasonNotPresent},
		{"recommended", success, Pass, ReasonSuccess},
		{"recommended", pending, Warn, ReasonPending},
		{"recommended", failure, Warn, ReasonFailure},
		{"recommended", other, Warn, ReasonUnknownResult},
		{"recommended", missing, Warn, ReasonMissing},
		// Version 1.
		{"optional", success, Pass, ReasonSuccess},
		{"optional", pending, Pass, ReasonPending},
		{"optional", failure, Block, ReasonFailure},
		{"optional", other, Block, ReasonUnknownResult},
		{"optional", missing, Pass, ReasonNotPresent},
		{"ignore", success, Info, ReasonListedOnly},
		{"ignore", pending, Info, ReasonListedOnly},
		{"ignore", failure, Info, ReasonListedOnly},
		{"ignore", other, Info, ReasonListedOnly},
		{"ignore", missing, "", ""},
		// A type that the file does not name.
		{"unnamed", success, Info, ReasonListedOnly},
		{"unnamed", pending, Info, ReasonListedOnly},
		{"unnamed", failure, Info, ReasonListedOnly},
		{"unnamed", other, Info, ReasonListedOnly},
		{"unnamed", missing, "", ""},
		// Default mode.
		{existing, success, Pass, ReasonSuccess},
		{existing, pending, Block, ReasonPending},
		{existing, failure, Block, ReasonFailure},
		{existing, other, Block, ReasonUnknownResult},
		{existing, missing, "", ""},
	} {
		for _, phase := range []checks.Phase{checks.PreDeployment, checks.PostDeployment} {
			t.Run(fmt.Sprintf("%s %s/%s", phase, tc.level, tc.result), func(t *testing.T) {
				b := collect(t, shop)
				if tc.result != missing {
					b.add(t, commitURI, "acme.check", tc.result)
				}
				in := Input{Evidence: b.Collection, Phase: phase, Now: now}
				switch tc.level {
				case existing:
					in.Required = []v1alpha1.RequiredChecks{}
				case "unnamed":
					in.Checks = parse(t, section2(phase, "acme.another", `{"asset_type": "commit", `+tools("recommended", "*")+`}`))
				case "optional", "ignore":
					in.Checks = parse(t, fmt.Sprintf(`{%q: [{"asset_type": "commit", "evidences": [{"evidence_type_id": "acme.check", "rules": {%q: [{"tool": "*"}]}}]}]}`, phase, tc.level))
				default:
					in.Checks = parse(t, section2(phase, "acme.check", `{"asset_type": "commit", `+tools(tc.level, "*")+`}`))
				}
				v := Evaluate(in)
				var got Check
				for _, c := range v.Checks {
					if c.Check == "acme.check" {
						got = c
					}
				}
				if got.Outcome != tc.want || got.Reason != tc.reason {
					t.Errorf("got %s, %s; want %s, %s", got.Outcome, got.Reason, tc.want, tc.reason)
				}
				if v.Ready != (tc.want != Block) {
					t.Errorf("ready=%t", v.Ready)
				}
				if (tc.want == Block || tc.want == Warn) && (got.Message == "" || got.Unblock == "" || got.RuleSource == "") {
					t.Errorf("it does not explain itself: %+v", got)
				}
			})
		}
	}
}

func TestEvaluateByAChecksFile(t *testing.T) {
	const unit = evidence.TypeUnitTests
	prod, stage := checks.Environment{Name: "prod", Region: "eu"}, checks.Environment{Name: "stage"}
	rule := func(fields string) string {
		return section2(checks.PreDeployment, unit, `{"asset_type": "commit", `+fields+`}`)
	}
	for name, tc := range map[string]struct {
		file  string
		build func(b builder)
		in    Input
		want  []string
	}{
		"evidence of another tool is listed, and the named tool's is missing": {
			file:  rule(tools("required", "jest")),
			build: func(b builder) { b.add(t, commitURI, unit, "failure") },
			want:  []string{"shop commit com.ibm.unit_tests jest required: block Missing"},
		},
		"a level that names the tool counts before one for all": {
			file: rule(tools("required", "*") + ", " + tools("recommended", "tool")),
			build: func(b builder) {
				b.add(t, commitURI, unit, "failure")
				b.add(t, commitURI, unit, "success").Details.Tool = "jest"
			},
			want: []string{
				"shop commit com.ibm.unit_tests jest ci-pipeline required: pass Success",
				"shop commit com.ibm.unit_tests tool ci-pipeline recommended: warn Failure",
			},
		},
		"of two rules the stricter counts": {
			file: `{"version": "2.0", "pre-deployment": [{"evidence_type_id": "com.ibm.unit_tests", "rules": [
				{"asset_type": "*", ` + tools("recommended", "*") + `}, {"asset_type": "commit", ` + tools("required_if_present", "*") + `}]}]}`,
			build: func(b builder) { b.add(t, commitURI, unit, "failure") },
			want: []string{
				"shop image com.ibm.unit_tests recommended: warn Missing",
				"shop commit com.ibm.unit_tests tool ci-pipeline required_if_present: block Failure",
			},
		},
		"a rule for another target does not hold": {
			file: rule(`"target_environments": [{"name": "stage"}], ` + tools("required", "*")),
			in:   Input{Target: prod},
		},
		"a rule for the target in another region does not hold": {
			file: rule(`"target_environments": [{"name": "prod", "region": "us"}], ` + tools("required", "*")),
			in:   Input{Target: prod},
		},
		"a rule for the target holds in every region": {
			file: rule(`"target_environments": [{"name": "prod"}], ` + tools("required", "*")),
			in:   Input{Target: prod},
			want: []string{"shop commit com.ibm.unit_tests required: block Missing"},
		},
		"without a target every rule holds": {
			file: rule(`"target_environments": [{"name": "stage"}], ` + tools("required", "*")),
			want: []string{"shop commit com.ibm.unit_tests required: block Missing"},
		},
		"a rule holds whatever the change is promoted from": {
			file: rule(`"source_environments": [{"name": "stage"}], "target_environments": [{"name": "prod"}], ` + tools("required", "*")),
			in:   Input{Target: prod, Source: checks.Environment{Name: "dev"}},
			want: []string{"shop commit com.ibm.unit_tests stage required: block Missing"},
		},
		"evidence from elsewhere does not meet a rule, and is not judged by it": {
			file:  rule(`"source_environments": [{"name": "stage"}], ` + tools("required", "*")),
			build: func(b builder) { b.add(t, commitURI, unit, "failure") },
			in:    Input{Source: stage, Target: prod},
			want:  []string{"shop commit com.ibm.unit_tests stage required: block Missing"},
		},
		"several sources are alternatives": {
			file:  rule(`"source_environments": [{"name": "ci-pipeline"}, {"name": "stage"}], ` + tools("required", "*")),
			build: func(b builder) { staged(b.add(t, commitURI, unit, "success"), "us") },
			want:  []string{"shop commit com.ibm.unit_tests tool stage:us required: pass Success"},
		},
		"what stage found does not supersede what the build found": {
			file: rule(tools("required_if_present", "*")),
			build: func(b builder) {
				b.add(t, commitURI, unit, "failure")
				staged(b.add(t, commitURI, unit, "success"), "").Date = "2026-01-02T12:00:00Z"
			},
			want: []string{
				"shop commit com.ibm.unit_tests tool ci-pipeline required_if_present: block Failure",
				"shop commit com.ibm.unit_tests tool stage required_if_present: pass Success",
			},
		},
		"the policy's required checks hold beside a file": {
			file: rule(tools("recommended", "*")),
			in:   Input{Required: []v1alpha1.RequiredChecks{{AssetType: "commit", EvidenceTypes: []string{unit}}}},
			want: []string{"shop commit com.ibm.unit_tests required: block Missing"},
		},
		"the built-in set does not": {file: rule(tools("recommended", "*")), want: []string{"shop commit com.ibm.unit_tests recommended: warn Missing"}},
		"a phase without a section is judged in default mode": {
			file: rule(tools("recommended", "*")), in: Input{Phase: checks.PostDeployment, Required: []v1alpha1.RequiredChecks{}},
			build: func(b builder) { b.add(t, commitURI, "acme.other", "failure") },
			want:  []string{"shop commit acme.other tool existing: block Failure"},
		},
		"what is demanded of an asset is required whatever the file says": {
			file:  rule(tools("recommended", "*")),
			build: func(b builder) { b.add(t, commitURI, unit, "failure") },
			in: Input{Demanded: []Demand{
				{AssetID: evidence.CommitID(sha), TypeID: unit, By: "ChangePolicy p, test"},
				{AssetID: strings.Repeat("c", 64), TypeID: "com.ibm.cloud.verify_signature", By: "ChangePolicy p, signatures[0]"},
			}},
			want: []string{
				"shop image com.ibm.cloud.verify_signature required: block Missing",
				"shop commit com.ibm.unit_tests tool ci-pipeline required: block Failure",
			},
		},
		"an unsigned success is missing": {
			file: rule(tools("required", "*")),
			build: func(b builder) {
				b.add(t, commitURI, unit, "success").Signature = evidence.Signature{Status: evidence.SignatureInvalid, Problem: "it is not signed"}
			},
			want: []string{"shop commit com.ibm.unit_tests required: block Unsigned"},
		},
		"an unsigned success that is only recommended is a warning": {
			file: rule(tools("recommended", "*")),
			build: func(b builder) {
				b.add(t, commitURI, unit, "success").Signature = evidence.Signature{Status: evidence.SignatureInvalid, Problem: "it is not signed"}
			},
			want: []string{"shop commit com.ibm.unit_tests recommended: warn Unsigned"},
		},
		"a hole in what the entry deploys blocks, whatever the rules ask": {
			file: rule(tools("recommended", "*")),
			build: func(b builder) {
				b.asset(t, imageURI).Problems = []evidence.Problem{{Reason: evidence.ReasonEvidenceMissing, Message: "m"}}
			},
			want: []string{
				"shop image locker-record integrity: block EvidenceMissing",
				"shop commit com.ibm.unit_tests recommended: warn Missing",
			},
		},
		"a hole in another asset is a warning where no rule that blocks asks about it": {
			file: rule(tools("recommended", "*")),
			build: func(b builder) {
				b.link(t, repo+".git#"+otherSHA)
				b.asset(t, repo+".git#"+otherSHA).Problems = []evidence.Problem{{Reason: evidence.ReasonEvidenceMissing, Message: "m"}}
			},
			want: []string{
				"shop commit com.ibm.unit_tests recommended: warn Missing",
				"shop commit locker-record integrity: warn EvidenceMissing",
			},
		},
		"it blocks where one does": {
			file: rule(tools("required_if_present", "*")),
			build: func(b builder) {
				b.link(t, repo+".git#"+otherSHA)
				b.asset(t, repo+".git#"+otherSHA).Problems = []evidence.Problem{{Reason: evidence.ReasonEvidenceMissing, Message: "m"}}
			},
			want: []string{
				"shop commit com.ibm.unit_tests required_if_present: pass NotPresent",
				"shop commit locker-record integrity: block EvidenceMissing",
			},
		},
		"an asset of unknown type may be what a rule asks about": {
			file: rule(tools("required_if_present", "*")),
			build: func(b builder) {
				b.link(t, "acme://unknown")
				asset := b.asset(t, "acme://unknown")
				asset.Type, asset.Record = evidence.AssetUnknown, nil
				asset.Problems = []evidence.Problem{{Reason: evidence.ReasonAssetMissing, Message: "m"}}
			},
			want: []string{
				"shop commit com.ibm.unit_tests required_if_present: pass NotPresent",
				"shop unknown locker-record integrity: block AssetMissing",
			},
		},
		"a rule for generic assets lists a pipeline run": {
			file: section2(checks.PreDeployment, "com.ibm.pipeline_logs", `{"asset_type": "generic", `+tools("required_if_present", "*")+`}`),
			build: func(b builder) {
				b.link(t, runURI)
				b.add(t, runURI, "com.ibm.pipeline_logs", "failure")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := collect(t, shop)
			if tc.build != nil {
				tc.build(b)
			}
			in := tc.in
			in.Evidence, in.Checks, in.Now, in.RequiredBy = b.Collection, parse(t, tc.file), now, "ChangePolicy p"
			v := Evaluate(in)
			if diff := cmp.Diff(tc.want, told(v, false)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The change as a whole has what is demanded of it, and what there is.
func TestTheChangeAsAWhole(t *testing.T) {
	uri, err := evidence.ParseURI("https://forge.example/acme/inventory.git#" + otherSHA)
	if err != nil {
		t.Fatal(err)
	}
	review := "com.ibm.peer_review"
	demand := []Demand{{AssetID: uri.ID, TypeID: review, By: "ChangePolicy p, peerReview"}}
	for name, tc := range map[string]struct {
		result   string
		demanded []Demand
		want     []string
	}{
		"nothing is asked of it":          {},
		"what is demanded is missing":     {demanded: demand, want: []string{"commit com.ibm.peer_review required: block Missing"}},
		"what is demanded failed":         {result: "failure", demanded: demand, want: []string{"commit com.ibm.peer_review tool required: block Failure"}},
		"what is demanded is good":        {result: "success", demanded: demand, want: []string{"commit com.ibm.peer_review tool required: pass Success"}},
		"a failure that nobody asked for": {result: "failure", want: []string{"commit com.ibm.peer_review tool existing: block Failure"}},
		"a success that nobody asked for": {result: "success", want: []string{"commit com.ibm.peer_review tool existing: pass Success"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := allGood(t)
			b.AddChange(uri)
			if tc.result != "" {
				b.add(t, uri.String, review, tc.result)
			}
			v := Evaluate(Input{Evidence: b.Collection, Demanded: tc.demanded, Now: now})
			var got []string
			for _, line := range told(v, false) {
				if !strings.HasPrefix(line, "shop ") {
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSourceOf(t *testing.T) {
	component := evidence.Component{PipelineRunID: "run-1"}
	for name, tc := range map[string]struct {
		details string
		run     string
		want    checks.Environment
	}{
		"it names no environment":                        {want: checks.Environment{Name: "ci-pipeline"}},
		"it names one":                                   {details: `"environment": "stage", "region": "us"`, want: checks.Environment{Name: "stage", Region: "us"}},
		"it names no region":                             {details: `"environment": "stage"`, want: checks.Environment{Name: "stage"}},
		"the run that built the entry names one":         {details: `"environment": "stage"`, run: "run-1", want: checks.Environment{Name: "ci-pipeline"}},
		"another run names none":                         {run: "run-2", want: checks.Environment{Name: "ci-pipeline"}},
		"it calls itself the building side":              {details: `"environment": "ci-pipeline", "region": "us"`, want: checks.Environment{Name: "ci-pipeline"}},
		"its environment is no name":                     {details: `"environment": "stage:us"`, want: checks.Environment{Name: "ci-pipeline"}},
		"its region is no name":                          {details: `"environment": "stage", "region": "a b"`, want: checks.Environment{Name: "ci-pipeline"}},
		"its environment is no text":                     {details: `"environment": {"name": "stage"}`, want: checks.Environment{Name: "ci-pipeline"}},
		"keys in capitals are other keys of the details": {details: `"Environment": "prod"`, want: checks.Environment{Name: "ci-pipeline"}},
	} {
		t.Run(name, func(t *testing.T) {
			record := fmt.Sprintf(`{"id": "1", "origin": {"scope": %q}, "details": {%s}}`, evidence.ScopeID(tc.run), tc.details)
			e, err := evidence.DecodeEvidence([]byte(record))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, SourceOf(e, component)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	// Without a run of its own, no scope is the entry's.
	e, err := evidence.DecodeEvidence([]byte(`{"origin": {"scope": "` + evidence.ScopeID("") + `"}, "details": {"environment": "stage"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := SourceOf(e, evidence.Component{}); got.Name != "stage" {
		t.Errorf("got %s", got)
	}
}
