// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package openchange answers custom task OpenChange: it waits until a run's own
// change request is in place, or until one that an earlier run left open has been
// taken up. By existing, the CustomRun asks for that; the change request's own
// reconciler does it.
package openchange

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	"github.com/countersign-dev/countersign/pkg/reconciler/customtask"
)

// Reconciler answers OpenChange.
type Reconciler struct {
	customtask.Reconciler
}

// NewController is the controller of OpenChange.
func NewController(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	r := &Reconciler{}
	return customtask.NewController(ctx, Kind{}, &r.Reconciler, r)
}

// Kind says how the task is answered.
type Kind struct{}

var _ customtask.Kind = Kind{}

// Name of the kind.
func (Kind) Name() string { return v1alpha1.KindOpenChange }

// Settle bounds the wait by the task's own timeout and the run's.
func (Kind) Settle(s customtask.Situation) (change.Terms, *change.Verdict) {
	terms := change.Terms{Mode: s.Request.Ask.Gate, DeadlineReason: v1alpha1.ReasonCustomRunTimeout}
	if s.Policy == nil {
		return terms, &change.Verdict{Done: true, Reason: v1alpha1.ReasonPolicyMissing, Message: s.PolicyProblem.Error()}
	}
	if terms.Mode == "" {
		terms.Mode = s.Policy.Spec.Gate.Mode
	}
	terms.Deadline = deadline(s)
	return terms, nil
}

func deadline(s customtask.Situation) time.Time {
	bound, _ := change.RunBound(s.PipelineRun.Spec.Timeouts, s.RunStart())
	if s.Timeout > 0 {
		if own := s.Started.Add(s.Timeout); bound.IsZero() || own.Before(bound) {
			return own
		}
	}
	return bound
}

// Decide answers the task.
func (Kind) Decide(s customtask.Situation) change.Verdict {
	// A timeout that somebody asked for must fit; the policy's is shortened instead.
	_, err := change.ApprovalDeadline(s.PipelineRun.Spec.Timeouts, s.RunStart(), s.Started, s.Request.Ask.ApprovalTimeout)
	var tooLong *change.TimeoutTooLongError
	if !errors.As(err, &tooLong) {
		err = nil
	}
	return change.DecideOpen(change.OpenInput{
		Now:     s.Now,
		Ask:     s.Request.Ask,
		Terms:   s.Terms,
		Run:     s.Request.Run,
		Change:  s.Change,
		TooLong: err,
	})
}

// Results of the task.
func (Kind) Results(s customtask.Situation, reason string) []v1beta1.CustomRunResult {
	url, state := "", ""
	if s.Change != nil {
		url, state = s.Change.Status.Backend.URL, string(s.Change.Status.State)
	}
	return []v1beta1.CustomRunResult{
		{Name: v1alpha1.ResultChangeRequestID, Value: s.Request.Ask.ChangeRequest},
		{Name: v1alpha1.ResultChangeRequestURL, Value: url},
		{Name: v1alpha1.ResultChangeRequestState, Value: state},
		{Name: v1alpha1.ResultFastPath, Value: strconv.FormatBool(reason == v1alpha1.ReasonAdopted)},
	}
}

// Retries is true after a timeout: a registry or backend that was away may be back.
func (Kind) Retries(reason string) bool {
	return reason == v1alpha1.ReasonCustomRunTimeout
}
