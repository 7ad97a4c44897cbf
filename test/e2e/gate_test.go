// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/test/fixture"
)

// TestBlocked: one check failed, one is pending, one is missing. The gate stays
// shut until a person approves.
func TestBlocked(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{})
	promoted := promote(t, p, "1.0.0", blocked, fixture.GoodBody())
	run := start(t, p, nil)

	change := wantGateWaiting(t, run)
	wantNoPodHeld(t, run)
	wantNothingDeployed(t, run)
	if change.Spec.Readiness.Ready || change.Spec.Readiness.Blocked != len(blocked) {
		t.Errorf("readiness is %v with %d blocking checks, want false with %d", change.Spec.Readiness.Ready, change.Spec.Readiness.Blocked, len(blocked))
	}
	got := fixture.Outcomes{}
	for _, check := range change.Spec.Readiness.Blocking {
		got[check.Check] = check.Result
	}
	if diff := cmp.Diff(blocked, got); diff != "" {
		t.Errorf("blocking checks (-want +got):\n%s", diff)
	}
	text := tkn(t, "change", "describe", change.Name, "--namespace", p.Namespace)
	for check, result := range blocked {
		if !strings.Contains(text, check+": "+result) {
			t.Errorf("tkn change describe lacks %q:\n%s", check+": "+result, text)
		}
	}
	wantLog(t, run, "assess", "DEPLOYMENT_READY=false", evidence.TypeUnitTests, evidence.TypeImageVulnerabilityScan, evidence.TypeImageSigning)

	approve(t, change)
	wantSucceeded(t, run)
	change = wantChange(t, run)
	wantEnd(t, change, v1alpha1.StateClosed, v1alpha1.CategorySuccessfulWithIssues)
	wantAttachments(t, change, openingAttachments, closingAttachments)
	wantTag(t, p, "prod_latest", promoted.Commit)

	t.Run("the record names who approved", func(t *testing.T) {
		me, err := env.Kubernetes.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		decisions := change.Status.Approval.Decisions
		if len(decisions) != 1 || decisions[0].User != me.Status.UserInfo.Username || decisions[0].Decision != v1alpha1.DecisionApprove {
			t.Errorf("decisions are %+v, want one to approve by %s", decisions, me.Status.UserInfo.Username)
		}
		if change.Status.Approval.Automatic {
			t.Error("the approval says that it was automatic")
		}
	})

	t.Run("the stages were given what is documented", func(t *testing.T) {
		for _, stage := range []string{"deploy", "acceptance-test"} {
			wantLog(t, run, stage,
				"CHANGE_REQUEST_ID="+change.Name, "DEPLOYMENT_READY=false", "STAGE="+stage, "TARGET_ENVIRONMENT=prod", "PIPELINE_NAME=cd",
				`DEPLOYMENT_DELTA_PATH: ["hello"]`, `DEPLOYMENT_DELTA_DELETIONS_PATH: []`, `INVENTORY_ENTRIES_PATH: ["hello"]`,
				"entry: hello", "config: /")
		}
	})
}

// printedCommand finds the command in a log that starts a run. Lines that end
// in a backslash go on.
var printedCommand = regexp.MustCompile(`tkn pipeline start(?:[^\n]*\\\n)*[^\n]*`)

// TestStop: the gate does not wait. The run ends, prints how to go on, and that
// works as it is printed.
func TestStop(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{})
	promoted := promote(t, p, "1.0.0", blocked, fixture.GoodBody())
	run := start(t, p, map[string]string{"gate": "stop"})
	wantFailed(t, run)
	wantReason(t, run, "approve-change", "ApprovalRequired")
	wantReason(t, run, "close-change", "Succeeded")
	wantNothingDeployed(t, run)
	change := wantChange(t, run)
	wantEnd(t, change, v1alpha1.StateAuthorize, "")
	results, err := run.Results(t.Context(), "approve-change")
	if err != nil {
		t.Fatal(err)
	}
	if results["decision"] != "approval-required" || results["change-request-id"] != change.Name {
		t.Errorf("the gate's results are %v", results)
	}

	log := wantLog(t, run, "close-change", change.Name)
	command := printedCommand.FindString(log)
	if command == "" {
		t.Fatalf("the log of close-change has no command to go on with:\n%s", log)
	}
	approve(t, change)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", command, err, out)
	}
	resumed, err := p.Run(t.Context(), startedRun(t, p, string(out), run.Name))
	if err != nil {
		t.Fatal(err)
	}
	wantSucceeded(t, resumed)
	wantReason(t, resumed, "open-change", "Adopted")
	if changes, err := resumed.Changes(t.Context()); err != nil || len(changes) > 0 {
		t.Errorf("the resumed run created change requests %v (%v), want none", changes, err)
	}
	change = wantChange(t, run)
	// The id was supplied to the run that deployed, so the change stays open.
	wantEnd(t, change, v1alpha1.StateReview, v1alpha1.CategorySuccessfulWithIssues)
	wantAttachments(t, change, openingAttachments, closingAttachments)
	wantTag(t, p, "prod_latest", promoted.Commit)
	if runs := change.Status.Runs; len(runs) != 2 || runs[0].Adopted || !runs[1].Adopted || runs[1].Name != resumed.Name {
		t.Errorf("the record's runs are %+v, want the one that created it and %s", runs, resumed.Name)
	}
	wantLog(t, resumed, "deploy", "CHANGE_REQUEST_ID="+change.Name)
}

var startedName = regexp.MustCompile(`PipelineRun started: (\S+)|(?m)^(cd-\S+)$`)

// startedRun is the name of the run that tkn said it started.
func startedRun(t *testing.T, p *fixture.Project, out, but string) string {
	t.Helper()
	for _, match := range startedName.FindAllStringSubmatch(out, -1) {
		for _, name := range match[1:] {
			if name != "" && name != but {
				return name
			}
		}
	}
	t.Fatalf("tkn does not say which run it started in %s:\n%s", p.Namespace, out)
	return ""
}

// TestRefused: three ways in which a gate does not open, each with a reason of
// its own, nothing deployed and no pod held in any of them.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		params map[string]string
		act    func(t *testing.T, run *fixture.Run, change *v1alpha1.ChangeRequest)
		// waits is false if the gate may be over before it can be looked at.
		waits    bool
		reason   string
		decision string
		state    v1alpha1.ChangeState
		tasks    []string
	}{
		"rejected": {
			waits: true,
			act: func(t *testing.T, run *fixture.Run, change *v1alpha1.ChangeRequest) {
				tkn(t, "change", "reject", change.Name, "--namespace", change.Namespace, "--message", "Not with failing tests.", "--yes")
			},
			reason: "Rejected", decision: "rejected", state: v1alpha1.StateCanceled,
			tasks: []string{"assess", "close-change"},
		},
		"timed out": {
			params: map[string]string{"approval-timeout": "5s"},
			act:    func(*testing.T, *fixture.Run, *v1alpha1.ChangeRequest) {},
			reason: "Expired", decision: "expired", state: v1alpha1.StateAuthorize,
			tasks: []string{"assess", "close-change"},
		},
		"PipelineRun cancelled": {
			waits: true,
			act: func(t *testing.T, run *fixture.Run, change *v1alpha1.ChangeRequest) {
				tkn(t, "pipelinerun", "cancel", run.Name, "--namespace", run.Namespace)
			},
			reason: "CustomRunCancelled", decision: "cancelled", state: v1alpha1.StateAuthorize,
			tasks: []string{"assess"}, // a plain cancellation leaves out what comes finally
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, fixture.ProjectOptions{})
			promote(t, p, "1.0.0", blocked, fixture.GoodBody())
			run := start(t, p, test.params)
			if test.waits {
				change := wantGateWaiting(t, run)
				wantNoPodHeld(t, run)
				test.act(t, run, change)
			}
			wantFailed(t, run)
			wantReason(t, run, "approve-change", test.reason)
			if diff := cmp.Diff(test.tasks, podTasks(t, run)); diff != "" {
				t.Errorf("tasks with pods (-want +got):\n%s", diff)
			}
			results, err := run.Results(t.Context(), "approve-change")
			if err != nil {
				t.Fatal(err)
			}
			if results["decision"] != test.decision {
				t.Errorf("the gate's decision is %q, want %q", results["decision"], test.decision)
			}
			change, err := run.WaitChange(t.Context(), 10*time.Second, "in state "+string(test.state), func(c *v1alpha1.ChangeRequest) bool {
				return c.Status.State == test.state
			})
			if err != nil {
				t.Fatal(err)
			}
			wantEnd(t, change, test.state, "")
			wantTag(t, p, "prod_latest", "")
		})
	}
}

// TestNotApprovedThoughReady: readiness alone does not approve.
func TestNotApprovedThoughReady(t *testing.T) {
	t.Parallel()
	risky := fixture.GoodBody()
	risky.Priority, risky.CustomerImpact, risky.DeploymentImpact = "Critical", "Critical", "Large"
	for name, test := range map[string]struct {
		params map[string]string
		body   fixture.Body
		reason string
	}{
		"an outage is planned": {
			params: map[string]string{"outage-duration": "0 00:30:00"}, body: fixture.GoodBody(), reason: "outage",
		},
		"the risk is above the limit": {body: risky, reason: "risk"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, fixture.ProjectOptions{})
			promote(t, p, "1.0.0", nil, test.body)
			params := map[string]string{"gate": "stop"}
			for name, value := range test.params {
				params[name] = value
			}
			run := start(t, p, params)
			wantFailed(t, run)
			wantReason(t, run, "approve-change", "ApprovalRequired")
			wantNothingDeployed(t, run)
			change := wantChange(t, run)
			if !change.Spec.Readiness.Ready {
				t.Error("readiness is false, so that the test proves nothing")
			}
			if change.Status.Approval.State != v1alpha1.ApprovalRequested {
				t.Errorf("approval is %q, want it requested", change.Status.Approval.State)
			}
			if !slices.ContainsFunc(change.Status.Approval.Reasons, func(r string) bool { return strings.Contains(r, test.reason) }) {
				t.Errorf("the reasons %q do not speak of %s", change.Status.Approval.Reasons, test.reason)
			}
		})
	}
}
