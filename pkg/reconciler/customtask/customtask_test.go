// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package customtask_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
	"knative.dev/pkg/apis"
	"knative.dev/pkg/controller"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/reconciler/approvechange"
	"github.com/countersign-dev/countersign/pkg/reconciler/customtask"
	"github.com/countersign-dev/countersign/pkg/reconciler/openchange"
	rt "github.com/countersign-dev/countersign/pkg/reconciler/reconcilertest"
)

var kinds = map[string]customtask.Kind{
	v1alpha1.KindOpenChange:    openchange.Kind{},
	v1alpha1.KindApproveChange: approvechange.Kind{},
}

func gate(params ...string) *v1beta1.CustomRun {
	return rt.Task(v1alpha1.KindApproveChange, append([]string{"change-request-id", "chg-a", "bundle", rt.Bundle}, params...)...)
}

func open(params ...string) *v1beta1.CustomRun {
	return rt.Task(v1alpha1.KindOpenChange, append([]string{"change-request-id", "chg-a"}, params...)...)
}

// pass reconciles what is stored once, and says when it wants to look again.
func pass(t *testing.T, c *rt.Cluster, kind string) (time.Duration, error) {
	t.Helper()
	r := &customtask.Reconciler{
		Kind: kinds[kind], Clock: c.Clock, Tekton: c.Tekton, Client: c.Client,
		Changes: c.Changes(), Policies: c.Policies(), PipelineRuns: c.PipelineRuns(),
	}
	err := r.ReconcileKind(c.Context(), c.CustomRun("task"))
	if again, after := controller.IsRequeueKey(err); again {
		return after, nil
	}
	return 0, err
}

func succeeded(run *v1beta1.CustomRun) string {
	condition := run.Status.GetCondition(apis.ConditionSucceeded)
	if condition == nil {
		return "nothing"
	}
	return string(condition.Status) + " " + condition.Reason
}

// In the first pass over each of these, a task comes to this.
func TestCustomTask(t *testing.T) {
	edited := func(run *v1beta1.CustomRun, edit func(*v1beta1.CustomRun)) *v1beta1.CustomRun {
		edit(run)
		return run
	}
	cancelled := func(run *v1beta1.CustomRun) {
		run.Spec.Status, run.Spec.StatusMessage = v1beta1.CustomRunSpecStatusCancelled, "100% done"
	}
	for name, tc := range map[string]struct {
		task     *v1beta1.CustomRun
		change   *v1alpha1.ChangeRequest
		run      *tektonv1.PipelineRun
		noPolicy bool
		want     string
		message  string
		results  map[string]string
		again    time.Duration
	}{
		"a gate that is let through": {
			task: gate(), change: rt.Opened(rt.Implemented), want: "True Approved",
			results: map[string]string{"decision": "approved", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"reasons are never a format": {
			task: gate(), change: rt.Opened(rt.Implemented, func(s *v1alpha1.ChangeRequestStatus) { s.Approval.Reasons = []string{"100%d sure"} }),
			want: "True Approved", message: "100%d sure",
			results: map[string]string{"decision": "approved", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"a gate that waits until the policy's timeout": {
			task: gate(), change: rt.Opened(rt.Undecided), want: "Unknown AwaitingApproval", again: 30 * time.Minute,
		},
		"a gate that waits as long as it asks for": {
			task: gate("approval-timeout", "45m"), change: rt.Opened(rt.Undecided), want: "Unknown AwaitingApproval", again: 45 * time.Minute,
		},
		"a gate that cannot wait as long as the run's timeouts": {
			task: gate("approval-timeout", "45m"), change: rt.Opened(rt.Undecided),
			run:  rt.Run(func(run *tektonv1.PipelineRun) { run.Spec.Timeouts.Pipeline.Duration = 30 * time.Minute }),
			want: "Unknown AwaitingApproval", again: 20*time.Minute - 15*time.Second,
		},
		"a gate with a timeout of its own": {
			task: edited(gate(), func(run *v1beta1.CustomRun) { run.Spec.Timeout = &metav1.Duration{Duration: time.Minute} }), change: rt.Opened(rt.Undecided),
			want: "Unknown AwaitingApproval", again: time.Minute,
		},
		"zero is no timeout of its own": {
			task: edited(gate(), func(run *v1beta1.CustomRun) { run.Spec.Timeout = &metav1.Duration{} }), change: rt.Opened(rt.Undecided),
			want: "Unknown AwaitingApproval", again: 30 * time.Minute,
		},
		"a gate that does not wait": {
			task: gate("gate", "stop"), change: rt.Opened(rt.Undecided), want: "False ApprovalRequired",
			message: "tkn pipeline start cd -n shop -p change-request-id=chg-a --pipeline-timeout 2h0m0s",
			results: map[string]string{"decision": "approval-required", "change-request-id": "chg-a", "change-request-state": "Authorize"},
		},
		"a gate for other content": {
			task: rt.Task(v1alpha1.KindApproveChange, "change-request-id", "chg-a", "bundle", "registry.example/shop/other@"+rt.Digest), change: rt.Opened(rt.Implemented),
			want:    "False ContentChanged",
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"a gate that is cancelled": {
			task: edited(gate(), cancelled), change: rt.Opened(rt.Undecided), want: "False CustomRunCancelled", message: "100% done",
			results: map[string]string{"decision": "cancelled", "change-request-id": "chg-a", "change-request-state": "Authorize"},
		},
		"cancelling comes before everything, even an open gate": {
			task: edited(gate(), cancelled), change: rt.Opened(rt.Implemented), want: "False CustomRunCancelled",
			results: map[string]string{"decision": "cancelled", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"a cancelled task with nonsense in it": {
			task: edited(rt.Task(v1alpha1.KindOpenChange, "x", "y"), cancelled), want: "False CustomRunCancelled",
			results: map[string]string{"change-request-id": "", "change-request-url": "", "change-request-state": "", "fast-path": "false"},
		},
		"no such change request": {
			task: gate(), want: "False UnknownChangeRequest",
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": ""},
		},
		"no policy": {
			task: gate(), change: rt.Opened(rt.Implemented), noPolicy: true, want: "False PolicyMissing", message: "none selects namespace shop",
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"an unknown parameter": {
			task: gate("approvers", "me"), change: rt.Opened(rt.Implemented), want: "False InvalidParameters", message: `unknown parameter "approvers"`,
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"a parameter with a format in it": {
			task: gate("gate", "%s%d%n"), change: rt.Opened(rt.Implemented), want: "False InvalidParameters", message: `parameter gate is "%s%d%n"`,
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"a workspace": {
			task: edited(gate(), func(run *v1beta1.CustomRun) {
				run.Spec.Workspaces = []v1beta1.WorkspaceBinding{{Name: "x", EmptyDir: &corev1.EmptyDirVolumeSource{}}}
			}),
			change: rt.Opened(rt.Implemented), want: "False CustomRunWorkspaceNotSupported",
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"a named reference": {
			task:   edited(gate(), func(run *v1beta1.CustomRun) { run.Spec.CustomRef.Name = "my-gate" }),
			change: rt.Opened(rt.Implemented), want: "False InvalidParameters", message: `taskRef names "my-gate"`,
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"an embedded spec": {
			task: edited(gate(), func(run *v1beta1.CustomRun) {
				run.Spec.CustomRef = nil
				run.Spec.CustomSpec = &v1beta1.EmbeddedCustomRunSpec{TypeMeta: runtime.TypeMeta{APIVersion: "countersign.dev/v1alpha1", Kind: "ApproveChange"}}
			}),
			change: rt.Opened(rt.Implemented), want: "False InvalidParameters", message: "an embedded spec is not supported",
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"a task that nobody owns": {
			task: edited(gate(), func(run *v1beta1.CustomRun) { run.OwnerReferences = nil }), change: rt.Opened(rt.Implemented),
			want: "False InvalidParameters", message: "no PipelineRun owns this CustomRun",
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"a task whose run was replaced by one of the same name": {
			task: gate(), change: rt.Opened(rt.Implemented), run: rt.Run(func(run *tektonv1.PipelineRun) { run.UID = "uid-other" }),
			want: "False InvalidParameters", message: "PipelineRun cd-1, which owns this CustomRun, does not exist",
			results: map[string]string{"decision": "error", "change-request-id": "chg-a", "change-request-state": "Implement"},
		},
		"another's kind is left alone": {
			task: edited(gate(), func(run *v1beta1.CustomRun) { run.Spec.CustomRef.Kind = "Wait" }), want: "nothing", results: map[string]string{},
		},
		"opened": {
			task: open(), change: rt.Opened(), want: "True Opened",
			results: map[string]string{"change-request-id": "chg-a", "change-request-url": "", "change-request-state": "Scheduled", "fast-path": "false"},
		},
		"adopted": {
			task: open(), change: rt.Opened(func(s *v1alpha1.ChangeRequestStatus) {
				s.Backend.URL = "https://x"
				s.Runs = []v1alpha1.RunStatus{{RunRef: v1alpha1.RunRef{Name: "cd-0", UID: "uid-0"}}, {RunRef: rt.Ref(rt.Run()), Adopted: true}}
			}), want: "True Adopted",
			results: map[string]string{"change-request-id": "chg-a", "change-request-url": "https://x", "change-request-state": "Scheduled", "fast-path": "true"},
		},
		"not looked at yet: waits as long as the run may": {
			task: open(), change: rt.Change(), want: "Unknown Submitting", again: 110*time.Minute - 15*time.Second,
		},
		"a wait that does not fit": {
			task: open("approval-timeout", "3h"), change: rt.Opened(), want: "False ApprovalTimeoutTooLong", message: "timeouts.pipeline (2h0m0s)",
			results: map[string]string{"change-request-id": "chg-a", "change-request-url": "", "change-request-state": "Scheduled", "fast-path": "false"},
		},
		"a wait that does not fit but that nobody waits for": {
			task: open("approval-timeout", "3h", "gate", "stop"), change: rt.Opened(), want: "True Opened",
			results: map[string]string{"change-request-id": "chg-a", "change-request-url": "", "change-request-state": "Scheduled", "fast-path": "false"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := rt.New(t)
			if tc.noPolicy {
				c.SetPolicy()
			}
			if tc.run == nil {
				tc.run = rt.Run()
			}
			c.AddPipelineRun(tc.run)
			if tc.change != nil {
				c.AddChange(tc.change)
			}
			c.AddCustomRun(tc.task)
			kind := v1alpha1.KindApproveChange
			if tc.task.Spec.CustomRef != nil && tc.task.Spec.CustomRef.Kind == v1alpha1.KindOpenChange {
				kind = v1alpha1.KindOpenChange
			}
			again, err := pass(t, c, kind)
			if err != nil {
				t.Fatal(err)
			}
			got := c.CustomRun("task")
			if succeeded(got) != tc.want {
				t.Errorf("%s: %s, want %s", succeeded(got), got.Status.GetCondition(apis.ConditionSucceeded).GetMessage(), tc.want)
			}
			if message := got.Status.GetCondition(apis.ConditionSucceeded).GetMessage(); !strings.Contains(message, tc.message) {
				t.Errorf("message %q, want %q in it", message, tc.message)
			}
			if tc.results == nil {
				tc.results = map[string]string{}
			}
			if diff := cmp.Diff(tc.results, rt.Results(got)); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			// The timer of a gate counts from when it began: now.
			if again != tc.again {
				t.Errorf("looks again after %v, want %v", again, tc.again)
			}
			if got.IsDone() != (got.Status.CompletionTime != nil) {
				t.Errorf("done %v, but completion time %v", got.IsDone(), got.Status.CompletionTime)
			}
			if len(got.Status.Conditions) > 1 {
				t.Errorf("conditions %v, want only Succeeded", got.Status.Conditions)
			}
		})
	}
}

func TestCustomTaskEndsAtItsDeadline(t *testing.T) {
	c := rt.New(t)
	c.AddPipelineRun(rt.Run())
	c.AddChange(rt.Opened(rt.Undecided))
	c.AddCustomRun(gate())
	if _, err := pass(t, c, v1alpha1.KindApproveChange); err != nil {
		t.Fatal(err)
	}
	// A policy that is edited meanwhile does not change the terms.
	c.SetPolicy()
	c.Clock.SetTime(rt.Now.Add(30*time.Minute - time.Second))
	if again, err := pass(t, c, v1alpha1.KindApproveChange); err != nil || again != time.Second {
		t.Fatalf("looks again after %v, %v, want 1s", again, err)
	}
	c.Clock.SetTime(rt.Now.Add(30 * time.Minute))
	if _, err := pass(t, c, v1alpha1.KindApproveChange); err != nil {
		t.Fatal(err)
	}
	if got := succeeded(c.CustomRun("task")); got != "False Expired" {
		t.Errorf("%s, want False Expired", got)
	}
	// What has ended is left alone.
	c.Tekton.ClearActions()
	if _, err := pass(t, c, v1alpha1.KindApproveChange); err != nil {
		t.Fatal(err)
	}
	for _, action := range c.Tekton.Actions() {
		if action.GetVerb() != "get" {
			t.Errorf("%s %s after the end", action.GetVerb(), action.GetResource().Resource)
		}
	}
}

func TestCustomTaskNoticesEditedParameters(t *testing.T) {
	c := rt.New(t)
	c.AddPipelineRun(rt.Run())
	c.AddChange(rt.Opened(rt.Undecided))
	c.AddCustomRun(gate())
	if _, err := pass(t, c, v1alpha1.KindApproveChange); err != nil {
		t.Fatal(err)
	}
	run := c.CustomRun("task")
	run.Spec.Params = append(run.Spec.Params, v1beta1.Param{Name: "approval-timeout", Value: *v1beta1.NewStructuredValues("20h")})
	if _, err := c.Tekton.TektonV1beta1().CustomRuns(rt.Namespace).Update(t.Context(), run, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := pass(t, c, v1alpha1.KindApproveChange); err != nil {
		t.Fatal(err)
	}
	if got := succeeded(c.CustomRun("task")); got != "False InvalidParameters" {
		t.Errorf("%s, want False InvalidParameters", got)
	}
}

func TestCustomTaskReadsPastACacheThatLags(t *testing.T) {
	c := rt.New(t)
	c.AddPipelineRun(rt.Run())
	c.StoreChange(rt.Opened())
	c.AddCustomRun(open())
	if _, err := pass(t, c, v1alpha1.KindOpenChange); err != nil {
		t.Fatal(err)
	}
	if got := succeeded(c.CustomRun("task")); got != "True Opened" {
		t.Errorf("%s, want True Opened", got)
	}
}

func TestCustomTaskRetriesOutagesAndNothingElse(t *testing.T) {
	c := rt.New(t)
	c.AddPipelineRun(rt.Run())
	c.AddChange(rt.Change())
	task := open()
	task.Spec.Retries = 1
	task.Spec.Timeout = &metav1.Duration{Duration: time.Minute}
	c.AddCustomRun(task)
	for i, want := range []struct {
		status   string
		attempts int
	}{
		{"Unknown Submitting", 0},
		{"Unknown CustomRunTimeout", 1}, // the first attempt is over, the second begins
		{"Unknown Submitting", 1},
		{"False CustomRunTimeout", 1},
	} {
		if _, err := pass(t, c, v1alpha1.KindOpenChange); err != nil {
			t.Fatal(err)
		}
		got := c.CustomRun("task")
		if succeeded(got) != want.status || len(got.Status.RetriesStatus) != want.attempts {
			t.Fatalf("pass %d: %s with %d attempts behind it, want %s with %d", i, succeeded(got), len(got.Status.RetriesStatus), want.status, want.attempts)
		}
		if i%2 == 0 {
			c.Clock.SetTime(c.Clock.Now().Add(time.Minute))
		}
	}
	first := c.CustomRun("task").Status.RetriesStatus[0]
	if first.GetCondition(apis.ConditionSucceeded).Reason != v1alpha1.ReasonCustomRunTimeout || len(first.Results) == 0 {
		t.Errorf("the first attempt is told as %v", first)
	}

	c = rt.New(t)
	c.AddPipelineRun(rt.Run())
	c.AddChange(rt.Opened(func(s *v1alpha1.ChangeRequestStatus) { s.Approval.State = v1alpha1.ApprovalRejected }))
	task = gate()
	task.Spec.Retries = 3
	c.AddCustomRun(task)
	if _, err := pass(t, c, v1alpha1.KindApproveChange); err != nil {
		t.Fatal(err)
	}
	if got := succeeded(c.CustomRun("task")); got != "False Rejected" {
		t.Errorf("%s, want False Rejected: a person is not asked again", got)
	}
}

// An answer that could not be stored is worked out again from what is stored, and
// not forced over what somebody else has written meanwhile.
func TestCustomTaskDoesNotOverwrite(t *testing.T) {
	c := rt.New(t)
	c.AddPipelineRun(rt.Run())
	c.AddChange(rt.Opened(rt.Implemented))
	c.AddCustomRun(gate())
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "customruns"}, "task", nil)
	tries := 0
	c.Tekton.PrependReactor("update", "customruns", func(clienttesting.Action) (bool, runtime.Object, error) {
		tries++
		return true, nil, conflict
	})
	if _, err := pass(t, c, v1alpha1.KindApproveChange); !apierrors.IsConflict(err) || tries != 1 {
		t.Errorf("error %v after %d tries, want a conflict after one", err, tries)
	}
}

func TestCustomTaskTellsPeople(t *testing.T) {
	c := rt.New(t)
	c.AddPipelineRun(rt.Run())
	c.AddChange(rt.Opened(rt.Undecided))
	c.AddCustomRun(gate("gate", "stop"))
	if _, err := pass(t, c, v1alpha1.KindApproveChange); err != nil {
		t.Fatal(err)
	}
	if event := <-c.Events.Events; !strings.HasPrefix(event, "Warning ApprovalRequired change request chg-a has 0 of 1 approvals") {
		t.Errorf("event %q", event)
	}
}
