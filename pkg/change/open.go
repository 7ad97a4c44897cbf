// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// OpenInput is what OpenChange is decided on.
type OpenInput struct {
	Now   time.Time
	Ask   Ask
	Terms Terms
	// Run that the task belongs to.
	Run v1alpha1.RunRef
	// Change that it names, nil if there is none.
	Change *v1alpha1.ChangeRequest
	// TooLong is set if the run asks for an approval timeout that does not fit.
	TooLong error
}

// DecideOpen answers OpenChange: the first rule that has an answer gives it.
func DecideOpen(in OpenInput) Verdict {
	for _, rule := range []func(OpenInput) (Verdict, bool){
		openUnknown,
		openOver,
		openTimeoutTooLong,
		openNobodysChange,
		openDone,
		openRefused,
		openLate,
	} {
		if verdict, ok := rule(in); ok {
			return verdict
		}
	}
	message := "waiting for the controller to take up the change request"
	if submitted := meta.FindStatusCondition(in.Change.Status.Conditions, v1alpha1.ConditionSubmitted); submitted != nil && submitted.Message != "" {
		message = plaintext.Clip(submitted.Message, maxReasonBytes)
	}
	return waiting(v1alpha1.ReasonSubmitting, "change request %s is being put in place: %s", in.Change.Name, message)
}

// There must be such a change request.
func openUnknown(in OpenInput) (Verdict, bool) {
	if in.Change == nil {
		return failed(v1alpha1.ReasonUnknownChangeRequest, "there is no change request %q in this namespace", in.Ask.ChangeRequest), true
	}
	return Verdict{}, false
}

// It must not be over.
func openOver(in OpenInput) (Verdict, bool) {
	switch status := in.Change.Status; {
	case status.Approval.State == v1alpha1.ApprovalRejected:
		return failed(v1alpha1.ReasonChangeRequestRejected, "change request %s was rejected: start a new run for a new change request", in.Change.Name), true
	case Over(status.State):
		return failed(v1alpha1.ReasonChangeRequestClosed, "change request %s is %s: start a new run for a new change request", in.Change.Name, status.State), true
	}
	return Verdict{}, false
}

// A run that asks for a wait that its own timeouts do not allow finds out now,
// not when the wait is cut short.
func openTimeoutTooLong(in OpenInput) (Verdict, bool) {
	if in.TooLong != nil && in.Terms.Mode == v1alpha1.GateWait {
		return failed(v1alpha1.ReasonApprovalTimeoutTooLong, "%v", in.TooLong), true
	}
	return Verdict{}, false
}

// Another run's change request can be adopted only if that run opened it. What
// counts is what the controller recorded, not what the spec claims.
func openNobodysChange(in OpenInput) (Verdict, bool) {
	if in.Change.Spec.Run.UID != in.Run.UID && len(in.Change.Status.Runs) == 0 {
		return failed(v1alpha1.ReasonUnknownChangeRequest, "change request %s was not opened by an earlier run, so there is nothing to take up", in.Change.Name), true
	}
	return Verdict{}, false
}

// In place, and this run has a part in it.
func openDone(in OpenInput) (Verdict, bool) {
	run := FindRun(&in.Change.Status, in.Run.UID)
	if run == nil || !meta.IsStatusConditionTrue(in.Change.Status.Conditions, v1alpha1.ConditionSubmitted) {
		return Verdict{}, false
	}
	if run.Adopted {
		return passed(v1alpha1.ReasonAdopted, "change request %s was taken up again; it was opened by run %s", in.Change.Name, in.Change.Status.Runs[0].Name), true
	}
	return passed(v1alpha1.ReasonOpened, "change request %s is in place", in.Change.Name), true
}

// Some things do not get better by waiting.
func openRefused(in OpenInput) (Verdict, bool) {
	submitted := meta.FindStatusCondition(in.Change.Status.Conditions, v1alpha1.ConditionSubmitted)
	if submitted == nil || submitted.Status != metav1.ConditionFalse {
		return Verdict{}, false
	}
	switch submitted.Reason {
	case v1alpha1.SubmittedReasonPolicyMissing:
		return failed(v1alpha1.ReasonPolicyMissing, "change request %s: %s", in.Change.Name, plaintext.Clip(submitted.Message, maxReasonBytes)), true
	case v1alpha1.SubmittedReasonReferenceRefused, v1alpha1.SubmittedReasonAttachmentMismatch:
		return failed(v1alpha1.ReasonSubmissionRefused, "change request %s: %s", in.Change.Name, plaintext.Clip(submitted.Message, maxReasonBytes)), true
	}
	return Verdict{}, false
}

// Out of time.
func openLate(in OpenInput) (Verdict, bool) {
	if in.Terms.Deadline.IsZero() || in.Now.Before(in.Terms.Deadline) {
		return Verdict{}, false
	}
	message := "nothing was tried"
	if submitted := meta.FindStatusCondition(in.Change.Status.Conditions, v1alpha1.ConditionSubmitted); submitted != nil && submitted.Message != "" {
		message = plaintext.Clip(submitted.Message, maxReasonBytes)
	}
	return failed(v1alpha1.ReasonCustomRunTimeout, "change request %s was not in place in time: %s", in.Change.Name, message), true
}

// Over tells whether a state is final.
func Over(state v1alpha1.ChangeState) bool {
	return state == v1alpha1.StateClosed || state == v1alpha1.StateCanceled
}

// FindRun finds a run's part in a change, nil if it has none.
func FindRun(status *v1alpha1.ChangeRequestStatus, uid types.UID) *v1alpha1.RunStatus {
	for i := range status.Runs {
		if status.Runs[i].UID == uid {
			return &status.Runs[i]
		}
	}
	return nil
}
