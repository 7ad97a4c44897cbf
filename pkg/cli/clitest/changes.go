// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package clitest holds change requests for the tests of the plugin, one for
// each stretch of a change's life.
package clitest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// Opened is when the sample changes were opened, Now two hours later.
var (
	Opened = time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC)
	Now    = Opened.Add(2 * time.Hour)
)

func at(seconds int) metav1.Time {
	return metav1.NewTime(Opened.Add(time.Duration(seconds) * time.Second))
}

func digest(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

// repository that the sample changes keep their files in.
const repository = "registry.example/team-a/bundles"

// Hash is the content hash of the sample changes.
var Hash = digest("c")

// Change returns a change that waits for approval, blocked by three checks.
func Change(mutations ...func(*v1alpha1.ChangeRequest)) *v1alpha1.ChangeRequest {
	change := &v1alpha1.ChangeRequest{
		TypeMeta: metav1.TypeMeta{APIVersion: "countersign.dev/v1alpha1", Kind: "ChangeRequest"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "chg-4k2m7xqpav", Namespace: "team-a", UID: "u-1", Generation: 1, CreationTimestamp: at(0),
		},
		Spec: v1alpha1.ChangeRequestSpec{
			Summary: "promote master to prod: hello 1.4.0",
			Target:  v1alpha1.Target{Environment: "prod", Region: "eu-de"},
			Fields: v1alpha1.Fields{
				Priority:           v1alpha1.PriorityModerate,
				Assignee:           "ada@example.com",
				CustomerImpact:     v1alpha1.CustomerImpactLow,
				DeploymentImpact:   v1alpha1.DeploymentImpactSmall,
				Description:        "New greeting.\n\n## Change log\n\n- hello 1.3.0 -> 1.4.0",
				Purpose:            "Greets people by name.",
				Impact:             "None is expected: the old greeting remains the default.",
				BackoutPlan:        "Revert to the previous release.",
				EnvironmentPurpose: v1alpha1.EnvironmentProduction,
				EnvironmentDetail:  "Frankfurt, three nodes",
				Risk:               v1alpha1.RiskLow,
				RiskReason:         "low: customer impact low, deployment impact small, priority moderate",
			},
			PlannedStart: at(60),
			PlannedEnd:   at(1860),
			Readiness: v1alpha1.ReadinessVerdict{
				EvaluatedAt: at(-5), Passed: 4, Blocked: 3,
				Blocking: []v1alpha1.CheckResult{
					{
						Asset: "https://forge.example/team-a/hello.git#" + strings.Repeat("1", 40), Entry: "hello",
						Check: "com.ibm.unit_tests", Tool: "go-test", Rule: "required", Result: "failure",
						Reason: "the newest evidence, of 2026-08-03, says failure", Evidence: strings.Repeat("e", 64),
					},
					{
						Asset: "docker://registry.example/team-a/hello@" + digest("a"), Entry: "hello",
						Check: "com.ibm.cloud.image_vulnerability_scan", Tool: "trivy", Rule: "required", Result: "pending",
						Reason: "the newest evidence, of 2026-08-03, says pending", Evidence: strings.Repeat("f", 64),
					},
					{
						Asset: "docker://registry.example/team-a/hello@" + digest("a"), Entry: "hello",
						Check: "com.ibm.cloud.image_signing", Rule: "required", Result: "missing",
						Reason: "the locker holds no evidence of this check for this asset",
					},
				},
			},
			PromotionPR: v1alpha1.PromotionPR{
				Number: 7, URL: "https://forge.example/team-a/inventory/pulls/7", Title: "promote master to prod",
				Author: "grace", MergeCommit: strings.Repeat("2", 40),
			},
			Inventory: v1alpha1.InventoryRange{
				URL: "https://forge.example/team-a/inventory.git", Branch: "prod",
				From: strings.Repeat("3", 40), To: strings.Repeat("2", 40),
			},
			Stages: []v1alpha1.Stage{
				{Name: "deploy", Task: "run-stage", Image: "registry.example/tools/kubectl@" + digest("b"), ScriptDigest: digest("d")},
				{Name: "acceptance-test", Task: "smoke-test"},
			},
			Subjects: []v1alpha1.Subject{
				{Name: "hello", Action: "deploy", Version: "1.4.0", Artifact: "registry.example/team-a/hello", Digest: digest("a")},
				{Name: "legacy/greeter", Action: "delete", Version: "0.9.1"},
			},
			SubjectsTotal: 2,
			Bundle:        repository + "@" + digest("9"),
			Attachments: []v1alpha1.Attachment{
				attachment("Deployment BOM", "deployment-bom.json", "application/vnd.cyclonedx+json", 2134, "5"),
				attachment("Delta Summary", "delta-summary.json", "application/json", 823, "6"),
			},
			ContentHash: Hash,
			Run:         v1alpha1.RunRef{Name: "cd-run-1", UID: "run-uid-1"},
		},
		Status: v1alpha1.ChangeRequestStatus{
			ObservedGeneration: 1,
			State:              v1alpha1.StateAuthorize,
			Approval: v1alpha1.ApprovalStatus{
				State: v1alpha1.ApprovalRequested, Required: 1,
				Reasons: []string{"DEPLOYMENT_READY is false: 3 checks block"},
			},
			Backend: v1alpha1.BackendStatus{Type: "cluster", ID: "chg-4k2m7xqpav"},
			Runs:    []v1alpha1.RunStatus{{RunRef: v1alpha1.RunRef{Name: "cd-run-1", UID: "run-uid-1"}}},
			History: []v1alpha1.HistoryEvent{
				{Time: at(0), Actor: "system:serviceaccount:team-a:assess", Event: v1alpha1.EventCreated, Message: "change request created"},
				{Time: at(1), Actor: "countersign", Event: v1alpha1.EventSubmitted, Message: "the record is in place, with 2 attachments"},
				{Time: at(2), Actor: "countersign", Event: "ApprovalRequested", Message: "not approved automatically: DEPLOYMENT_READY is false: 3 checks block"},
			},
			Conditions: []metav1.Condition{
				{Type: v1alpha1.ConditionSubmitted, Status: metav1.ConditionTrue, Reason: "Submitted", LastTransitionTime: at(1)},
			},
		},
	}
	for _, mutate := range mutations {
		mutate(change)
	}
	return change
}

func attachment(name, file, mediaType string, size int64, letter string) v1alpha1.Attachment {
	return v1alpha1.Attachment{
		Name: name, FileName: file, MediaType: mediaType, Size: size,
		Digest: digest(letter), Reference: repository + "@" + digest(letter),
	}
}

// Approval returns a person's decision on a sample change.
func Approval(name, user string, decision v1alpha1.Decision, hash string) v1alpha1.ChangeApproval {
	return v1alpha1.ChangeApproval{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "team-a", CreationTimestamp: at(600),
			Labels: map[string]string{countersign.LabelChangeRequest: "chg-4k2m7xqpav"}},
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: "chg-4k2m7xqpav", ContentHash: hash, Decision: decision,
			Comment: "looked at the three checks", Approver: v1alpha1.Approver{Username: user},
		},
	}
}

// Stopped ends the change's run at its gate.
func Stopped(change *v1alpha1.ChangeRequest) {
	change.Status.Runs[0].Gate = v1alpha1.ReasonApprovalRequired
	change.Status.Runs[0].Outcome = v1alpha1.OutcomeNotStarted
}

// Closed ends the change well, after a person approved it.
func Closed(change *v1alpha1.ChangeRequest) {
	status := &change.Status
	status.State = v1alpha1.StateClosed
	status.CloseCategory = v1alpha1.CategorySuccessfulWithIssues
	status.Approval.State = v1alpha1.ApprovalApproved
	status.Approval.Decisions = []v1alpha1.DecisionStatus{{
		Approval: "chg-4k2m7xqpav-x1", User: "barbara", Decision: v1alpha1.DecisionApprove,
		Comment: "looked at the three checks", Time: at(600),
	}}
	status.Implementing = &v1alpha1.RunRef{Name: "cd-run-1", UID: "run-uid-1"}
	status.Runs[0].Gate = v1alpha1.ReasonApproved
	status.Runs[0].Outcome = v1alpha1.OutcomeDeployed
	status.Runs[0].Rollback = v1alpha1.RollbackNotRun
	status.Runs[0].CloseCategory = v1alpha1.CategorySuccessfulWithIssues
	status.Runs[0].Conclusion = "chg-4k2m7xqpav-0a1b2c3d"
	status.Attachments = []v1alpha1.Attachment{
		attachment("Closing Summary", "closing-summary.json", "application/json", 12_345, "7"),
		attachment("Merged SBOM", "merged-sbom.json", "application/vnd.cyclonedx+json", 2_345_678, "8"),
	}
	status.History = append(status.History,
		v1alpha1.HistoryEvent{Time: at(600), Actor: "barbara", Event: "Approved", Message: "looked at the three checks"},
		v1alpha1.HistoryEvent{Time: at(601), Actor: "PipelineRun cd-run-1", Event: "Implementing"},
		v1alpha1.HistoryEvent{Time: at(700), Actor: "countersign", Event: "Closed", Message: "successful with issues: readiness at closure is false"},
	)
}

// Refused ends the change by a rejection.
func Refused(change *v1alpha1.ChangeRequest) {
	status := &change.Status
	status.State = v1alpha1.StateCanceled
	status.Approval.State = v1alpha1.ApprovalRejected
	status.Approval.Decisions = []v1alpha1.DecisionStatus{{
		Approval: "chg-4k2m7xqpav-x1", User: "barbara", Decision: v1alpha1.DecisionReject,
		Comment: "not before the holidays", Time: at(600),
	}}
	status.Runs[0].Gate = v1alpha1.ReasonRejected
	status.Runs[0].Outcome = v1alpha1.OutcomeNotStarted
}

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// Golden compares text with the file testdata/name.
func Golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
