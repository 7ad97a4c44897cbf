// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"
	"testing"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/clitest"
)

func TestNextStepsOfALateRejection(t *testing.T) {
	record := clitest.Change(func(change *v1alpha1.ChangeRequest) {
		run := v1alpha1.RunRef{Name: "cd-1", UID: "u-run"}
		change.Status.State = v1alpha1.StateImplement
		change.Status.Implementing = &run
		change.Status.Runs = []v1alpha1.RunStatus{{RunRef: run, Gate: v1alpha1.ReasonApproved}}
		change.Status.Approval.State = v1alpha1.ApprovalRejected
	})
	steps := NextSteps(Detail{Change: record, Resume: "tkn again"})
	if len(steps) != 1 || !strings.Contains(steps[0].Text, "no other run may deploy it") || strings.Contains(steps[0].Command, "again") {
		t.Errorf("next steps %+v, want one that offers no new run", steps)
	}
}
