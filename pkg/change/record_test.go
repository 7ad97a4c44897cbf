// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// world is what is stored around a change request. A step of a story changes it;
// then the record catches up.
type world struct {
	Input
	request *v1alpha1.ChangeRequest
}

func newWorld(edits ...func(*v1alpha1.ChangeRequest)) *world {
	request := changeRequest(nil)
	request.Annotations = map[string]string{countersign.AnnotationCreator: "system:serviceaccount:shop:runner"}
	for _, edit := range edits {
		edit(request)
	}
	policy := &v1alpha1.ChangePolicy{Spec: v1alpha1.ChangePolicySpec{
		Approval: v1alpha1.ApprovalPolicy{Required: 1, RiskLimit: v1alpha1.RiskModerate},
	}}
	return &world{request: request, Input: Input{Now: testNow, Policy: policy, Ended: map[types.UID]bool{}}}
}

func notReady(request *v1alpha1.ChangeRequest) {
	request.Spec.Readiness = v1alpha1.ReadinessVerdict{Passed: 1, Blocked: 2}
}

// pass lets the record catch up, and makes sure that it has nothing to add when it
// looks again.
func (w *world) pass(t *testing.T) *v1alpha1.ChangeRequestStatus {
	t.Helper()
	w.Change = w.request
	before := w.request.DeepCopy()
	status := Decide(w.Input)
	if diff := cmp.Diff(before, w.request); diff != "" {
		t.Errorf("Decide changed its input (-want +got):\n%s", diff)
	}
	w.request.Status = status
	w.Now = metav1.NewTime(w.Now.Add(time.Minute))
	w.Submission = nil
	if diff := cmp.Diff(status, Decide(w.Input)); diff != "" {
		t.Errorf("a second look says something else (-first +second):\n%s", diff)
	}
	return &w.request.Status
}

func (w *world) submitted() {
	w.Submission = &Submission{Done: true, Backend: v1alpha1.BackendStatus{Type: "cluster", ID: "chg-a"}}
}

func (w *world) opens(run v1alpha1.RunRef) { w.Opens = append(w.Opens, run) }

func (w *world) openEnds() { w.Opens = nil }

func (w *world) gateAsks(run v1alpha1.RunRef) {
	w.Gates = append(w.Gates, Gate{Run: run, Asks: true, Ask: Ask{ChangeRequest: "chg-a", Bundle: testBundle}})
}

func (w *world) gateEnds(reason string) {
	gate := &w.Gates[len(w.Gates)-1]
	gate.Asks, gate.Reason, gate.Message = false, reason, "because"
}

func (w *world) concludes(name string, run v1alpha1.RunRef, outcome v1alpha1.Outcome, ready bool) {
	w.Conclusions = append(w.Conclusions, &v1alpha1.ChangeConclusion{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: w.Now},
		Spec: v1alpha1.ChangeConclusionSpec{
			ChangeRequest: "chg-a", Run: run, Readiness: &v1alpha1.ReadinessVerdict{Ready: ready},
			Attachments: []v1alpha1.Attachment{{Name: "Closing Summary", Digest: name}},
		},
		Status: v1alpha1.ChangeConclusionStatus{Outcome: outcome, Rollback: v1alpha1.RollbackNotRun},
	})
}

// story tells a history in short.
func story(status *v1alpha1.ChangeRequestStatus) []string {
	var lines []string
	for _, event := range status.History {
		line := event.Event
		if event.Subject != "" {
			line += " " + event.Subject
		}
		lines = append(lines, line+" by "+event.Actor)
	}
	return lines
}

func wantState(t *testing.T, status *v1alpha1.ChangeRequestStatus, state v1alpha1.ChangeState, approval v1alpha1.ApprovalState) {
	t.Helper()
	if status.State != state || status.Approval.State != approval {
		t.Errorf("state %q, approval %q, want %q, %q", status.State, status.Approval.State, state, approval)
	}
}

func TestRecordOfAGoodDeployment(t *testing.T) {
	w := newWorld()
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateAssess, v1alpha1.ApprovalApproved)

	w.opens(ownRun)
	w.submitted()
	status = w.pass(t)
	wantState(t, status, v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)
	if !status.Approval.Automatic {
		t.Error("the approval is not marked as automatic")
	}

	w.openEnds()
	w.gateAsks(ownRun)
	status = w.pass(t)
	wantState(t, status, v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
	if diff := cmp.Diff(&ownRun, status.Implementing); diff != "" {
		t.Errorf("implementing (-want +got):\n%s", diff)
	}

	w.gateEnds(v1alpha1.ReasonApproved)
	w.pass(t)
	w.concludes("chg-a-x", ownRun, v1alpha1.OutcomeDeployed, true)
	status = w.pass(t)
	wantState(t, status, v1alpha1.StateClosed, v1alpha1.ApprovalApproved)

	if diff := cmp.Diff([]v1alpha1.RunStatus{{
		RunRef: ownRun, Gate: v1alpha1.ReasonApproved, Conclusion: "chg-a-x",
		Outcome: v1alpha1.OutcomeDeployed, Rollback: v1alpha1.RollbackNotRun, CloseCategory: v1alpha1.CategorySuccessful,
	}}, status.Runs); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"Created by system:serviceaccount:shop:runner",
		"Approved by countersign",
		"Opened uid-1 by pipelinerun/cd-1",
		"Submitted by countersign",
		"Implementing uid-1 by pipelinerun/cd-1",
		"Concluded chg-a-x by pipelinerun/cd-1",
		"Closed by countersign",
	}, story(status)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if status.CloseCategory != v1alpha1.CategorySuccessful || len(status.Attachments) != 1 {
		t.Errorf("category %q, %d attachments, want successful and 1", status.CloseCategory, len(status.Attachments))
	}
	for kind, want := range map[string]metav1.ConditionStatus{
		v1alpha1.ConditionSubmitted: metav1.ConditionTrue, v1alpha1.ConditionApproved: metav1.ConditionTrue, v1alpha1.ConditionConcluded: metav1.ConditionTrue,
	} {
		if condition := meta.FindStatusCondition(status.Conditions, kind); condition == nil || condition.Status != want {
			t.Errorf("condition %s is %v, want %s", kind, condition, want)
		}
	}
}

// However late a controller comes to see all of it, the record ends the same.
func TestRecordCatchesUpInOnePass(t *testing.T) {
	w := newWorld(notReady)
	w.opens(ownRun)
	w.submitted()
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	w.gateAsks(ownRun)
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
	if diff := cmp.Diff([]string{
		"Created by system:serviceaccount:shop:runner",
		"Opened uid-1 by pipelinerun/cd-1",
		"Submitted by countersign",
		"ApprovalRequested by countersign",
		"Decided a1 by ann",
		"Approved by ann",
		"Implementing uid-1 by pipelinerun/cd-1",
	}, story(status)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// inPlace is a change that run cd-1 opened and that waits for people.
func inPlace(t *testing.T) *world {
	t.Helper()
	w := newWorld(notReady)
	w.opens(ownRun)
	w.submitted()
	wantState(t, w.pass(t), v1alpha1.StateAuthorize, v1alpha1.ApprovalRequested)
	w.openEnds()
	return w
}

func TestRecordOfRejection(t *testing.T) {
	w := inPlace(t)
	w.gateAsks(ownRun)
	w.Approvals = []*v1alpha1.ChangeApproval{reject("a1", "ann")}
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateCanceled, v1alpha1.ApprovalRejected)
	if condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionApproved); condition.Status != metav1.ConditionFalse || condition.Message != "ann rejected: because" {
		t.Errorf("condition Approved is %v", condition)
	}
	// It is final: neither another person, nor a run, brings it back.
	w.Approvals = append(w.Approvals, approve("a2", "bob"))
	w.opens(laterRun)
	status = w.pass(t)
	wantState(t, status, v1alpha1.StateCanceled, v1alpha1.ApprovalRejected)
	if len(status.Runs) != 1 {
		t.Errorf("run %s took up a rejected change", laterRun.Name)
	}
}

func TestRecordOfAnAutomaticApprovalThatAPersonStops(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.submitted()
	wantState(t, w.pass(t), v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)
	w.Approvals = []*v1alpha1.ChangeApproval{reject("a1", "ann")}
	wantState(t, w.pass(t), v1alpha1.StateCanceled, v1alpha1.ApprovalRejected)
}

func TestRecordCountsNoDecisionWhileTheChangeIsDeployed(t *testing.T) {
	w := inPlace(t)
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	w.gateAsks(ownRun)
	w.pass(t)
	w.gateEnds(v1alpha1.ReasonApproved)
	w.Approvals = append(w.Approvals, reject("a2", "bob"))
	wantState(t, w.pass(t), v1alpha1.StateImplement, v1alpha1.ApprovalApproved)

	w.concludes("chg-a-x", ownRun, v1alpha1.OutcomeDeployed, false)
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateClosed, v1alpha1.ApprovalApproved)
	if last := story(status)[len(status.History)-2:]; last[0] != "DecisionNotCounted a2 by bob" {
		t.Errorf("the late rejection is not told: %q", last)
	}
}

func TestRecordOfPartialApproval(t *testing.T) {
	w := inPlace(t)
	w.Policy.Spec.Approval.Required = 2
	w.gateAsks(ownRun)
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateAuthorize, v1alpha1.ApprovalRequested)
	if status.Approval.Required != 2 || len(status.Approval.Decisions) != 1 {
		t.Errorf("%d of %d approvals, want 1 of 2", len(status.Approval.Decisions), status.Approval.Required)
	}
	// Deleting a decision does not take it back.
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a2", "bob")}
	wantState(t, w.pass(t), v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
}

func TestRecordWithoutPolicy(t *testing.T) {
	w := newWorld()
	policy := w.Policy
	w.Policy, w.PolicyProblem = nil, "none selects namespace shop"
	w.opens(ownRun)
	w.gateAsks(ownRun)
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateNew, v1alpha1.ApprovalNotRequested)
	if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSubmitted); c.Reason != v1alpha1.SubmittedReasonPolicyMissing || c.Message != w.PolicyProblem {
		t.Errorf("condition Submitted is %v", c)
	}

	w.Policy, w.PolicyProblem = policy, ""
	w.submitted()
	wantState(t, w.pass(t), v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
}

func TestRecordDoesNotBeginWithoutPolicy(t *testing.T) {
	w := inPlace(t)
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	wantState(t, w.pass(t), v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)
	w.Policy = nil
	w.gateAsks(ownRun)
	wantState(t, w.pass(t), v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)
}

func TestRecordWhileSubmissionFails(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.gateAsks(ownRun)
	w.Submission = &Submission{Reason: v1alpha1.SubmittedReasonRegistryUnavailable, Message: "away"}
	status := w.pass(t)
	// Approved, but not in place: no gate opens.
	wantState(t, status, v1alpha1.StateAssess, v1alpha1.ApprovalApproved)
	since := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSubmitted).LastTransitionTime
	w.Submission = &Submission{Reason: v1alpha1.SubmittedReasonAttachmentMissing, Message: "gone"}
	condition := meta.FindStatusCondition(w.pass(t).Conditions, v1alpha1.ConditionSubmitted)
	if condition.Reason != v1alpha1.SubmittedReasonAttachmentMissing || !condition.LastTransitionTime.Equal(&since) {
		t.Errorf("condition Submitted is %v, want the new reason since %v", condition, since)
	}
	w.submitted()
	wantState(t, w.pass(t), v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
}

func TestRecordOfAGateThatEndsShut(t *testing.T) {
	for _, reason := range []string{v1alpha1.ReasonExpired, v1alpha1.ReasonCustomRunCancelled, v1alpha1.ReasonApprovalRequired} {
		t.Run(reason, func(t *testing.T) {
			w := inPlace(t)
			w.gateAsks(ownRun)
			w.pass(t)
			w.gateEnds(reason)
			status := w.pass(t)
			wantState(t, status, v1alpha1.StateAuthorize, v1alpha1.ApprovalRequested)
			if status.Runs[0].Gate != reason {
				t.Errorf("gate %q, want %q", status.Runs[0].Gate, reason)
			}
			last := status.History[len(status.History)-1]
			if last.Event != v1alpha1.EventGateEnded || last.Message != reason+": because" {
				t.Errorf("the history ends with %v", last)
			}
		})
	}
}

// Tekton may cancel a gate in the moment in which the record lets its run through.
func TestRecordTakesBackWhatACancelledGateNeverUsed(t *testing.T) {
	w := inPlace(t)
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	w.gateAsks(ownRun)
	wantState(t, w.pass(t), v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
	w.gateEnds(v1alpha1.ReasonCustomRunCancelled)
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)
	if status.Implementing != nil {
		t.Errorf("still implemented by %v", status.Implementing)
	}
}

func TestRecordOfAGateThatAsksForSomethingElse(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.submitted()
	w.gateAsks(ownRun)
	w.Gates[0].Ask.Bundle = "registry.example/other@" + testHash
	wantState(t, w.pass(t), v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)
	w.Gates[0].Ask.Bundle = testBundle
	w.Gates[0].Terms.Deadline = w.Now.Time
	wantState(t, w.pass(t), v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)
	w.Gates[0].Terms.Deadline = time.Time{}
	w.Gates[0].Run = laterRun
	wantState(t, w.pass(t), v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)
}

func TestRecordOfAnAdoptedChange(t *testing.T) {
	w := inPlace(t)
	w.gateAsks(ownRun)
	w.pass(t)
	w.gateEnds(v1alpha1.ReasonApprovalRequired)
	w.Ended[ownRun.UID] = true
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	wantState(t, w.pass(t), v1alpha1.StateScheduled, v1alpha1.ApprovalApproved)

	w.opens(laterRun)
	w.pass(t)
	w.openEnds()
	w.gateAsks(laterRun)
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
	if status.Implementing.UID != laterRun.UID || !status.Runs[1].Adopted {
		t.Errorf("implementing %v, runs %v", status.Implementing, status.Runs)
	}
	w.gateEnds(v1alpha1.ReasonApproved)
	w.concludes("chg-a-y", laterRun, v1alpha1.OutcomeDeployed, true)
	status = w.pass(t)
	// A supplied change stays open.
	wantState(t, status, v1alpha1.StateReview, v1alpha1.ApprovalApproved)
	if status.CloseCategory != v1alpha1.CategorySuccessful {
		t.Errorf("category %q, want successful", status.CloseCategory)
	}
}

func TestRecordRefusesAdoptionBeforeOpening(t *testing.T) {
	w := newWorld()
	w.opens(laterRun)
	w.submitted()
	if status := w.pass(t); len(status.Runs) != 0 {
		t.Errorf("run %s took up a change that its own run never opened", laterRun.Name)
	}
	// The own run comes first whatever the order in which they are found.
	w.opens(ownRun)
	status := w.pass(t)
	if len(status.Runs) != 2 || status.Runs[0].UID != ownRun.UID || status.Runs[0].Adopted || !status.Runs[1].Adopted {
		t.Errorf("runs %v, want %s and then %s, adopted", status.Runs, ownRun.Name, laterRun.Name)
	}
}

func TestRecordLetsOneRunAtATimeThrough(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.opens(laterRun)
	w.submitted()
	w.pass(t)
	w.gateAsks(ownRun)
	w.pass(t)
	w.gateEnds(v1alpha1.ReasonApproved)
	w.gateAsks(laterRun)
	if status := w.pass(t); status.Implementing.UID != ownRun.UID {
		t.Fatalf("run %s was let through beside another", laterRun.Name)
	}
	// A run that ended without a word leaves the way free.
	w.Ended[ownRun.UID] = true
	if status := w.pass(t); status.Implementing.UID != laterRun.UID {
		t.Errorf("run %s is not let through although the other has ended", laterRun.Name)
	}
}

func TestRecordOfFailures(t *testing.T) {
	for outcome, want := range map[v1alpha1.Outcome]struct {
		state    v1alpha1.ChangeState
		category v1alpha1.CloseCategory
	}{
		v1alpha1.OutcomeDeployFailed: {v1alpha1.StateReview, v1alpha1.CategoryUnsuccessful},
		v1alpha1.OutcomeNotAccepted:  {v1alpha1.StateReview, v1alpha1.CategoryUnsuccessful},
		v1alpha1.OutcomeNotStarted:   {v1alpha1.StateImplement, ""},
		v1alpha1.OutcomeDeployed:     {v1alpha1.StateClosed, v1alpha1.CategorySuccessfulWithIssues},
	} {
		t.Run(string(outcome), func(t *testing.T) {
			w := newWorld()
			w.opens(ownRun)
			w.submitted()
			w.gateAsks(ownRun)
			w.pass(t)
			w.gateEnds(v1alpha1.ReasonApproved)
			w.concludes("chg-a-x", ownRun, outcome, false)
			status := w.pass(t)
			wantState(t, status, want.state, v1alpha1.ApprovalApproved)
			if status.CloseCategory != want.category {
				t.Errorf("category %q, want %q", status.CloseCategory, want.category)
			}
		})
	}
}

func TestRecordOfANotStartedRunLeavesTheStateAsTheGateDid(t *testing.T) {
	w := inPlace(t)
	w.gateAsks(ownRun)
	w.pass(t)
	w.gateEnds(v1alpha1.ReasonExpired)
	w.concludes("chg-a-x", ownRun, v1alpha1.OutcomeNotStarted, false)
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateAuthorize, v1alpha1.ApprovalRequested)
	if status.Runs[0].Outcome != v1alpha1.OutcomeNotStarted || status.Runs[0].Conclusion != "chg-a-x" {
		t.Errorf("run %v", status.Runs[0])
	}
}

func TestRecordTakesOneConclusionOfARun(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.submitted()
	w.gateAsks(ownRun)
	w.pass(t)
	w.concludes("unchecked", ownRun, "", true)
	w.concludes("stranger", laterRun, v1alpha1.OutcomeDeployed, true)
	wantState(t, w.pass(t), v1alpha1.StateImplement, v1alpha1.ApprovalApproved)

	w.concludes("first", ownRun, v1alpha1.OutcomeDeployFailed, true)
	w.pass(t)
	w.concludes("second", ownRun, v1alpha1.OutcomeDeployed, true)
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateReview, v1alpha1.ApprovalApproved)
	if status.Runs[0].Conclusion != "first" || len(status.Attachments) != 1 {
		t.Errorf("run %v with %d attachments, want conclusion first and 1", status.Runs[0], len(status.Attachments))
	}
}

func TestRecordAmendsARollback(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.submitted()
	w.gateAsks(ownRun)
	w.pass(t)
	w.concludes("chg-a-x", ownRun, v1alpha1.OutcomeNotAccepted, true)
	w.Conclusions[0].Status.Rollback = ""
	if status := w.pass(t); status.Runs[0].Rollback != "" {
		t.Errorf("rollback %q before it ended", status.Runs[0].Rollback)
	}
	w.Conclusions[0].Status.Rollback = v1alpha1.RollbackFailed
	status := w.pass(t)
	if status.Runs[0].Rollback != v1alpha1.RollbackFailed || status.History[len(status.History)-1].Message != "inline rollback: Failed" {
		t.Errorf("rollback %q, history ends with %v", status.Runs[0].Rollback, status.History[len(status.History)-1])
	}
}

func TestRecordStaysSmall(t *testing.T) {
	w := inPlace(t)
	for range 3 * maxHistory {
		approval := approve("a1", "system:serviceaccount:shop:bot")
		approval.Name = "bot-" + strings.Repeat("x", len(w.Approvals)%200) + time.Duration(len(w.Approvals)).String()
		w.Approvals = append(w.Approvals, approval)
	}
	loud := reject("a2", "ann")
	loud.Spec.Comment = strings.Repeat("é", 4096)
	w.Approvals = append(w.Approvals, loud)
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateCanceled, v1alpha1.ApprovalRejected)
	if len(status.History) > maxHistory+10 {
		t.Errorf("%d events", len(status.History))
	}
	for _, event := range status.History {
		if len(event.Message) > maxMessageBytes || !strings.HasPrefix(strings.ToValidUTF8(event.Message, "?"), event.Message) {
			t.Errorf("message of %d bytes: %.40q…", len(event.Message), event.Message)
		}
	}
}

func TestNothingHostileReachesMessages(t *testing.T) {
	const (
		hostile  = "no\x1b[2J\u202e\r\nDEPLOYMENT_READY=true\u200b\xff"
		harmless = `no\x1b[2J\u202e DEPLOYMENT_READY=true\u200b\xff`
	)
	check := func(where, text string) {
		t.Helper()
		for _, r := range text {
			if !plaintext.Visible(r) {
				t.Errorf("%s: %U in %q", where, r, text)
			}
		}
	}
	checkAll := func(w *world) {
		t.Helper()
		for _, event := range w.request.Status.History {
			check("message of event "+event.Event, event.Message)
			check("actor of event "+event.Event, event.Actor)
		}
		for _, condition := range w.request.Status.Conditions {
			check("condition "+condition.Type, condition.Message)
		}
		check("OpenChange", DecideOpen(OpenInput{Now: w.Now.Time, Ask: Ask{ChangeRequest: "chg-a"}, Run: ownRun, Change: w.request}).Message)
	}
	gate := func(w *world) string {
		return DecideGate(GateInput{Now: w.Now.Time, Ask: w.Gates[0].Ask, Run: ownRun, Change: w.request}).Message
	}

	rejected := inPlace(t)
	rejected.gateAsks(ownRun)
	decision := reject("a1", "ann"+hostile)
	decision.Spec.Comment = hostile
	rejected.Approvals = []*v1alpha1.ChangeApproval{decision}
	rejected.pass(t)
	checkAll(rejected)
	if diff := cmp.Diff("change request chg-a was rejected by ann"+harmless+": "+harmless, gate(rejected)); diff != "" {
		t.Errorf("message of the gate (-want +got):\n%s", diff)
	}
	said := map[string]string{}
	for _, event := range rejected.request.Status.History {
		said[event.Event] = event.Message
	}
	want := []string{"rejected: " + harmless, "the change may not be deployed: " + harmless}
	if diff := cmp.Diff(want, []string{said[v1alpha1.EventDecided], said[v1alpha1.EventRejected]}); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}

	approved := inPlace(t)
	approved.gateAsks(ownRun)
	decision = approve("a1", "ann"+hostile)
	decision.Spec.Comment = hostile
	machine := approve("a2", "system:serviceaccount:"+hostile)
	approved.Approvals = []*v1alpha1.ChangeApproval{decision, machine}
	approved.pass(t)
	checkAll(approved)
	if want := "approved by ann" + harmless; !strings.Contains(gate(approved), want) {
		t.Errorf("message of the gate %q says not that the change was %s", gate(approved), want)
	}
	check("gate", gate(approved))

	refused := newWorld()
	refused.opens(ownRun)
	refused.Submission = &Submission{Reason: v1alpha1.SubmittedReasonReferenceRefused, Message: hostile}
	refused.pass(t)
	checkAll(refused)

	unruled := inPlace(t)
	unruled.gateAsks(ownRun)
	unruled.Policy, unruled.PolicyProblem = nil, hostile
	unruled.pass(t)
	checkAll(unruled)
	check("gate without a policy", gate(unruled))

	// What an earlier version stored is made harmless when it is repeated.
	for i := range unruled.request.Status.Conditions {
		unruled.request.Status.Conditions[i].Message = hostile
	}
	check("gate on an old record", gate(unruled))
	conclusion := &v1alpha1.ChangeConclusion{Spec: v1alpha1.ChangeConclusionSpec{Run: ownRun}}
	check("conclusion", DecideConclusion(ConclusionInput{Conclusion: conclusion, Change: unruled.request, AttachmentProblem: hostile}).Message)
}

func TestRecordTellsOnceThatADecisionDoesNotCount(t *testing.T) {
	w := inPlace(t)
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "system:serviceaccount:shop:bot")}
	w.pass(t)
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateAuthorize, v1alpha1.ApprovalRequested)
	if last := story(status)[4:]; len(last) != 1 || last[0] != "DecisionNotCounted a1 by system:serviceaccount:shop:bot" {
		t.Errorf("the history ends with %q", last)
	}
}

func TestRecordKeepsTheCategoryThatClosedIt(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.opens(laterRun)
	w.submitted()
	w.gateAsks(ownRun)
	w.pass(t)
	w.gateEnds(v1alpha1.ReasonApproved)
	w.concludes("chg-a-x", ownRun, v1alpha1.OutcomeDeployed, true)
	wantState(t, w.pass(t), v1alpha1.StateClosed, v1alpha1.ApprovalApproved)
	w.concludes("chg-a-y", laterRun, v1alpha1.OutcomeDeployFailed, true)
	status := w.pass(t)
	if status.CloseCategory != v1alpha1.CategorySuccessful || status.Runs[1].CloseCategory != v1alpha1.CategoryUnsuccessful {
		t.Errorf("category %q, of the other run %q", status.CloseCategory, status.Runs[1].CloseCategory)
	}
}

// A run that is cancelled in the middle of deploying leaves no word of it.
func TestRecordDoesNotGiveUpWhatMayBeDeployed(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.submitted()
	w.gateAsks(ownRun)
	w.pass(t)
	w.gateEnds(v1alpha1.ReasonApproved)
	w.Ended[ownRun.UID] = true
	w.Approvals = []*v1alpha1.ChangeApproval{reject("a1", "ann")}
	wantState(t, w.pass(t), v1alpha1.StateImplement, v1alpha1.ApprovalRejected)
	// Once it is known that nothing was, the change is given up.
	w.concludes("chg-a-x", ownRun, v1alpha1.OutcomeNotStarted, true)
	wantState(t, w.pass(t), v1alpha1.StateCanceled, v1alpha1.ApprovalRejected)
}
