// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Check is one check of some assets, as it is to be recorded.
type Check struct {
	// TypeID of the evidence, such as com.ibm.unit_tests, and its version.
	TypeID, TypeVersion string
	// Tool that makes the check.
	Tool string
	// Origin is the run that makes the check; its scope is filled in.
	Origin Origin
	// Assets that are checked; at least one. Each needs its URI; type, date and
	// origin are filled in.
	Assets []Asset
	// Related and Parents are assets that the checked ones are linked to: the
	// commit of an image, for example. They get a record too, so that no link
	// leads nowhere.
	Related, Parents []Asset
	// Extra are further fields of the evidence's details.
	Extra map[string]any
}

// Outcome is what a check came to.
type Outcome struct {
	// Result is success or failure; see EvaluateFindings for one that follows
	// from findings.
	Result      Result
	Attachments []Attachment
	// Issues are links to the issues opened for a failure.
	Issues   []string
	Findings []Finding
	// Extra are further fields of the evidence's details, added to the check's.
	Extra map[string]any
}

// Attachment is a tool's output.
type Attachment struct {
	// Label says what it is, usually a file name.
	Label   string
	Content []byte
}

// Begin records that a check has been started: a pending evidence, which blocks
// until Conclude records a result. It returns the record.
func (l *Locker) Begin(ctx context.Context, check Check, at time.Time) (*Evidence, error) {
	return l.record(ctx, check, Outcome{Result: ResultPending}, at)
}

// Conclude records what a check came to, in an evidence of its own: the pending
// one stays as it is. It returns the record.
//
// Objects are written in an order in which an interruption hides nothing:
// attachments, evidence, signature, the records of assets, and last the markers
// by which the evidence is found. Doing the same again, at the same time of the
// clock, changes nothing.
func (l *Locker) Conclude(ctx context.Context, check Check, outcome Outcome, at time.Time) (*Evidence, error) {
	if outcome.Result != ResultSuccess && outcome.Result != ResultFailure {
		return nil, fmt.Errorf("recording %s: result %.80q is neither success nor failure", check.TypeID, string(outcome.Result))
	}
	return l.record(ctx, check, outcome, at)
}

func (l *Locker) record(ctx context.Context, check Check, outcome Outcome, at time.Time) (*Evidence, error) {
	e := Evidence{
		TypeID: Text(check.TypeID), TypeVersion: Text(check.TypeVersion), Origin: check.Origin,
		Date:     Text(at.UTC().Format(time.RFC3339)),
		Details:  Details{Result: Text(outcome.Result), Tool: Text(check.Tool), Extra: maps.Clone(check.Extra)},
		Issues:   outcome.Issues,
		Findings: outcome.Findings,
	}
	if len(outcome.Extra) > 0 && e.Details.Extra == nil {
		e.Details.Extra = map[string]any{}
	}
	maps.Copy(e.Details.Extra, outcome.Extra)
	assets, err := check.assets(e.Date)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", check.TypeID, err)
	}
	for _, asset := range assets[len(assets)-len(check.Assets):] {
		e.Assets = append(e.Assets, AssetRef{URI: asset.URI})
	}
	for _, a := range outcome.Attachments {
		// Named before anything is written, so that what is refused leaves nothing.
		e.Attachments = append(e.Attachments, AttachmentRef{Hash: Text(AttachmentID(a.Content)), Label: Text(a.Label)})
	}
	complete, err := Complete(e)
	if err != nil {
		return nil, err
	}
	for _, a := range outcome.Attachments {
		if _, err := l.WriteAttachment(ctx, a.Label, a.Content); err != nil {
			return nil, err
		}
	}
	if err := l.writeRecord(ctx, complete); err != nil {
		return nil, err
	}
	for _, asset := range assets {
		if _, err := l.WriteAsset(ctx, asset); err != nil {
			return nil, err
		}
	}
	if err := l.mark(ctx, complete); err != nil {
		return nil, err
	}
	return complete, nil
}

// assets are the records to write: those linked to first, the checked ones last.
func (c Check) assets(date Text) ([]Asset, error) {
	if len(c.Assets) == 0 {
		return nil, errors.New("it names no asset")
	}
	var problems []error
	prepare := func(assets []Asset) ([]Asset, Links) {
		prepared, ids := slices.Clone(assets), Links{}
		for i := range prepared {
			a := &prepared[i]
			uri, err := ParseURI(string(a.URI))
			if err != nil {
				problems = append(problems, err)
				continue
			}
			a.URI = Text(uri.String)
			if a.Date == "" {
				a.Date = date
			}
			if a.Origin == (Origin{}) {
				a.Origin = c.Origin
			}
			ids = append(ids, uri.ID)
		}
		return prepared, ids
	}
	related, relatedIDs := prepare(c.Related)
	parents, parentIDs := prepare(c.Parents)
	checked, _ := prepare(c.Assets)
	for i := range checked {
		checked[i].Related = slices.Concat(checked[i].Related, relatedIDs)
		checked[i].Parents = slices.Concat(checked[i].Parents, parentIDs)
	}
	return slices.Concat(related, parents, checked), errors.Join(problems...)
}
