// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

func TestParseAsk(t *testing.T) {
	text := func(name, value string) Param { return Param{Name: name, Value: value, IsString: true} }
	for name, tc := range map[string]struct {
		kind     string
		params   []Param
		want     Ask
		problems []string
	}{
		"all of OpenChange": {
			kind:   v1alpha1.KindOpenChange,
			params: []Param{text("change-request-id", "chg-a"), text("gate", "stop"), text("approval-timeout", "90m")},
			want:   Ask{ChangeRequest: "chg-a", Gate: v1alpha1.GateStop, ApprovalTimeout: 90 * time.Minute},
		},
		"empty values are the policy's": {
			kind:   v1alpha1.KindOpenChange,
			params: []Param{text("change-request-id", "chg-a"), text("gate", ""), text("approval-timeout", "")},
			want:   Ask{ChangeRequest: "chg-a"},
		},
		"all of ApproveChange": {
			kind:   v1alpha1.KindApproveChange,
			params: []Param{text("change-request-id", "chg-a"), text("bundle", "r/b@d"), text("gate", "wait")},
			want:   Ask{ChangeRequest: "chg-a", Bundle: "r/b@d", Gate: v1alpha1.GateWait},
		},
		"OpenChange has no bundle": {
			kind:     v1alpha1.KindOpenChange,
			params:   []Param{text("change-request-id", "chg-a"), text("bundle", "r/b@d")},
			want:     Ask{ChangeRequest: "chg-a"},
			problems: []string{`unknown parameter "bundle": OpenChange takes change-request-id, gate, approval-timeout`},
		},
		"every problem at once": {
			kind: v1alpha1.KindApproveChange,
			params: []Param{
				text("gate", "open"), text("approval-timeout", "soon"), text("approvers", "me"), {Name: "bundle"},
			},
			want: Ask{Gate: "open"},
			problems: []string{
				`unknown parameter "approvers": ApproveChange takes change-request-id, gate, approval-timeout, bundle`,
				`parameter bundle must be a string`,
				`parameter change-request-id is missing`,
				`parameter gate is "open": want wait, stop, or nothing for the policy's`,
				`parameter approval-timeout is "soon": want a duration such as 90m, or nothing for the policy's`,
				`parameter bundle is missing`,
			},
		},
		"no time runs backwards": {
			kind:     v1alpha1.KindOpenChange,
			params:   []Param{text("change-request-id", "chg-a"), text("approval-timeout", "-1h")},
			want:     Ask{ChangeRequest: "chg-a"},
			problems: []string{`parameter approval-timeout is "-1h": want a duration such as 90m, or nothing for the policy's`},
		},
		"the same parameter twice": {
			kind:     v1alpha1.KindOpenChange,
			params:   []Param{text("change-request-id", "chg-a"), text("change-request-id", "chg-b")},
			want:     Ask{ChangeRequest: "chg-b"},
			problems: []string{"parameter change-request-id is given twice"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := ParseAsk(tc.kind, tc.params)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("ask (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

var (
	ownRun   = v1alpha1.RunRef{Name: "cd-1", UID: "uid-1"}
	laterRun = v1alpha1.RunRef{Name: "cd-2", UID: "uid-2"}
)

const testBundle = "registry.example/team/app@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

// changeRequest is one that run cd-1 created and that was not looked at yet.
func changeRequest(edit func(*v1alpha1.ChangeRequest)) *v1alpha1.ChangeRequest {
	request := &v1alpha1.ChangeRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "chg-a", Namespace: "shop", UID: "uid-chg", Generation: 1, CreationTimestamp: testNow},
		Spec: v1alpha1.ChangeRequestSpec{
			Summary:     "deploy",
			Readiness:   v1alpha1.ReadinessVerdict{Ready: true, Passed: 3},
			Fields:      v1alpha1.Fields{Risk: v1alpha1.RiskLow},
			Bundle:      testBundle,
			ContentHash: testHash,
			Run:         ownRun,
		},
	}
	if edit != nil {
		edit(request)
	}
	return request
}

// opened is a change request that is in place and that run cd-1 opened.
func opened(edit func(*v1alpha1.ChangeRequestStatus)) *v1alpha1.ChangeRequest {
	return changeRequest(func(request *v1alpha1.ChangeRequest) {
		request.Status = v1alpha1.ChangeRequestStatus{
			ObservedGeneration: 1,
			State:              v1alpha1.StateScheduled,
			Approval:           v1alpha1.ApprovalStatus{State: v1alpha1.ApprovalApproved, Automatic: true, Required: 1, Reasons: []string{"ready"}},
			Runs:               []v1alpha1.RunStatus{{RunRef: ownRun}},
			Conditions: []metav1.Condition{{
				Type: v1alpha1.ConditionSubmitted, Status: metav1.ConditionTrue, Reason: v1alpha1.SubmittedReasonDone, LastTransitionTime: testNow,
			}},
		}
		if edit != nil {
			edit(&request.Status)
		}
	})
}

func notSubmitted(reason, message string) func(*v1alpha1.ChangeRequestStatus) {
	return func(status *v1alpha1.ChangeRequestStatus) {
		status.Conditions[0].Status = metav1.ConditionFalse
		status.Conditions[0].Reason, status.Conditions[0].Message = reason, message
	}
}

// outcome is what matters of a verdict: whether it is final, and its reason.
func outcome(verdict Verdict) string {
	switch {
	case !verdict.Done:
		return "waits: " + verdict.Reason
	case verdict.Passed:
		return "passes: " + verdict.Reason
	}
	return "fails: " + verdict.Reason
}

func TestDecideOpen(t *testing.T) {
	late := Terms{Deadline: testNow.Time, Mode: v1alpha1.GateWait}
	for name, tc := range map[string]struct {
		change  *v1alpha1.ChangeRequest
		run     v1alpha1.RunRef
		terms   Terms
		tooLong error
		want    string
	}{
		"no such change request":                       {run: ownRun, want: "fails: UnknownChangeRequest"},
		"the run's own, in place":                      {change: opened(nil), run: ownRun, want: "passes: Opened"},
		"the run's own, in place although out of time": {change: opened(nil), run: ownRun, terms: late, want: "passes: Opened"},
		"the run's own, not looked at yet":             {change: changeRequest(nil), run: ownRun, want: "waits: Submitting"},
		"the run's own, not looked at in time":         {change: changeRequest(nil), run: ownRun, terms: late, want: "fails: CustomRunTimeout"},
		"a registry is away":                           {change: opened(notSubmitted("RegistryUnavailable", "away")), run: ownRun, want: "waits: Submitting"},
		"a registry was away for too long":             {change: opened(notSubmitted("RegistryUnavailable", "away")), run: ownRun, terms: late, want: "fails: CustomRunTimeout"},
		"an attachment is missing":                     {change: opened(notSubmitted("AttachmentMissing", "gone")), run: ownRun, want: "waits: Submitting"},
		"an attachment of another size":                {change: opened(notSubmitted("AttachmentMismatch", "size")), run: ownRun, want: "fails: SubmissionRefused"},
		"a bundle outside the prefixes":                {change: opened(notSubmitted("ReferenceRefused", "outside")), run: ownRun, want: "fails: SubmissionRefused"},
		"no policy":                                    {change: opened(notSubmitted("PolicyMissing", "none")), run: ownRun, want: "fails: PolicyMissing"},
		"another run's, not taken up yet":              {change: opened(nil), run: laterRun, want: "waits: Submitting"},
		"another run's, taken up": {
			change: opened(func(s *v1alpha1.ChangeRequestStatus) {
				s.Runs = append(s.Runs, v1alpha1.RunStatus{RunRef: laterRun, Adopted: true})
			}), run: laterRun, want: "passes: Adopted",
		},
		"another run's that was never opened": {change: changeRequest(nil), run: laterRun, want: "fails: UnknownChangeRequest"},
		"rejected": {change: opened(func(s *v1alpha1.ChangeRequestStatus) {
			s.Approval.State = v1alpha1.ApprovalRejected
			s.State = v1alpha1.StateCanceled
		}), run: ownRun, want: "fails: ChangeRequestRejected"},
		"closed":                              {change: opened(func(s *v1alpha1.ChangeRequestStatus) { s.State = v1alpha1.StateClosed }), run: laterRun, want: "fails: ChangeRequestClosed"},
		"given up":                            {change: opened(func(s *v1alpha1.ChangeRequestStatus) { s.State = v1alpha1.StateCanceled }), run: laterRun, want: "fails: ChangeRequestClosed"},
		"an approval timeout that cannot fit": {change: opened(nil), run: ownRun, terms: Terms{Mode: v1alpha1.GateWait}, tooLong: errors.New("too long"), want: "fails: ApprovalTimeoutTooLong"},
		"an approval timeout that nobody will wait for": {
			change: opened(nil), run: ownRun, terms: Terms{Mode: v1alpha1.GateStop}, tooLong: errors.New("too long"), want: "passes: Opened",
		},
	} {
		t.Run(name, func(t *testing.T) {
			verdict := DecideOpen(OpenInput{Now: testNow.Time, Ask: Ask{ChangeRequest: "chg-a"}, Terms: tc.terms, Run: tc.run, Change: tc.change, TooLong: tc.tooLong})
			if got := outcome(verdict); got != tc.want {
				t.Errorf("%s (%s), want %s", got, verdict.Message, tc.want)
			}
		})
	}
}

func TestDecideGate(t *testing.T) {
	implementedBy := func(run v1alpha1.RunRef) func(*v1alpha1.ChangeRequestStatus) {
		return func(s *v1alpha1.ChangeRequestStatus) {
			s.State, s.Implementing = v1alpha1.StateImplement, &run
		}
	}
	undecided := func(s *v1alpha1.ChangeRequestStatus) {
		s.State = v1alpha1.StateAuthorize
		s.Approval = v1alpha1.ApprovalStatus{State: v1alpha1.ApprovalRequested, Required: 2, Reasons: []string{"not ready"}}
	}
	late := Terms{Mode: v1alpha1.GateWait, Deadline: testNow.Time}
	for name, tc := range map[string]struct {
		change *v1alpha1.ChangeRequest
		bundle string
		run    v1alpha1.RunRef
		terms  Terms
		want   string
	}{
		"no such change request":                      {want: "fails: UnknownChangeRequest"},
		"another bundle":                              {change: opened(implementedBy(ownRun)), bundle: testBundle + "0", want: "fails: ContentChanged"},
		"a run that did not open the change":          {change: opened(implementedBy(ownRun)), run: laterRun, want: "fails: InvalidParameters"},
		"rejected":                                    {change: opened(func(s *v1alpha1.ChangeRequestStatus) { s.Approval.State = v1alpha1.ApprovalRejected }), want: "fails: Rejected"},
		"closed":                                      {change: opened(func(s *v1alpha1.ChangeRequestStatus) { s.State = v1alpha1.StateClosed }), want: "fails: ChangeRequestClosed"},
		"this run implements it":                      {change: opened(implementedBy(ownRun)), want: "passes: Approved"},
		"this run implements it, if only just":        {change: opened(implementedBy(ownRun)), terms: late, want: "passes: Approved"},
		"approved is not enough":                      {change: opened(nil), want: "waits: AwaitingImplement"},
		"approved, but another run implements it":     {change: opened(func(s *v1alpha1.ChangeRequestStatus) { implementedBy(laterRun)(s) }), want: "waits: AwaitingImplement"},
		"in Implement without approval opens nothing": {change: opened(func(s *v1alpha1.ChangeRequestStatus) { undecided(s); implementedBy(ownRun)(s) }), want: "waits: AwaitingApproval"},
		"undecided":                                   {change: opened(undecided), want: "waits: AwaitingApproval"},
		"undecided, and the run does not wait":        {change: opened(undecided), terms: Terms{Mode: v1alpha1.GateStop}, want: "fails: ApprovalRequired"},
		"approved, and the run does not wait":         {change: opened(nil), terms: Terms{Mode: v1alpha1.GateStop}, want: "waits: AwaitingImplement"},
		"not judged yet, and the run does not wait": {
			change: opened(func(s *v1alpha1.ChangeRequestStatus) { undecided(s); s.Approval.State = v1alpha1.ApprovalNotRequested }),
			terms:  Terms{Mode: v1alpha1.GateStop}, want: "waits: AwaitingApproval",
		},
		"a moment before the deadline":  {change: opened(undecided), terms: Terms{Deadline: testNow.Add(1)}, want: "waits: AwaitingApproval"},
		"nobody decided in time":        {change: opened(undecided), terms: late, want: "fails: Expired"},
		"the task's own timeout":        {change: opened(undecided), terms: Terms{Deadline: testNow.Time, DeadlineReason: v1alpha1.ReasonCustomRunTimeout}, want: "fails: CustomRunTimeout"},
		"approved, but never let begin": {change: opened(implementedBy(laterRun)), terms: late, want: "fails: Expired"},
	} {
		t.Run(name, func(t *testing.T) {
			in := GateInput{Now: testNow.Time, Ask: Ask{ChangeRequest: "chg-a", Bundle: testBundle}, Terms: tc.terms, Run: ownRun, Change: tc.change, Resume: "tkn again"}
			if tc.bundle != "" {
				in.Ask.Bundle = tc.bundle
			}
			if tc.run.UID != "" {
				in.Run = tc.run
			}
			verdict := DecideGate(in)
			if got := outcome(verdict); got != tc.want {
				t.Errorf("%s (%s), want %s", got, verdict.Message, tc.want)
			}
			// The record never begins a change for a gate that stays shut.
			if MayImplement(in) && verdict.Done && !verdict.Passed {
				t.Errorf("MayImplement, but the gate ended with %s", verdict.Reason)
			}
		})
	}
}

func TestGateMessages(t *testing.T) {
	undecided := opened(func(s *v1alpha1.ChangeRequestStatus) {
		s.State = v1alpha1.StateAuthorize
		s.Approval = v1alpha1.ApprovalStatus{
			State: v1alpha1.ApprovalRequested, Required: 2, Reasons: []string{"not ready", "risk high"},
			Decisions: []v1alpha1.DecisionStatus{{User: "ann", Decision: v1alpha1.DecisionApprove}},
		}
	})
	in := GateInput{Now: testNow.Time, Ask: Ask{ChangeRequest: "chg-a", Bundle: testBundle}, Run: ownRun, Change: undecided, Resume: "tkn again"}

	in.Terms = Terms{Mode: v1alpha1.GateWait, Deadline: testNow.Add(time.Hour)}
	const who = "change request chg-a has 1 of 2 approvals (not approved automatically: not ready; risk high); approve it with: tkn change approve chg-a -n shop"
	if diff := cmp.Diff(who+"; waiting until 2026-05-04T13:00:00Z", DecideGate(in).Message); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	in.Terms = Terms{Mode: v1alpha1.GateStop}
	if diff := cmp.Diff(who+". The change request is left open; once it is approved, resume with: tkn again", DecideGate(in).Message); diff != "" {
		t.Errorf("stopped (-want +got):\n%s", diff)
	}
	in.Change = opened(func(s *v1alpha1.ChangeRequestStatus) {
		s.Approval = v1alpha1.ApprovalStatus{State: v1alpha1.ApprovalRejected, Decisions: []v1alpha1.DecisionStatus{{User: "bob", Decision: v1alpha1.DecisionReject, Comment: "100%s wrong"}}}
	})
	if diff := cmp.Diff("change request chg-a was rejected by bob: 100%s wrong", DecideGate(in).Message); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
}

func TestGateDecision(t *testing.T) {
	for reason, want := range map[string]v1alpha1.GateDecision{
		v1alpha1.ReasonApproved:           v1alpha1.GateApproved,
		v1alpha1.ReasonRejected:           v1alpha1.GateRejected,
		v1alpha1.ReasonExpired:            v1alpha1.GateExpired,
		v1alpha1.ReasonCustomRunTimeout:   v1alpha1.GateExpired,
		v1alpha1.ReasonApprovalRequired:   v1alpha1.GateApprovalRequired,
		v1alpha1.ReasonCustomRunCancelled: v1alpha1.GateCancelled,
		v1alpha1.ReasonContentChanged:     v1alpha1.GateError,
		v1alpha1.ReasonPolicyMissing:      v1alpha1.GateError,
		"":                                v1alpha1.GateError,
	} {
		if got := GateDecision(reason); got != want {
			t.Errorf("GateDecision(%q) = %q, want %q", reason, got, want)
		}
	}
}
