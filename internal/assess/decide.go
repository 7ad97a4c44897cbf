// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/promotion"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/sbom"
)

// Names of the attachments of a change request as it is opened.
const (
	AttachmentDeploymentBOM     = "Deployment BOM"
	AttachmentDeltaSummary      = "Delta Summary"
	AttachmentDeltaSummaryText  = "Delta Summary (Markdown)"
	AttachmentEvidenceChecks    = "Evidence Checks Config File"
	AttachmentEvidencePolicy    = "Evidence Policy"
	AttachmentComplianceProfile = "Compliance Profile"
)

// Paths in the bundle of a change request. Stages find them under the same names.
const (
	FileChange        = "change.json"
	FileDelta         = "delta.json"
	FileDeletions     = "deletions.json"
	FileEntries       = "entries.json"
	FolderInventory   = "inventory"
	FolderConfig      = "config"
	FileDeploymentBOM = "deployment-bom.json"
	FileDeltaSummary  = "delta-summary.json"
	FileDeltaText     = "delta-summary.md"
	FileGating        = "gating.json"
	FileVerified      = "verified.json"
)

const mediaTypeJSON = "application/json"

// maxSubjects is how many subjects the change request itself lists.
const maxSubjects = 1000

// Facts are what was gathered for a change request.
type Facts struct {
	Inventory *Inventory
	Promotion *Promotion
	Config    *Config
	// Verified is what the run found out itself.
	Verified Verified
	// Verdict of readiness and its Delta Summary, as JSON and as Markdown.
	Verdict              readiness.Verdict
	Summary, SummaryText []byte
	// BOM is the Deployment BOM; nil to have it made.
	BOM []byte
	Now time.Time
}

// Draft is a change request that is not stored yet: all of its spec but what
// follows from the bundle's digest, and the bundle's files.
type Draft struct {
	Spec  v1alpha1.ChangeRequestSpec
	Items []bundle.Item
	// Attached are the names of attachments by their path in the bundle, in order.
	Attached []Attached
}

// Attached says that a file of a bundle is an attachment.
type Attached struct{ Name, Path string }

// changeFile is change.json: what a stage or a later task may want to know of
// the change, and what pins the parts of the bundle. It names no run, since the
// same content handed in by another run is the same change.
type changeFile struct {
	Target        v1alpha1.Target         `json:"target"`
	Inventory     v1alpha1.InventoryRange `json:"inventory"`
	PromotionPR   v1alpha1.PromotionPR    `json:"promotionPR"`
	Configuration *Config                 `json:"configuration"`
}

// verifiedFile is verified.json: the evidence that the run made itself. The end
// of the run takes from it what cannot be found out again.
type verifiedFile struct {
	Evidence []*evidence.Evidence `json:"evidence"`
}

// Decide makes the draft of a change request. It is a function of its input
// alone.
func Decide(p *Params, f *Facts) (*Draft, error) {
	now := f.Now.UTC().Truncate(time.Second)
	deployed := f.Inventory.Deployed()
	subjects := inventory.Subjects(deployed, f.Inventory.Gone)

	fields := f.Promotion.Fields
	fields.Description = promotion.Describe(promotion.Description{
		Text:             fields.Description,
		InventoryURL:     f.Inventory.Range.URL,
		From:             f.Inventory.Range.From,
		To:               f.Inventory.Range.To,
		Entries:          promotion.ByEntry(subjects, f.Inventory.Log),
		LogCut:           f.Inventory.LogCut,
		PullRequests:     f.Promotion.Contained,
		MorePullRequests: f.Promotion.More,
		Results:          results(f.Verdict),
	})
	d := &Draft{Spec: v1alpha1.ChangeRequestSpec{
		Summary:       promotion.Summary(p.Target(), subjects),
		Target:        p.Target(),
		Fields:        fields,
		PlannedStart:  metav1.NewTime(now),
		PlannedEnd:    metav1.NewTime(now.Add(f.Promotion.Duration)),
		Readiness:     f.Verdict.API(),
		PromotionPR:   f.Promotion.PR,
		Inventory:     f.Inventory.Range,
		Stages:        f.Config.Stages,
		Subjects:      subjects[:min(len(subjects), maxSubjects)],
		SubjectsTotal: len(subjects),
		Run:           p.Run,
	}}
	bom := f.BOM
	if bom == nil {
		var err error
		if bom, err = DeploymentBOM(f.Inventory, p.Target(), now); err != nil {
			return nil, err
		}
	}
	return d, d.fill(f, bom)
}

// fill lists the bundle's files.
func (d *Draft) fill(f *Facts, bom []byte) error {
	for _, file := range []struct {
		path  string
		value any
	}{
		{FileChange, changeFile{Target: d.Spec.Target, Inventory: f.Inventory.Range, PromotionPR: f.Promotion.PR, Configuration: f.Config}},
		{FileDelta, list(f.Inventory.Changed)},
		{FileDeletions, list(f.Inventory.Deleted)},
		{FileEntries, list(f.Inventory.Names())},
		{FileGating, f.Config.Gating},
		{FileVerified, verifiedFile{Evidence: f.Verified.Evidence}},
	} {
		content, err := json.MarshalIndent(file.value, "", "  ")
		if err != nil {
			return fmt.Errorf("write %s: %w", file.path, err)
		}
		d.Items = append(d.Items, bundle.File(file.path, mediaTypeJSON, append(content, '\n')))
	}
	entries := make([]bundle.Member, 0, len(f.Inventory.Entries))
	for _, e := range f.Inventory.Entries {
		entries = append(entries, bundle.Member{Path: e.Name, Content: e.Raw})
	}
	d.Items = append(d.Items, bundle.Folder(FolderInventory, entries), bundle.Folder(FolderConfig, f.Config.Members))

	documents := append([]Document{
		{Name: AttachmentDeploymentBOM, FileName: FileDeploymentBOM, MediaType: sbom.MediaType, Content: bom},
		{Name: AttachmentDeltaSummary, FileName: FileDeltaSummary, MediaType: mediaTypeJSON, Content: f.Summary},
		{Name: AttachmentDeltaSummaryText, FileName: FileDeltaText, MediaType: "text/markdown", Content: f.SummaryText},
	}, f.Config.Documents...)
	for _, doc := range documents {
		d.Items = append(d.Items, bundle.File(doc.FileName, doc.MediaType, doc.Content))
		d.Attached = append(d.Attached, Attached{Name: doc.Name, Path: doc.FileName})
	}
	return nil
}

// list is never null: scripts read it as an array.
func list(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// Attachments are those of a bundle that was pushed.
func Attachments(attached []Attached, layers []bundle.Layer) []v1alpha1.Attachment {
	byPath := make(map[string]bundle.Layer, len(layers))
	for _, l := range layers {
		byPath[l.Path] = l
	}
	attachments := make([]v1alpha1.Attachment, 0, len(attached))
	for _, a := range attached {
		l := byPath[a.Path]
		attachments = append(attachments, v1alpha1.Attachment{
			Name: a.Name, FileName: a.Path, MediaType: l.MediaType, Size: l.Size, Digest: l.Digest, Reference: l.Reference,
		})
	}
	return attachments
}

// DeploymentBOM is the bill of materials of what is deployed and deleted.
func DeploymentBOM(i *Inventory, target v1alpha1.Target, now time.Time) ([]byte, error) {
	var components []sbom.Component
	add := func(action string, entries []inventory.Entry) {
		for _, e := range entries {
			components = append(components, sbom.Component{
				Entry: e.Name, Action: action, Type: e.Type, Artifact: e.Artifact, Version: e.Version, Digest: e.Digest,
				Provenance: e.Provenance, Signature: e.Signature, RepositoryURL: e.RepositoryURL, CommitSHA: e.CommitSHA, PipelineRunID: e.PipelineRunID,
			})
		}
	}
	add(sbom.ActionDeploy, i.Deployed())
	add(sbom.ActionDelete, i.Gone)
	content, err := sbom.DeploymentBOM(sbom.Target{Name: TargetName(target), Version: i.Range.To, Timestamp: now}, components)
	if err != nil {
		return nil, fmt.Errorf("write the Deployment BOM: %w", err)
	}
	return content, nil
}

// TargetName names a target in a bill of materials.
func TargetName(target v1alpha1.Target) string {
	if target.Region == "" {
		return target.Environment
	}
	return target.Region + "/" + target.Environment
}

// results are the checks as a description lists them.
func results(v readiness.Verdict) []v1alpha1.CheckResult {
	out := make([]v1alpha1.CheckResult, 0, len(v.Checks))
	for _, c := range v.Checks {
		out = append(out, v1alpha1.CheckResult{
			Asset: c.Asset, Entry: c.Entry, Check: c.Check, Tool: c.Tool, Rule: c.Rule, Result: c.Result, Reason: c.Message, Evidence: c.Evidence,
		})
	}
	return out
}
