// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package changerequest keeps the record: it is the only writer of the status of
// ChangeRequests. It gathers what is stored about a change and lets package change
// decide what follows; the custom tasks, conclusions and people wait for what it
// writes.
//
// A pass writes at most once, with the version that was read, and everything that
// it writes can be derived again from what is stored. So it does not matter where
// a controller is killed: the next one comes to the same status.
package changerequest

import (
	"context"
	"errors"
	"fmt"
	"time"

	tektonlisters "github.com/tektoncd/pipeline/pkg/client/listers/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/reconciler"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/backend"
	"github.com/countersign-dev/countersign/pkg/change"
	client "github.com/countersign-dev/countersign/pkg/client/clientset/versioned"
	changereconciler "github.com/countersign-dev/countersign/pkg/client/injection/reconciler/countersign/v1alpha1/changerequest"
	"github.com/countersign-dev/countersign/pkg/reconciler/attachment"
	"github.com/countersign-dev/countersign/pkg/reconciler/customtask"
	"github.com/countersign-dev/countersign/pkg/reconciler/policy"
)

// AttachmentChecker looks for documents in registries; see attachment.Checker.
type AttachmentChecker interface {
	Check(ctx context.Context, bundle string, attachments []v1alpha1.Attachment) error
}

// Reconciler keeps the status of change requests.
type Reconciler struct {
	Clock       clock.PassiveClock
	Client      client.Interface
	Policies    *policy.Source
	Backends    backend.Set
	Attachments AttachmentChecker
	// Pauses between attempts to put a record in place, by UID.
	Pauses *flowcontrol.Backoff

	Approvals    cache.Indexer
	Conclusions  cache.Indexer
	CustomRuns   cache.Indexer
	PipelineRuns tektonlisters.PipelineRunLister
}

var (
	_ changereconciler.Interface     = (*Reconciler)(nil)
	_ reconciler.OnDeletionInterface = (*Reconciler)(nil)
)

// ReconcileKind gathers, decides and applies.
func (r *Reconciler) ReconcileKind(ctx context.Context, object *v1alpha1.ChangeRequest) reconciler.Event {
	in, err := r.gather(ctx, object)
	if err != nil {
		return err
	}
	submission, again := r.submit(ctx, object, in.Policy)
	in.Submission = submission

	status := change.Decide(in)

	if !equality.Semantic.DeepEqual(object.Status, status) {
		events := status.History[len(object.Status.History):]
		updated := object.DeepCopy()
		updated.Status = status
		if _, err := r.Client.CountersignV1alpha1().ChangeRequests(object.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}); err != nil {
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("write the status of change request %s/%s: %w", object.Namespace, object.Name, err)
		}
		tell(ctx, object, events)
	}
	if again > 0 {
		return controller.NewRequeueAfter(again)
	}
	return nil
}

// ObserveDeletion drops nothing that matters: the pauses of records that are gone.
func (r *Reconciler) ObserveDeletion(context.Context, types.NamespacedName) error {
	r.Pauses.GC()
	return nil
}

// gather collects what is stored about a change.
func (r *Reconciler) gather(_ context.Context, object *v1alpha1.ChangeRequest) (change.Input, error) {
	in := change.Input{Now: metav1.NewTime(r.Clock.Now()), Change: object}

	var err error
	if in.Policy, err = r.Policies.For(object.Namespace); err != nil {
		in.PolicyProblem = err.Error()
	}
	key := object.Namespace + "/" + object.Name
	if in.Approvals, err = list[*v1alpha1.ChangeApproval](r.Approvals, key); err != nil {
		return in, err
	}
	if in.Conclusions, err = list[*v1alpha1.ChangeConclusion](r.Conclusions, key); err != nil {
		return in, err
	}
	opens, err := customtask.ByChange(r.CustomRuns, v1alpha1.KindOpenChange, object.Namespace, object.Name)
	if err != nil {
		return in, err
	}
	for _, run := range opens {
		if request := customtask.Read(run); request.Waits() {
			in.Opens = append(in.Opens, request.Run)
		}
	}
	gates, err := customtask.ByChange(r.CustomRuns, v1alpha1.KindApproveChange, object.Namespace, object.Name)
	if err != nil {
		return in, err
	}
	for _, run := range gates {
		in.Gates = append(in.Gates, gateOf(customtask.Read(run)))
	}
	in.Ended = r.ended(object)
	return in, nil
}

func gateOf(request customtask.Request) change.Gate {
	gate := change.Gate{Run: request.Run, Asks: request.Waits(), Ask: request.Ask}
	if request.Terms != nil {
		gate.Terms = *request.Terms
	}
	if request.Done {
		gate.Reason, gate.Message = request.Reason, request.Message
	}
	return gate
}

// ended are the runs of a change that have ended or are gone.
func (r *Reconciler) ended(object *v1alpha1.ChangeRequest) map[types.UID]bool {
	ended := map[types.UID]bool{}
	for _, run := range object.Status.Runs {
		found, err := r.PipelineRuns.PipelineRuns(object.Namespace).Get(run.Name)
		// The run was seen before it was noted, so a cache that does not have it is
		// one that has lost it.
		ended[run.UID] = err != nil || found.UID != run.UID || found.IsDone()
	}
	return ended
}

// submit puts the record in place, unless it is, and says when to try again. It
// returns nil if nothing was tried.
func (r *Reconciler) submit(ctx context.Context, object *v1alpha1.ChangeRequest, policy *v1alpha1.ChangePolicy) (*change.Submission, time.Duration) {
	submitted := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionSubmitted)
	switch {
	case policy == nil || change.Over(object.Status.State):
		return nil, 0 // an event will tell
	case submitted != nil && (submitted.Status == metav1.ConditionTrue || submitted.Reason == v1alpha1.SubmittedReasonAttachmentMismatch):
		return nil, 0
	}
	references := []string{object.Spec.Bundle}
	for _, attachment := range object.Spec.Attachments {
		references = append(references, attachment.Reference)
	}
	if refused := change.RefusedReferences(references, policy.Spec.Bundles.RepositoryPrefixes); refused != "" {
		return &change.Submission{Reason: v1alpha1.SubmittedReasonReferenceRefused, Message: refused}, 0
	}

	id, now := string(object.UID), r.Clock.Now()
	if r.Pauses.IsInBackOffSinceUpdate(id, now) {
		return nil, r.Pauses.Get(id)
	}
	submission := r.try(ctx, object, policy)
	if submission == nil {
		return nil, firstPause / 2
	}
	if submission.Done {
		r.Pauses.DeleteEntry(id)
		return submission, 0
	}
	r.Pauses.Next(id, now)
	return submission, r.Pauses.Get(id)
}

// try is one attempt to put the record in place. What goes wrong is told in the
// submission, because the record says it; nil is no attempt, as too many others
// ask registries right now.
func (r *Reconciler) try(ctx context.Context, object *v1alpha1.ChangeRequest, policy *v1alpha1.ChangePolicy) *change.Submission {
	err := r.Attachments.Check(ctx, object.Spec.Bundle, object.Spec.Attachments)
	var problem *attachment.CheckError
	switch {
	case errors.Is(err, attachment.ErrBusy):
		return nil
	case errors.As(err, &problem):
		return &change.Submission{Reason: problem.Reason, Message: problem.Message}
	case err != nil:
		return &change.Submission{Reason: v1alpha1.SubmittedReasonRegistryUnavailable, Message: err.Error()}
	}
	system, err := r.Backends.For(policy)
	if err != nil {
		return &change.Submission{Reason: v1alpha1.SubmittedReasonBackendUnavailable, Message: err.Error()}
	}
	record, err := system.Submit(ctx, object)
	if err != nil {
		return &change.Submission{Reason: v1alpha1.SubmittedReasonBackendUnavailable, Message: err.Error()}
	}
	return &change.Submission{Done: true, Backend: record}
}

// list reads an index.
func list[T any](indexer cache.Indexer, key string) ([]T, error) {
	objects, err := indexer.ByIndex(byChange, key)
	if err != nil {
		return nil, fmt.Errorf("list what is stored about change request %s: %w", key, err)
	}
	items := make([]T, 0, len(objects))
	for _, object := range objects {
		if item, ok := object.(T); ok {
			items = append(items, item)
		}
	}
	return items, nil
}

// warnings are the events of a history that somebody should look at.
var warnings = map[string]bool{
	v1alpha1.EventRejected:           true,
	v1alpha1.EventGateEnded:          true,
	v1alpha1.EventDecisionNotCounted: true,
}

// tell sends a Kubernetes Event for each new event of the history.
func tell(ctx context.Context, object *v1alpha1.ChangeRequest, events []v1alpha1.HistoryEvent) {
	recorder := controller.GetEventRecorder(ctx)
	if recorder == nil {
		return
	}
	for _, event := range events {
		kind := corev1.EventTypeNormal
		if warnings[event.Event] {
			kind = corev1.EventTypeWarning
		}
		message := event.Message
		if event.Actor != change.ActorController {
			message = event.Actor + ": " + message
		}
		recorder.Event(object, kind, event.Event, message)
	}
}
