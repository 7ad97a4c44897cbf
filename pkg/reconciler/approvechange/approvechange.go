// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package approvechange answers custom task ApproveChange, the gate. By existing,
// the CustomRun asks for the change to be begun; the change request's own
// reconciler moves the record to Implement once it is approved, and only a record
// that says so for this run opens the gate.
package approvechange

import (
	"context"
	"time"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	"github.com/countersign-dev/countersign/pkg/reconciler/customtask"
)

// Reconciler answers ApproveChange.
type Reconciler struct {
	customtask.Reconciler
}

// NewController is the controller of ApproveChange.
func NewController(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	r := &Reconciler{}
	return customtask.NewController(ctx, Kind{}, &r.Reconciler, r)
}

// Kind says how the task is answered.
type Kind struct{}

var _ customtask.Kind = Kind{}

// Name of the kind.
func (Kind) Name() string { return v1alpha1.KindApproveChange }

// Settle says how long the gate waits: as the run asks, else as the policy says,
// and never longer than the run's own timeouts allow.
func (Kind) Settle(s customtask.Situation) (change.Terms, *change.Verdict) {
	if s.Policy == nil {
		return change.Terms{}, &change.Verdict{Done: true, Reason: v1alpha1.ReasonPolicyMissing, Message: s.PolicyProblem.Error()}
	}
	terms := change.Terms{Mode: s.Request.Ask.Gate, DeadlineReason: v1alpha1.ReasonExpired}
	if terms.Mode == "" {
		terms.Mode = s.Policy.Spec.Gate.Mode
	}
	timeout := s.Request.Ask.ApprovalTimeout
	if timeout == 0 {
		timeout = s.Policy.Spec.Gate.Timeout.Duration
	}
	if timeout == 0 {
		timeout = v1alpha1.DefaultGateTimeout
	}
	// OpenChange refused a timeout that somebody asked for and that does not fit;
	// what the steps in between took of it is cut off here.
	terms.Deadline, _ = change.ApprovalDeadline(s.PipelineRun.Spec.Timeouts, s.RunStart(), s.Started, timeout)
	if s.Timeout > 0 {
		if own := s.Started.Add(s.Timeout); own.Before(terms.Deadline) {
			terms.Deadline, terms.DeadlineReason = own, v1alpha1.ReasonCustomRunTimeout
		}
	}
	terms.Deadline = terms.Deadline.Round(0).Truncate(time.Millisecond)
	return terms, nil
}

// Decide answers the task.
func (Kind) Decide(s customtask.Situation) change.Verdict {
	return change.DecideGate(change.GateInput{
		Now:    s.Now,
		Ask:    s.Request.Ask,
		Terms:  s.Terms,
		Run:    s.Request.Run,
		Change: s.Change,
		Resume: change.ResumeCommand(s.PipelineRun, s.Request.Ask.ChangeRequest),
	})
}

// Results of the task.
func (Kind) Results(s customtask.Situation, reason string) []v1beta1.CustomRunResult {
	state := ""
	if s.Change != nil {
		state = string(s.Change.Status.State)
	}
	return []v1beta1.CustomRunResult{
		{Name: v1alpha1.ResultDecision, Value: string(change.GateDecision(reason))},
		{Name: v1alpha1.ResultChangeRequestID, Value: s.Request.Ask.ChangeRequest},
		{Name: v1alpha1.ResultChangeRequestState, Value: state},
	}
}

// Retries is never true: what people decided, or did not, is not asked again.
func (Kind) Retries(string) bool {
	return false
}
