// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package changeconclusion

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/flowcontrol"
	"knative.dev/pkg/apis"
	"knative.dev/pkg/controller"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/reconciler/attachment"
	rt "github.com/countersign-dev/countersign/pkg/reconciler/reconcilertest"
)

type registry struct {
	err   error
	asked int
}

func (r *registry) Check(context.Context, string, []v1alpha1.Attachment) error {
	r.asked++
	return r.err
}

// ran is a run with children by task, each at its end: "True", "False", "Unknown".
// A task in a finally section is marked with a star.
func ran(t *testing.T, c *rt.Cluster, children map[string]corev1.ConditionStatus, edits ...func(*tektonv1.PipelineRun)) {
	t.Helper()
	run := rt.Run(func(run *tektonv1.PipelineRun) {
		run.Status.PipelineSpec = &tektonv1.PipelineSpec{
			Tasks:   []tektonv1.PipelineTask{{Name: "deploy"}, {Name: "acceptance-test"}},
			Finally: []tektonv1.PipelineTask{{Name: "rollback"}, {Name: "close-change"}},
		}
		for task := range children {
			run.Status.ChildReferences = append(run.Status.ChildReferences, tektonv1.ChildStatusReference{
				TypeMeta: runtime.TypeMeta{APIVersion: "tekton.dev/v1", Kind: "TaskRun"}, Name: "cd-1-" + task, PipelineTaskName: task,
			})
		}
		for _, edit := range edits {
			edit(run)
		}
	})
	c.AddPipelineRun(run)
	for task, end := range children {
		taskRun := &tektonv1.TaskRun{ObjectMeta: metav1.ObjectMeta{Name: "cd-1-" + task, Namespace: rt.Namespace, OwnerReferences: rt.OwnerOf(run)}}
		taskRun.Status.SetCondition(&apis.Condition{Type: apis.ConditionSucceeded, Status: end})
		c.AddTaskRun(taskRun)
	}
}

func done(run *tektonv1.PipelineRun) {
	run.Status.SetCondition(&apis.Condition{Type: apis.ConditionSucceeded, Status: corev1.ConditionFalse})
}

func conclusion(edits ...func(*v1alpha1.ChangeConclusion)) *v1alpha1.ChangeConclusion {
	object := &v1alpha1.ChangeConclusion{
		ObjectMeta: metav1.ObjectMeta{Name: "chg-a-x", Namespace: rt.Namespace, UID: "uid-x"},
		Spec: v1alpha1.ChangeConclusionSpec{
			ChangeRequest: "chg-a", Run: rt.Ref(rt.Run()), Bundle: rt.Bundle,
			Attachments: []v1alpha1.Attachment{{Name: "Closing Summary", Digest: rt.Digest, Reference: rt.Bundle}},
		},
	}
	for _, edit := range edits {
		edit(object)
	}
	return object
}

// pass reconciles a conclusion and returns its status, and when it is looked at
// again.
func pass(t *testing.T, c *rt.Cluster, documents *registry, object *v1alpha1.ChangeConclusion) (v1alpha1.ChangeConclusionStatus, time.Duration) {
	t.Helper()
	if _, err := c.Client.CountersignV1alpha1().ChangeConclusions(rt.Namespace).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r := &Reconciler{
		Clock: c.Clock, Client: c.Client, Tekton: c.Tekton, Changes: c.Changes(), Policies: c.Policies(),
		Attachments: documents, Pauses: flowcontrol.NewFakeBackOff(firstPause, longestPause, c.Clock),
	}
	err := r.ReconcileKind(c.Context(), object.DeepCopy())
	again, after := controller.IsRequeueKey(err)
	if err != nil && !again {
		t.Fatal(err)
	}
	got, err := c.Client.CountersignV1alpha1().ChangeConclusions(rt.Namespace).Get(t.Context(), object.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Status, after
}

func TestReconcileReadsTheOutcomeFromTheRun(t *testing.T) {
	type ends = map[string]corev1.ConditionStatus
	for name, tc := range map[string]struct {
		children ends
		run      func(*tektonv1.PipelineRun)
		want     v1alpha1.Outcome
		rollback v1alpha1.RollbackOutcome
		message  string
	}{
		"deployed and accepted": {
			children: ends{"deploy": "True", "acceptance-test": "True", "close-change": "Unknown"},
			run:      func(run *tektonv1.PipelineRun) { run.Status.SkippedTasks = []tektonv1.SkippedTask{{Name: "rollback"}} },
			want:     v1alpha1.OutcomeDeployed, rollback: v1alpha1.RollbackNotRun,
		},
		"not accepted, and being rolled back": {
			children: ends{"deploy": "True", "acceptance-test": "False", "rollback": "Unknown", "close-change": "Unknown"},
			want:     v1alpha1.OutcomeNotAccepted,
		},
		"not accepted, and rolled back": {
			children: ends{"deploy": "True", "acceptance-test": "False", "rollback": "True", "close-change": "Unknown"},
			want:     v1alpha1.OutcomeNotAccepted, rollback: v1alpha1.RollbackSucceeded,
		},
		"deploy failed, and so did the rollback": {
			children: ends{"deploy": "False", "rollback": "False", "close-change": "Unknown"},
			want:     v1alpha1.OutcomeDeployFailed, rollback: v1alpha1.RollbackFailed,
		},
		"the gate stayed shut": {
			children: ends{"close-change": "Unknown"}, run: done,
			want: v1alpha1.OutcomeNotStarted, rollback: v1alpha1.RollbackNotRun,
		},
		"stopped before the acceptance test": {
			children: ends{"deploy": "True", "close-change": "Unknown"},
			want:     v1alpha1.OutcomeNotAccepted,
		},
		"concluded too early: deploy has not begun": {
			children: ends{}, message: "run cd-1 is still deploying or testing",
		},
		"concluded too early: deploy runs": {
			children: ends{"deploy": "Unknown"}, message: "run cd-1 is still deploying or testing",
		},
		"concluded too early: the acceptance test is yet to come": {
			children: ends{"deploy": "True"}, message: "run cd-1 is still deploying or testing",
		},
		"another run of the same name": {
			run: func(run *tektonv1.PipelineRun) { run.UID = "uid-2" }, message: "PipelineRun cd-1 (uid-1) is gone, so nothing tells how it ended",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := rt.New(t)
			var edits []func(*tektonv1.PipelineRun)
			if tc.run != nil {
				edits = append(edits, tc.run)
			}
			ran(t, c, tc.children, edits...)
			c.AddChange(rt.Opened(rt.Implemented))
			if tc.message == "" {
				tc.message = "being taken up by the change request"
			}
			got, _ := pass(t, c, &registry{}, conclusion())
			if diff := cmp.Diff(v1alpha1.ChangeConclusionStatus{Outcome: tc.want, Rollback: tc.rollback, Message: tc.message}, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReconcileUsesCustomRunsOfTheUser(t *testing.T) {
	c := rt.New(t)
	run := rt.Run(done, func(run *tektonv1.PipelineRun) {
		run.Status.ChildReferences = []tektonv1.ChildStatusReference{{TypeMeta: runtime.TypeMeta{Kind: "CustomRun"}, Name: "task", PipelineTaskName: "deploy"}}
	})
	c.AddPipelineRun(run)
	deploy := rt.Task("Anything")
	deploy.Status.MarkCustomRunFailed("No", "no")
	c.AddCustomRun(deploy)
	c.AddChange(rt.Opened(rt.Implemented))
	if got, _ := pass(t, c, &registry{}, conclusion()); got.Outcome != v1alpha1.OutcomeDeployFailed {
		t.Errorf("outcome %q (%s), want DeployFailed", got.Outcome, got.Message)
	}
}

func TestReconcileDoesNotBelieveForeignTaskRuns(t *testing.T) {
	c := rt.New(t)
	ran(t, c, nil, done, func(run *tektonv1.PipelineRun) {
		run.Status.ChildReferences = []tektonv1.ChildStatusReference{{TypeMeta: runtime.TypeMeta{Kind: "TaskRun"}, Name: "forged", PipelineTaskName: "deploy"}}
	})
	forged := &tektonv1.TaskRun{ObjectMeta: metav1.ObjectMeta{Name: "forged", Namespace: rt.Namespace}}
	forged.Status.SetCondition(&apis.Condition{Type: apis.ConditionSucceeded, Status: corev1.ConditionTrue})
	c.AddTaskRun(forged)
	c.AddChange(rt.Opened(rt.Implemented))
	r := &Reconciler{Clock: c.Clock, Client: c.Client, Tekton: c.Tekton, Changes: c.Changes(), Policies: c.Policies(), Attachments: &registry{}, Pauses: flowcontrol.NewFakeBackOff(1, 1, c.Clock)}
	if err := r.ReconcileKind(c.Context(), conclusion()); err == nil || !strings.Contains(err.Error(), "does not belong to PipelineRun cd-1") {
		t.Errorf("error %v", err)
	}
}

func TestReconcileLooksForAttachments(t *testing.T) {
	c := rt.New(t)
	ran(t, c, map[string]corev1.ConditionStatus{"deploy": "True", "acceptance-test": "True"}, done)
	c.AddChange(rt.Opened(rt.Implemented))
	got, again := pass(t, c, &registry{err: &attachment.CheckError{Reason: v1alpha1.SubmittedReasonRegistryUnavailable, Message: "away"}}, conclusion())
	if got.Outcome != "" || got.Message != "away" || again != firstPause {
		t.Errorf("status %v, again after %v", got, again)
	}
	documents := &registry{}
	got, again = pass(t, c, documents, conclusion(func(object *v1alpha1.ChangeConclusion) {
		object.Name, object.Spec.Bundle = "chg-a-y", "registry.example/other@"+rt.Digest
	}))
	if got.Outcome != "" || !strings.HasPrefix(got.Message, "outside the policy's repository prefixes") || documents.asked != 0 || again == 0 {
		t.Errorf("status %v, asked %d times, again after %v", got, documents.asked, again)
	}
}

func TestReconcileRecords(t *testing.T) {
	c := rt.New(t)
	c.AddChange(rt.Opened(func(s *v1alpha1.ChangeRequestStatus) {
		s.State = v1alpha1.StateClosed
		s.Runs[0].Conclusion, s.Runs[0].Outcome, s.Runs[0].CloseCategory = "chg-a-x", v1alpha1.OutcomeDeployed, v1alpha1.CategorySuccessful
	}))
	// The run may be gone by now: what was noted is enough.
	got, again := pass(t, c, &registry{}, conclusion(func(object *v1alpha1.ChangeConclusion) {
		object.Status = v1alpha1.ChangeConclusionStatus{Outcome: v1alpha1.OutcomeDeployed, Rollback: v1alpha1.RollbackNotRun}
	}))
	if diff := cmp.Diff(v1alpha1.ChangeConclusionStatus{
		Recorded: true, Outcome: v1alpha1.OutcomeDeployed, Rollback: v1alpha1.RollbackNotRun, CloseCategory: v1alpha1.CategorySuccessful, Closed: true,
	}, got); diff != "" || again != 0 {
		t.Errorf("again after %v, status (-want +got):\n%s", again, diff)
	}
}

func TestReconcileOfARunWithoutAPart(t *testing.T) {
	c := rt.New(t)
	c.AddChange(rt.Opened())
	got, again := pass(t, c, &registry{}, conclusion(func(object *v1alpha1.ChangeConclusion) { object.Spec.Run = v1alpha1.RunRef{Name: "cd-9", UID: "uid-9"} }))
	if got.Recorded || again != 0 || !strings.HasPrefix(got.Message, "run cd-9 has no part in change request chg-a") {
		t.Errorf("status %v, again after %v", got, again)
	}
}
