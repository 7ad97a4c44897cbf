// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/pod"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/test/fixture"
)

const (
	// openers is how many gates are set up at the same time.
	openers = 8

	gateDeadline = 5 * time.Minute
)

// gateTiming is the latency of gates.
type gateTiming struct {
	Parallel int `json:"parallel"`
	// Deploy is until the TaskRun of deploy was seen.
	Deploy latencies `json:"deploy"`
	// Gate is the part of it until the gate was seen to have passed: the rest is
	// Tekton's.
	Gate latencies `json:"gate"`
}

// latencies are in seconds, in the order of approval.
type latencies struct {
	Values []float64 `json:"values"`
	P50    float64   `json:"p50"`
	P90    float64   `json:"p90"`
	P99    float64   `json:"p99"`
	Max    float64   `json:"max"`
}

func newLatencies(values []float64) latencies {
	return latencies{
		Values: values,
		P50:    percentile(values, 50), P90: percentile(values, 90), P99: percentile(values, 99), Max: percentile(values, 100),
	}
}

// gatePipeline is the reference Pipeline from the change to deploy, so that many
// gates can be had without as many assessments.
func gatePipeline(image string) string {
	return `apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: gate}
spec:
  params:
  - name: change-request-id
  - name: bundle
  tasks:
  - name: open-change
    taskRef: {apiVersion: ` + v1alpha1.SchemeGroupVersion.String() + `, kind: ` + v1alpha1.KindOpenChange + `}
    params:
    - {name: change-request-id, value: $(params.change-request-id)}
  - name: approve-change
    runAfter: [open-change]
    taskRef: {apiVersion: ` + v1alpha1.SchemeGroupVersion.String() + `, kind: ` + v1alpha1.KindApproveChange + `}
    params:
    - {name: change-request-id, value: $(params.change-request-id)}
    - {name: bundle, value: $(params.bundle)}
    - {name: gate, value: wait}
    - {name: approval-timeout, value: 1h}
  - name: deploy
    runAfter: [approve-change]
    taskSpec:
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
}

// gate is a run that waits for its change to be approved.
type gate struct {
	run    string
	change *v1alpha1.ChangeRequest
}

// measureGates sets all gates up first, so that each is approved while the
// others wait, and then approves them.
func measureGates(ctx context.Context, p *fixture.Project, count, parallel int) (*gateTiming, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen, err := observe(ctx, p)
	if err != nil {
		return nil, err
	}
	pushed, err := bundle.Push(ctx, p.Bundles, []bundle.Item{bundle.File("note.txt", "text/plain", []byte("a change of the benchmark\n"))})
	if err != nil {
		return nil, err
	}
	fmt.Printf("\nsetting %d gates up\n", count)
	gates := make([]gate, count)
	setup, setupCtx := errgroup.WithContext(ctx)
	setup.SetLimit(openers)
	for i := range gates {
		setup.Go(func() error {
			var err error
			gates[i], err = openGate(setupCtx, p, seen, pushed, i)
			return err
		})
	}
	if err := setup.Wait(); err != nil {
		return nil, err
	}
	fmt.Printf("approving them, %d at a time\n", parallel)
	gate, deploy := make([]float64, count), make([]float64, count)
	approving, approvingCtx := errgroup.WithContext(ctx)
	approving.SetLimit(parallel)
	for i, g := range gates {
		approving.Go(func() error {
			var err error
			gate[i], deploy[i], err = approveGate(approvingCtx, p, seen, g)
			return err
		})
	}
	if err := approving.Wait(); err != nil {
		return nil, err
	}
	return &gateTiming{Parallel: parallel, Gate: newLatencies(gate), Deploy: newLatencies(deploy)}, nil
}

func (g *gateTiming) print() {
	fmt.Printf("\nFrom the request to approve, over %d gates, %d at a time\n", len(g.Deploy.Values), g.Parallel)
	fmt.Printf("  %-28s %7s %7s %7s %7s\n", "", "p50", "p90", "p99", "max")
	for _, row := range []struct {
		what string
		l    latencies
	}{{"until the gate has passed", g.Gate}, {"until deploy exists", g.Deploy}} {
		fmt.Printf("  %-28s %6.3fs %6.3fs %6.3fs %6.3fs\n", row.what, row.l.P50, row.l.P90, row.l.P99, row.l.Max)
	}
}

// openGate makes a run with a change request of its own, and waits until its
// gate asks for approval. The run is held back until its change request is
// there, as in the reference Pipeline the change is there before its gate.
func openGate(ctx context.Context, p *fixture.Project, seen *moments, pushed *bundle.Pushed, number int) (gate, error) {
	name := fmt.Sprintf("chg-bench-%04d", number)
	runs := p.Env.Tekton.TektonV1().PipelineRuns(p.Namespace)
	run := newRun("gate")
	// What counts is that deploy exists: its pod is never to start, because a
	// hundred starting pods would be measured with it.
	run.Spec.TaskRunTemplate.PodTemplate = &pod.Template{NodeSelector: map[string]string{"countersign.dev/benchmark": "nowhere"}}
	run.Spec.Status = pipelinev1.PipelineRunSpecStatusPending
	run.Spec.Params = pipelinev1.Params{
		{Name: "change-request-id", Value: *pipelinev1.NewStructuredValues(name)},
		{Name: "bundle", Value: *pipelinev1.NewStructuredValues(pushed.Reference)},
	}
	created, err := runs.Create(ctx, run, metav1.CreateOptions{})
	if err != nil {
		return gate{}, fmt.Errorf("creating a run: %w", err)
	}
	change := newChange(name, p, created, pushed)
	change, err = p.Env.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace).Create(ctx, change, metav1.CreateOptions{})
	if err != nil {
		return gate{}, fmt.Errorf("creating a change request: %w", err)
	}
	released := []byte(`{"spec":{"status":null}}`)
	if _, err := runs.Patch(ctx, created.Name, types.MergePatchType, released, metav1.PatchOptions{}); err != nil {
		return gate{}, fmt.Errorf("letting run %s begin: %w", created.Name, err)
	}
	_, err = seen.await(ctx, created.Name, waiting(created.Name), gateDeadline)
	return gate{run: created.Name, change: change}, err
}

// approveGate approves as tkn change approve does, and returns how long it took
// until the gate had passed, and until deploy was there. It then ends the run
// and waits for that, so that one gate's aftermath is not measured in the next.
func approveGate(ctx context.Context, p *fixture.Project, seen *moments, g gate) (toPass, toDeploy float64, err error) {
	approval := &v1alpha1.ChangeApproval{
		ObjectMeta: metav1.ObjectMeta{GenerateName: g.change.Name + "-"},
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: g.change.Name, ContentHash: g.change.Spec.ContentHash,
			Decision: v1alpha1.DecisionApprove, Comment: "benchmark",
		},
	}
	start := time.Now()
	if _, err := p.Env.Countersign.CountersignV1alpha1().ChangeApprovals(p.Namespace).Create(ctx, approval, metav1.CreateOptions{}); err != nil {
		return 0, 0, fmt.Errorf("approving %s: %w", g.change.Name, err)
	}
	pass, err := seen.await(ctx, g.run, passed(g.run), gateDeadline)
	if err != nil {
		return 0, 0, err
	}
	deploy, err := seen.await(ctx, g.run, began(g.run+"/deploy"), gateDeadline)
	if err != nil {
		return 0, 0, err
	}
	cancelled := []byte(`{"spec":{"status":"` + pipelinev1.PipelineRunSpecStatusCancelled + `"}}`)
	_, err = p.Env.Tekton.TektonV1().PipelineRuns(p.Namespace).Patch(ctx, g.run, types.MergePatchType, cancelled, metav1.PatchOptions{})
	if err != nil {
		return 0, 0, fmt.Errorf("ending run %s: %w", g.run, err)
	}
	if _, err := seen.await(ctx, g.run, ended(g.run), gateDeadline); err != nil {
		return 0, 0, err
	}
	return pass.Sub(start).Seconds(), deploy.Sub(start).Seconds(), nil
}

// newChange is a change request that nobody but a person approves.
func newChange(name string, p *fixture.Project, run *pipelinev1.PipelineRun, pushed *bundle.Pushed) *v1alpha1.ChangeRequest {
	now := metav1.Now().Rfc3339Copy()
	layer := pushed.Layers[0]
	commit := "0123456789abcdef0123456789abcdef01234567"
	return &v1alpha1.ChangeRequest{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ChangeRequestSpec{
			Summary: "A change of the benchmark",
			Target:  v1alpha1.Target{Environment: fixture.Target},
			Fields: v1alpha1.Fields{
				Priority: v1alpha1.PriorityLow, Assignee: "alex@example.com",
				CustomerImpact: v1alpha1.CustomerImpactNone, DeploymentImpact: v1alpha1.DeploymentImpactSmall,
				BackoutPlan: "None is needed.", EnvironmentPurpose: v1alpha1.EnvironmentProduction,
				EnvironmentDetail: "The benchmark", Risk: v1alpha1.RiskLow,
			},
			PlannedStart: now, PlannedEnd: metav1.NewTime(now.Add(30 * time.Minute)),
			Readiness: v1alpha1.ReadinessVerdict{
				EvaluatedAt: now, Blocked: 1,
				Blocking: []v1alpha1.CheckResult{{
					Asset: "https://forge.example/hello.git#" + commit, Check: "com.ibm.unit_tests",
					Rule: "required", Result: "missing", Reason: "the benchmark has no evidence",
				}},
			},
			PromotionPR: v1alpha1.PromotionPR{Number: 1, URL: "https://forge.example/pulls/1", MergeCommit: commit},
			Inventory:   v1alpha1.InventoryRange{URL: p.Inventory.URL, Branch: fixture.Target, To: commit},
			Subjects:    []v1alpha1.Subject{{Name: "hello", Action: "deploy"}}, SubjectsTotal: 1,
			Bundle: pushed.Reference,
			Attachments: []v1alpha1.Attachment{{
				Name: "Note", FileName: layer.Path, MediaType: layer.MediaType,
				Size: layer.Size, Digest: layer.Digest, Reference: layer.Reference,
			}},
			Run: v1alpha1.RunRef{Name: run.Name, UID: run.UID},
		},
	}
}
