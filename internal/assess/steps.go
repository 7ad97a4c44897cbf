// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/forge"
)

// The functions below are the steps of one thing each. They do what Run does, in
// parts that a Task of one's own may put together, with a folder between them.

// InventoryStep is step inventory: it finds out what would be deployed and writes
// it into the folder.
func InventoryStep(ctx context.Context, p *Params, dir string, c *Clients) (*Inventory, error) {
	if err := p.CheckInventory(); err != nil {
		return nil, err
	}
	i, err := GatherInventory(ctx, p, c.Progress)
	if err != nil {
		return nil, err
	}
	return i, i.Save(dir)
}

// PromotionStep is step promotion: it finds the promotion pull request of what
// step inventory found, judges the fields, and writes promotion.json.
func PromotionStep(ctx context.Context, p *Params, dir string, c *Clients) (*Promotion, error) {
	saved, err := LoadInventory(dir)
	if err != nil {
		return nil, err
	}
	p.InventoryURL, p.TargetEnvironment = saved.Range.URL, saved.Range.Branch
	repo, err := Clone(ctx, p, c.Progress)
	if err != nil {
		return nil, err
	}
	// The history up to what was found, wherever the branch is by now.
	if err := saved.readHistory(ctx, repo); err != nil {
		return nil, err
	}
	promotion, err := GatherPromotion(ctx, p, saved, func() (forge.Forge, error) { return c.forge(ctx, p) }, c)
	if err != nil {
		return nil, err
	}
	return promotion, SaveJSON(dir, FilePromotion, promotion)
}

// ReadinessStep judges what step inventory found: the delta before a
// deployment, or all entries after it.
func ReadinessStep(ctx context.Context, p *Params, dir string, all bool, summary string, c *Clients) (*Answer, error) {
	saved, err := LoadInventory(dir)
	if err != nil {
		return nil, err
	}
	p.InventoryURL, p.TargetEnvironment = saved.Range.URL, saved.Range.Branch
	if err := p.CheckLocker(); err != nil {
		return nil, err
	}
	var gating Gating
	if p.ConfigURL != "" {
		if gating, err = GatherGating(ctx, p, c.Progress); err != nil {
			return nil, err
		}
	}
	policy, err := GatherPolicy(ctx, c.Cluster, p.Namespace)
	if err != nil {
		return nil, err
	}
	rules, err := gating.Parse(policy)
	if err != nil {
		return nil, err
	}
	now := c.Now().UTC().Truncate(time.Second)
	q := Question{Rules: rules, Phase: checks.PreDeployment, Source: p.SourceEnvironment, Target: p.Target(), Run: p.Run.Name, Now: now}
	entries := saved.Deployed()
	if all {
		q.Phase, entries = checks.PostDeployment, saved.Entries
	} else {
		q.Deleted = saved.Deleted
		if policy.Spec.PeerReview != nil {
			if saved.repo, err = Clone(ctx, p, c.Progress); err != nil {
				return nil, err
			}
		}
	}
	openForge := func() (forge.Forge, error) { return c.forge(ctx, p) }
	found, err := verifyAndRead(ctx, p, policy, saved, entries, openForge, now, c)
	if err != nil {
		return nil, err
	}
	q.Evidence, q.Verified = found.Evidence, found.Verified
	if all {
		reviews, err := loadReviews(dir, policy, saved.Range)
		if err != nil {
			return nil, err
		}
		q.Verified = q.Verified.With(reviews)
	}
	answer, err := Judge(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := found.Verified.Store(ctx, p.LockerURL, c.Progress); err != nil {
		return nil, err
	}
	return answer, errors.Join(SaveAnswer(dir, summary, answer, q.Verified), SaveJSON(dir, FileGating, gating), answer.Show(c.Progress))
}

// loadReviews takes over what was found out about reviews before the deployment.
func loadReviews(dir string, policy *v1alpha1.ChangePolicy, r v1alpha1.InventoryRange) (Verified, error) {
	if policy.Spec.PeerReview == nil {
		return Verified{}, nil
	}
	content, err := LoadFile(dir, FileVerified)
	if err != nil {
		return Verified{}, err
	}
	return Reviews(content, policy, r)
}

// CreateStep is step change create: it opens the change request with what the
// other steps left in the folder.
func CreateStep(ctx context.Context, p *Params, dir string, c *Clients) (*v1alpha1.ChangeRequest, error) {
	facts, err := LoadFacts(dir)
	if err != nil {
		return nil, err
	}
	p.InventoryURL, p.TargetEnvironment = facts.Inventory.Range.URL, facts.Inventory.Range.Branch
	if err := step.Join(p.CheckRun(), p.CheckInventory(), p.CheckChange()); err != nil {
		return nil, err
	}
	if facts.Inventory.Empty() {
		return nil, step.Invalid(fmt.Sprintf("there is nothing to deploy to %s: skip this step where result proceed of step inventory is false", TargetName(p.Target())))
	}
	if cr, err := own(ctx, p, c); cr != nil || err != nil {
		return cr, err
	}
	policy, err := GatherPolicy(ctx, c.Cluster, p.Namespace)
	if err != nil {
		return nil, err
	}
	config, err := GatherConfig(ctx, p, c.Progress)
	if err := step.Join(err, checkRepository(p.BundleRepository, policy)); err != nil {
		return nil, err
	}
	var judged Gating
	if err := LoadJSON(dir, FileGating, &judged); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(judged, config.Gating) {
		return nil, step.Refused(fmt.Sprintf("the rules for evidence at %s, branch %s, are not those that step readiness judged by: give both steps the same parameters, and run them again", p.ConfigURL, p.ConfigRevision))
	}
	facts.Config, facts.Now = config, c.Now()
	draft, err := Decide(p, facts)
	if err != nil {
		return nil, err
	}
	return Apply(ctx, p, draft, c)
}
