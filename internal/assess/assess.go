// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/signature"
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
	if err := facts.Verified.Store(ctx, p.LockerURL, c.Progress); err != nil {
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

	f := &Facts{Inventory: i, Now: c.Now().UTC().Truncate(time.Second)}
	openForge := sync.OnceValues(func() (forge.Forge, error) { return c.forge(ctx, p) })
	var (
		found                                        *Examined
		promotionErr, configErr, examineErr, ruleErr error
	)
	paramsErr := p.CheckChange()
	parallel(
		func() {
			if i != nil && i.history != nil {
				f.Promotion, promotionErr = GatherPromotion(ctx, p, i, openForge, c)
			}
		},
		func() {
			if paramsErr == nil {
				f.Config, configErr = GatherConfig(ctx, p, c.Progress)
			}
		},
		func() {
			ask := inventoryErr == nil && p.LockerURL != ""
			found, examineErr = examine(ctx, p, i, ask, openForge, f.Now, c)
		},
	)
	var rules Rules
	if f.Config != nil && found != nil {
		rules, ruleErr = f.Config.Gating.Parse(found.Policy)
	}
	if err := step.Join(paramsErr, p.CheckLocker(), inventoryErr, promotionErr, configErr, examineErr, ruleErr); err != nil {
		return nil, nil, err
	}
	f.Verified = found.Verified
	answer, err := Judge(ctx, Question{
		Evidence: found.Evidence, Deleted: i.Deleted, Verified: found.Verified, Rules: rules,
		Phase: checks.PreDeployment, Source: p.SourceEnvironment, Target: p.Target(), Run: p.Run.Name, Now: f.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	f.Verdict, f.Summary, f.SummaryText = answer.Verdict, answer.Summary, answer.Text
	return f, answer, nil
}

// Examined is what the policy, the locker, the registry and the forge say of
// the entries that are to be deployed.
type Examined struct {
	Policy   *v1alpha1.ChangePolicy
	Evidence *evidence.Collection
	Verified Verified
}

// examine asks the policy, and then, if what would be deployed is known, side by
// side the locker and whatever else the policy demands.
func examine(ctx context.Context, p *Params, i *Inventory, ask bool, openForge func() (forge.Forge, error), now time.Time, c *Clients) (*Examined, error) {
	policy, err := GatherPolicy(ctx, c.Cluster, p.Namespace)
	if err != nil {
		return nil, err
	}
	if err := checkRepository(p.BundleRepository, policy); err != nil || !ask {
		return &Examined{Policy: policy}, err
	}
	return verifyAndRead(ctx, p, policy, i, i.Deployed(), openForge, now, c)
}

// verifyAndRead reads the evidence of entries and verifies what the policy
// demands.
func verifyAndRead(ctx context.Context, p *Params, policy *v1alpha1.ChangePolicy, i *Inventory, entries []inventory.Entry, openForge func() (forge.Forge, error), now time.Time, c *Clients) (*Examined, error) {
	found := &Examined{Policy: policy}
	trust, err := Trust(ctx, policy)
	if err != nil {
		return found, err
	}
	var (
		artifacts, reviews                Verified
		readErr, artifactsErr, reviewsErr error
	)
	parallel(
		func() {
			found.Evidence, readErr = readLocker(ctx, p.LockerURL, policy, trust, entries, c.Progress)
		},
		func() {
			artifacts, artifactsErr = VerifyArtifacts(ctx, policy, trust, entries, p.Run.Name, now, c.Progress)
		},
		func() {
			if policy.Spec.PeerReview == nil || i.repo == nil {
				return
			}
			f, err := openForge()
			if err != nil {
				reviewsErr = err
				return
			}
			reviews, reviewsErr = VerifyReviews(ctx, policy, f, i.repo, i.Range, Origin(p.Run), now, c.Progress)
		},
	)
	found.Verified = artifacts.With(reviews)
	return found, step.Join(readErr, artifactsErr, reviewsErr)
}

func readLocker(ctx context.Context, url string, policy *v1alpha1.ChangePolicy, trust *signature.Trust, entries []inventory.Entry, progress *step.Progress) (*evidence.Collection, error) {
	locker, err := OpenLocker(ctx, url, policy, trust)
	if err != nil {
		return nil, err
	}
	defer locker.Close()
	return ReadEvidence(ctx, locker, entries, progress)
}

func parallel(work ...func()) {
	var group sync.WaitGroup
	for _, w := range work {
		group.Go(w)
	}
	group.Wait()
}
