// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/sbom"
)

// Names of the attachments of a conclusion, and their paths in the bundle.
const (
	AttachmentClosingSummary = "Closing Summary"
	AttachmentMergedSBOM     = "Merged SBOM"

	FileClosingSummary = "closing-summary.json"
	FileMergedSBOM     = "merged-sbom.json"
)

// Artefacts are what a conclusion carries if anything was deployed.
type Artefacts struct {
	Readiness   *v1alpha1.ReadinessVerdict
	Bundle      string
	Attachments []v1alpha1.Attachment
}

// artefactsOf makes the artefacts, or takes those that other steps made, and
// pushes them.
func artefactsOf(ctx context.Context, p *Params, cr *v1alpha1.ChangeRequest, c *assess.Clients) (*Artefacts, error) {
	if p.ArtefactsDir != "" {
		return loadArtefacts(ctx, p, c)
	}
	locker, err := evidence.Open(ctx, p.LockerURL)
	if err != nil {
		return nil, err
	}
	defer locker.Close()
	answer, err := judge(ctx, p, cr, locker, c)
	if err != nil {
		return nil, err
	}
	merged, err := MergeSBOMs(ctx, locker, answer.Collection, TargetOf(cr, answer.Verdict.EvaluatedAt), c.Progress)
	if err != nil {
		return nil, err
	}
	if err := answer.Show(c.Progress); err != nil {
		return nil, err
	}
	return push(ctx, p, answer.Verdict, answer.Summary, merged, c)
}

// judge judges the evidence of everything that the target holds now.
func judge(ctx context.Context, p *Params, cr *v1alpha1.ChangeRequest, locker *evidence.Locker, c *assess.Clients) (*assess.Answer, error) {
	entries, err := entriesAt(ctx, p, cr, c.Progress)
	if err != nil {
		return nil, err
	}
	policy, err := assess.GatherPolicy(ctx, c.Cluster, p.Namespace)
	if err != nil {
		return nil, err
	}
	done := c.Progress.Begin("Evidence of all entries")
	answer, err := assess.Judge(ctx, locker, assess.Question{
		LockerURL: p.LockerURL, Entries: entries, Required: policy.Spec.RequiredChecks, Run: p.Run.Name, Now: c.Now().UTC().Truncate(time.Second),
	})
	if err != nil {
		done("", err)
		return nil, err
	}
	done(fmt.Sprintf("%d checks passed, %d block", answer.Verdict.Passed, answer.Verdict.Blocked), nil)
	return answer, nil
}

func loadArtefacts(ctx context.Context, p *Params, c *assess.Clients) (*Artefacts, error) {
	verdict, err := assess.LoadVerdict(p.ArtefactsDir)
	if err != nil {
		return nil, err
	}
	summary, err := assess.LoadFile(p.ArtefactsDir, FileClosingSummary)
	if err != nil {
		return nil, err
	}
	merged, err := assess.LoadFile(p.ArtefactsDir, FileMergedSBOM)
	if err != nil {
		return nil, err
	}
	return push(ctx, p, verdict, summary, merged, c)
}

// entriesAt reads all entries at the change's commit. Those that cannot be read
// stay in the list: readiness blocks on what does not say what it is.
func entriesAt(ctx context.Context, p *Params, cr *v1alpha1.ChangeRequest, progress *step.Progress) ([]inventory.Entry, error) {
	repo, err := clone(ctx, p, cr)
	if err != nil {
		return nil, err
	}
	snapshot, err := repo.Snapshot(ctx, cr.Spec.Inventory.To, inventory.SnapshotOptions{})
	if err != nil {
		return nil, err
	}
	entries, problems := snapshot.Entries(ctx, snapshot.Names())
	for _, problem := range append(snapshot.Problems(), problems...) {
		progress.Say("  warning: inventory at %.12s: %s", cr.Spec.Inventory.To, problem)
	}
	return entries, ctx.Err()
}

func clone(ctx context.Context, p *Params, cr *v1alpha1.ChangeRequest) (*inventory.Repository, error) {
	return inventory.Clone(ctx, inventory.Options{URL: cr.Spec.Inventory.URL, Branch: cr.Spec.Inventory.Branch, Auth: p.GitAuth})
}

// TargetOf names a change's target in a bill of materials.
func TargetOf(cr *v1alpha1.ChangeRequest, now time.Time) sbom.Target {
	return sbom.Target{
		Name:       assess.TargetName(cr.Spec.Target),
		Version:    cr.Spec.Inventory.To,
		Timestamp:  now,
		Properties: []sbom.Property{{Name: "change-request", Value: cr.Name}},
	}
}

// MergeSBOMs joins the bills of materials that the evidence of entries carries.
// One that cannot be had is named in the result.
func MergeSBOMs(ctx context.Context, locker *evidence.Locker, collection *evidence.Collection, target sbom.Target, progress *step.Progress) ([]byte, error) {
	var inputs []sbom.Input
	done := progress.Begin("Merged SBOM")
	for _, a := range collection.Attachments(evidence.TypeCodeBOM, target.Timestamp) {
		input := sbom.Input{Name: a.Entry, Digest: "sha256:" + string(a.Hash)}
		content, err := locker.ReadAttachment(ctx, a.AttachmentRef)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			input.Problem = err.Error()
			progress.Say("  warning: bill of materials of %s: %v", a.Entry, err)
		}
		input.BOM = content
		inputs = append(inputs, input)
	}
	merged, err := sbom.Merge(target, inputs)
	if err != nil {
		done("", err)
		return nil, fmt.Errorf("merge the bills of materials: %w", err)
	}
	done(fmt.Sprintf("%d components from %d documents", merged.Components, len(inputs)-len(merged.Unreadable)), nil)
	return merged.JSON, nil
}

func push(ctx context.Context, p *Params, verdict readiness.Verdict, summary, merged []byte, c *assess.Clients) (*Artefacts, error) {
	done := c.Progress.Begin("Closing bundle")
	pushed, err := bundle.Push(ctx, p.BundleRepository, []bundle.Item{
		bundle.File(FileClosingSummary, "application/json", summary),
		bundle.File(FileMergedSBOM, sbom.MediaType, merged),
	}, c.Bundle...)
	if err != nil {
		done("", err)
		return nil, err
	}
	done(pushed.Reference, nil)
	kept := verdict.API()
	return &Artefacts{
		Readiness: &kept,
		Bundle:    pushed.Reference,
		Attachments: assess.Attachments([]assess.Attached{
			{Name: AttachmentClosingSummary, Path: FileClosingSummary},
			{Name: AttachmentMergedSBOM, Path: FileMergedSBOM},
		}, pushed.Layers),
	}, nil
}
