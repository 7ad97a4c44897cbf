// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"errors"
	"testing"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestApprovalDeadline(t *testing.T) {
	const unset = -1
	timeouts := func(pipeline, tasks, finally time.Duration) *tektonv1.TimeoutFields {
		fields := &tektonv1.TimeoutFields{}
		for _, f := range []struct {
			d  time.Duration
			to **metav1.Duration
		}{{pipeline, &fields.Pipeline}, {tasks, &fields.Tasks}, {finally, &fields.Finally}} {
			if f.d != unset {
				*f.to = &metav1.Duration{Duration: f.d}
			}
		}
		return fields
	}
	runStart := testNow.Time
	for name, tc := range map[string]struct {
		timeouts *tektonv1.TimeoutFields
		// waited is how long after the run's start the gate began.
		waited, asked time.Duration
		// want is the deadline after the run's start; unset for none.
		want  time.Duration
		bound string
	}{
		"a run without timeouts ends after an hour": {
			asked: 2 * time.Hour, want: time.Hour - DeadlineMargin, bound: "timeouts.pipeline (not set, so 1h0m0s)",
		},
		"a wait that fits": {
			waited: time.Minute, asked: 30 * time.Minute, want: 31 * time.Minute,
		},
		"a wait that just fits": {
			timeouts: timeouts(time.Hour, unset, unset), asked: time.Hour - DeadlineMargin, want: time.Hour - DeadlineMargin,
		},
		"a wait that just does not fit": {
			timeouts: timeouts(time.Hour, unset, unset), asked: time.Hour - DeadlineMargin + 1, want: time.Hour - DeadlineMargin, bound: "timeouts.pipeline (1h0m0s)",
		},
		"what the gate waits counts from the run's start": {
			timeouts: timeouts(time.Hour, unset, unset), waited: 20 * time.Minute, asked: 50 * time.Minute, want: time.Hour - DeadlineMargin, bound: "timeouts.pipeline (1h0m0s)",
		},
		"tasks is what bounds": {
			timeouts: timeouts(4*time.Hour, 2*time.Hour, unset), asked: 3 * time.Hour, want: 2*time.Hour - DeadlineMargin, bound: "timeouts.tasks (2h0m0s)",
		},
		"pipeline minus finally is what bounds": {
			timeouts: timeouts(2*time.Hour, unset, 30*time.Minute), asked: 2 * time.Hour, want: 90*time.Minute - DeadlineMargin, bound: "timeouts.pipeline (2h0m0s) minus timeouts.finally (30m0s)",
		},
		"tasks above pipeline minus finally": {
			timeouts: timeouts(2*time.Hour, 115*time.Minute, 30*time.Minute), asked: 2 * time.Hour, want: 90*time.Minute - DeadlineMargin, bound: "timeouts.pipeline (2h0m0s) minus timeouts.finally (30m0s)",
		},
		"tasks with the default pipeline": {
			timeouts: timeouts(unset, 30*time.Minute, unset), asked: time.Hour, want: 30*time.Minute - DeadlineMargin, bound: "timeouts.tasks (30m0s)",
		},
		"no timeout at all": {
			timeouts: timeouts(0, unset, unset), asked: 100 * time.Hour, want: 100 * time.Hour,
		},
		"no timeout of the pipeline, but of tasks": {
			timeouts: timeouts(0, time.Hour, unset), asked: 100 * time.Hour, want: time.Hour - DeadlineMargin, bound: "timeouts.tasks (1h0m0s)",
		},
		"zero for tasks and finally means none": {
			timeouts: timeouts(2*time.Hour, 0, 0), asked: 3 * time.Hour, want: 2*time.Hour - DeadlineMargin, bound: "timeouts.pipeline (2h0m0s)",
		},
		"finally takes all": {
			timeouts: timeouts(time.Hour, unset, time.Hour), asked: time.Minute, want: 1 - DeadlineMargin, bound: "timeouts.pipeline (1h0m0s) minus timeouts.finally (1h0m0s)",
		},
		"no approval timeout waits as long as the run allows": {
			timeouts: timeouts(2*time.Hour, unset, unset), want: 2*time.Hour - DeadlineMargin,
		},
		"no timeout of any kind": {
			timeouts: timeouts(0, unset, unset), want: unset,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ApprovalDeadline(tc.timeouts, runStart, runStart.Add(tc.waited), tc.asked)
			want := runStart.Add(tc.want)
			if tc.want == unset {
				want = time.Time{}
			}
			if !got.Equal(want) {
				t.Errorf("deadline %v, want %v", got, want)
			}
			var tooLong *TimeoutTooLongError
			switch {
			case errors.As(err, &tooLong) && tooLong.Bound != tc.bound:
				t.Errorf("bound by %q, want %q", tooLong.Bound, tc.bound)
			case (err != nil) != (tc.bound != ""):
				t.Errorf("error %v, want one about %q", err, tc.bound)
			}
		})
	}
}

func TestTimeoutTooLongErrorSaysWhatToRaise(t *testing.T) {
	_, err := ApprovalDeadline(&tektonv1.TimeoutFields{Tasks: &metav1.Duration{Duration: time.Hour}}, testNow.Time, testNow.Add(10*time.Minute), 2*time.Hour)
	want := "the approval timeout 2h0m0s does not fit into the run's timeouts.tasks (1h0m0s), which leaves 49m45s for it: raise that timeout, or lower the approval timeout"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
