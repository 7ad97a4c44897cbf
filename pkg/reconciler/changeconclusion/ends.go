// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package changeconclusion

import (
	"context"
	"fmt"
	"slices"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
)

// ends reads how the tasks of a conclusion's run ended, and what keeps them from
// being known. It asks the API server rather than a cache: conclusions are few, and
// a controller that watched all TaskRuns of a cluster would hold them all.
func (r *Reconciler) ends(ctx context.Context, conclusion *v1alpha1.ChangeConclusion) (change.Ends, string, error) {
	ref := conclusion.Spec.Run
	run, err := r.Tekton.TektonV1().PipelineRuns(conclusion.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || (err == nil && run.UID != ref.UID):
		return change.Ends{}, fmt.Sprintf("PipelineRun %s (%s) is gone, so nothing tells how it ended", ref.Name, ref.UID), nil
	case err != nil:
		return change.Ends{}, "", fmt.Errorf("read PipelineRun %s/%s: %w", conclusion.Namespace, ref.Name, err)
	}
	var found change.Ends
	for _, task := range []struct {
		name string
		end  *change.TaskEnd
	}{
		{change.TaskDeploy, &found.Deploy},
		{change.TaskAcceptanceTest, &found.AcceptanceTest},
		{change.TaskRollback, &found.Rollback},
	} {
		if *task.end, err = r.end(ctx, run, task.name); err != nil {
			return change.Ends{}, "", err
		}
	}
	return found, "", nil
}

// end reads how one task of a run ended. A task with several children (a matrix)
// succeeded if all of them did.
func (r *Reconciler) end(ctx context.Context, run *tektonv1.PipelineRun, task string) (change.TaskEnd, error) {
	result := change.TaskNone
	for _, child := range run.Status.ChildReferences {
		if child.PipelineTaskName != task {
			continue
		}
		end, err := r.childEnd(ctx, run, child)
		if err != nil {
			return "", err
		}
		if result == change.TaskNone || end == change.TaskUnfinished || (end == change.TaskFailed && result != change.TaskUnfinished) {
			result = end
		}
	}
	if result == change.TaskNone && !neverBegins(run, task) {
		return change.TaskUnfinished, nil
	}
	return result, nil
}

func (r *Reconciler) childEnd(ctx context.Context, run *tektonv1.PipelineRun, child tektonv1.ChildStatusReference) (change.TaskEnd, error) {
	var (
		object    metav1.Object
		condition *apis.Condition
	)
	switch child.Kind {
	case "TaskRun", "":
		task, err := r.Tekton.TektonV1().TaskRuns(run.Namespace).Get(ctx, child.Name, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("read TaskRun %s/%s, which ran task %s: %w", run.Namespace, child.Name, child.PipelineTaskName, err)
		}
		object, condition = task, task.Status.GetCondition(apis.ConditionSucceeded)
	case "CustomRun":
		task, err := r.Tekton.TektonV1beta1().CustomRuns(run.Namespace).Get(ctx, child.Name, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("read CustomRun %s/%s, which ran task %s: %w", run.Namespace, child.Name, child.PipelineTaskName, err)
		}
		object, condition = task, task.Status.GetCondition(apis.ConditionSucceeded)
	default:
		return "", fmt.Errorf("task %s of PipelineRun %s/%s ran as a %s, whose end cannot be read", child.PipelineTaskName, run.Namespace, run.Name, child.Kind)
	}
	if owner := metav1.GetControllerOf(object); owner == nil || owner.UID != run.UID {
		return "", fmt.Errorf("%s %s/%s does not belong to PipelineRun %s", child.Kind, run.Namespace, child.Name, run.Name)
	}
	switch {
	case condition.IsTrue():
		return change.TaskSucceeded, nil
	case condition.IsFalse():
		return change.TaskFailed, nil
	}
	return change.TaskUnfinished, nil
}

// neverBegins tells that a task which has no child will get none: the run has
// ended, skipped it, or, if it is no finally task, has come to finally.
func neverBegins(run *tektonv1.PipelineRun, task string) bool {
	if run.IsDone() || slices.ContainsFunc(run.Status.SkippedTasks, func(skipped tektonv1.SkippedTask) bool { return skipped.Name == task }) {
		return true
	}
	pipeline := run.Status.PipelineSpec
	if pipeline == nil {
		return false
	}
	inFinally := func(name string) bool {
		return slices.ContainsFunc(pipeline.Finally, func(t tektonv1.PipelineTask) bool { return t.Name == name })
	}
	if inFinally(task) {
		return false
	}
	// The Pipeline has no such task. Without a deploy all the same wait: a run that is
	// noted to have started nothing no longer keeps others from the change, and this
	// one may still be at it, under another name.
	if task != change.TaskDeploy && !slices.ContainsFunc(pipeline.Tasks, func(t tektonv1.PipelineTask) bool { return t.Name == task }) {
		return true
	}
	return slices.ContainsFunc(run.Status.ChildReferences, func(child tektonv1.ChildStatusReference) bool { return inFinally(child.PipelineTaskName) })
}
