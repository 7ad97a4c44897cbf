// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
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
	promotion, err := GatherPromotion(ctx, p, saved, c)
	if err != nil {
		return nil, err
	}
	return promotion, SaveJSON(dir, FilePromotion, promotion)
}

// ReadinessStep is step readiness: it judges the evidence of the delta, or of all
// entries, and writes readiness.json and the summary under its name.
func ReadinessStep(ctx context.Context, q Question, dir string, all bool, summary string, c *Clients) (*Answer, error) {
	saved, err := LoadInventory(dir)
	if err != nil {
		return nil, err
	}
	q.Entries, q.Deleted = saved.Deployed(), saved.Deleted
	if all {
		q.Entries, q.Deleted = saved.Entries, nil
	}
	answer, err := GatherEvidence(ctx, q, c.Progress)
	if err != nil {
		return nil, err
	}
	return answer, errors.Join(SaveAnswer(dir, summary, answer), answer.Show(c.Progress))
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
	facts.Config, facts.Now = config, c.Now()
	draft, err := Decide(p, facts)
	if err != nil {
		return nil, err
	}
	return Apply(ctx, p, draft, c)
}
