// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/sbom"
	"github.com/countersign-dev/countersign/pkg/signature"
)

// Names of the attachments of a conclusion, and their paths in the bundle.
const (
	AttachmentClosingSummary     = "Closing Summary"
	AttachmentClosingSummaryText = "Closing Summary (Markdown)"
	AttachmentMergedSBOM         = "Merged SBOM"

	FileClosingSummary     = "closing-summary.json"
	FileClosingSummaryText = "closing-summary.md"
	FileMergedSBOM         = "merged-sbom.json"
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
	policy, err := assess.GatherPolicy(ctx, c.Cluster, p.Namespace)
	if err != nil {
		return nil, err
	}
	trust, err := assess.Trust(ctx, policy)
	if err != nil {
		return nil, err
	}
	locker, err := assess.OpenLocker(ctx, p.LockerURL, policy, trust)
	if err != nil {
		return nil, err
	}
	defer locker.Close()
	answer, err := judge(ctx, p, cr, policy, trust, locker, c)
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
	return push(ctx, p, answer.Verdict, answer.Summary, answer.Text, merged, c)
}

// judge judges the evidence of everything that the target holds now, by the
// rules that the change was opened under.
func judge(ctx context.Context, p *Params, cr *v1alpha1.ChangeRequest, policy *v1alpha1.ChangePolicy, trust *signature.Trust, locker *evidence.Locker, c *assess.Clients) (*assess.Answer, error) {
	entries, err := entriesAt(ctx, p, cr, c.Progress)
	if err != nil {
		return nil, err
	}
	opened, err := bundle.Fetch(ctx, cr.Spec.Bundle, c.Bundle...)
	if err != nil {
		return nil, err
	}
	rules, err := rulesOf(ctx, opened, policy)
	if err != nil {
		return nil, err
	}
	now := c.Now().UTC().Truncate(time.Second)
	collection, err := assess.ReadEvidence(ctx, locker, entries, c.Progress)
	if err != nil {
		return nil, err
	}
	verified, err := assess.VerifyArtifacts(ctx, policy, trust, entries, p.Run.Name, now, c.Progress)
	if err != nil {
		return nil, err
	}
	if err := verified.Store(ctx, p.LockerURL, c.Progress); err != nil {
		return nil, err
	}
	reviews, err := reviewsOf(ctx, opened, policy, cr)
	if err != nil {
		return nil, err
	}
	return assess.Judge(ctx, assess.Question{
		Evidence: collection, Verified: verified.With(reviews), Rules: rules,
		Phase: checks.PostDeployment, Target: cr.Spec.Target, Run: p.Run.Name, Now: now,
	})
}

// rulesOf reads the rules that the configuration repository had when the change
// was opened.
func rulesOf(ctx context.Context, opened *bundle.Bundle, policy *v1alpha1.ChangePolicy) (assess.Rules, error) {
	content, err := opened.ReadFile(ctx, assess.FileGating)
	if err != nil {
		return assess.Rules{}, err
	}
	gating, err := assess.ParseGating(content)
	if err != nil {
		return assess.Rules{}, err
	}
	return gating.Parse(policy)
}

// reviewsOf takes over what was found out about reviews when the change was
// opened.
func reviewsOf(ctx context.Context, opened *bundle.Bundle, policy *v1alpha1.ChangePolicy, cr *v1alpha1.ChangeRequest) (assess.Verified, error) {
	if policy.Spec.PeerReview == nil {
		return assess.Verified{}, nil
	}
	content, err := opened.ReadFile(ctx, assess.FileVerified)
	if err != nil {
		return assess.Verified{}, err
	}
	return assess.Reviews(content, policy, cr.Spec.Inventory)
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
	text, err := assess.LoadFile(p.ArtefactsDir, FileClosingSummaryText)
	if err != nil {
		return nil, err
	}
	return push(ctx, p, verdict, summary, text, merged, c)
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
		inputs = append(inputs, sbom.Input{
			Name: a.Entry, Digest: "sha256:" + strings.TrimPrefix(string(a.Hash), "sha256:"),
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				content, err := locker.ReadAttachment(ctx, a.AttachmentRef)
				return io.NopCloser(bytes.NewReader(content)), err
			},
		})
	}
	var out bytes.Buffer
	merged, err := sbom.Merge(ctx, &out, target, inputs)
	if err != nil {
		done("", err)
		return nil, err
	}
	for _, u := range merged.Unreadable {
		progress.Say("  warning: bill of materials of %s: %s", u.Name, u.Problem)
	}
	done(fmt.Sprintf("%d components from %d documents", merged.Components, len(inputs)-len(merged.Unreadable)), nil)
	return out.Bytes(), nil
}

func push(ctx context.Context, p *Params, verdict readiness.Verdict, summary, text, merged []byte, c *assess.Clients) (*Artefacts, error) {
	done := c.Progress.Begin("Closing bundle")
	pushed, err := bundle.Push(ctx, p.BundleRepository, []bundle.Item{
		bundle.File(FileClosingSummary, "application/json", summary),
		bundle.File(FileClosingSummaryText, "text/markdown", text),
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
			{Name: AttachmentClosingSummaryText, Path: FileClosingSummaryText},
			{Name: AttachmentMergedSBOM, Path: FileMergedSBOM},
		}, pushed.Layers),
	}, nil
}
