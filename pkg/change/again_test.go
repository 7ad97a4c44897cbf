// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// A run that was let through and ended without a word may have deployed the change,
// so a rejection does not give the change up. But no further run deploys it.
func TestRecordLetsNobodyThroughAfterARejection(t *testing.T) {
	for name, end := range map[string]func(*world){
		"the run before left no word":   func(*world) {},
		"the run before failed":         func(w *world) { w.concludes("chg-a-x", ownRun, v1alpha1.OutcomeDeployFailed, true) },
		"the run before did not accept": func(w *world) { w.concludes("chg-a-x", ownRun, v1alpha1.OutcomeNotAccepted, true) },
	} {
		t.Run(name, func(t *testing.T) {
			w := inPlace(t)
			w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
			w.gateAsks(ownRun)
			w.pass(t)
			w.gateEnds(v1alpha1.ReasonApproved)
			w.pass(t)
			end(w)
			w.Ended[ownRun.UID] = true

			w.opens(laterRun)
			w.gateAsks(laterRun)
			w.Approvals = append(w.Approvals, reject("a2", "bob"))
			status := w.pass(t)
			if status.Implementing.UID != ownRun.UID {
				t.Errorf("run %s was let through although bob rejected", status.Implementing.Name)
			}
			if status.Approval.State != v1alpha1.ApprovalRejected || Over(status.State) {
				t.Errorf("approval %q in state %q, want it rejected and not over", status.Approval.State, status.State)
			}
		})
	}
}

// A run's gates are told apart: one that ended shut does not take back what
// another one let through, so no second run begins beside it.
func TestRecordOfARunWithTwoGates(t *testing.T) {
	w := newWorld()
	w.opens(ownRun)
	w.submitted()
	w.gateAsks(ownRun)
	w.gateEnds(v1alpha1.ReasonContentChanged)
	w.pass(t)
	w.gateAsks(ownRun)
	w.pass(t)
	w.gateEnds(v1alpha1.ReasonApproved)
	w.pass(t)

	w.opens(laterRun)
	w.gateAsks(laterRun)
	status := w.pass(t)
	if diff := cmp.Diff(&ownRun, status.Implementing); diff != "" {
		t.Errorf("implementing (-want +got):\n%s", diff)
	}
	wantState(t, status, v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
}

// Names of approvals can be used again, by whoever may delete them.
func TestRecordCountsARejectionUnderANameThatWasUsedBefore(t *testing.T) {
	w := inPlace(t)
	w.Policy.Spec.Approval.Required = 2
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	w.pass(t)
	again := reject("a2", "bob")
	again.Name = "a1"
	w.Approvals = []*v1alpha1.ChangeApproval{again}
	status := w.pass(t)
	wantState(t, status, v1alpha1.StateCanceled, v1alpha1.ApprovalRejected)
	if told := story(status); !strings.Contains(strings.Join(told, "\n"), "by bob") {
		t.Errorf("bob's decision is not told: %q", told)
	}
}

// Whoever waits for decisions learns that none is looked at while the policy is
// missing, and goes on once there is one again.
func TestRecordTellsWhoWaitsThatThePolicyWentAway(t *testing.T) {
	w := inPlace(t)
	w.gateAsks(ownRun)
	policy := w.Policy
	w.Policy, w.PolicyProblem = nil, "two policies select namespace shop"
	w.Approvals = []*v1alpha1.ChangeApproval{approve("a1", "ann")}
	w.pass(t)
	verdict := DecideGate(GateInput{Now: w.Now.Time, Ask: w.Gates[0].Ask, Run: ownRun, Change: w.request})
	if verdict.Done || !strings.Contains(verdict.Message, w.PolicyProblem) {
		t.Errorf("done %v: %s, want it to wait and to say: %s", verdict.Done, verdict.Message, w.PolicyProblem)
	}
	w.Policy, w.PolicyProblem = policy, ""
	wantState(t, w.pass(t), v1alpha1.StateImplement, v1alpha1.ApprovalApproved)
}
