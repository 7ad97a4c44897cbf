// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/clitest"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

var (
	goodCheck = readiness.Check{Entry: "hello", Check: "com.ibm.static_scan", Result: "success", Outcome: readiness.Pass}
	badCheck  = readiness.Check{Entry: "hello", Check: "com.ibm.unit_tests", Result: "failure", Outcome: readiness.Block}

	ready   = readiness.Verdict{Ready: true, Passed: 1, Checks: []readiness.Check{goodCheck}}
	blocked = readiness.Verdict{Passed: 1, Blocked: 1, Checks: []readiness.Check{goodCheck, badCheck}}
)

func TestTheAnswerSaysWhatBlocks(t *testing.T) {
	two := blocked
	two.Blocked, two.Checks = 3, append(two.Checks[:2:2], readiness.Check{Check: "com.ibm.peer_review", Result: "missing", Outcome: readiness.Block}, badCheck)
	whole := readiness.Verdict{Blocked: 1, Checks: []readiness.Check{{Check: "com.ibm.peer_review", Result: "missing", Outcome: readiness.Block}}}
	for sentence, tc := range map[string]struct {
		verdict readiness.Verdict
		unseen  int
		want    string
	}{
		"nothing":                        {ready, 0, "Ready: nothing blocks, 1 check passes."},
		"nothing, but not all was seen":  {ready, 1, "Nothing blocks as far as can be seen here: 1 check passes, and not everything was looked at."},
		"one check":                      {blocked, 0, "Blocked by com.ibm.unit_tests of hello (failure)."},
		"several":                        {two, 0, "Blocked by com.ibm.unit_tests of hello (failure), and 2 more checks."},
		"one of the change as a whole":   {whole, 0, "Blocked by com.ibm.peer_review (missing)."},
		"more than the record names any": {readiness.Verdict{Blocked: 4}, 0, "Blocked by 4 checks."},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := Answer(tc.verdict, tc.unseen); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestTheAnswerOfAChangeSaysWhoOrWhatBlocks(t *testing.T) {
	in := func(state v1alpha1.ChangeState, approval v1alpha1.ApprovalState) *v1alpha1.ChangeRequest {
		return clitest.Change(func(change *v1alpha1.ChangeRequest) {
			change.Status.State, change.Status.Approval.State = state, approval
			change.Status.Approval.Reasons = []string{"an outage is planned", "risk high is above moderate"}
		})
	}
	unsubmitted := in(v1alpha1.StateAssess, v1alpha1.ApprovalNotRequested)
	unsubmitted.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSubmitted, Status: metav1.ConditionFalse, Reason: "AttachmentMissing", Message: "the registry has no Delta Summary"}}
	for sentence, tc := range map[string]struct {
		change  *v1alpha1.ChangeRequest
		verdict readiness.Verdict
		want    string
	}{
		"checks block":              {in(v1alpha1.StateAuthorize, v1alpha1.ApprovalRequested), blocked, "Blocked by com.ibm.unit_tests of hello (failure)."},
		"not approved for others":   {in(v1alpha1.StateAuthorize, v1alpha1.ApprovalRequested), ready, "Ready, and yet not approved: an outage is planned; risk high is above moderate"},
		"approved nevertheless":     {in(v1alpha1.StateScheduled, v1alpha1.ApprovalApproved), blocked, "Not blocked: it was approved, though this check blocks: com.ibm.unit_tests of hello (failure)."},
		"approved and ready":        {in(v1alpha1.StateScheduled, v1alpha1.ApprovalApproved), ready, "Not blocked: it is approved. Ready: nothing blocks, 1 check passes."},
		"rejected":                  {clitest.Change(clitest.Refused), ready, "Blocked by barbara, who rejected it: not before the holidays"},
		"the record not in place":   {unsubmitted, ready, "Blocked: the record is not in place: AttachmentMissing: the registry has no Delta Summary"},
		"over":                      {clitest.Change(clitest.Closed), blocked, "Not blocked: the change was deployed or tried. When it was opened: Blocked by com.ibm.unit_tests of hello (failure)."},
		"given up":                  {in(v1alpha1.StateCanceled, v1alpha1.ApprovalRequested), blocked, "The change was given up before it was deployed. A new run opens a new one. Blocked by com.ibm.unit_tests of hello (failure)."},
		"just stored, and all good": {in("", ""), ready, "Ready: nothing blocks, 1 check passes."},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := AnswerOf(tc.change, tc.verdict); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestMarkdownHasNoMarkupOfOthers(t *testing.T) {
	var out strings.Builder
	const foreign = "@all <img src=x> [a](https://x) **b** #1 `c` | d\n# e"
	if err := ExplainMarkdown(&out, Explanation{Answer: foreign, About: foreign, Notes: []string{foreign}, Unseen: []string{foreign}}); err != nil {
		t.Fatal(err)
	}
	for _, markup := range []string{"@all", "<img", "[a]", "https://", "**b**", "#1", "\n# e", "`c`"} {
		if strings.Contains(out.String(), markup) {
			t.Errorf("%q is left in:\n%s", markup, &out)
		}
	}
}
