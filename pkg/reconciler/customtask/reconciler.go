// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package customtask

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	tektonclient "github.com/tektoncd/pipeline/pkg/client/clientset/versioned"
	customrunreconciler "github.com/tektoncd/pipeline/pkg/client/injection/reconciler/pipeline/v1beta1/customrun"
	tektonlisters "github.com/tektoncd/pipeline/pkg/client/listers/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"knative.dev/pkg/apis"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/reconciler"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	client "github.com/countersign-dev/countersign/pkg/client/clientset/versioned"
	listers "github.com/countersign-dev/countersign/pkg/client/listers/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/reconciler/policy"
)

// Situation is what a kind decides on: everything gathered, nothing decided.
type Situation struct {
	Now     time.Time
	Request Request
	// Terms are settled by the time Decide is called.
	Terms change.Terms
	// Started is when this attempt began.
	Started time.Time
	// Timeout is the CustomRun's own; zero if it has none.
	Timeout time.Duration
	// PipelineRun that owns the CustomRun.
	PipelineRun *tektonv1.PipelineRun
	// Change that it names, nil if there is none.
	Change *v1alpha1.ChangeRequest
	// Policy of the namespace; nil if there is none, and PolicyProblem says why.
	Policy        *v1alpha1.ChangePolicy
	PolicyProblem error
}

// RunStart is when the PipelineRun's own timeouts began to count.
func (s Situation) RunStart() time.Time {
	if start := s.PipelineRun.Status.StartTime; start != nil {
		return start.Time
	}
	return s.PipelineRun.CreationTimestamp.Time
}

// Kind is one kind of custom task.
type Kind interface {
	// Name of the kind.
	Name() string
	// Settle says on what terms the task waits, from its first pass. A verdict ends
	// the task instead.
	Settle(Situation) (change.Terms, *change.Verdict)
	// Decide answers the task.
	Decide(Situation) change.Verdict
	// Results of the task when it ends with a reason. The situation is only as
	// complete as it was by then.
	Results(s Situation, reason string) []v1beta1.CustomRunResult
	// Retries tells whether another attempt could help after a reason.
	Retries(reason string) bool
}

// Reconciler answers the CustomRuns of one kind.
type Reconciler struct {
	Kind         Kind
	Clock        clock.PassiveClock
	Tekton       tektonclient.Interface
	Client       client.Interface
	Changes      listers.ChangeRequestLister
	Policies     *policy.Source
	PipelineRuns tektonlisters.PipelineRunLister
}

var _ customrunreconciler.Interface = (*Reconciler)(nil)

// ReconcileKind gathers, decides and applies.
func (r *Reconciler) ReconcileKind(ctx context.Context, run *v1beta1.CustomRun) reconciler.Event {
	if !Is(run, r.Kind.Name()) || run.IsDone() {
		return nil
	}
	before := run.Status.DeepCopy()
	r.start(run)

	situation, err := r.gather(ctx, run)
	if err != nil {
		return err
	}
	verdict := r.decide(run, &situation)
	r.apply(run, situation, verdict)

	if !equality.Semantic.DeepEqual(before, &run.Status) {
		if _, err := r.Tekton.TektonV1beta1().CustomRuns(run.Namespace).UpdateStatus(ctx, run, metav1.UpdateOptions{}); err != nil {
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("write the status of CustomRun %s/%s: %w", run.Namespace, run.Name, err)
		}
		r.tell(ctx, run, before)
	}
	if verdict.Done || situation.Terms.Deadline.IsZero() {
		return nil
	}
	return controller.NewRequeueAfter(max(situation.Terms.Deadline.Sub(r.Clock.Now()), time.Millisecond))
}

// start begins an attempt: Tekton wants Succeeded=Unknown and a start time from the
// first pass on.
func (r *Reconciler) start(run *v1beta1.CustomRun) {
	if run.Status.StartTime.IsZero() {
		run.Status.InitializeConditions()
		started := metav1.NewTime(r.Clock.Now())
		// Clocks differ: an attempt does not begin before its object exists.
		if started.Before(&run.CreationTimestamp) {
			started = run.CreationTimestamp
		}
		run.Status.StartTime = &started
	}
}

func (r *Reconciler) gather(ctx context.Context, run *v1beta1.CustomRun) (Situation, error) {
	situation := Situation{
		Now:     r.Clock.Now(),
		Request: Read(run),
		Started: run.Status.StartTime.Time,
	}
	// CustomRun.GetTimeout would make an hour out of no timeout at all.
	if run.Spec.Timeout != nil {
		situation.Timeout = run.Spec.Timeout.Duration
	}
	if situation.Request.Terms != nil {
		situation.Terms = *situation.Request.Terms
	}

	var err error
	if situation.Request.Ask.ChangeRequest != "" {
		if situation.Change, err = r.changeRequest(ctx, run.Namespace, situation.Request.Ask.ChangeRequest); err != nil {
			return situation, err
		}
	}
	if !situation.Request.Waits() {
		return situation, nil
	}
	if situation.PipelineRun, err = r.pipelineRun(ctx, run.Namespace, situation.Request.Run); err != nil {
		return situation, err
	}
	if situation.PipelineRun == nil {
		situation.Request.ProblemReason = v1alpha1.ReasonInvalidParameters
		situation.Request.Problem = fmt.Sprintf("PipelineRun %s, which owns this CustomRun, does not exist", situation.Request.Run.Name)
		return situation, nil
	}
	situation.Policy, situation.PolicyProblem = r.Policies.For(run.Namespace)
	return situation, nil
}

// changeRequest reads through the cache, which may be a moment behind the step
// that has just created the object.
func (r *Reconciler) changeRequest(ctx context.Context, namespace, name string) (*v1alpha1.ChangeRequest, error) {
	found, err := r.Changes.ChangeRequests(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		found, err = r.Client.CountersignV1alpha1().ChangeRequests(namespace).Get(ctx, name, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read change request %s/%s: %w", namespace, name, err)
	}
	return found, nil
}

func (r *Reconciler) pipelineRun(ctx context.Context, namespace string, ref v1alpha1.RunRef) (*tektonv1.PipelineRun, error) {
	found, err := r.PipelineRuns.PipelineRuns(namespace).Get(ref.Name)
	if apierrors.IsNotFound(err) || (err == nil && found.UID != ref.UID) {
		found, err = r.Tekton.TektonV1().PipelineRuns(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read PipelineRun %s/%s: %w", namespace, ref.Name, err)
	case found.UID != ref.UID:
		return nil, nil
	}
	return found, nil
}

// decide answers in the order of Tekton's contract, and settles the terms.
func (r *Reconciler) decide(run *v1beta1.CustomRun, situation *Situation) change.Verdict {
	request := situation.Request
	switch {
	case request.Cancelled:
		message := string(run.Spec.StatusMessage)
		if message == "" {
			message = "cancelled"
		}
		return change.Verdict{Done: true, Reason: v1alpha1.ReasonCustomRunCancelled, Message: message}
	case request.Problem != "":
		return change.Verdict{Done: true, Reason: request.ProblemReason, Message: request.Problem}
	}
	if request.Terms == nil {
		terms, verdict := r.Kind.Settle(*situation)
		situation.Terms = terms
		if verdict != nil {
			return *verdict
		}
		keep(run, terms)
	}
	return r.Kind.Decide(*situation)
}

// keep stores the terms with the parameters that they are about.
func keep(run *v1beta1.CustomRun, terms change.Terms) {
	// Strings and times cannot fail to be written as JSON.
	raw, err := json.Marshal(settled{Params: snapshot(run), Terms: terms})
	if err != nil {
		panic(fmt.Sprintf("write the terms of a custom task as JSON: %v", err))
	}
	run.Status.ExtraFields = runtime.RawExtension{Raw: raw}
}

// apply writes the verdict into the status. Messages are arguments, never formats:
// they hold text of others.
func (r *Reconciler) apply(run *v1beta1.CustomRun, situation Situation, verdict change.Verdict) {
	switch {
	case !verdict.Done:
		run.Status.MarkCustomRunRunning(verdict.Reason, "%s", verdict.Message)
		return
	case verdict.Passed:
		run.Status.MarkCustomRunSucceeded(verdict.Reason, "%s", verdict.Message)
	default:
		run.Status.MarkCustomRunFailed(verdict.Reason, "%s", verdict.Message)
	}
	run.Status.Results = r.Kind.Results(situation, verdict.Reason)

	if !verdict.Passed && r.Kind.Retries(verdict.Reason) && len(run.Status.RetriesStatus) < run.Spec.Retries {
		r.retry(run, verdict)
	}
}

// retry keeps the attempt that failed and begins another one. Tekton must never see
// Succeeded=False before the last attempt.
func (r *Reconciler) retry(run *v1beta1.CustomRun, verdict change.Verdict) {
	attempt := *run.Status.DeepCopy()
	attempt.RetriesStatus = nil
	run.Status.RetriesStatus = append(run.Status.RetriesStatus, attempt)
	run.Status.StartTime = nil
	run.Status.CompletionTime = nil
	run.Status.Results = nil
	run.Status.ExtraFields = runtime.RawExtension{}
	r.start(run)
	run.Status.MarkCustomRunRunning(verdict.Reason, "attempt %d of %d failed: %s", len(run.Status.RetriesStatus), run.Spec.Retries+1, verdict.Message)
}

// tell sends a Kubernetes Event when the reason changed.
func (r *Reconciler) tell(ctx context.Context, run *v1beta1.CustomRun, before *v1beta1.CustomRunStatus) {
	recorder := controller.GetEventRecorder(ctx)
	now, old := run.Status.GetCondition(apis.ConditionSucceeded), before.GetCondition(apis.ConditionSucceeded)
	if recorder == nil || now == nil || (old != nil && old.Reason == now.Reason) {
		return
	}
	kind := corev1.EventTypeNormal
	if now.IsFalse() {
		kind = corev1.EventTypeWarning
	}
	recorder.Event(run, kind, now.Reason, eventMessage(now.Message))
}

// eventMessage keeps to the 1024 bytes that an Event takes.
func eventMessage(message string) string {
	const limit = 1000
	if len(message) <= limit {
		return message
	}
	return strings.ToValidUTF8(message[:limit], "") + "…"
}
