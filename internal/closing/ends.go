// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"context"
	"fmt"
	"slices"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"

	"github.com/countersign-dev/countersign/internal/step/cluster"
	"github.com/countersign-dev/countersign/pkg/change"
)

// pollInterval is how often the cluster is asked while waiting: rarely enough to
// be no load, often enough not to be what a run waits for.
const pollInterval = 500 * time.Millisecond

// reserve is how much of the time for finally is kept to store the truth, should
// a rollback take all of it.
const reserve = 2 * time.Minute

// rollbackSettled tells whether the run's rollback has ended, or will not be.
func rollbackSettled(ctx context.Context, c *cluster.Clients, run *tektonv1.PipelineRun) (change.TaskEnd, error) {
	if !hasFinally(run, change.TaskRollback) {
		return change.TaskNone, nil
	}
	if slices.ContainsFunc(run.Status.SkippedTasks, func(t tektonv1.SkippedTask) bool { return t.Name == change.TaskRollback }) {
		return change.TaskNone, nil
	}
	// Its name is in the run's own record: a ServiceAccount of runs may not list.
	for _, child := range run.Status.ChildReferences {
		if child.PipelineTaskName != change.TaskRollback {
			continue
		}
		task, err := c.Tekton.TektonV1().TaskRuns(run.Namespace).Get(ctx, child.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return change.TaskNone, nil
		}
		if err != nil {
			return change.TaskUnfinished, fmt.Errorf("read the rollback of PipelineRun %s: %w", run.Name, err)
		}
		switch condition := task.Status.GetCondition(apis.ConditionSucceeded); {
		case condition.IsTrue():
			return change.TaskSucceeded, nil
		case condition.IsFalse():
			return change.TaskFailed, nil
		}
	}
	return change.TaskUnfinished, nil
}

// hasFinally tells whether a run's Pipeline has a finally task of that name. A
// Pipeline that is not known yet may have any.
func hasFinally(run *tektonv1.PipelineRun, name string) bool {
	spec := run.Status.PipelineSpec
	return spec == nil || slices.ContainsFunc(spec.Finally, func(t tektonv1.PipelineTask) bool { return t.Name == name })
}

// waitUntil is when to stop waiting for a rollback: early enough before Tekton
// ends finally to store that the rollback is unfinished.
func waitUntil(run *tektonv1.PipelineRun, now time.Time, most time.Duration) time.Time {
	latest := now.Add(most)
	if run.Status.FinallyStartTime == nil {
		return latest
	}
	budget := run.FinallyTimeout()
	if budget == nil || budget.Duration <= 0 {
		return latest
	}
	end := run.Status.FinallyStartTime.Add(budget.Duration - min(reserve, budget.Duration/2))
	if end.Before(latest) {
		return end
	}
	return latest
}

// poll asks until the answer is yes, an error, or the time is over.
func poll(ctx context.Context, until time.Time, now func() time.Time, ask func(context.Context) (bool, error)) (bool, error) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		done, err := ask(ctx)
		if done || err != nil {
			return done, err
		}
		if !now().Before(until) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-ticker.C:
		}
	}
}
