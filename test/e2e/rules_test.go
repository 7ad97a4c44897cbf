// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/test/fixture"
)

// ownStages is a configuration repository with further files.
func ownStages(t *testing.T, files map[string]string) map[string]fixture.File {
	t.Helper()
	config := stages(t, map[string]string{"deploy": showScript, "acceptance-test": showScript})
	for path, content := range files {
		config[path] = fixture.Text(content)
	}
	return config
}

const (
	// regionChecks let a static scan fail before the deployment, and not after it.
	regionChecks = `{
  "version": "2.0",
  "pre-deployment": [
    {"evidence_type_id": "com.ibm.unit_tests", "rules": [
      {"asset_type": "repo", "required": [{"name": "tool", "values": ["go-test"]}]}
    ]},
    {"evidence_type_id": "com.ibm.static_scan", "rules": [
      {"asset_type": "repo", "recommended": [{"name": "tool", "values": ["*"]}]}
    ]}
  ],
  "post-deployment": [
    {"evidence_type_id": "com.ibm.static_scan", "rules": [
      {"asset_type": "repo", "required": [{"name": "tool", "values": ["*"]}]}
    ]}
  ]
}
`
	// otherChecks would let nothing through.
	otherChecks = `{
  "version": "2.0",
  "pre-deployment": [
    {"evidence_type_id": "com.example.never_made", "rules": [
      {"asset_type": "*", "required": [{"name": "tool", "values": ["*"]}]}
    ]}
  ]
}
`
)

// TestChecksFile: of three files the one of the region counts. What it only
// recommends warns, and what it demands after the deployment decides how the
// change ends. What the policy demands holds beside it: here a review, for
// which somebody else's exemption label stands in.
func TestChecksFile(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{
		Config: ownStages(t, map[string]string{
			"eu.prod.validation.json": regionChecks,
			"prod.validation.json":    otherChecks,
			"validation.json":         otherChecks,
		}),
		Demands: &fixture.Demands{PeerReview: &v1alpha1.PeerReviewPolicy{Approvals: 1, ExemptLabel: "exempt"}},
	})
	promoted := releaseTrusted(t, p, fixture.Outcomes{
		evidence.TypeStaticScan:             string(evidence.ResultFailure),
		evidence.TypeImageVulnerabilityScan: fixture.Missing,
	}, fixture.Promotion{Label: "exempt"}, nil)
	run := start(t, p, map[string]string{"region": "eu"})
	wantSucceeded(t, run)
	change := wantChange(t, run)
	if !change.Spec.Readiness.Ready || len(change.Spec.Readiness.Blocking) > 0 {
		t.Errorf("readiness is %+v, want it good with nothing that blocks", change.Spec.Readiness)
	}
	wantLog(t, run, "assess", "DEPLOYMENT_READY=true", "eu.prod.validation.json", "warn", evidence.TypeStaticScan, typePeerReview)
	wantEnd(t, change, v1alpha1.StateClosed, v1alpha1.CategorySuccessfulWithIssues)
	if got := string(attachment(t, change, "Evidence Checks Config File")); got != regionChecks {
		t.Errorf("the attached checks file is\n%s", got)
	}
	wantTag(t, p, "eu_prod_latest", promoted.Commit)
}

// saysNo is a policy that asks for a check which nobody makes.
const saysNo = `package one_pipeline.config

default allow := false

allow if every row in table_results { row.Status == "success" }

table_results contains row if {
	some entry in input.entries
	some asset in entry.assets
	asset.type == "image"
	row := {
		"RuleType": "required", "AssetType": asset.type, "AssetId": asset.id,
		"EvidenceTypeId": "com.example.penetration_test", "Tool": "*", "Status": status(asset),
		"Source": "", "Target": input.target.name,
	}
}

status(asset) := "success" if {
	some made in asset.evidence
	made.evidence_type_id == "com.example.penetration_test"
	made.result == "success"
} else := "missing"
`

// TestRegoSaysNo: all evidence is good, and a policy in Rego does not allow it.
func TestRegoSaysNo(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{Config: ownStages(t, map[string]string{"policy/freeze.rego": saysNo})})
	promote(t, p, "1.0.0", nil, fixture.GoodBody())
	run := start(t, p, map[string]string{"gate": "stop", "policy-path": "policy"})
	wantFailed(t, run)
	wantReason(t, run, "approve-change", "ApprovalRequired")
	wantNothingDeployed(t, run)
	change := wantChange(t, run)
	if change.Spec.Readiness.Ready || len(change.Spec.Readiness.Blocking) == 0 {
		t.Errorf("readiness is %+v, want it blocked", change.Spec.Readiness)
	}
	wantLog(t, run, "assess", "DEPLOYMENT_READY=false", "com.example.penetration_test")
}

// TestCollectEvidence: a check is recorded as pending, which blocks, and then
// with its outcome. The policy counts signed evidence only, so that the Task
// has to sign. What a run will say of each is asked beforehand, of copies of
// inventory and locker.
func TestCollectEvidence(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{Demands: &fixture.Demands{SignedEvidence: true}})
	entry, err := p.Release(t.Context(), "1.0.0", fixture.Outcomes{evidence.TypeUnitTests: fixture.Missing})
	if err != nil {
		t.Fatal(err)
	}
	promoted, err := p.Promote(t.Context(), fixture.GoodBody().String(), map[string]fixture.File{entry.Name: entry.File()})
	if err != nil {
		t.Fatal(err)
	}
	inventory := filepath.Join(t.TempDir(), "inventory")
	if err := p.Inventory.Checkout(t.Context(), fixture.Target, inventory); err != nil {
		t.Fatal(err)
	}
	policy := policyFile(t, p)
	explained := func(ready bool, words ...string) {
		t.Helper()
		locker := t.TempDir()
		if err := p.Locker.Download(t.Context(), locker); err != nil {
			t.Fatal(err)
		}
		explain(t, ready, words, "--inventory", inventory, "--locker", locker, "--target", fixture.Target, "--policy", policy)
	}
	collect := func(params map[string]string) {
		t.Helper()
		params["locker-url"] = p.Locker.URL
		params["evidence-type-id"] = evidence.TypeUnitTests
		params["tool"] = "go-test"
		params["asset"] = entry.RepositoryURL
		params["commit-sha"] = entry.CommitSHA
		params["pipeline-run-id"] = entry.PipelineRunID
		run, err := p.RunTask(t.Context(), runDeadline, "collect-evidence", params, "locker", "cosign")
		if err != nil {
			t.Fatal(err)
		}
		if !run.Status.GetCondition("Succeeded").IsTrue() {
			t.Fatalf("collect-evidence %s failed: %+v", run.Name, run.Status.Conditions)
		}
	}

	explained(false, evidence.TypeUnitTests, "missing")
	collect(map[string]string{"status": "pending"})
	explained(false, evidence.TypeUnitTests, "pending")
	collect(map[string]string{"exit-code": "0"})
	explained(true, evidence.TypeUnitTests)

	run := start(t, p, nil)
	wantSucceeded(t, run)
	wantEnd(t, wantChange(t, run), v1alpha1.StateClosed, v1alpha1.CategorySuccessful)
	wantLog(t, run, "assess", "DEPLOYMENT_READY=true")
	wantTag(t, p, "prod_latest", promoted.Commit)
}

// policyFile is a file with the policy of a project.
func policyFile(t *testing.T, p *fixture.Project) string {
	t.Helper()
	policy, err := env.Countersign.CountersignV1alpha1().ChangePolicies().Get(t.Context(), p.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	policy.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "ChangePolicy"}
	content, err := yaml.Marshal(policy)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
