// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/clitest"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

const resumeCommand = "tkn pipeline start cd -n team-a \\\n  -p change-request-id=chg-4k2m7xqpav"

func TestDescribe(t *testing.T) {
	for file, c := range map[string]struct {
		detail Detail
		style  terminal.Style
	}{
		"describe-waiting.golden": {detail: Detail{Change: clitest.Change()}},
		"describe-stopped.golden": {detail: Detail{
			Change: clitest.Change(clitest.Stopped, func(change *v1alpha1.ChangeRequest) {
				change.Status.History = append(change.Status.History, v1alpha1.HistoryEvent{
					Time: metav1.NewTime(clitest.Opened.Add(11 * time.Minute)), Actor: "barbara", Event: v1alpha1.EventDecisionNotCounted,
					Subject: "a1", Message: "not counted: it is about another content",
				})
			}),
			Resume: resumeCommand,
			Approvals: []v1alpha1.ChangeApproval{
				clitest.Approval("a1", "barbara", v1alpha1.DecisionApprove, "sha256:"+strings.Repeat("0", 64)),
				clitest.Approval("a2", "barbara", v1alpha1.DecisionApprove, clitest.Hash),
			},
			Notes: []string{`the policy, because user "ada" may not read changepolicies`},
		}},
		"describe-closed.golden":   {detail: Detail{Change: clitest.Change(clitest.Closed)}},
		"describe-rejected.golden": {detail: Detail{Change: clitest.Change(clitest.Refused)}},
		"describe-colour.golden":   {detail: Detail{Change: clitest.Change(clitest.Closed)}, style: terminal.Style{Color: true}},
		"describe-new.golden": {detail: Detail{Change: clitest.Change(func(change *v1alpha1.ChangeRequest) {
			change.Status = v1alpha1.ChangeRequestStatus{}
		})}},
	} {
		t.Run(file, func(t *testing.T) {
			c.detail.Now = clitest.Now
			var b bytes.Buffer
			if err := Describe(&b, c.style, c.detail); err != nil {
				t.Fatal(err)
			}
			clitest.Golden(t, file, b.Bytes())
		})
	}
}

func TestReview(t *testing.T) {
	var b bytes.Buffer
	if err := Review(&b, terminal.Style{}, clitest.Change(), []string{"you approved it before"}); err != nil {
		t.Fatal(err)
	}
	clitest.Golden(t, "review.golden", b.Bytes())
}

func TestAttachmentsOfARecordWithout(t *testing.T) {
	var b bytes.Buffer
	if err := Attachments(&b, terminal.Style{}, &v1alpha1.ChangeRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("The change request has no attachments.\n", b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFilter(t *testing.T) {
	named := func(name string, age time.Duration, state v1alpha1.ChangeState, environment, region string) v1alpha1.ChangeRequest {
		return v1alpha1.ChangeRequest{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(clitest.Now.Add(-age))},
			Spec:       v1alpha1.ChangeRequestSpec{Target: v1alpha1.Target{Environment: environment, Region: region}},
			Status:     v1alpha1.ChangeRequestStatus{State: state},
		}
	}
	changes := []v1alpha1.ChangeRequest{
		named("old", 3*time.Hour, v1alpha1.StateClosed, "prod", "eu-de"),
		named("newest", time.Minute, "", "prod", ""),
		named("middle", time.Hour, v1alpha1.StateAuthorize, "stage", "eu-de"),
		named("gone", time.Hour, v1alpha1.StateCanceled, "prod", "us-south"),
	}
	for name, c := range map[string]struct {
		filter Filter
		want   []string
	}{
		"no filter lists all, the newest first, then by name": {Filter{}, []string{"newest", "gone", "middle", "old"}},
		"a state in any case":                 {Filter{States: []string{"authorize"}}, []string{"middle"}},
		"several states":                      {Filter{States: []string{"Closed", "Canceled"}}, []string{"gone", "old"}},
		"open is neither closed nor canceled": {Filter{States: []string{"open"}}, []string{"newest", "middle"}},
		"no state yet is New":                 {Filter{States: []string{"new"}}, []string{"newest"}},
		"an environment in all regions":       {Filter{Target: "prod"}, []string{"newest", "gone", "old"}},
		"an environment in one region":        {Filter{Target: "eu-de/prod"}, []string{"old"}},
		"an environment without region":       {Filter{Target: "/prod"}, []string{"newest"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, change := range c.filter.Apply(changes) {
				got = append(got, change.Name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStopped(t *testing.T) {
	gate := func(reason string) func(*v1alpha1.ChangeRequest) {
		return func(change *v1alpha1.ChangeRequest) { change.Status.Runs[0].Gate = reason }
	}
	in := func(state v1alpha1.ChangeState) func(*v1alpha1.ChangeRequest) {
		return func(change *v1alpha1.ChangeRequest) { change.Status.State = state }
	}
	outcome := func(outcome v1alpha1.Outcome) func(*v1alpha1.ChangeRequest) {
		return func(change *v1alpha1.ChangeRequest) { change.Status.Runs[0].Outcome = outcome }
	}
	for name, c := range map[string]struct {
		change *v1alpha1.ChangeRequest
		want   bool
	}{
		"a run that waits at the gate":                  {clitest.Change(), false},
		"a run that stopped at the gate":                {clitest.Change(clitest.Stopped), true},
		"a run whose wait expired":                      {clitest.Change(gate("Expired")), true},
		"a run that was let through and never deployed": {clitest.Change(gate("Approved"), outcome(v1alpha1.OutcomeNotStarted), in(v1alpha1.StateImplement)), true},
		"a run whose deployment failed":                 {clitest.Change(gate("Approved"), outcome(v1alpha1.OutcomeDeployFailed), in(v1alpha1.StateReview)), true},
		"a run that deployed":                           {clitest.Change(gate("Approved"), outcome(v1alpha1.OutcomeDeployed), in(v1alpha1.StateReview)), false},
		"a stopped run, approved since":                 {clitest.Change(clitest.Stopped, in(v1alpha1.StateScheduled)), true},
		"a run that was let through":                    {clitest.Change(gate("Approved"), in(v1alpha1.StateScheduled)), false},
		"a rejected change":                             {clitest.Change(clitest.Refused), false},
		"a change that another run deploys by now": {clitest.Change(clitest.Stopped, in(v1alpha1.StateImplement), func(change *v1alpha1.ChangeRequest) {
			change.Status.Implementing = &v1alpha1.RunRef{Name: "cd-run-2", UID: "run-uid-2"}
		}), false},
		"a change that is over":                    {clitest.Change(clitest.Closed), false},
		"a change that no run has taken up so far": {&v1alpha1.ChangeRequest{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := Stopped(c.change); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}

func TestExplainReadsWhatReadinessWrites(t *testing.T) {
	verdict := readiness.Verdict{Blocked: 1, Checks: []readiness.Check{{
		Outcome: readiness.Block, Message: "the evidence is a failure", Unblock: "let the tests pass",
	}}}
	reason, remedy := SplitReason(verdict.API().Blocking[0])
	got, want := []string{reason, remedy}, []string{"the evidence is a failure", "let the tests pass"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShell(t *testing.T) {
	for in, want := range map[string]string{
		"chg-1":               "chg-1",
		"Delta Summary":       "'Delta Summary'",
		"":                    "''",
		"a'; rm -rf ~ #":      `'a'\''; rm -rf ~ #'`,
		"$(reboot)":           "'$(reboot)'",
		"a\nreboot\x1b\u202e": `'a reboot\x1b\u202e'`,
	} {
		if got := Shell(in); got != want {
			t.Errorf("Shell(%q) = %s, want %s", in, got, want)
		}
	}
}

// hostile ends lines, obeys as a terminal, reorders, and is broken UTF-8.
const hostile = "a\r\n\x1b[2J\x1b]0;x\a\u202eb\u2066\u009b1m\u2028\u200b\xff`id`$(id)"

// poison puts hostile text into every string of a value.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Pointer:
		if v.Type().Elem().PkgPath() != "time" {
			v.Set(reflect.New(v.Type().Elem()))
			poison(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range v.Len() {
				poison(v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				poison(v.Field(i))
			}
		}
	}
}

func TestNothingHostileReachesTheTerminal(t *testing.T) {
	// Every state, condition and category is hostile once; then each real
	// state draws its own advice.
	for _, at := range append([]string{hostile, ""}, States()...) {
		var change v1alpha1.ChangeRequest
		poison(reflect.ValueOf(&change.Spec).Elem())
		poison(reflect.ValueOf(&change.Status).Elem())
		change.Name, change.Namespace = hostile, hostile
		change.Status.State = v1alpha1.ChangeState(at)
		for i := range change.Status.Conditions {
			change.Status.Conditions[i].Type = v1alpha1.ConditionSubmitted
			change.Status.Conditions[i].Status = metav1.ConditionFalse
		}
		var approval v1alpha1.ChangeApproval
		poison(reflect.ValueOf(&approval.Spec).Elem())
		other := *approval.DeepCopy()
		other.Name, other.Spec.ContentHash = "other", "x"

		var explanation Explanation
		poison(reflect.ValueOf(&explanation).Elem())
		explanation.Answer = AnswerOf(&change, explanation.Verdict)

		var b bytes.Buffer
		detail := Detail{Change: &change, Approvals: []v1alpha1.ChangeApproval{approval, other}, Resume: hostile, Notes: []string{hostile}}
		for _, err := range []error{
			Describe(&b, terminal.Style{}, detail),
			List(&b, terminal.Style{}, []v1alpha1.ChangeRequest{change}, ListOptions{AllNamespaces: true}),
			Review(&b, terminal.Style{}, &change, []string{hostile}),
			Attachments(&b, terminal.Style{}, &change, AllAttachments(&change)),
			Explain(&b, terminal.Style{}, explanation, ExplainOptions{}),
			ExplainMarkdown(&b, explanation),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range strings.Split(b.String(), "\n") {
			for _, r := range line {
				if !unicode.IsPrint(r) {
					t.Errorf("state %q: %U reaches the terminal in %q", at, r, line)
				}
			}
		}
	}
}

func TestWrapKeepsListsAndReferences(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 90)
	got := wrap("  - deploy hello " + digest + " with " + strings.Repeat("many words ", 7) + "behind it")
	want := []string{
		"  - deploy hello",
		"    " + digest,
		"    with many words many words many words many words many words many words many words",
		"    behind it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLongTextIsCut(t *testing.T) {
	change := clitest.Change(func(change *v1alpha1.ChangeRequest) {
		change.Spec.Fields.Description = strings.Repeat(strings.Repeat("x", 999)+" ", 1000)
		change.Spec.Fields.Impact = strings.Repeat("y\n", 500_000)
	})
	var b bytes.Buffer
	if err := Describe(&b, terminal.Style{}, Detail{Change: change, Now: clitest.Now}); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(b.String(), "\n"); lines > 300 {
		t.Errorf("a megabyte of text makes %d lines", lines)
	}
	if !strings.Contains(b.String(), "more lines: see -o yaml") {
		t.Error("nothing says that text was cut")
	}
}
