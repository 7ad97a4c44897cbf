// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

func TestDecideConclusion(t *testing.T) {
	type status = v1alpha1.ChangeConclusionStatus
	deployed := Ends{Deploy: TaskSucceeded, AcceptanceTest: TaskSucceeded, Rollback: TaskNone}
	rollingBack := Ends{Deploy: TaskFailed, AcceptanceTest: TaskNone, Rollback: TaskUnfinished}
	closed := func(s *v1alpha1.ChangeRequestStatus) {
		s.State = v1alpha1.StateClosed
		s.Runs[0].Conclusion, s.Runs[0].Outcome, s.Runs[0].CloseCategory = "chg-a-x", v1alpha1.OutcomeDeployed, v1alpha1.CategorySuccessful
	}
	for name, tc := range map[string]struct {
		before  status
		change  *v1alpha1.ChangeRequest
		run     v1alpha1.RunRef
		ends    Ends
		problem string
		gone    string
		want    status
	}{
		"no such change request": {
			want: status{Message: `there is no change request "chg-a" in this namespace`},
		},
		"a run without a part in the change": {
			change: opened(nil), run: laterRun, ends: deployed,
			want: status{Message: "run cd-2 has no part in change request chg-a: only a run that opened or took up a change can conclude it"},
		},
		"a run that was concluded already": {
			change: opened(func(s *v1alpha1.ChangeRequestStatus) { s.Runs[0].Conclusion = "chg-a-first" }), ends: deployed,
			want: status{Message: "run cd-1 was concluded by chg-a-first already"},
		},
		"attachments that are not there": {
			change: opened(nil), ends: deployed, problem: "attachment X is not in the registry",
			want: status{Message: "attachment X is not in the registry"},
		},
		"a run that is gone": {
			change: opened(nil), gone: "PipelineRun cd-1 is gone",
			want: status{Message: "PipelineRun cd-1 is gone"},
		},
		"a run that still deploys": {
			change: opened(nil), ends: Ends{Deploy: TaskUnfinished, AcceptanceTest: TaskUnfinished, Rollback: TaskUnfinished},
			want: status{Message: "run cd-1 is still deploying or testing"},
		},
		"checked, and not taken up yet": {
			change: opened(nil), ends: deployed,
			want: status{Outcome: v1alpha1.OutcomeDeployed, Rollback: v1alpha1.RollbackNotRun, Message: "being taken up by the change request"},
		},
		"taken up and closed": {
			before: status{Outcome: v1alpha1.OutcomeDeployed, Rollback: v1alpha1.RollbackNotRun, Message: "being taken up by the change request"},
			change: opened(closed),
			want:   status{Recorded: true, Outcome: v1alpha1.OutcomeDeployed, Rollback: v1alpha1.RollbackNotRun, CloseCategory: v1alpha1.CategorySuccessful, Closed: true},
		},
		"taken up of an adopted change, which stays open": {
			before: status{Outcome: v1alpha1.OutcomeDeployed, Rollback: v1alpha1.RollbackNotRun},
			change: opened(func(s *v1alpha1.ChangeRequestStatus) {
				closed(s)
				s.State = v1alpha1.StateReview
				s.Runs[0].Adopted = true
			}),
			want: status{Recorded: true, Outcome: v1alpha1.OutcomeDeployed, Rollback: v1alpha1.RollbackNotRun, CloseCategory: v1alpha1.CategorySuccessful},
		},
		"an outcome that was noted does not change": {
			before: status{Outcome: v1alpha1.OutcomeDeployed}, change: opened(nil), ends: Ends{Deploy: TaskFailed}, problem: "away",
			want: status{Outcome: v1alpha1.OutcomeDeployed, Message: "being taken up by the change request"},
		},
		"a rollback that still runs does not hold up the record": {
			change: opened(nil), ends: rollingBack,
			want: status{Outcome: v1alpha1.OutcomeDeployFailed, Message: "being taken up by the change request"},
		},
		"a rollback that ended later": {
			before: status{Recorded: true, Outcome: v1alpha1.OutcomeDeployFailed, CloseCategory: v1alpha1.CategoryUnsuccessful},
			change: opened(func(s *v1alpha1.ChangeRequestStatus) { s.Runs[0].Conclusion = "chg-a-x" }),
			ends:   Ends{Deploy: TaskFailed, AcceptanceTest: TaskNone, Rollback: TaskSucceeded},
			want:   status{Recorded: true, Outcome: v1alpha1.OutcomeDeployFailed, CloseCategory: v1alpha1.CategoryUnsuccessful, Rollback: v1alpha1.RollbackSucceeded},
		},
		"recorded, and the change request is gone": {
			before: status{Recorded: true, Outcome: v1alpha1.OutcomeDeployed, Closed: true},
			want:   status{Recorded: true, Outcome: v1alpha1.OutcomeDeployed, Closed: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := ownRun
			if tc.run.UID != "" {
				run = tc.run
			}
			got := DecideConclusion(ConclusionInput{
				Conclusion: &v1alpha1.ChangeConclusion{
					ObjectMeta: metav1.ObjectMeta{Name: "chg-a-x", Generation: 1},
					Spec:       v1alpha1.ChangeConclusionSpec{ChangeRequest: "chg-a", Run: run},
					Status:     tc.before,
				},
				Change: tc.change, Ends: tc.ends, RunProblem: tc.gone, AttachmentProblem: tc.problem,
			})
			tc.want.ObservedGeneration = 1
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
