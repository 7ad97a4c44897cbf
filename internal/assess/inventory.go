// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/promotion"
)

// maxLog is how many commits of the inventory the description may draw from.
const maxLog = 1000

// Inventory is what the inventory says of a deployment.
type Inventory struct {
	Range v1alpha1.InventoryRange
	// Changed and Deleted name the entries that the run deploys and deletes.
	Changed, Deleted []string
	// Entries are all entries of the target at the commit that is deployed.
	Entries []inventory.Entry
	// Gone are the deleted entries as they were last.
	Gone []inventory.Entry
	// Log lists the inventory's commits since the last deployment, newest first;
	// LogCut is true if there were more.
	Log    []inventory.Commit
	LogCut bool

	repo               *inventory.Repository
	history, concluded promotion.History
}

// Empty tells that there is nothing to deploy.
func (i *Inventory) Empty() bool { return len(i.Changed)+len(i.Deleted) == 0 }

// Deployed are the entries that the run deploys.
func (i *Inventory) Deployed() []inventory.Entry {
	byName := make(map[string]inventory.Entry, len(i.Entries))
	for _, e := range i.Entries {
		byName[e.Name] = e
	}
	deployed := make([]inventory.Entry, 0, len(i.Changed))
	for _, name := range i.Changed {
		deployed = append(deployed, byName[name])
	}
	return deployed
}

// Names are the names of all entries.
func (i *Inventory) Names() []string {
	names := make([]string, 0, len(i.Entries))
	for _, e := range i.Entries {
		names = append(names, e.Name)
	}
	return names
}

// Clone clones the target's branch of the inventory.
func Clone(ctx context.Context, p *Params, progress *step.Progress) (*inventory.Repository, error) {
	done := progress.Begin("Inventory %s", p.InventoryURL)
	repo, err := inventory.Clone(ctx, inventory.Options{URL: p.InventoryURL, Branch: p.TargetEnvironment, Auth: p.GitAuth})
	if err != nil {
		done("", err)
		return nil, err
	}
	done(fmt.Sprintf("branch %s is at %.12s", p.TargetEnvironment, repo.Head()), nil)
	return repo, nil
}

// Last is the commit that the target concluded last, empty if it has none.
func Last(repo *inventory.Repository, target v1alpha1.Target) (string, error) {
	last, err := repo.ResolveTag(inventory.TagName(target))
	if errors.Is(err, inventory.ErrTagNotFound) {
		return "", nil
	}
	return last, err
}

// GatherInventory reads what is to be deployed: the delta between what the
// target concluded last and the head of its branch, or all entries if the run
// is to redeploy. Entries of the delta that cannot be used are problems; others
// are told and left to readiness at closure.
func GatherInventory(ctx context.Context, p *Params, progress *step.Progress) (*Inventory, error) {
	repo, err := Clone(ctx, p, progress)
	if err != nil {
		return nil, err
	}
	last, err := Last(repo, p.Target())
	if err != nil {
		return nil, err
	}
	to, err := repo.Snapshot(ctx, repo.Head(), inventory.SnapshotOptions{})
	if err != nil {
		return nil, err
	}
	var from *inventory.Snapshot
	if last != "" {
		if from, err = repo.Snapshot(ctx, last, inventory.SnapshotOptions{}); err != nil {
			return nil, fmt.Errorf("what the target concluded last: %w", err)
		}
	}
	delta := inventory.Diff(from, to)
	if p.force() {
		delta = inventory.Everything(from, to)
	}
	sayDelta(progress, p, delta)

	i := &Inventory{
		Range:   v1alpha1.InventoryRange{URL: p.InventoryURL, Branch: p.TargetEnvironment, From: last, To: repo.Head(), Redeploy: p.force()},
		Changed: delta.Changed,
		Deleted: delta.Deleted,
		repo:    repo,
	}
	// Entries that cannot be used do not keep the pull request from being judged:
	// all faults are told at once.
	entriesErr := i.readEntries(ctx, from, to, progress)
	if i.Empty() {
		return i, entriesErr
	}
	return i, step.Join(entriesErr, i.readHistory(ctx, repo))
}

func sayDelta(progress *step.Progress, p *Params, delta inventory.Delta) {
	since := "nothing was deployed to this target before"
	if delta.From != "" {
		since = fmt.Sprintf("the target concluded %.12s last (tag %s)", delta.From, inventory.TagName(p.Target()))
	}
	progress.Say("Delta: %d to deploy, %d to delete; %s", len(delta.Changed), len(delta.Deleted), since)
	for _, name := range delta.Released {
		progress.Say("  %s was deployed and is excluded by the ignore file now: it is left as it is", name)
	}
}

// readEntries reads all entries, and tells apart the problems that matter.
func (i *Inventory) readEntries(ctx context.Context, from, to *inventory.Snapshot, progress *step.Progress) error {
	var problems []string
	for _, problem := range to.Problems() {
		problems = append(problems, fmt.Sprintf("inventory at %.12s: %s", i.Range.To, problem))
	}
	wanted := map[string]bool{}
	for _, name := range i.Changed {
		wanted[name] = true
	}
	entries, found := to.Entries(ctx, to.Names())
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("reading the inventory: %w", err)
	}
	i.Entries = entries
	for _, problem := range found {
		if wanted[problem.Path] && problem.Severity == inventory.SeverityError {
			problems = append(problems, fmt.Sprintf("inventory at %.12s: %s", i.Range.To, problem))
			continue
		}
		progress.Say("  warning: %s", problem)
	}
	if from != nil {
		// What is deleted only has to be named: an old entry that cannot be read
		// must not keep anyone from deleting it.
		i.Gone, _ = from.Entries(ctx, i.Deleted)
	}
	return step.Invalid(problems...)
}

// readHistory reads what the promotion pull request and the description need.
func (i *Inventory) readHistory(ctx context.Context, repo *inventory.Repository) error {
	history, err := repo.History(ctx, i.Range.To)
	if err != nil {
		return err
	}
	i.history = history
	if i.Range.From != "" {
		concluded, err := repo.History(ctx, i.Range.From)
		if err != nil {
			return err
		}
		i.concluded = concluded
	}
	i.Log, i.LogCut, err = repo.ChangeLog(ctx, i.Range.From, i.Range.To, maxLog)
	return err
}
