// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	pipelinev1beta1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
)

var start = time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC)

func condition(status corev1.ConditionStatus, reason string) duckv1.Conditions {
	return duckv1.Conditions{{Type: apis.ConditionSucceeded, Status: status, Reason: reason}}
}

func child(task string, begin time.Duration) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Labels:            map[string]string{"tekton.dev/pipelineTask": task},
		CreationTimestamp: metav1.NewTime(start.Add(begin)),
	}
}

func TestStagesOf(t *testing.T) {
	ended := metav1.NewTime(start.Add(4 * time.Second))
	run := &pipelinev1.PipelineRun{}
	run.Status.PipelineSpec = &pipelinev1.PipelineSpec{
		Tasks:   []pipelinev1.PipelineTask{{Name: "assess"}, {Name: "approve-change"}, {Name: "deploy"}},
		Finally: []pipelinev1.PipelineTask{{Name: "rollback"}, {Name: "close-change"}},
	}
	run.Status.SkippedTasks = []pipelinev1.SkippedTask{{Name: "rollback"}}
	assess := pipelinev1.TaskRun{ObjectMeta: child("assess", 0)}
	assess.Status.Conditions = condition(corev1.ConditionTrue, "Succeeded")
	assess.Status.CompletionTime = &ended
	closing := pipelinev1.TaskRun{ObjectMeta: child("close-change", 5*time.Second)}
	closing.Status.Conditions = condition(corev1.ConditionFalse, "Failed")
	gate := pipelinev1beta1.CustomRun{ObjectMeta: child("approve-change", 4*time.Second)}
	gate.Status.Conditions = condition(corev1.ConditionUnknown, "AwaitingApproval")

	got := stagesOf(run, []pipelinev1.TaskRun{assess, closing}, []pipelinev1beta1.CustomRun{gate}, start.Add(10*time.Second))
	want := []stage{
		{name: "assess", state: done, reason: "Succeeded", took: 4 * time.Second},
		{name: "approve-change", state: underWay, reason: "AwaitingApproval", took: 6 * time.Second},
		{name: "deploy"},
		{name: "rollback", state: skipped, finally: true},
		{name: "close-change", state: failed, reason: "Failed", took: 5 * time.Second, finally: true},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(stage{})); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
}

func TestNews(t *testing.T) {
	for name, test := range map[string]struct {
		before, after []stage
		want          []string
	}{
		"a stage that was not begun is no news": {
			nil, []stage{{name: "deploy"}}, nil,
		},
		"a stage that begins is": {
			[]stage{{name: "deploy"}}, []stage{{name: "deploy", state: underWay, reason: "Running"}},
			[]string{"   7.0s  deploy           running"},
		},
		"a stage that goes on is not": {
			[]stage{{name: "deploy", state: underWay, reason: "Pending"}},
			[]stage{{name: "deploy", state: underWay, reason: "Running"}}, nil,
		},
		"a gate that begins to wait is": {
			[]stage{{name: "approve-change", state: underWay}},
			[]stage{{name: "approve-change", state: underWay, reason: "AwaitingApproval"}},
			[]string{"   7.0s  approve-change   waiting for approval"},
		},
		"a gate that goes on waiting is not": {
			[]stage{{name: "approve-change", state: underWay, reason: "AwaitingApproval"}},
			[]stage{{name: "approve-change", state: underWay, reason: "AwaitingApproval"}}, nil,
		},
		"a failure says why": {
			[]stage{{name: "approve-change", state: underWay}},
			[]stage{{name: "approve-change", state: failed, reason: "Rejected"}},
			[]string{"   7.0s  approve-change   failed (Rejected)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, news(test.before, test.after, 7*time.Second)); diff != "" {
				t.Errorf("news (-want +got):\n%s", diff)
			}
		})
	}
}
