// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	pipelinev1beta1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/test/fixture"
)

// progress is how a stage of a run stands.
type progress int

const (
	notYet progress = iota
	underWay
	done
	failed
	skipped
)

// words are for those who see no colours and marks.
var words = map[progress]string{
	notYet: "not yet", underWay: "running", done: "done", failed: "failed", skipped: "skipped",
}

// stage is one task of the run as it is shown.
type stage struct {
	name    string
	state   progress
	finally bool
	// reason is Tekton's or the custom task's word for the state.
	reason string
	// took is how long it has been under way, or was.
	took time.Duration
}

// picture is all that is shown of a run.
type picture struct {
	run     *pipelinev1.PipelineRun
	stages  []stage
	changes []v1alpha1.ChangeRequest
}

// look gathers a picture of a run.
func look(ctx context.Context, env *fixture.Environment, run *fixture.Run, now time.Time) (*picture, error) {
	current, err := run.Get(ctx)
	if err != nil {
		return nil, err
	}
	selector := metav1.ListOptions{LabelSelector: "tekton.dev/pipelineRun=" + run.Name}
	tasks, err := env.Tekton.TektonV1().TaskRuns(run.Namespace).List(ctx, selector)
	if err != nil {
		return nil, err
	}
	custom, err := env.Tekton.TektonV1beta1().CustomRuns(run.Namespace).List(ctx, selector)
	if err != nil {
		return nil, err
	}
	changes, err := run.Changes(ctx)
	if err != nil {
		return nil, err
	}
	return &picture{run: current, stages: stagesOf(current, tasks.Items, custom.Items, now), changes: changes}, nil
}

// stagesOf says how each task of a run stands, in the order of the Pipeline.
func stagesOf(run *pipelinev1.PipelineRun, tasks []pipelinev1.TaskRun, custom []pipelinev1beta1.CustomRun, now time.Time) []stage {
	spec := run.Status.PipelineSpec
	if spec == nil {
		return nil
	}
	found := map[string]stage{}
	for _, t := range tasks {
		name := t.Labels["tekton.dev/pipelineTask"]
		found[name] = stageOf(t.CreationTimestamp.Time, t.Status.CompletionTime, t.Status.Conditions, now)
	}
	for _, c := range custom {
		name := c.Labels["tekton.dev/pipelineTask"]
		found[name] = stageOf(c.CreationTimestamp.Time, c.Status.CompletionTime, c.Status.Conditions, now)
	}
	left := map[string]bool{}
	for _, s := range run.Status.SkippedTasks {
		left[s.Name] = true
	}
	var stages []stage
	add := func(all []pipelinev1.PipelineTask, finally bool) {
		for _, task := range all {
			s := found[task.Name]
			if left[task.Name] {
				s.state = skipped
			}
			s.name, s.finally = task.Name, finally
			stages = append(stages, s)
		}
	}
	add(spec.Tasks, false)
	add(spec.Finally, true)
	return stages
}

func stageOf(created time.Time, completed *metav1.Time, conditions duckv1.Conditions, now time.Time) stage {
	s := stage{state: underWay, took: now.Sub(created)}
	if completed != nil {
		s.took = completed.Sub(created)
	}
	for _, c := range conditions {
		if c.Type != apis.ConditionSucceeded {
			continue
		}
		s.reason = c.Reason
		switch {
		case c.IsTrue():
			s.state = done
		case c.IsFalse():
			s.state = failed
		}
	}
	s.took = max(s.took, 0)
	return s
}

// lines are the picture on a terminal.
func (p *picture) lines(s *screen, now time.Time) []string {
	lines := []string{""}
	finally := false
	for _, stage := range p.stages {
		if stage.finally && !finally {
			finally = true
			lines = append(lines, s.paint(dim, "  in any case"))
		}
		lines = append(lines, stageLine(s, stage, now))
	}
	for _, change := range p.changes {
		lines = append(lines, "", changeLine(s, change))
	}
	return lines
}

// spinner turns ten times a second.
var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

func stageLine(s *screen, st stage, now time.Time) string {
	mark, colour := "·", dim
	switch st.state {
	case underWay:
		mark, colour = string(spinner[int(now.UnixMilli()/100)%len(spinner)]), blue
		if waits(st.reason) {
			mark, colour = "⏸", yellow
		}
	case done:
		mark, colour = "✓", green
	case failed:
		mark, colour = "✗", red
	case skipped:
		mark = "–"
	}
	took, reason := "", st.reason
	if st.state == underWay || st.state == done || st.state == failed {
		took = fmt.Sprintf("%.0fs", st.took.Seconds())
	}
	if reason == "Succeeded" {
		reason = ""
	}
	if st.state == skipped {
		reason = "skipped"
	}
	return fmt.Sprintf("  %s %s %s  %s", s.paint(colour, mark),
		s.paint(weight(st.state), fmt.Sprintf("%-17s", st.name)), fmt.Sprintf("%5s", took), s.paint(dim, reason))
}

func weight(state progress) string {
	if state == notYet || state == skipped {
		return dim
	}
	return bold
}

// waits is true for the reasons with which a custom task waits for people.
func waits(reason string) bool { return reason == "AwaitingApproval" }

func changeLine(s *screen, change v1alpha1.ChangeRequest) string {
	state := string(change.Status.State)
	if state == "" {
		state = string(v1alpha1.StateNew)
	}
	text := fmt.Sprintf("  change request %s  %s", s.paint(bold, change.Name), state)
	if change.Status.Approval.State != "" {
		text += ", " + string(change.Status.Approval.State)
		if change.Status.Approval.Automatic {
			text += " automatically"
		}
	}
	if change.Status.CloseCategory != "" {
		text += ", " + string(change.Status.CloseCategory)
	}
	return text
}

// news are the lines for a stage that stands otherwise than before, for output
// that cannot be redrawn.
func news(before, after []stage, elapsed time.Duration) []string {
	old := map[string]stage{}
	for _, s := range before {
		old[s.name] = s
	}
	var lines []string
	for _, s := range after {
		was := old[s.name]
		if s.state == notYet || was.state == s.state && (was.reason == s.reason || !waits(s.reason)) {
			continue
		}
		text := words[s.state]
		if waits(s.reason) {
			text = "waiting for approval"
		}
		line := fmt.Sprintf("%6.1fs  %-16s %s", elapsed.Seconds(), s.name, text)
		if s.state == failed || s.state == done && s.reason != "Succeeded" {
			line += " (" + s.reason + ")"
		}
		lines = append(lines, line)
	}
	return lines
}
