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
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/rego"
)

// Question is what readiness is asked about.
type Question struct {
	// Evidence of the entries, as the locker has it.
	Evidence *evidence.Collection
	// Deleted names entries that go and need no evidence.
	Deleted []string
	// Verified is what the run found out itself.
	Verified Verified
	Rules    Rules
	// Phase whose section of the checks file counts.
	Phase checks.Phase
	// Source is the environment that is promoted from.
	Source string
	Target v1alpha1.Target
	// Run names the run in the summary.
	Run string
	Now time.Time
}

// Answer is the verdict with what it rests on.
type Answer struct {
	Verdict    readiness.Verdict
	Collection *evidence.Collection
	// Summary is the document, Delta Summary or Closing Summary; Text is the same
	// for people to read, in Markdown.
	Summary, Text []byte
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

// ReadEvidence reads what an open locker has about entries.
func ReadEvidence(ctx context.Context, locker *evidence.Locker, entries []inventory.Entry, progress *step.Progress) (*evidence.Collection, error) {
	done := progress.Begin("Evidence of %s", counted(len(entries), "entry", "entries"))
	collection, err := locker.Read(ctx, Components(entries))
	if err != nil {
		done("", err)
		return nil, err
	}
	records := 0
	for _, asset := range collection.Assets {
		records += len(asset.Evidences)
	}
	done(counted(records, "record", "records")+" about "+counted(len(collection.Assets), "asset", "assets"), nil)
	if collection.Unknown() {
		progress.Say("  warning: the locker knows none of the %d assets: is parameter locker-url that of their builds?", len(collection.Assets))
	}
	return collection, nil
}

// Judge reaches the verdict on what was read and verified. It asks nobody.
func Judge(ctx context.Context, q Question) (*Answer, error) {
	a := &Answer{Collection: q.Evidence}
	if q.Verified.Change != nil {
		a.Collection.AddChange(*q.Verified.Change)
	}
	for _, record := range q.Verified.Evidence {
		add := a.Collection.Add
		if q.Verified.demands(record) {
			add = a.Collection.AddVerified
		}
		if err := add(record); err != nil {
			return nil, err
		}
	}
	in := readiness.Input{
		Evidence: a.Collection, Deleted: q.Deleted, Demanded: q.Verified.Demanded,
		Required: q.Rules.Policy.Spec.RequiredChecks, RequiredBy: "ChangePolicy " + q.Rules.Policy.Name,
		Checks: q.Rules.Checks, Phase: q.Phase, Now: q.Now,
		Source: checks.Environment{Name: q.Source},
		Target: checks.Environment{Name: q.Target.Environment, Region: q.Target.Region},
	}
	if q.Rules.Rego != nil {
		a.Verdict = rego.Evaluate(ctx, q.Rules.Rego, in)
	} else {
		a.Verdict = readiness.Evaluate(in)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	summary, err := readiness.Summarise(a.Collection, a.Verdict, q.Run, q.Now)
	if err != nil {
		return nil, fmt.Errorf("summarise the evidence: %w", err)
	}
	a.Text = []byte(summary.Markdown())
	if a.Summary, err = summary.JSON(); err != nil {
		return nil, fmt.Errorf("summarise the evidence: %w", err)
	}
	return a, nil
}

// Show prints the verdict's table, whose last line is DEPLOYMENT_READY=….
func (a *Answer) Show(progress *step.Progress) error {
	return progress.Print(func(w io.Writer) error {
		fmt.Fprintln(w)
		return a.Verdict.WriteTable(w, readiness.TableOptions{})
	})
}

// counted is a number of things.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
