// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

const testHash = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

var testNow = metav1.NewTime(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))

func TestRiskWithin(t *testing.T) {
	all := []v1alpha1.Risk{v1alpha1.RiskLow, v1alpha1.RiskModerate, v1alpha1.RiskHigh, v1alpha1.RiskCritical}
	for i, risk := range all {
		for j, limit := range all {
			if got, want := RiskWithin(risk, limit), i <= j; got != want {
				t.Errorf("RiskWithin(%s, %s) = %v, want %v", risk, limit, got, want)
			}
		}
		for _, unknown := range []v1alpha1.Risk{"", "LOW", "none"} {
			if RiskWithin(risk, unknown) || RiskWithin(unknown, risk) {
				t.Errorf("an unknown risk %q compares with %s", unknown, risk)
			}
		}
	}
}

func TestInitialApproval(t *testing.T) {
	ready := v1alpha1.ReadinessVerdict{Ready: true, Passed: 3}
	blocked := v1alpha1.ReadinessVerdict{Passed: 3, Blocked: 2}
	for name, tc := range map[string]struct {
		readiness   v1alpha1.ReadinessVerdict
		outage      time.Duration
		risk, limit v1alpha1.Risk
		want        bool
		reasons     []string
	}{
		"a ready change without outage and within the limit is approved": {
			readiness: ready, risk: v1alpha1.RiskModerate, limit: v1alpha1.RiskModerate,
			want:    true,
			reasons: []string{"deployment ready: 3 checks passed", "no outage planned", "risk moderate is within the policy's limit moderate"},
		},
		"a change that is not ready waits for people": {
			readiness: blocked, risk: v1alpha1.RiskLow, limit: v1alpha1.RiskModerate,
			reasons: []string{"deployment not ready: 2 of 5 checks block"},
		},
		"an outage of a second is an outage": {
			readiness: ready, outage: time.Second, risk: v1alpha1.RiskLow, limit: v1alpha1.RiskModerate,
			reasons: []string{"an outage of 1s is planned"},
		},
		"a risk above the limit waits for people": {
			readiness: ready, risk: v1alpha1.RiskHigh, limit: v1alpha1.RiskModerate,
			reasons: []string{"risk high is above the policy's limit moderate"},
		},
		"an unknown risk is above every limit": {
			readiness: ready, risk: "", limit: v1alpha1.RiskCritical,
			reasons: []string{"risk  is above the policy's limit critical"},
		},
		"everything that a change lacks is said at once": {
			readiness: blocked, outage: 90 * time.Minute, risk: v1alpha1.RiskCritical, limit: v1alpha1.RiskLow,
			reasons: []string{"deployment not ready: 2 of 5 checks block", "an outage of 1h30m0s is planned", "risk critical is above the policy's limit low"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, reasons := InitialApproval(tc.readiness, tc.outage, tc.risk, tc.limit)
			if got != tc.want {
				t.Errorf("approved = %v, want %v", got, tc.want)
			}
			if diff := cmp.Diff(tc.reasons, reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// approvalBy makes a decision; its name is also its place in time.
func approvalBy(name, user string, decision v1alpha1.Decision) *v1alpha1.ChangeApproval {
	seconds := time.Duration(name[len(name)-1]-'0') * time.Second
	return &v1alpha1.ChangeApproval{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(testNow.Add(seconds))},
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: "chg-a", ContentHash: testHash, Decision: decision, Comment: "because",
			Approver: v1alpha1.Approver{Username: user},
		},
	}
}

func approve(name, user string) *v1alpha1.ChangeApproval {
	return approvalBy(name, user, v1alpha1.DecisionApprove)
}

func reject(name, user string) *v1alpha1.ChangeApproval {
	return approvalBy(name, user, v1alpha1.DecisionReject)
}

func TestCountDecisions(t *testing.T) {
	otherContent := approve("a1", "ann")
	otherContent.Spec.ContentHash = strings.Replace(testHash, ":a", ":b", 1)
	unknown := approvalBy("a1", "ann", "abstain")

	for name, tc := range map[string]struct {
		counted            []v1alpha1.DecisionStatus
		approvals          []*v1alpha1.ChangeApproval
		required           int
		approved, rejected bool
		want, not          []string
	}{
		"nobody decided": {required: 1},
		"one of one": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann")}, required: 1,
			approved: true, want: []string{"a1"},
		},
		"one of two is not enough": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann")}, required: 2,
			want: []string{"a1"},
		},
		"the same person twice is one person": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann"), approve("a2", "ann")}, required: 2,
			want: []string{"a1"}, not: []string{"a2: ann has approved already"},
		},
		"two people are two": {
			approvals: []*v1alpha1.ChangeApproval{approve("a2", "bob"), approve("a1", "ann")}, required: 2,
			approved: true, want: []string{"a1", "a2"},
		},
		"one rejection ends it": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann"), reject("a2", "bob"), approve("a3", "cid")}, required: 2,
			rejected: true, want: []string{"a1", "a2"}, not: []string{"a3: the change is rejected already"},
		},
		"a rejection counts after enough approvals": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann"), reject("a2", "bob")}, required: 1,
			rejected: true, want: []string{"a1", "a2"},
		},
		"people may reject what they approved": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann"), reject("a2", "ann")}, required: 2,
			rejected: true, want: []string{"a1", "a2"},
		},
		"an approval more than needed is not counted": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann"), approve("a2", "bob")}, required: 1,
			approved: true, want: []string{"a1"}, not: []string{"a2: enough people have approved already"},
		},
		"another content is another change": {
			approvals: []*v1alpha1.ChangeApproval{otherContent}, required: 1,
			not: []string{"a1: it is about another content: " + otherContent.Spec.ContentHash},
		},
		"a service account is no person": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "system:serviceaccount:ns:bot"), reject("a2", "system:node:n1"), approve("a3", "system:anonymous")}, required: 1,
			not: []string{"a1: only people decide, and system:serviceaccount:ns:bot is none", "a2: only people decide, and system:node:n1 is none", "a3: only people decide, and system:anonymous is none"},
		},
		"some distributions call their administrator system:admin": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "system:admin")}, required: 1,
			approved: true, want: []string{"a1"},
		},
		"a decision without an approver does not count": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "")}, required: 1,
			not: []string{"a1: it names no approver"},
		},
		"an unknown decision does not count": {
			approvals: []*v1alpha1.ChangeApproval{unknown}, required: 1,
			not: []string{`a1: its decision "abstain" is unknown`},
		},
		"what was counted stays counted after its object is gone": {
			counted:   []v1alpha1.DecisionStatus{{Approval: "gone", User: "ann", Decision: v1alpha1.DecisionApprove}},
			approvals: []*v1alpha1.ChangeApproval{approve("a2", "bob")}, required: 2,
			approved: true, want: []string{"gone", "a2"},
		},
		"what was counted is not counted twice": {
			counted:   []v1alpha1.DecisionStatus{{Approval: "a1", User: "ann", Decision: v1alpha1.DecisionApprove, Time: approve("a1", "ann").CreationTimestamp}},
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann")}, required: 2,
			want: []string{"a1"},
		},
		"a rejection that was counted stays": {
			counted:  []v1alpha1.DecisionStatus{{Approval: "gone", User: "ann", Decision: v1alpha1.DecisionReject}},
			required: 1, rejected: true, want: []string{"gone"},
		},
		"no approval is ever enough where none is required": {
			approvals: []*v1alpha1.ChangeApproval{approve("a1", "ann")}, required: 0,
			not: []string{"a1: enough people have approved already"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tally := CountDecisions(tc.counted, tc.approvals, tc.required, testHash)
			if tally.Approved != tc.approved || tally.Rejected != tc.rejected {
				t.Errorf("approved, rejected = %v, %v, want %v, %v", tally.Approved, tally.Rejected, tc.approved, tc.rejected)
			}
			var counted, not []string
			for _, decision := range tally.Counted {
				counted = append(counted, decision.Approval)
			}
			for _, decision := range tally.NotCounted {
				not = append(not, decision.Approval.Name+": "+decision.Reason)
			}
			if diff := cmp.Diff(tc.want, counted); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.not, not); diff != "" {
				t.Errorf("not counted (-want +got):\n%s", diff)
			}
		})
	}
}
