// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package offline reaches the verdict of a run without the run: from a folder
// with inventory entries and an evidence locker, for a person who wants to know
// beforehand, or on a machine that reaches no cluster.
//
// [Judge] reads what was named, all of it with the code that a run uses, and
// asks the same rules. Three things differ, and are told:
//
//   - A run judges the entries that change; here every entry of the folder is,
//     or those that patterns name.
//   - A run verifies signatures and reviews. Nothing is verified here: what the
//     policy demands must be in the locker from an earlier run, and is missing
//     otherwise.
//   - A run reads attestations from the registry. Here they are not read.
//
// So a verdict from here can be worse than a run's. It is better in one case: an
// attestation that says something bad is not seen, and a note says so.
package offline

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/rego"
	"github.com/countersign-dev/countersign/pkg/review"
	"github.com/countersign-dev/countersign/pkg/signature"
)

// Question is what to judge, and by what.
type Question struct {
	// Inventory is the folder of entries.
	Inventory string
	// Entries are patterns of names, in which ** spans folders; none: all.
	Entries []string
	// Locker is a folder, or a URL as evidence.Open takes it.
	Locker string
	// Config is a folder with the configuration repository, in which the checks
	// file is looked up. Checks and Rego name files, and Policy a ChangePolicy.
	// All are optional.
	Config, Checks, Rego, Policy string
	// Target is deployed to; Source is where entries are promoted from.
	Target v1alpha1.Target
	Source string
	// Closing judges by the rules for the end of a run.
	Closing bool
	// Now is the time of the verdict.
	Now time.Time
}

// Answer is the verdict, and what to know about it.
type Answer struct {
	Verdict readiness.Verdict
	// Judged is how many entries were judged, Ignored how many the ignore file
	// and the patterns left out.
	Judged, Ignored int
	// Notes are remarks on the inventory.
	Notes []string
	// Unseen is what a run would look at, and was not looked at here.
	Unseen []string
}

// Judge answers a question. Its error lists everything that keeps it from doing
// so.
func Judge(ctx context.Context, q Question) (*Answer, error) {
	folder, inventoryErr := readInventory(q.Inventory, q.Entries)
	rules, rulesErr := readRules(q)
	if err := errors.Join(inventoryErr, rulesErr); err != nil {
		return nil, err
	}
	collection, err := gather(ctx, q, rules.policy, folder.entries)
	if err != nil {
		return nil, err
	}
	a := &Answer{Judged: len(folder.entries), Ignored: folder.ignored, Notes: folder.warnings}
	if collection.Unknown() {
		a.Notes = append(a.Notes, fmt.Sprintf("the locker knows none of the %d assets: is %s the locker of their builds?", len(collection.Assets), plaintext.Clip(q.Locker, 300)))
	}
	in := readiness.Input{
		Evidence: collection,
		Checks:   rules.checks,
		Phase:    checks.PreDeployment,
		Source:   checks.Environment{Name: q.Source},
		Target:   checks.Environment{Name: q.Target.Environment, Region: q.Target.Region},
		Now:      q.Now,
	}
	if q.Closing {
		in.Phase = checks.PostDeployment
	}
	if rules.policy != nil {
		in.Required, in.RequiredBy = rules.policy.Spec.RequiredChecks, "ChangePolicy "+rules.policy.Name
		in.Demanded = demands(rules.policy, folder.entries)
	}
	if rules.rego != nil {
		a.Verdict = rego.Evaluate(ctx, rules.rego, in)
	} else {
		a.Verdict = readiness.Evaluate(in)
	}
	if rules.policy != nil {
		a.unverified(rules.policy)
	}
	return a, nil
}

// gather reads the evidence of entries.
func gather(ctx context.Context, q Question, policy *v1alpha1.ChangePolicy, entries []inventory.Entry) (*evidence.Collection, error) {
	var options []evidence.Option
	if policy != nil && policy.Spec.SignedEvidence != nil {
		trust, err := signature.NewTrust(ctx, policy.Spec.Authorities)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", q.Policy, err)
		}
		names := policy.Spec.SignedEvidence.Authorities
		if err := trust.CheckRecordAuthorities(names); err != nil {
			return nil, fmt.Errorf("policy %s: signedEvidence: %w", q.Policy, err)
		}
		options = append(options, evidence.WithRecordVerifier(func(ctx context.Context, record, envelope []byte) (string, error) {
			return trust.VerifyRecord(ctx, names, record, envelope)
		}))
	}
	address, err := lockerURL(q.Locker)
	if err != nil {
		return nil, err
	}
	locker, err := evidence.Open(ctx, address, options...)
	if err != nil {
		return nil, err
	}
	collection, err := locker.Read(ctx, components(entries))
	return collection, errors.Join(err, locker.Close())
}

// lockerURL makes a URL of a folder's path.
func lockerURL(locker string) (string, error) {
	if strings.Contains(locker, "://") {
		return locker, nil
	}
	path, err := filepath.Abs(locker)
	if err != nil {
		return "", fmt.Errorf("locker %q: %w", locker, err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String(), nil
}

// components are entries as a locker is asked about them.
func components(entries []inventory.Entry) []evidence.Component {
	out := make([]evidence.Component, 0, len(entries))
	for _, e := range entries {
		provenance := e.Provenance
		if provenance == "" {
			provenance = e.Artifact
		}
		out = append(out, evidence.Component{
			Entry: e.Name, Type: e.Type, Provenance: provenance,
			RepositoryURL: e.RepositoryURL, CommitSHA: e.CommitSHA, PipelineRunID: e.PipelineRunID,
		})
	}
	return out
}

// demands are what the policy's signature rules make required.
func demands(policy *v1alpha1.ChangePolicy, entries []inventory.Entry) []readiness.Demand {
	items, _ := signature.Select(entries, policy.Spec.Signatures)
	var out []readiness.Demand
	for _, item := range items {
		if item.Asset.ID != "" {
			out = append(out, readiness.Demand{
				AssetID: item.Asset.ID, TypeID: signature.TypeVerifySignature,
				By: fmt.Sprintf("ChangePolicy %s, signatures[%d]", policy.Name, item.Rule),
			})
		}
	}
	return out
}

const (
	notVerified = "it is verified by a run, and not offline"
	runVerifies = "start a run: it verifies this itself, and records the result in the locker"
)

// unverified says of the verdict what is not known offline. A demand that the
// locker does not meet says why; a review, which is about a promotion and not
// about entries, is always missing.
func (a *Answer) unverified(policy *v1alpha1.ChangePolicy) {
	v := &a.Verdict
	for i := range v.Checks {
		c := &v.Checks[i]
		if c.Check == signature.TypeVerifySignature && c.Result == readiness.ResultMissing {
			c.Message += ": " + notVerified
			c.Unblock = runVerifies
		}
	}
	if policy.Spec.PeerReview != nil {
		v.Checks = append(v.Checks, readiness.Check{
			Check: review.EvidenceType, Rule: readiness.RuleRequired, RuleSource: fmt.Sprintf("ChangePolicy %s, peerReview", policy.Name),
			Result: readiness.ResultMissing, Outcome: readiness.Block, Reason: readiness.ReasonMissing,
			Message: "the policy demands that every promoted commit was reviewed: " + notVerified, Unblock: runVerifies,
		})
		v.Blocked++
		v.Ready = false
	}
	for _, rule := range policy.Spec.Attestations {
		a.Unseen = append(a.Unseen, fmt.Sprintf("attestations of type %s, which a run reads from the registry as evidence of %s", rule.PredicateType, rule.EvidenceType))
	}
}
