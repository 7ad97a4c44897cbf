// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/test/fixture"
)

// What a run finds out itself, where the policy asks for it.
const (
	typeVerifySignature = "com.ibm.cloud.verify_signature"
	typePeerReview      = "com.ibm.peer_review"
)

// stranger is somebody whom no policy trusts.
func stranger(t *testing.T) *fixture.Signer {
	t.Helper()
	s, err := fixture.NewSigner("stranger")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTrustBlocks: what the policy demands beyond evidence is not there. Each
// fault alone blocks a deployment whose evidence is all good, and says why.
func TestTrustBlocks(t *testing.T) {
	t.Parallel()
	signatures := fixture.Demands{Signatures: true}
	for name, test := range map[string]struct {
		demands   fixture.Demands
		promotion fixture.Promotion
		// sign acts before the promotion, after does after it.
		sign  func(t *testing.T, p *fixture.Project, image fixture.Image) error
		after func(t *testing.T, p *fixture.Project) error
		check string
		// why are words of the reason, unblock those of the remedy.
		why, unblock []string
		// mend follows the remedy, after which a new run deploys. The first run's
		// failure stays in the locker.
		mend func(t *testing.T, p *fixture.Project, image fixture.Image) error
	}{
		"unsigned image": {
			// Runs have no key: what they record themselves needs no signature.
			demands: fixture.Demands{Signatures: true, SignedEvidence: true},
			check:   typeVerifySignature,
			why:     []string{"hello", "no signature"},
			unblock: []string{"to unblock", "cosign sign"},
			mend: func(t *testing.T, p *fixture.Project, image fixture.Image) error {
				return p.Signer.Sign(t.Context(), image)
			},
		},
		"image signed by a stranger": {
			demands: signatures,
			sign: func(t *testing.T, _ *fixture.Project, image fixture.Image) error {
				return stranger(t).Sign(t.Context(), image)
			},
			check:   typeVerifySignature,
			why:     []string{"hello", "not by key"},
			unblock: []string{"to unblock", "cosign sign"},
		},
		// Both images are signed by somebody trusted: it is the entry that is not
		// what it says.
		"re-tagged image": {
			demands: signatures,
			sign: func(t *testing.T, p *fixture.Project, image fixture.Image) error {
				other, err := p.Image(t.Context(), image.Tag+"-rebuilt")
				if err != nil {
					return err
				}
				for _, i := range []fixture.Image{image, other} {
					if err := p.Signer.Sign(t.Context(), i); err != nil {
						return err
					}
				}
				return env.Retag(t.Context(), other, image.Tag)
			},
			check:   typeVerifySignature,
			why:     []string{"hello", "tag was moved"},
			unblock: []string{"to unblock", "move the tag back"},
		},
		"unapproved pull request": {
			demands: fixture.Demands{PeerReview: &v1alpha1.PeerReviewPolicy{Approvals: 1}},
			check:   typePeerReview,
			why:     []string{"pull request 1", "0 of 1 approval"},
			unblock: []string{"to unblock", "approved in spite of it"},
		},
		// The pull request is approved; what was pushed after it is not.
		"commit past every pull request": {
			demands:   fixture.Demands{PeerReview: &v1alpha1.PeerReviewPolicy{Approvals: 1}},
			promotion: fixture.Promotion{Approved: true},
			after: func(t *testing.T, p *fixture.Project) error {
				_, err := p.PushDirectly(t.Context(), "Past everybody\n", map[string]fixture.File{"README.md": fixture.Text("# Ours\n")})
				return err
			},
			check:   typePeerReview,
			why:     []string{"1 of 3 commits", "pushed to the branch"},
			unblock: []string{"to unblock", "bring it by a pull request"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, fixture.ProjectOptions{Demands: &test.demands})
			var image fixture.Image
			promoted := releaseTrusted(t, p, nil, test.promotion, func(_ context.Context, released fixture.Image, _ fixture.Entry) error {
				image = released
				if test.sign == nil {
					return nil
				}
				return test.sign(t, p, released)
			})
			if test.after != nil {
				if err := test.after(t, p); err != nil {
					t.Fatal(err)
				}
			}
			run := start(t, p, map[string]string{"gate": "stop"})
			wantFailed(t, run)
			wantReason(t, run, "approve-change", "ApprovalRequired")
			wantNothingDeployed(t, run)
			change := wantChange(t, run)
			wantEnd(t, change, v1alpha1.StateAuthorize, "")
			wantTag(t, p, "prod_latest", "")

			r := change.Spec.Readiness
			if r.Ready || len(r.Blocking) != 1 || r.Blocking[0].Check != test.check {
				t.Fatalf("readiness is %v, blocked by %+v, want %s alone", r.Ready, r.Blocking, test.check)
			}
			for _, want := range test.why {
				if !strings.Contains(strings.ToLower(r.Blocking[0].Reason), want) {
					t.Errorf("the reason %q lacks %q", r.Blocking[0].Reason, want)
				}
			}
			log := strings.ToLower(wantLog(t, run, "assess", "DEPLOYMENT_READY=false", test.check))
			for _, want := range slices.Concat(test.why, test.unblock) {
				if !strings.Contains(log, want) {
					t.Errorf("the log of assess lacks %q:\n%s", want, log)
				}
			}
			explain(t, false, slices.Concat([]string{test.check}, test.why, test.unblock), change.Name, "--namespace", p.Namespace)
			if test.mend == nil {
				return
			}
			if err := test.mend(t, p, image); err != nil {
				t.Fatal(err)
			}
			mended := start(t, p, map[string]string{"gate": "stop"})
			wantSucceeded(t, mended)
			wantEnd(t, wantChange(t, mended), v1alpha1.StateClosed, v1alpha1.CategorySuccessful)
			wantTag(t, p, "prod_latest", promoted.Commit)
		})
	}
}

// releaseTrusted releases the example application, lets it be signed, and
// promotes it.
func releaseTrusted(t *testing.T, p *fixture.Project, outcomes fixture.Outcomes, promotion fixture.Promotion, sign func(context.Context, fixture.Image, fixture.Entry) error) *fixture.Promoted {
	t.Helper()
	image, err := p.Image(t.Context(), "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	entry, err := p.ReleaseImage(t.Context(), "hello", "1.0.0", image, outcomes)
	if err != nil {
		t.Fatal(err)
	}
	if sign != nil {
		if err := sign(t.Context(), image, entry); err != nil {
			t.Fatal(err)
		}
	}
	promotion.Body = fixture.GoodBody().String()
	promotion.Files = map[string]fixture.File{entry.Name: entry.File()}
	promoted, err := p.PromoteWith(t.Context(), promotion)
	if err != nil {
		t.Fatal(err)
	}
	return promoted
}

// typeProvenance is the check that the project of TestTrusted calls provenance
// evidence of.
const typeProvenance = "com.example.provenance"

// TestTrusted: everything is demanded, and everything is there. Two checks have
// no record in the locker, but a signed statement beside the image: one where
// cosign attest puts it, one as a bundle.
func TestTrusted(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{
		Demands: &fixture.Demands{
			Signatures: true,
			Attestations: []v1alpha1.AttestationRule{
				{PredicateType: fixture.ScanPredicate, EvidenceType: evidence.TypeImageVulnerabilityScan},
				{PredicateType: fixture.ProvenancePredicate, EvidenceType: typeProvenance, Builders: []string{fixture.Builder}},
			},
			PeerReview:     &v1alpha1.PeerReviewPolicy{Approvals: 1},
			SignedEvidence: true,
		},
		Policy: func(policy *v1alpha1.ChangePolicySpec) {
			policy.RequiredChecks = []v1alpha1.RequiredChecks{
				{AssetType: "commit", EvidenceTypes: []string{evidence.TypeUnitTests, evidence.TypeStaticScan}},
				{AssetType: "image", EvidenceTypes: []string{evidence.TypeImageVulnerabilityScan, typeProvenance}},
			}
		},
	})
	promoted := releaseTrusted(t, p, fixture.Outcomes{evidence.TypeImageVulnerabilityScan: fixture.Missing}, fixture.Promotion{Approved: true},
		func(ctx context.Context, image fixture.Image, entry fixture.Entry) error {
			if err := p.Signer.Sign(ctx, image); err != nil {
				return err
			}
			if err := p.Signer.Attest(ctx, image, fixture.ProvenancePredicate, fixture.Provenance(entry)); err != nil {
				return err
			}
			return p.Signer.AttestBundle(ctx, image, fixture.ScanPredicate, fixture.CleanScan())
		})
	run := start(t, p, nil)
	wantSucceeded(t, run)
	change := wantChange(t, run)
	wantEnd(t, change, v1alpha1.StateClosed, v1alpha1.CategorySuccessful)
	if a := change.Status.Approval; a.State != v1alpha1.ApprovalApproved || !a.Automatic {
		t.Errorf("approval is %+v, want an automatic one", a)
	}
	wantTag(t, p, "prod_latest", promoted.Commit)
	wantLog(t, run, "assess", "DEPLOYMENT_READY=true", typeVerifySignature, typePeerReview, typeProvenance)
	wants := []string{typeVerifySignature, typePeerReview, typeProvenance, evidence.TypeImageVulnerabilityScan}
	explain(t, true, wants, change.Name, "--namespace", p.Namespace)
	explain(t, true, wants, change.Name, "--namespace", p.Namespace, "--closing")
}
