// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

// Question is what readiness is asked about.
type Question struct {
	LockerURL string
	// Entries whose evidence is judged.
	Entries []inventory.Entry
	// Deleted names entries that go and need no evidence.
	Deleted []string
	// Required checks of the policy; nil for the built-in ones.
	Required []v1alpha1.RequiredChecks
	// Run names the run in the summary.
	Run string
	Now time.Time
}

// Answer is the verdict with what it rests on.
type Answer struct {
	Verdict    readiness.Verdict
	Collection *evidence.Collection
	// Summary is the document, Delta Summary or Closing Summary.
	Summary []byte
}

// Components are entries as the evidence locker is asked about them.
func Components(entries []inventory.Entry) []evidence.Component {
	components := make([]evidence.Component, 0, len(entries))
	for _, e := range entries {
		provenance := e.Provenance
		if provenance == "" {
			provenance = e.Artifact
		}
		components = append(components, evidence.Component{
			Entry:         e.Name,
			Type:          e.Type,
			Provenance:    provenance,
			RepositoryURL: e.RepositoryURL,
			CommitSHA:     e.CommitSHA,
			PipelineRunID: e.PipelineRunID,
		})
	}
	return components
}

// Judge reads the evidence of entries from an open locker and reaches the
// verdict.
func Judge(ctx context.Context, locker *evidence.Locker, q Question) (*Answer, error) {
	collection, err := locker.Read(ctx, Components(q.Entries))
	if err != nil {
		return nil, err
	}
	a := &Answer{Collection: collection}
	a.Verdict = readiness.Evaluate(readiness.Input{Evidence: collection, Deleted: q.Deleted, Required: q.Required, Now: q.Now})
	summary, err := readiness.Summarise(collection, a.Verdict, q.Run, q.Now)
	if err != nil {
		return nil, fmt.Errorf("summarise the evidence: %w", err)
	}
	if a.Summary, err = summary.JSON(); err != nil {
		return nil, fmt.Errorf("summarise the evidence: %w", err)
	}
	return a, nil
}

// GatherEvidence opens the locker and judges.
func GatherEvidence(ctx context.Context, q Question, progress *step.Progress) (*Answer, error) {
	done := progress.Begin("Evidence of %d entries", len(q.Entries))
	locker, err := evidence.Open(ctx, q.LockerURL)
	if err != nil {
		done("", err)
		return nil, err
	}
	defer locker.Close()
	answer, err := Judge(ctx, locker, q)
	if err != nil {
		done("", err)
		return nil, err
	}
	done(fmt.Sprintf("%d checks passed, %d block", answer.Verdict.Passed, answer.Verdict.Blocked), nil)
	return answer, nil
}

// Show prints the verdict's table, whose last line is DEPLOYMENT_READY=….
func (a *Answer) Show(progress *step.Progress) error {
	return progress.Print(func(w io.Writer) error {
		fmt.Fprintln(w)
		return a.Verdict.WriteTable(w, readiness.TableOptions{})
	})
}
