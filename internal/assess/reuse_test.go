// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/steptest"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// What was approved is what is run: a run cannot take up an approved change and
// have another Task do something else under its name.
func TestTakingUpAChangeRequestWithAnotherTaskIsRefused(t *testing.T) {
	w := steptest.New(t)
	first := run(t, w, w.Params("1"))
	api := w.Countersign.CountersignV1alpha1().ChangeRequests(steptest.Namespace)
	cr, err := api.Get(t.Context(), first.ChangeRequest, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cr.Status.State = v1alpha1.StateScheduled
	cr.Status.Runs = []v1alpha1.RunStatus{{RunRef: cr.Spec.Run}}
	if _, err := api.UpdateStatus(t.Context(), cr, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		edit func(*assess.Params)
		want string
	}{
		"deploy":          {func(p *assess.Params) { p.DeployTask = "mine" }, "this run runs stage deploy with Task mine"},
		"acceptance test": {func(p *assess.Params) { p.AcceptanceTestTask = "none" }, "this run runs stage acceptance-test with Task none"},
		"rollback":        {func(p *assess.Params) { p.RollbackEnabled = "1" }, "has no stage rollback, this run runs stage rollback"},
		"no yes or no":    {func(p *assess.Params) { p.RollbackEnabled = "perhaps" }, "rollback-enabled"},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.Params("2")
			p.ChangeRequestID = first.ChangeRequest
			tc.edit(p)
			_, err := assess.Run(t.Context(), p, w.Clients())
			if err == nil || step.ExitCode(err) == 0 || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}
