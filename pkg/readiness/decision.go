// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Decision is what a Rego policy said, in place of a checks file's rules.
type Decision struct {
	// Allow is the policy's word. It counts only together with its table: a
	// policy that allows a deployment although its own table says that something
	// required failed contradicts itself, and blocks.
	Allow bool
	// Problem says why there is no decision; the deployment is then not ready.
	Problem string
	// Rows of its table.
	Rows []Row
	// Files of the policy.
	Files []BasisFile
}

// Row is one object of a policy's table_results. The first eight are the
// documented fields; the others may be absent.
type Row struct {
	// RuleType is required, required_if_present, recommended or listed, in any
	// case and with spaces or hyphens; any other word is taken as required.
	RuleType       string `json:"RuleType"`
	AssetType      string `json:"AssetType"`
	AssetID        string `json:"AssetId"`
	EvidenceTypeID string `json:"EvidenceTypeId"`
	Tool           string `json:"Tool"`
	// Status is success, failure, pending or missing; any other word is as bad
	// as a failure.
	Status string `json:"Status"`
	Source string `json:"Source"`
	Target string `json:"Target"`
	// Entry that the row is about, empty for the change as a whole; nil for every
	// one that has the asset.
	Entry *string `json:"Entry"`
	// EvidenceID that decided.
	EvidenceID string `json:"EvidenceId"`
	// Message for people.
	Message string `json:"Message"`
	// Rule says where in the policy the row is from.
	Rule string `json:"Rule"`
}

// rule of a row, and whether its status is a result.
func (r Row) rule() string {
	switch strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(r.RuleType))) {
	case RuleRequiredIfPresent:
		return RuleRequiredIfPresent
	case RuleRecommended:
		return RuleRecommended
	case RuleListed, "ignore":
		return RuleListed
	}
	return RuleRequired
}

func (r Row) result() string {
	switch status := strings.ToLower(strings.TrimSpace(r.Status)); status {
	case string(evidence.ResultSuccess), string(evidence.ResultFailure), string(evidence.ResultPending), ResultMissing:
		return status
	}
	return string(evidence.ResultUnknown)
}

// rows are the questions that a policy's table asks about one asset of an entry.
func (a *asking) rows(entry string, about Check, s subject, current []sourced) []question {
	if a.in.Decision == nil {
		return nil
	}
	var out []question
	for i, row := range a.in.Decision.Rows {
		if row.AssetID != s.ID || row.Entry != nil && *row.Entry != entry {
			continue
		}
		if a.told == nil {
			a.told = map[int]bool{}
		}
		a.told[i] = true
		if row.EvidenceTypeID == CheckIdentity && row.result() == ResultMissing {
			out = append(out, commitUnknown(about))
			continue
		}
		q := row.question(a.in, about)
		if s.Type == evidence.AssetPipelineRun {
			q.Rule = RuleListed
		}
		for _, c := range current {
			if string(c.ID) == row.EvidenceID && string(c.TypeID) == row.EvidenceTypeID {
				q.evidence, q.Date, q.SignedBy = c.Evidence, string(c.Date), c.Signature.Signer
				q.Tool, q.Source = c.Tool(), c.source.String()
			}
		}
		out = append(out, q)
	}
	return out
}

func (r Row) question(in Input, about Check) question {
	check := about
	check.Check, check.Tool, check.Source = r.EvidenceTypeID, r.Tool, r.Source
	check.Rule, check.Result = r.rule(), r.result()
	check.RuleSource = cmp.Or(r.Rule, "Rego policy")
	if check.Result == ResultMissing {
		check.Tool, check.Source = orEmpty(r.Tool), orEmpty(r.Source)
	}
	check.Evidence, check.EvidencePath = r.EvidenceID, evidencePath(in, r.EvidenceID)
	return question{Check: check, row: &r, missing: check.Result == ResultMissing}
}

// strayRows asks what a policy's table says about assets that no entry has.
func (a *asking) strayRows() {
	if a.in.Decision == nil {
		return
	}
	for i, row := range a.in.Decision.Rows {
		if !a.told[i] {
			entry := ""
			if row.Entry != nil {
				entry = *row.Entry
			}
			a.ask(row.question(a.in, Check{
				Entry: entry, Asset: row.AssetID, AssetID: row.AssetID, AssetType: evidence.AssetType(row.AssetType),
			}))
		}
	}
}

// decision asks whether the policy allows the deployment. Where its table says
// why not, that is enough.
func (a *asking) decision() {
	d := a.in.Decision
	if d == nil {
		return
	}
	check := Check{Check: CheckPolicy, Rule: RuleRego, RuleSource: "Rego policy", Result: string(evidence.ResultSuccess)}
	switch {
	case d.Problem != "":
		check.Result = string(evidence.ResultUnknown)
	case !d.Allow:
		check.Result = string(evidence.ResultFailure)
	}
	explained := !d.Allow && d.Problem == "" && slices.ContainsFunc(a.out, func(q question) bool {
		return q.row != nil && judge(q).Outcome == Block
	})
	a.ask(question{Check: check, decision: d, explained: explained})
}

// Document is what a Rego policy gets as its input. Its JSON form is documented
// and stable.
type Document struct {
	Phase  checks.Phase `json:"phase"`
	Source Place        `json:"source"`
	Target Place        `json:"target"`
	// Now is the time of the verdict, RFC 3339 in UTC.
	Now     string          `json:"now"`
	Entries []DocumentEntry `json:"entries"`
	// Deleted names entries that are to be deleted.
	Deleted []string `json:"deleted"`
}

// Place is an environment of which both fields are always there, so that a
// policy need not ask whether they are.
type Place struct {
	Name   string `json:"name"`
	Region string `json:"region"`
}

// DocumentEntry is an inventory entry; Entry is empty for the change as a whole.
type DocumentEntry struct {
	Entry         string `json:"entry"`
	Type          string `json:"type"`
	Provenance    string `json:"provenance"`
	RepositoryURL string `json:"repository_url"`
	CommitSHA     string `json:"commit_sha"`
	PipelineRunID string `json:"pipeline_run_id"`
	// Identified: the entry says which artifact or commit it is. Where it does
	// not, readiness blocks by itself.
	Identified bool            `json:"identified"`
	Assets     []DocumentAsset `json:"assets"`
}

// DocumentAsset is an asset that an entry reaches.
type DocumentAsset struct {
	ID   string             `json:"id"`
	URI  string             `json:"uri"`
	Type evidence.AssetType `json:"type"`
	// MustHave: the asset is what the entry deploys, or the commit of it.
	MustHave bool `json:"must_have"`
	// Evidence that counts: the newest of each type, tool and source.
	Evidence []DocumentEvidence `json:"evidence"`
}

// DocumentEvidence is one evidence that counts.
type DocumentEvidence struct {
	ID     string          `json:"id"`
	TypeID string          `json:"evidence_type_id"`
	Tool   string          `json:"tool"`
	Result evidence.Result `json:"result"`
	Date   string          `json:"date"`
	Source Place           `json:"source"`
	// Details of the record, whatever its tool put there.
	Details json.RawMessage `json:"details"`
	// Findings and Issues as recorded.
	Findings []evidence.Finding `json:"findings"`
	Issues   []string           `json:"issues"`
}

// Describe is the document that a policy decides on: of each asset the evidence
// that counts, as Evaluate sees it.
func Describe(in Input) Document {
	doc := Document{
		Phase: cmp.Or(in.Phase, checks.PreDeployment), Source: Place(in.Source), Target: Place(in.Target),
		Now: in.Now.UTC().Format("2006-01-02T15:04:05Z"), Entries: []DocumentEntry{}, Deleted: append([]string{}, in.Deleted...),
	}
	if in.Evidence == nil {
		return doc
	}
	in.Decision = &Decision{}
	a := &asking{in: in, law: newLaw(in), facts: map[factsKey]facts{}}
	for _, component := range in.Evidence.Components {
		entry := DocumentEntry{
			Entry: component.Entry, Type: component.Type, Provenance: component.Provenance, RepositoryURL: component.RepositoryURL,
			CommitSHA: component.CommitSHA, PipelineRunID: component.PipelineRunID, Identified: len(component.Problems) == 0, Assets: []DocumentAsset{},
		}
		for _, s := range subjects(in.Evidence, component) {
			asset := DocumentAsset{ID: s.ID, URI: s.String, Type: s.Type, MustHave: s.mustHave, Evidence: []DocumentEvidence{}}
			for _, c := range a.factsOf(s, component.Component).current {
				asset.Evidence = append(asset.Evidence, DocumentEvidence{
					ID: string(c.ID), TypeID: string(c.TypeID), Tool: c.Tool(), Result: c.Result(), Date: string(c.Date), Source: Place(c.source),
					Details: detailsOf(c.Evidence), Findings: append([]evidence.Finding{}, c.Findings...), Issues: append([]string{}, c.Issues...),
				})
			}
			entry.Assets = append(entry.Assets, asset)
		}
		doc.Entries = append(doc.Entries, entry)
	}
	return doc
}

// detailsOf is the details object of a record as it was written.
func detailsOf(e *evidence.Evidence) json.RawMessage {
	var record struct {
		Details json.RawMessage `json:"details"`
	}
	if raw, err := e.JSON(); err == nil {
		err = kjson.UnmarshalCaseSensitivePreserveInts(raw, &record)
		if err == nil && len(record.Details) > 0 && record.Details[0] == '{' {
			return record.Details
		}
	}
	return json.RawMessage("{}")
}
