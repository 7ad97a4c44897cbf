// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// stateRule names a state and when a change is in it.
type stateRule struct {
	state v1alpha1.ChangeState
	holds func(*record) bool
}

// stateRules are tried in order; the first that holds names the state. They read
// only what the rules before them in Decide have settled.
var stateRules = []stateRule{
	// A person said no, before anything was deployed.
	{v1alpha1.StateCanceled, func(r *record) bool {
		return r.status.Approval.State == v1alpha1.ApprovalRejected && !r.begun() && !r.tried()
	}},
	// The run that opened the change deployed it.
	{v1alpha1.StateClosed, func(r *record) bool { return r.closedBy() != nil }},
	// A run passed the gate and has not concluded, or was the last to pass it and
	// never began to deploy: that leaves the state as the gate left it.
	{v1alpha1.StateImplement, func(r *record) bool { return r.implementingOpen() }},
	// Some run deployed it or tried to, and left it open for people to look at.
	{v1alpha1.StateReview, func(r *record) bool { return r.tried() }},
	// Nothing can be judged without a policy.
	{v1alpha1.StateNew, func(r *record) bool { return !r.submitted() && r.Policy == nil }},
	// The record is being put in place.
	{v1alpha1.StateAssess, func(r *record) bool { return !r.submitted() }},
	// Approved, not begun.
	{v1alpha1.StateScheduled, func(r *record) bool { return r.status.Approval.State == v1alpha1.ApprovalApproved }},
	// In place, waiting for approval.
	{v1alpha1.StateAuthorize, func(*record) bool { return true }},
}

// move: the state follows from the rest. A change that is over stays so.
func (r *record) move() {
	if Over(r.status.State) {
		return
	}
	for _, rule := range stateRules {
		if rule.holds(r) {
			r.status.State = rule.state
			break
		}
	}
	switch r.status.State {
	case v1alpha1.StateClosed:
		r.ignoreDecisions("it came after the change had been deployed")
		run := r.closedBy()
		r.note(v1alpha1.EventClosed, "", ActorController, "closed "+string(run.CloseCategory)+" after run "+run.Name)
	case v1alpha1.StateCanceled:
		r.note(v1alpha1.EventCanceled, "", ActorController, "given up: the change was rejected")
	}
}

// implementingOpen: the run that was last let through has not said that it
// deployed anything.
func (r *record) implementingOpen() bool {
	if r.status.Implementing == nil {
		return false
	}
	run := FindRun(&r.status, r.status.Implementing.UID)
	return run == nil || run.Outcome == "" || run.Outcome == v1alpha1.OutcomeNotStarted
}
