// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// GateInput is what ApproveChange is decided on.
type GateInput struct {
	Now   time.Time
	Ask   Ask
	Terms Terms
	// Run that the gate belongs to.
	Run v1alpha1.RunRef
	// Change that it names, nil if there is none.
	Change *v1alpha1.ChangeRequest
	// Resume is the command that starts the run again. It is shown as it is, since
	// people copy it: ResumeCommand has quoted what is not visible.
	Resume string
}

// DecideGate answers ApproveChange: the first rule that has an answer gives it,
// and none opens the gate but gateOpen.
func DecideGate(in GateInput) Verdict {
	for _, rule := range []func(GateInput) (Verdict, bool){
		gateUnknown,
		gateContentChanged,
		gateNotOpened,
		gateRejected,
		gateOpen,
		gateOver,
		gateLate,
		gateApproved,
		gateStop,
	} {
		if verdict, ok := rule(in); ok {
			return verdict
		}
	}
	return waiting(v1alpha1.ReasonAwaitingApproval, "%s%s", undecided(in), until(in.Terms))
}

// GateDecision is the result "decision" for the reason with which a gate ended.
func GateDecision(reason string) v1alpha1.GateDecision {
	switch reason {
	case v1alpha1.ReasonApproved:
		return v1alpha1.GateApproved
	case v1alpha1.ReasonRejected:
		return v1alpha1.GateRejected
	case v1alpha1.ReasonExpired, v1alpha1.ReasonCustomRunTimeout:
		return v1alpha1.GateExpired
	case v1alpha1.ReasonApprovalRequired:
		return v1alpha1.GateApprovalRequired
	case v1alpha1.ReasonCustomRunCancelled:
		return v1alpha1.GateCancelled
	}
	return v1alpha1.GateError
}

// MayImplement tells whether the record may move to Implement for this gate: the
// gate would pass if it did. DecideGate and Decide share the rules that come
// before, so that a change is never begun for a gate that then stays shut.
func MayImplement(in GateInput) bool {
	for _, rule := range []func(GateInput) (Verdict, bool){gateUnknown, gateContentChanged, gateNotOpened, gateRejected, gateOver, gateLate} {
		if _, ends := rule(in); ends {
			return false
		}
	}
	return in.Change.Status.Approval.State == v1alpha1.ApprovalApproved
}

// There must be such a change request.
func gateUnknown(in GateInput) (Verdict, bool) {
	if in.Change == nil {
		return failed(v1alpha1.ReasonUnknownChangeRequest, "there is no change request %q in this namespace", in.Ask.ChangeRequest), true
	}
	return Verdict{}, false
}

// What would be deployed must be what was approved.
func gateContentChanged(in GateInput) (Verdict, bool) {
	if in.Ask.Bundle != in.Change.Spec.Bundle {
		return failed(v1alpha1.ReasonContentChanged, "the run would deploy bundle %q, but change request %s is about %q: its approval does not cover this", in.Ask.Bundle, in.Change.Name, in.Change.Spec.Bundle), true
	}
	return Verdict{}, false
}

// The run must have a part in the change. OpenChange makes sure of that, so a
// Pipeline without it ends here.
func gateNotOpened(in GateInput) (Verdict, bool) {
	if FindRun(&in.Change.Status, in.Run.UID) == nil {
		return failed(v1alpha1.ReasonInvalidParameters, "run %s has not opened or taken up change request %s: it must run %s first", in.Run.Name, in.Change.Name, v1alpha1.KindOpenChange), true
	}
	return Verdict{}, false
}

// A person said no.
func gateRejected(in GateInput) (Verdict, bool) {
	approval := in.Change.Status.Approval
	if approval.State != v1alpha1.ApprovalRejected {
		return Verdict{}, false
	}
	by := ""
	for _, decision := range approval.Decisions {
		if decision.Decision == v1alpha1.DecisionReject {
			by = " by " + plaintext.Line(decision.User) + comment(decision.Comment)
		}
	}
	return failed(v1alpha1.ReasonRejected, "change request %s was rejected%s", in.Change.Name, by), true
}

// The record says that this run implements the change. Only this opens the gate.
func gateOpen(in GateInput) (Verdict, bool) {
	status := in.Change.Status
	if status.State == v1alpha1.StateImplement && status.Implementing != nil && status.Implementing.UID == in.Run.UID &&
		status.Approval.State == v1alpha1.ApprovalApproved {
		return passed(v1alpha1.ReasonApproved, "change request %s is approved (%s) and in state %s", in.Change.Name, reasons(status.Approval), status.State), true
	}
	return Verdict{}, false
}

// The change must not be over.
func gateOver(in GateInput) (Verdict, bool) {
	if Over(in.Change.Status.State) {
		return failed(v1alpha1.ReasonChangeRequestClosed, "change request %s is %s: start a new run for a new change request", in.Change.Name, in.Change.Status.State), true
	}
	return Verdict{}, false
}

// Nobody decided in time. The change is left open.
func gateLate(in GateInput) (Verdict, bool) {
	if in.Terms.Deadline.IsZero() || in.Now.Before(in.Terms.Deadline) {
		return Verdict{}, false
	}
	reason := in.Terms.DeadlineReason
	if reason == "" {
		reason = v1alpha1.ReasonExpired
	}
	why := undecided(in)
	if in.Change.Status.Approval.State == v1alpha1.ApprovalApproved {
		why = implementing(in)
	}
	return failed(reason, "out of time: %s. The change request is left open; once it is approved, resume with: %s", why, in.Resume), true
}

// Approved, but the record does not say yet that this run may go on.
func gateApproved(in GateInput) (Verdict, bool) {
	if in.Change.Status.Approval.State == v1alpha1.ApprovalApproved {
		return waiting(v1alpha1.ReasonAwaitingImplement, "%s", implementing(in)), true
	}
	return Verdict{}, false
}

// The run does not want to wait. Until the initial approval is known, it has to.
func gateStop(in GateInput) (Verdict, bool) {
	if in.Terms.Mode != v1alpha1.GateStop || in.Change.Status.Approval.State != v1alpha1.ApprovalRequested {
		return Verdict{}, false
	}
	return failed(v1alpha1.ReasonApprovalRequired, "%s. The change request is left open; once it is approved, resume with: %s", undecided(in), in.Resume), true
}

func undecided(in GateInput) string {
	if problem := Undecidable(&in.Change.Status); problem != "" {
		return fmt.Sprintf("nobody's decision on change request %s is looked at: %s", in.Change.Name, problem)
	}
	approval := in.Change.Status.Approval
	approvals := 0
	for _, decision := range approval.Decisions {
		if decision.Decision == v1alpha1.DecisionApprove {
			approvals++
		}
	}
	return fmt.Sprintf("change request %s has %d of %d approvals (not approved automatically: %s); approve it with: tkn change approve %s -n %s",
		in.Change.Name, approvals, max(approval.Required, 1), reasons(approval), in.Change.Name, in.Change.Namespace)
}

// Undecidable says why nobody's decision on a change is looked at, as the record
// has it; empty if decisions are.
func Undecidable(status *v1alpha1.ChangeRequestStatus) string {
	approved := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionApproved)
	if approved == nil || approved.Reason != v1alpha1.ReasonPolicyMissing {
		return ""
	}
	return plaintext.Clip(approved.Message, maxReasonBytes)
}

// reasons of the state of an approval, which may be the names of people.
func reasons(approval v1alpha1.ApprovalStatus) string {
	return plaintext.Clip(strings.Join(approval.Reasons, "; "), maxReasonBytes)
}

func implementing(in GateInput) string {
	if other := in.Change.Status.Implementing; other != nil && other.UID != in.Run.UID {
		return fmt.Sprintf("change request %s is approved, but run %s implements it and has not ended", in.Change.Name, other.Name)
	}
	return fmt.Sprintf("change request %s is approved and is being moved to state %s", in.Change.Name, v1alpha1.StateImplement)
}

func until(terms Terms) string {
	if terms.Deadline.IsZero() {
		return ""
	}
	return fmt.Sprintf("; waiting until %s", terms.Deadline.UTC().Format(time.RFC3339))
}
