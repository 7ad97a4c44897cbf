// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// Names of the tasks of a Pipeline from which the outcome of a run is read.
const (
	TaskDeploy         = "deploy"
	TaskAcceptanceTest = "acceptance-test"
	TaskRollback       = "rollback"
)

// TaskEnd is how one task of a run ended, read from its TaskRun or CustomRun.
type TaskEnd string

// The ends of a task.
const (
	// TaskNone: it never began and never will.
	TaskNone TaskEnd = "None"
	// TaskUnfinished: it runs, or may still begin.
	TaskUnfinished TaskEnd = "Unfinished"
	TaskSucceeded  TaskEnd = "Succeeded"
	// TaskFailed: failed, was cancelled or timed out.
	TaskFailed TaskEnd = "Failed"
)

// Ends are the ends of the tasks that matter.
type Ends struct {
	Deploy, AcceptanceTest, Rollback TaskEnd
}

// OutcomeOf is the outcome of a run's deployment, empty while it is unknown.
//
//	deploy     acceptance-test     outcome
//	None       any                 NotStarted
//	Failed     any                 DeployFailed
//	Succeeded  Succeeded           Deployed
//	Succeeded  Failed or None      NotAccepted
//	anything else                  unknown yet
func OutcomeOf(ends Ends) v1alpha1.Outcome {
	switch ends.Deploy {
	case TaskNone:
		return v1alpha1.OutcomeNotStarted
	case TaskFailed:
		return v1alpha1.OutcomeDeployFailed
	case TaskSucceeded:
		switch ends.AcceptanceTest {
		case TaskSucceeded:
			return v1alpha1.OutcomeDeployed
		case TaskFailed, TaskNone:
			return v1alpha1.OutcomeNotAccepted
		}
	}
	return ""
}

// RollbackOf is the outcome of a run's inline rollback, empty while it is unknown.
func RollbackOf(ends Ends) v1alpha1.RollbackOutcome {
	switch ends.Rollback {
	case TaskNone:
		return v1alpha1.RollbackNotRun
	case TaskSucceeded:
		return v1alpha1.RollbackSucceeded
	case TaskFailed:
		return v1alpha1.RollbackFailed
	}
	return ""
}

// CloseCategory is how a change ended with an outcome: successful if it was
// deployed and readiness at closure is true, successful with issues if it was
// deployed and readiness is not (or nobody said), unsuccessful if it was tried in
// vain, and nothing if it was not tried.
func CloseCategory(outcome v1alpha1.Outcome, closure *v1alpha1.ReadinessVerdict) v1alpha1.CloseCategory {
	switch outcome {
	case v1alpha1.OutcomeDeployed:
		if closure != nil && closure.Ready {
			return v1alpha1.CategorySuccessful
		}
		return v1alpha1.CategorySuccessfulWithIssues
	case v1alpha1.OutcomeDeployFailed, v1alpha1.OutcomeNotAccepted:
		return v1alpha1.CategoryUnsuccessful
	}
	return ""
}
