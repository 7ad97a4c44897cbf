// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// ConclusionInput is everything that the next status of a conclusion depends on.
type ConclusionInput struct {
	// Conclusion as it is stored, with the status of before.
	Conclusion *v1alpha1.ChangeConclusion
	// Change that it names, nil if there is none.
	Change *v1alpha1.ChangeRequest
	// Ends of the tasks of its run; RunProblem says why they are not known.
	Ends       Ends
	RunProblem string
	// AttachmentProblem says why its attachments cannot be part of the record, or
	// not yet; empty if each was found.
	AttachmentProblem string
}

// DecideConclusion derives the next status of a conclusion in two steps. First it
// is checked: its run has a part in the change, its attachments exist where the
// policy allows them, and the run's own record tells the outcome, which is then
// noted. The change request takes that up, and once it says so, the conclusion is
// recorded. What was noted once is not changed, except that a rollback which was
// still running is amended.
func DecideConclusion(in ConclusionInput) v1alpha1.ChangeConclusionStatus {
	status := *in.Conclusion.Status.DeepCopy()
	status.ObservedGeneration = in.Conclusion.Generation
	if in.Change == nil {
		if !status.Recorded {
			status.Message = fmt.Sprintf("there is no change request %q in this namespace", in.Conclusion.Spec.ChangeRequest)
		}
		return status
	}
	if !status.Recorded {
		status.Message = plaintext.Clip(conclusionProblem(in), maxReasonBytes)
		if status.Message != "" {
			return status
		}
	}
	if status.Outcome == "" {
		status.Outcome = OutcomeOf(in.Ends)
	}
	if status.Rollback == "" {
		status.Rollback = RollbackOf(in.Ends)
	}
	run := FindRun(&in.Change.Status, in.Conclusion.Spec.Run.UID)
	if status.Recorded || run == nil || run.Conclusion != in.Conclusion.Name {
		if !status.Recorded {
			status.Message = "being taken up by the change request"
		}
		return status
	}
	status.Recorded = true
	status.CloseCategory = run.CloseCategory
	status.Closed = in.Change.Status.State == v1alpha1.StateClosed && !run.Adopted && run.Outcome == v1alpha1.OutcomeDeployed
	status.Message = ""
	return status
}

// conclusionProblem says why a conclusion cannot be recorded, or not yet.
func conclusionProblem(in ConclusionInput) string {
	run := FindRun(&in.Change.Status, in.Conclusion.Spec.Run.UID)
	switch {
	case run == nil:
		return fmt.Sprintf("run %s has no part in change request %s: only a run that opened or took up a change can conclude it", in.Conclusion.Spec.Run.Name, in.Change.Name)
	case run.Conclusion != "" && run.Conclusion != in.Conclusion.Name:
		return fmt.Sprintf("run %s was concluded by %s already", run.Name, run.Conclusion)
	case in.Conclusion.Status.Outcome != "":
		return "" // checked before
	case in.AttachmentProblem != "":
		return in.AttachmentProblem
	case in.RunProblem != "":
		return in.RunProblem
	case OutcomeOf(in.Ends) == "":
		return fmt.Sprintf("run %s is still deploying or testing", run.Name)
	}
	return ""
}
