// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/attestation"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/review"
	"github.com/countersign-dev/countersign/pkg/signature"
)

// Verified is what a run found out itself, because the policy asks for it.
type Verified struct {
	// Evidence of what was found, good or bad.
	Evidence []*evidence.Evidence
	// Lasting is the part of it that is worth keeping in the locker. The rest
	// depends on the policy or the moment, and every run makes it anew.
	Lasting []*evidence.Evidence
	// Demanded is what the policy makes required thereby.
	Demanded []readiness.Demand
	// Change is the inventory commit, if anything is about the change as a whole.
	Change *evidence.URI
}

// With joins what was found in two ways.
func (v Verified) With(other Verified) Verified {
	v.Evidence = slices.Concat(v.Evidence, other.Evidence)
	v.Lasting = slices.Concat(v.Lasting, other.Lasting)
	v.Demanded = slices.Concat(v.Demanded, other.Demanded)
	if v.Change == nil {
		v.Change = other.Change
	}
	return v
}

// demands reports whether a record is of what the policy has the run verify. Of
// that nobody else's word counts.
func (v Verified) demands(record *evidence.Evidence) bool {
	return slices.ContainsFunc(v.Demanded, func(d readiness.Demand) bool { return d.TypeID == string(record.TypeID) })
}

// Trust reads whom the policy trusts. It is nil if the policy asks for no
// signature of any kind.
func Trust(ctx context.Context, policy *v1alpha1.ChangePolicy) (*signature.Trust, error) {
	s := policy.Spec
	if len(s.Signatures)+len(s.Attestations) == 0 && s.SignedEvidence == nil {
		return nil, nil
	}
	trust, err := signature.NewTrust(ctx, s.Authorities)
	if err == nil && s.SignedEvidence != nil {
		err = trust.CheckRecordAuthorities(s.SignedEvidence.Authorities)
	}
	if err := errors.Join(err, attestation.CheckRules(s.Attestations)); err != nil {
		return nil, step.Invalid(prefixed("ChangePolicy "+policy.Name+": ", strings.Split(err.Error(), "\n"))...)
	}
	return trust, nil
}

// Origin is how records name a run.
func Origin(run v1alpha1.RunRef) evidence.Origin {
	return evidence.Origin{Scope: evidence.Text(evidence.ScopeID(run.Name)), PipelineRunID: evidence.Text(run.Name)}
}

// OpenLocker opens a locker that demands what the policy demands of evidence.
func OpenLocker(ctx context.Context, url string, policy *v1alpha1.ChangePolicy, trust *signature.Trust) (*evidence.Locker, error) {
	var options []evidence.Option
	if signed := policy.Spec.SignedEvidence; signed != nil {
		options = append(options, evidence.WithRecordVerifier(func(ctx context.Context, record, envelope []byte) (string, error) {
			return trust.VerifyRecord(ctx, signed.Authorities, record, envelope)
		}))
	}
	return evidence.Open(ctx, url, options...)
}

// VerifyArtifacts verifies signatures and attestations of entries, as far as
// the policy asks for them. What cannot be verified is evidence of a failure,
// and no error.
func VerifyArtifacts(ctx context.Context, policy *v1alpha1.ChangePolicy, trust *signature.Trust, entries []inventory.Entry, run string, now time.Time, progress *step.Progress) (Verified, error) {
	signatures := verifySignatures(ctx, policy, trust, entries, run, now, progress)
	attestations := verifyAttestations(ctx, policy, trust, entries, run, now, progress)
	return signatures.With(attestations), ctx.Err()
}

func verifySignatures(ctx context.Context, policy *v1alpha1.ChangePolicy, trust *signature.Trust, entries []inventory.Entry, run string, now time.Time, progress *step.Progress) Verified {
	var v Verified
	if len(policy.Spec.Signatures) == 0 {
		return v
	}
	items, unruled := signature.Select(entries, policy.Spec.Signatures)
	done := progress.Begin("Signatures of %s", counted(len(items), "entry", "entries"))
	results := trust.Verify(ctx, items)
	good := 0
	unread := map[string]bool{}
	for _, r := range results {
		if r.OK {
			good++
		}
		if r.Reason == signature.ReasonUnreachable {
			unread[r.Item.Asset.ID] = true
		}
	}
	done(fmt.Sprintf("%d verified, %d not", good, len(results)-good), ctx.Err())
	for _, name := range unruled {
		progress.Say("  %s: no rule of ChangePolicy %s asks for its signature, so that it is not verified", name, policy.Name)
	}
	v.Evidence = signature.Evidence(results, now, run)
	for _, record := range v.Evidence {
		if !slices.ContainsFunc(record.Assets, func(a evidence.AssetRef) bool { return unread[string(a.Hash)] }) {
			v.Lasting = append(v.Lasting, record)
		}
	}
	for _, item := range items {
		if item.Asset.ID != "" {
			v.Demanded = append(v.Demanded, readiness.Demand{
				AssetID: item.Asset.ID, TypeID: signature.TypeVerifySignature, By: fmt.Sprintf("ChangePolicy %s, signatures[%d]", policy.Name, item.Rule),
			})
		}
	}
	return v
}

func verifyAttestations(ctx context.Context, policy *v1alpha1.ChangePolicy, trust *signature.Trust, entries []inventory.Entry, run string, now time.Time, progress *step.Progress) Verified {
	var (
		v      Verified
		images []signature.Subject
		rules  = policy.Spec.Attestations
	)
	if len(rules) == 0 {
		return v
	}
	for _, e := range entries {
		if s := signature.SubjectOf(e); s.Type == evidence.AssetImage && s.Asset.ID != "" {
			images = append(images, s)
		}
	}
	done := progress.Begin("Attestations of %s", counted(len(images), "image", "images"))
	var notes []string
	for _, found := range trust.Attestations(ctx, images, rules) {
		s := found.Subject
		image := attestation.Image{Entry: s.Entry, Asset: s.Asset, Digest: s.Digest, RepositoryURL: s.RepositoryURL, CommitSHA: s.CommitSHA}
		for _, ignored := range found.Ignored {
			notes = append(notes, fmt.Sprintf("  %s: %s", s.Entry, ignored))
		}
		var judged []attestation.Judgement
		for _, statement := range found.Statements {
			judged = append(judged, attestation.Judge(statement, rules[statement.Rule], image, now, run))
		}
		if found.Err != nil {
			for _, rule := range rules {
				judged = append(judged, attestation.Unread(rule, image, found.Err.Error(), now, run))
			}
		}
		for _, j := range judged {
			v.Evidence = append(v.Evidence, j.Evidence)
			if j.Durable {
				v.Lasting = append(v.Lasting, j.Evidence)
			}
			if !j.OK {
				notes = append(notes, fmt.Sprintf("  %s: %s", s.Entry, j.Message))
			}
		}
	}
	done(fmt.Sprintf("%d are evidence", len(v.Evidence)), ctx.Err())
	for _, note := range notes {
		progress.Say("%s", note)
	}
	return v
}

// VerifyReviews checks that everything between two commits of the inventory was
// reviewed, if the policy asks for it.
func VerifyReviews(ctx context.Context, policy *v1alpha1.ChangePolicy, f forge.Forge, repo *inventory.Repository, r v1alpha1.InventoryRange, origin evidence.Origin, now time.Time, progress *step.Progress) (Verified, error) {
	demanded := policy.Spec.PeerReview
	if demanded == nil {
		return Verified{}, nil
	}
	reviews, ok := f.(review.Forge)
	if !ok {
		return Verified{}, fmt.Errorf("peer review: the forge of %s tells nothing of reviews", r.URL)
	}
	done := progress.Begin("Peer review")
	input, err := review.Gather(ctx, reviews, repo, review.Query{Branch: r.Branch, From: r.From, To: r.To, Policy: *demanded})
	if err != nil {
		done("", err)
		return Verified{}, fmt.Errorf("peer review: %w", err)
	}
	result := review.Check(*input)
	done(result.Message, nil)
	change, err := evidence.CommitURI(r.URL, r.To)
	if err != nil {
		return Verified{}, fmt.Errorf("peer review of the inventory: %w", err)
	}
	v := reviewDemanded(policy, change)
	v.Evidence = []*evidence.Evidence{result.Evidence(change, origin, now)}
	v.Lasting = v.Evidence
	return v, nil
}

// Store writes what a run found out into the locker, where others find it.
func (v Verified) Store(ctx context.Context, lockerURL string, progress *step.Progress) error {
	if len(v.Lasting) == 0 {
		return nil
	}
	locker, err := evidence.Open(ctx, lockerURL)
	if err != nil {
		return err
	}
	defer locker.Close()
	done := progress.Begin("Evidence of this run")
	if v.Change != nil {
		// Nobody else keeps a record of the inventory's commits.
		if _, err := locker.WriteAsset(ctx, evidence.Asset{URI: evidence.Text(v.Change.String), Date: v.Lasting[0].Date, Origin: v.Lasting[0].Origin}); err != nil {
			done("", err)
			return err
		}
	}
	for _, record := range v.Lasting {
		if _, err := locker.WriteEvidence(ctx, *record); err != nil {
			done("", err)
			return fmt.Errorf("%w; the policy asks this run to verify, and what it verified has to be on record", err)
		}
	}
	done(counted(len(v.Lasting), "record", "records")+" written", nil)
	return nil
}

// Reviews takes what a run found out about reviews from its verified.json: at
// the end of a run the forge is not asked again.
func Reviews(content []byte, policy *v1alpha1.ChangePolicy, r v1alpha1.InventoryRange) (Verified, error) {
	if policy.Spec.PeerReview == nil {
		return Verified{}, nil
	}
	var file verifiedFile
	if err := json.Unmarshal(content, &file); err != nil {
		return Verified{}, fmt.Errorf("read %s: %w", FileVerified, err)
	}
	change, err := evidence.CommitURI(r.URL, r.To)
	if err != nil {
		return Verified{}, fmt.Errorf("peer review of the inventory: %w", err)
	}
	v := reviewDemanded(policy, change)
	for _, record := range file.Evidence {
		if string(record.TypeID) == review.EvidenceType {
			v.Evidence = append(v.Evidence, record)
		}
	}
	return v, nil
}

func reviewDemanded(policy *v1alpha1.ChangePolicy, change evidence.URI) Verified {
	return Verified{
		Demanded: []readiness.Demand{{AssetID: change.ID, TypeID: review.EvidenceType, By: fmt.Sprintf("ChangePolicy %s, peerReview", policy.Name)}},
		Change:   &change,
	}
}
