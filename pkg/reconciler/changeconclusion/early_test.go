// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package changeconclusion

import (
	"testing"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	rt "github.com/countersign-dev/countersign/pkg/reconciler/reconcilertest"
)

// A conclusion that a run hands in while it still works says nothing, not even
// where the Pipeline has no task named deploy.
func TestReconcileWaitsForTheEndOfARunWithoutDeploy(t *testing.T) {
	for name, tc := range map[string]struct {
		children map[string]corev1.ConditionStatus
		edit     func(*tektonv1.PipelineRun)
		want     v1alpha1.Outcome
	}{
		"it works":               {children: map[string]corev1.ConditionStatus{"rollout": "Unknown"}},
		"it has come to finally": {children: map[string]corev1.ConditionStatus{"rollout": "True", "close-change": "Unknown"}, want: v1alpha1.OutcomeNotStarted},
		"it has ended":           {children: map[string]corev1.ConditionStatus{"rollout": "True"}, edit: done, want: v1alpha1.OutcomeNotStarted},
	} {
		t.Run(name, func(t *testing.T) {
			c := rt.New(t)
			c.AddChange(rt.Opened())
			ran(t, c, tc.children, func(run *tektonv1.PipelineRun) {
				run.Status.PipelineSpec.Tasks = []tektonv1.PipelineTask{{Name: "rollout"}}
				if tc.edit != nil {
					tc.edit(run)
				}
			})
			if status, _ := pass(t, c, &registry{}, conclusion()); status.Outcome != tc.want {
				t.Errorf("outcome %q, want %q: %s", status.Outcome, tc.want, status.Message)
			}
		})
	}
}
