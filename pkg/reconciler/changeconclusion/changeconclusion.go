// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package changeconclusion checks what runs hand in at their end, and says when it
// has become part of the record.
//
// How a deployment ended is read from the PipelineRun and its TaskRuns, never from
// what a pod claims. That is noted in the conclusion's status; the change request's
// reconciler takes it from there, and once it has, this one marks the conclusion
// recorded.
package changeconclusion

import (
	"context"
	"errors"
	"fmt"
	"time"

	tektonclient "github.com/tektoncd/pipeline/pkg/client/clientset/versioned"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/reconciler"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	client "github.com/countersign-dev/countersign/pkg/client/clientset/versioned"
	conclusionreconciler "github.com/countersign-dev/countersign/pkg/client/injection/reconciler/countersign/v1alpha1/changeconclusion"
	listers "github.com/countersign-dev/countersign/pkg/client/listers/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/reconciler/policy"
)

// AttachmentChecker looks for documents in registries; see attachment.Checker.
type AttachmentChecker interface {
	Check(ctx context.Context, bundle string, attachments []v1alpha1.Attachment) error
}

// Reconciler keeps the status of conclusions.
type Reconciler struct {
	Clock       clock.PassiveClock
	Client      client.Interface
	Tekton      tektonclient.Interface
	Changes     listers.ChangeRequestLister
	Policies    *policy.Source
	Attachments AttachmentChecker
	// Pauses between checks, by UID.
	Pauses *flowcontrol.Backoff
}

var _ conclusionreconciler.Interface = (*Reconciler)(nil)

// ReconcileKind gathers, decides and applies.
func (r *Reconciler) ReconcileKind(ctx context.Context, conclusion *v1alpha1.ChangeConclusion) reconciler.Event {
	if !unfinished(conclusion) {
		return nil
	}
	in, again, err := r.gather(ctx, conclusion)
	if err != nil {
		return err
	}

	status := change.DecideConclusion(in)

	if !equality.Semantic.DeepEqual(conclusion.Status, status) {
		updated := conclusion.DeepCopy()
		updated.Status = status
		if _, err := r.Client.CountersignV1alpha1().ChangeConclusions(conclusion.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}); err != nil {
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("write the status of conclusion %s/%s: %w", conclusion.Namespace, conclusion.Name, err)
		}
	}
	if again > 0 {
		return controller.NewRequeueAfter(again)
	}
	return nil
}

// gather collects what the cluster says of a conclusion's change and run, and says
// when to look again where no event will tell.
func (r *Reconciler) gather(ctx context.Context, conclusion *v1alpha1.ChangeConclusion) (change.ConclusionInput, time.Duration, error) {
	in := change.ConclusionInput{Conclusion: conclusion}
	var err error
	in.Change, err = r.Changes.ChangeRequests(conclusion.Namespace).Get(conclusion.Spec.ChangeRequest)
	if err != nil && !apierrors.IsNotFound(err) {
		return in, 0, fmt.Errorf("read change request %s/%s: %w", conclusion.Namespace, conclusion.Spec.ChangeRequest, err)
	}
	if in.Change == nil || change.FindRun(&in.Change.Status, conclusion.Spec.Run.UID) == nil {
		return in, 0, nil
	}
	if conclusion.Status.Outcome == "" || conclusion.Status.Rollback == "" {
		if in.Ends, in.RunProblem, err = r.ends(ctx, conclusion); err != nil {
			return in, 0, err
		}
	}
	again := time.Duration(0)
	if conclusion.Status.Outcome == "" {
		in.AttachmentProblem, again = r.check(ctx, conclusion)
	}
	return in, again, nil
}

// check looks for the attachments, and says why they cannot be part of the record
// yet, and when to try again.
func (r *Reconciler) check(ctx context.Context, conclusion *v1alpha1.ChangeConclusion) (string, time.Duration) {
	if conclusion.Spec.Bundle == "" && len(conclusion.Spec.Attachments) == 0 {
		return "", 0
	}
	found, err := r.Policies.For(conclusion.Namespace)
	if err != nil {
		return err.Error(), longestPause
	}
	references := []string{conclusion.Spec.Bundle}
	for _, attachment := range conclusion.Spec.Attachments {
		references = append(references, attachment.Reference)
	}
	if refused := change.RefusedReferences(references, found.Spec.Bundles.RepositoryPrefixes); refused != "" {
		return refused, longestPause
	}
	id, now := string(conclusion.UID), r.Clock.Now()
	if r.Pauses.IsInBackOffSinceUpdate(id, now) {
		return pausedMessage(conclusion), r.Pauses.Get(id)
	}
	if err := r.Attachments.Check(ctx, conclusion.Spec.Bundle, conclusion.Spec.Attachments); err != nil {
		r.Pauses.Next(id, now)
		return err.Error(), r.Pauses.Get(id)
	}
	r.Pauses.DeleteEntry(id)
	return "", 0
}

// pausedMessage keeps what the last attempt said.
func pausedMessage(conclusion *v1alpha1.ChangeConclusion) string {
	if conclusion.Status.Message != "" {
		return conclusion.Status.Message
	}
	return errPaused.Error()
}

var errPaused = errors.New("the attachments will be looked for again in a moment")
