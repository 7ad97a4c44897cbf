// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
)

// Step is one thing that a reader may do next.
type Step struct {
	Text string
	// Command that does it, if one does.
	Command string
}

// NextSteps says what can be done about a change as it stands, nothing if
// nothing is left to do.
func NextSteps(d Detail) []Step {
	record := d.Change
	switch state(record) {
	case v1alpha1.StateNew, v1alpha1.StateAssess:
		return opening(record)
	case v1alpha1.StateAuthorize:
		return append(decide(record), resume(d, "Once it is approved, take the stopped run up again:")...)
	case v1alpha1.StateScheduled:
		return resume(d, "It is approved, and its run has stopped. Take it up again:")
	case v1alpha1.StateImplement:
		if record.Status.Approval.State == v1alpha1.ApprovalRejected {
			return rejectedLate(record)
		}
		if d.Resume != "" {
			return resume(d, "It is approved, and its run has ended without saying that it deployed the change. Take it up again:")
		}
		return implementing(record)
	case v1alpha1.StateReview:
		return append(review(record), resume(d, "Once the cause is mended, the same content can be deployed again:")...)
	case v1alpha1.StateClosed:
		return []Step{{
			Text:    "The change is over. Its documents can be downloaded:",
			Command: command("attachments", record, "--download DIR"),
		}}
	case v1alpha1.StateCanceled:
		return []Step{{Text: "The change is over and was not deployed. A new run opens a new change request."}}
	}
	return nil
}

func opening(change *v1alpha1.ChangeRequest) []Step {
	submitted := condition(change, v1alpha1.ConditionSubmitted)
	switch {
	case submitted == nil && change.Status.State == "":
		return []Step{{Text: "The controller has not seen the change yet. If this lasts, see whether it runs:",
			Command: "kubectl get pods -A -l app.kubernetes.io/part-of=countersign"}}
	case submitted != nil && submitted.Status == metav1.ConditionFalse:
		return []Step{{Text: fmt.Sprintf("The record is not in place: %s: %s. The controller keeps trying.",
			submitted.Reason, submitted.Message)}}
	}
	return []Step{{Text: "The controller is putting the record in place; nothing is to be done."}}
}

func decide(record *v1alpha1.ChangeRequest) []Step {
	approve := "Approve it:"
	if missing := record.Status.Approval.Required - approvals(record.Status.Approval.Decisions); missing > 1 {
		approve = fmt.Sprintf("Approve it (%d people must):", missing)
	}
	return []Step{
		{Text: approve, Command: command("approve", record, "-m 'why'")},
		{Text: "Or reject it:", Command: command("reject", record, "-m 'why'")},
	}
}

func resume(d Detail, text string) []Step {
	if d.Resume == "" {
		return nil
	}
	return []Step{{Text: text, Command: d.Resume}}
}

// rejectedLate: a run was let through and has not said what it did; then the change
// was rejected.
func rejectedLate(change *v1alpha1.ChangeRequest) []Step {
	steps := implementing(change)
	if len(steps) > 0 {
		steps[0].Text = "It was rejected after a run had been let through, and no other run may deploy it. See what that run did:"
	}
	return steps
}

func implementing(change *v1alpha1.ChangeRequest) []Step {
	run := change.Status.Implementing
	if run == nil {
		return nil
	}
	return []Step{{
		Text:    "Watch the run that deploys it:",
		Command: fmt.Sprintf("tkn pipelinerun logs -f %s -n %s", Shell(run.Name), Shell(change.Namespace)),
	}}
}

func review(change *v1alpha1.ChangeRequest) []Step {
	text := "The change was deployed and is left open for people to look at."
	if change.Status.CloseCategory == v1alpha1.CategoryUnsuccessful {
		text = "The deployment did not succeed; the change is left open for people to look at. See why:"
	}
	step := Step{Text: text}
	if runs := change.Status.Runs; len(runs) > 0 {
		step.Command = fmt.Sprintf("tkn pipelinerun logs %s -n %s", Shell(runs[len(runs)-1].Name), Shell(change.Namespace))
	}
	return []Step{step}
}

// Stopped tells which of a change's runs ended without having deployed it well,
// and can be taken up again: the last run, while the change is open and no other
// run is at it.
func Stopped(record *v1alpha1.ChangeRequest) (v1alpha1.RunRef, bool) {
	status := record.Status
	if len(status.Runs) == 0 || change.Over(status.State) || status.Approval.State == v1alpha1.ApprovalRejected {
		return v1alpha1.RunRef{}, false
	}
	last := status.Runs[len(status.Runs)-1]
	if status.State == v1alpha1.StateImplement && status.Implementing != nil && status.Implementing.UID != last.UID {
		return v1alpha1.RunRef{}, false
	}
	switch last.Outcome {
	case v1alpha1.OutcomeNotStarted, v1alpha1.OutcomeDeployFailed, v1alpha1.OutcomeNotAccepted:
		return last.RunRef, true
	case v1alpha1.OutcomeDeployed:
		return v1alpha1.RunRef{}, false
	}
	return last.RunRef, last.Gate != "" && last.Gate != v1alpha1.ReasonApproved
}
