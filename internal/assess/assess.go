// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"strconv"
	"sync"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/stage"
)

// Outcome is what the run's later tasks need to know.
type Outcome struct {
	// Proceed is false if there is nothing to deploy.
	Proceed         bool
	DeploymentReady bool
	ChangeRequest   string
	Bundle          string
	// Images of the stages, by stage; empty where the user's own Task runs.
	Images map[string]string
}

// ResultNames are the names of the Task's results, which Results fills.
var ResultNames = []string{"proceed", "deployment-ready", "change-request-id", "bundle", "deploy-image", "acceptance-test-image", "rollback-image"}

// Results are the outcome as Tekton results.
func (o *Outcome) Results() map[string]string {
	return map[string]string{
		"proceed":               strconv.FormatBool(o.Proceed),
		"deployment-ready":      strconv.FormatBool(o.DeploymentReady),
		"change-request-id":     o.ChangeRequest,
		"bundle":                o.Bundle,
		"deploy-image":          o.Images[stage.Deploy],
		"acceptance-test-image": o.Images[stage.AcceptanceTest],
		"rollback-image":        o.Images[stage.Rollback],
	}
}

// outcomeOf is the outcome of a run that goes on with a change request.
func outcomeOf(cr *v1alpha1.ChangeRequest) *Outcome {
	o := &Outcome{
		Proceed: true, DeploymentReady: cr.Spec.Readiness.Ready, ChangeRequest: cr.Name, Bundle: cr.Spec.Bundle,
		Images: map[string]string{},
	}
	for _, s := range cr.Spec.Stages {
		o.Images[s.Name] = s.Image
	}
	return o
}

// Run assesses. Its error says everything that is wrong; nothing was created
// then.
func Run(ctx context.Context, p *Params, c *Clients) (*Outcome, error) {
	c.Progress.Say("Promotion from %s to %s", p.SourceEnvironment, TargetName(p.Target()))
	if id, supplied := p.Supplied(); supplied {
		cr, err := reuse(ctx, p, id, c)
		if err != nil {
			return nil, err
		}
		c.Progress.Say("Change request %s is taken up: nothing has changed since it was opened.\nDEPLOYMENT_READY=%t", cr.Name, cr.Spec.Readiness.Ready)
		return outcomeOf(cr), nil
	}

	cr, err := resume(ctx, p, c)
	if err != nil {
		return nil, err
	}
	if cr == nil {
		if cr, err = open(ctx, p, c); err != nil {
			return nil, err
		}
	}
	if cr == nil {
		c.Progress.Say("Nothing has changed since the last deployment to %s: there is nothing to deploy, and no change request is opened.\nParameter force-redeploy deploys all entries again.", TargetName(p.Target()))
		return &Outcome{DeploymentReady: true, Images: map[string]string{}}, nil
	}
	return outcomeOf(cr), nil
}

// resume finds what an earlier attempt of the same run has created already.
func resume(ctx context.Context, p *Params, c *Clients) (*v1alpha1.ChangeRequest, error) {
	if err := p.CheckRun(); err != nil {
		return nil, step.Join(err, p.CheckInventory(), p.CheckChange(), p.CheckLocker())
	}
	cr, err := own(ctx, p, c)
	if cr != nil {
		c.Progress.Say("Change request %s was created by this run before.\nDEPLOYMENT_READY=%t", cr.Name, cr.Spec.Readiness.Ready)
	}
	return cr, err
}

// open gathers, decides and applies; nil if there is nothing to deploy.
func open(ctx context.Context, p *Params, c *Clients) (*v1alpha1.ChangeRequest, error) {
	facts, answer, err := gather(ctx, p, c)
	if err != nil || facts == nil {
		return nil, err
	}
	draft, err := Decide(p, facts)
	if err != nil {
		return nil, err
	}
	cr, err := Apply(ctx, p, draft, c)
	if err != nil {
		return nil, err
	}
	return cr, answer.Show(c.Progress)
}

// gather reads everything, and tells everything that is wrong at once. It
// returns nothing if there is nothing to deploy.
func gather(ctx context.Context, p *Params, c *Clients) (*Facts, *Answer, error) {
	if err := p.CheckInventory(); err != nil {
		return nil, nil, step.Join(err, p.CheckChange(), p.CheckLocker())
	}
	i, inventoryErr := GatherInventory(ctx, p, c.Progress)
	if inventoryErr == nil && i.Empty() {
		return nil, nil, nil
	}

	f := &Facts{Inventory: i, Now: c.Now()}
	var (
		answer                            *Answer
		promotionErr, configErr, judgeErr error
	)
	paramsErr := p.CheckChange()
	parallel(
		func() {
			if i != nil && i.history != nil {
				f.Promotion, promotionErr = GatherPromotion(ctx, p, i, c)
			}
		},
		func() {
			if paramsErr == nil {
				f.Config, configErr = GatherConfig(ctx, p, c.Progress)
			}
		},
		func() {
			answer, judgeErr = judge(ctx, p, i, inventoryErr == nil && p.LockerURL != "", c)
		},
	)
	if err := step.Join(paramsErr, p.CheckLocker(), inventoryErr, promotionErr, configErr, judgeErr); err != nil {
		return nil, nil, err
	}
	f.Verdict, f.Summary = answer.Verdict, answer.Summary
	return f, answer, nil
}

// judge asks the policy, and then the locker.
func judge(ctx context.Context, p *Params, i *Inventory, ask bool, c *Clients) (*Answer, error) {
	policy, err := GatherPolicy(ctx, c.Cluster, p.Namespace)
	if err != nil {
		return nil, err
	}
	refused := checkRepository(p.BundleRepository, policy)
	if !ask {
		return nil, refused
	}
	answer, err := GatherEvidence(ctx, Question{
		LockerURL: p.LockerURL, Entries: i.Deployed(), Deleted: i.Deleted,
		Required: policy.Spec.RequiredChecks, Run: p.Run.Name, Now: c.Now(),
	}, c.Progress)
	return answer, step.Join(refused, err)
}

func parallel(work ...func()) {
	var group sync.WaitGroup
	for _, w := range work {
		group.Go(w)
	}
	group.Wait()
}
