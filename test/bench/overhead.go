// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/test/fixture"
)

const (
	// nothing is a stage that does nothing.
	nothing = "#!/bin/sh\nexit 0\n"

	runDeadline = 5 * time.Minute
)

// overhead compares standard runs with empty ones.
type overhead struct {
	Pairs []pair `json:"pairs"`
	// Median times without the two stages, and their ratio.
	Standard float64 `json:"standard"`
	Floor    float64 `json:"floor"`
	Ratio    float64 `json:"ratio"`
	// Median times of whole runs, and their ratio.
	StandardWhole float64 `json:"standardWhole"`
	FloorWhole    float64 `json:"floorWhole"`
	RatioWhole    float64 `json:"ratioWhole"`
}

// pair is a standard run and an empty one, one right after the other.
type pair struct {
	Standard timing `json:"standard"`
	Floor    timing `json:"floor"`
}

// timing is one run.
type timing struct {
	// Whole is from the request to create the run until its end was seen.
	Whole float64 `json:"whole"`
	// Stages is what of that went into the user's two stages: from the moment
	// their TaskRuns were seen until they were seen to have ended.
	Stages float64 `json:"stages"`
}

func (t timing) without() float64 { return t.Whole - t.Stages }

// emptyPipeline has the shape of the reference Pipeline, pod for pod, without
// its custom tasks: one pod before the user's two stages, and one finally.
func emptyPipeline(image string) string {
	task := `    taskSpec:
      steps:
      - name: nothing
        image: ` + image + `
        command: ["true"]
        securityContext:
          runAsNonRoot: true
          runAsUser: 65532
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
          seccompProfile: {type: RuntimeDefault}
`
	return `apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: empty}
spec:
  tasks:
  - name: assess
` + task + `  - name: deploy
    runAfter: [assess]
` + task + `  - name: acceptance-test
    runAfter: [deploy]
` + task + `  finally:
  - name: close-change
` + task
}

func measureOverhead(ctx context.Context, p *fixture.Project, runs int) (*overhead, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen, err := observe(ctx, p)
	if err != nil {
		return nil, err
	}
	if _, err := p.ReleaseAndPromote(ctx, "1.0.0", nil, fixture.GoodBody()); err != nil {
		return nil, err
	}
	result := &overhead{}
	// The first pair warms caches up: images, and the kernel's of their files.
	for i := range runs + 1 {
		var pair pair
		if pair.Standard, err = timeRun(ctx, p, seen, standardRun(p)); err != nil {
			return nil, err
		}
		if pair.Floor, err = timeRun(ctx, p, seen, emptyRun(p)); err != nil {
			return nil, err
		}
		if i == 0 {
			continue
		}
		result.Pairs = append(result.Pairs, pair)
		fmt.Printf("pair %d: standard %.1fs (stages %.1fs), empty %.1fs (stages %.1fs)\n",
			i, pair.Standard.Whole, pair.Standard.Stages, pair.Floor.Whole, pair.Floor.Stages)
	}
	result.summarise()
	return result, nil
}

func (o *overhead) summarise() {
	var standard, floor, standardWhole, floorWhole []float64
	for _, pair := range o.Pairs {
		standard = append(standard, pair.Standard.without())
		floor = append(floor, pair.Floor.without())
		standardWhole = append(standardWhole, pair.Standard.Whole)
		floorWhole = append(floorWhole, pair.Floor.Whole)
	}
	o.Standard, o.Floor = median(standard), median(floor)
	o.StandardWhole, o.FloorWhole = median(standardWhole), median(floorWhole)
	o.Ratio, o.RatioWhole = o.Standard/o.Floor, o.StandardWhole/o.FloorWhole
}

func (o *overhead) print() {
	fmt.Printf("\nA standard run beside empty pods, medians of %d pairs\n", len(o.Pairs))
	fmt.Printf("  %-28s %8s %8s %6s\n", "", "standard", "empty", "ratio")
	fmt.Printf("  %-28s %7.2fs %7.2fs %6.2f\n", "without the user's stages", o.Standard, o.Floor, o.Ratio)
	fmt.Printf("  %-28s %7.2fs %7.2fs %6.2f\n", "whole", o.StandardWhole, o.FloorWhole, o.RatioWhole)
}

func standardRun(p *fixture.Project) *pipelinev1.PipelineRun {
	run := newRun(fixture.Pipeline)
	run.Spec.TaskRunTemplate.ServiceAccountName = fixture.ServiceAccount
	// After the first run nothing has changed.
	for name, value := range p.Parameters(map[string]string{"force-redeploy": "true"}) {
		run.Spec.Params = append(run.Spec.Params, pipelinev1.Param{Name: name, Value: *pipelinev1.NewStructuredValues(value)})
	}
	run.Spec.Workspaces = fixture.Workspaces()
	return run
}

func emptyRun(*fixture.Project) *pipelinev1.PipelineRun { return newRun("empty") }

func newRun(pipeline string) *pipelinev1.PipelineRun {
	return &pipelinev1.PipelineRun{
		ObjectMeta: metav1.ObjectMeta{GenerateName: pipeline + "-"},
		Spec: pipelinev1.PipelineRunSpec{
			PipelineRef: &pipelinev1.PipelineRef{Name: pipeline},
			Timeouts: &pipelinev1.TimeoutFields{
				Pipeline: &metav1.Duration{Duration: 90 * time.Minute},
				Tasks:    &metav1.Duration{Duration: 80 * time.Minute},
				Finally:  &metav1.Duration{Duration: 10 * time.Minute},
			},
		},
	}
}

// timeRun creates a run and waits for its end, which must be a good one.
func timeRun(ctx context.Context, p *fixture.Project, seen *moments, run *pipelinev1.PipelineRun) (timing, error) {
	var t timing
	start := time.Now()
	created, err := p.Env.Tekton.TektonV1().PipelineRuns(p.Namespace).Create(ctx, run, metav1.CreateOptions{})
	if err != nil {
		return t, fmt.Errorf("creating a run of %s: %w", run.Spec.PipelineRef.Name, err)
	}
	end, err := seen.await(ctx, created.Name, ended(created.Name), runDeadline)
	if err != nil {
		return t, err
	}
	if why := seen.failure(created.Name); why != "" {
		return t, fmt.Errorf("run %s: %s", created.Name, strings.TrimSpace(why))
	}
	t.Whole = end.Sub(start).Seconds()
	for _, stage := range []string{"deploy", "acceptance-test"} {
		task := created.Name + "/" + stage
		from, err := seen.await(ctx, created.Name, began(task), time.Minute)
		if err != nil {
			return t, err
		}
		to, err := seen.await(ctx, created.Name, ended(task), time.Minute)
		if err != nil {
			return t, err
		}
		t.Stages += to.Sub(from).Seconds()
	}
	return t, nil
}
