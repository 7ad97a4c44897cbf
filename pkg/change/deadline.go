// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
)

const (
	// DeadlineMargin is how long before the end of a run's own timeouts a custom
	// task ends itself. Tekton then still sees it fail, with its own reason, and
	// runs finally with all of its time.
	DeadlineMargin = 15 * time.Second

	// tektonDefaultTimeout is how long a PipelineRun takes that does not say.
	tektonDefaultTimeout = time.Hour
)

// TimeoutTooLongError says that a wait does not fit into the timeouts of a run.
type TimeoutTooLongError struct {
	// Asked is the wait that was asked for, Left what the run has left for it.
	Asked, Left time.Duration
	// Bound names the timeout that is too short, such as "timeouts.tasks (1h0m0s)".
	Bound string
}

func (e *TimeoutTooLongError) Error() string {
	return fmt.Sprintf("the approval timeout %s does not fit into the run's %s, which leaves %s for it: raise that timeout, or lower the approval timeout",
		e.Asked, e.Bound, e.Left.Truncate(time.Second))
}

// RunBound is when a custom task of a run must have ended by itself: a margin
// before the earlier of the run's timeout for tasks, and its whole timeout
// without the part of finally. It also names what sets the bound. A run without
// any timeout has none: the time is zero.
//
// Tekton counts both from the start of the run. Where timeouts are left out:
//
//	pipeline        is one hour; zero means none
//	tasks           is pipeline minus finally if both of these are set, else none
//	finally         takes nothing away from pipeline
func RunBound(timeouts *tektonv1.TimeoutFields, runStart time.Time) (time.Time, string) {
	if timeouts == nil {
		timeouts = &tektonv1.TimeoutFields{}
	}
	var bound time.Duration
	var name string
	consider := func(d time.Duration, described string) {
		if bound == 0 || d < bound {
			bound, name = d, described
		}
	}

	if timeouts.Tasks != nil && timeouts.Tasks.Duration > 0 {
		consider(timeouts.Tasks.Duration, fmt.Sprintf("timeouts.tasks (%s)", timeouts.Tasks.Duration))
	}
	pipeline, described := tektonDefaultTimeout, fmt.Sprintf("timeouts.pipeline (not set, so %s)", tektonDefaultTimeout)
	if timeouts.Pipeline != nil {
		pipeline, described = timeouts.Pipeline.Duration, fmt.Sprintf("timeouts.pipeline (%s)", timeouts.Pipeline.Duration)
	}
	if pipeline > 0 {
		if timeouts.Finally != nil && timeouts.Finally.Duration > 0 {
			pipeline -= timeouts.Finally.Duration
			described += fmt.Sprintf(" minus timeouts.finally (%s)", timeouts.Finally.Duration)
		}
		// One nanosecond rather than zero, which would mean no timeout at all.
		consider(max(pipeline, 1), described)
	}
	if bound == 0 {
		return time.Time{}, ""
	}
	return runStart.Add(bound - DeadlineMargin), name
}

// ApprovalDeadline is when a gate that began to wait at start gives up: after the
// approval timeout, or, if that is earlier, when the timeouts of its run force it
// to. The error is a *TimeoutTooLongError if the run's timeouts cut the wait
// short; the deadline is right all the same, so that a caller may either refuse
// (somebody asked for this timeout) or live with less (it is only a default).
//
// An approval timeout of zero or less waits as long as the run's timeouts allow;
// without any bound the deadline is zero.
func ApprovalDeadline(timeouts *tektonv1.TimeoutFields, runStart, start time.Time, approvalTimeout time.Duration) (time.Time, error) {
	bound, name := RunBound(timeouts, runStart)
	if approvalTimeout <= 0 {
		return bound, nil
	}
	deadline := start.Add(approvalTimeout)
	if bound.IsZero() || !deadline.After(bound) {
		return deadline, nil
	}
	return bound, &TimeoutTooLongError{Asked: approvalTimeout, Left: max(0, bound.Sub(start)), Bound: name}
}
