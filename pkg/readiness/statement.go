// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Types of a statement.
const (
	// StatementType is in-toto's Statement, version 1.
	StatementType = "https://in-toto.io/Statement/v1"
	// PredicateType is the verification summary.
	PredicateType = "https://slsa.dev/verification_summary/v1"
	// VerifierID names who verified.
	VerifierID = "https://countersign.dev/readiness"
	// LevelReady is the level that an asset of a ready verdict has. It says
	// nothing of SLSA's own levels, which this project does not determine.
	LevelReady = "COUNTERSIGN_DEPLOYMENT_READY"
	// LevelFailed is SLSA's word for none.
	LevelFailed = "FAILED"

	resultPassed = "PASSED"
	resultFailed = "FAILED"
)

// Statement is the verdict on one asset as an in-toto statement, in the shape
// of a verification summary. It is not signed.
type Statement struct {
	Type          string             `json:"_type"`
	Subject       []StatementSubject `json:"subject"`
	PredicateType string             `json:"predicateType"`
	Predicate     VerificationResult `json:"predicate"`
}

// StatementSubject is the asset, by its digest: sha256 of an image, gitCommit
// of a commit.
type StatementSubject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// VerificationResult is the predicate.
type VerificationResult struct {
	Verifier     StatementVerifier `json:"verifier"`
	TimeVerified string            `json:"timeVerified"`
	ResourceURI  string            `json:"resourceUri"`
	// Policy is the file of rules, or the name of the mode.
	Policy StatementResource `json:"policy"`
	// InputAttestations are the evidences that the verdict rests on: where the
	// locker keeps them, and the digest of the record, unless it was a hole.
	InputAttestations  []StatementResource `json:"inputAttestations"`
	VerificationResult string              `json:"verificationResult"`
	VerifiedLevels     []string            `json:"verifiedLevels"`
}

// StatementVerifier is who verified.
type StatementVerifier struct {
	ID string `json:"id"`
}

// StatementResource is something that was read.
type StatementResource struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest,omitempty"`
}

// Statements says for each asset that can be named by digest what a verdict
// comes to, in the order of the components. An asset passes only if nothing
// blocks that is asked of it; an artifact or image that an entry deploys, only
// if nothing blocks that is asked of the entry: who verifies an image must not
// be told that it passed when its commit did not. And where the verdict as a
// whole is refused by a Rego policy or for want of entries, nothing passes.
//
// An artifact that is no image is left out unless its URI ends in a digest, as
// #sha256=<hex> or @sha256:<hex>: a statement without a digest is about nothing.
func Statements(c *evidence.Collection, v Verdict) []Statement {
	out := []Statement{}
	if c == nil {
		return out
	}
	blockedEntry, blockedAsset, inputs := map[string]bool{}, map[string]bool{}, map[string][]StatementResource{}
	type assetEvidence struct{ asset, id string }
	known := map[assetEvidence]bool{}
	refused := false
	for _, check := range v.Checks {
		if check.Outcome == Block {
			blockedEntry[check.Entry], blockedAsset[check.AssetID] = true, true
			refused = refused || check.Entry == "" && check.AssetID == ""
		}
		if !evidence.ValidID(check.Evidence) {
			continue
		}
		// Every entry of an asset asks about the same evidence.
		if input := (assetEvidence{check.AssetID, check.Evidence}); !known[input] {
			known[input] = true
			inputs[check.AssetID] = append(inputs[check.AssetID], StatementResource{
				URI: cmp.Or(check.EvidencePath, check.Evidence), Digest: recordDigest(c.Assets[check.AssetID], check.Evidence),
			})
		}
	}
	policy := StatementResource{URI: "countersign:" + v.Basis.Mode}
	if len(v.Basis.Files) > 0 {
		f := v.Basis.Files[0]
		policy = StatementResource{URI: f.Name, Digest: map[string]string{"sha256": f.SHA256}}
	}

	index := map[string]int{}
	for _, component := range c.Components {
		for _, link := range component.Assets {
			state := c.Assets[link.ID]
			if state == nil {
				continue
			}
			digest := digestOf(state.URI)
			if digest == nil {
				continue
			}
			failed := refused || blockedAsset[link.ID]
			if link.Via == evidence.ViaEntry && state.Type != evidence.AssetCommit {
				failed = failed || blockedEntry[component.Entry]
			}
			at, twice := index[link.ID]
			if !twice {
				at = len(out)
				index[link.ID] = at
				out = append(out, Statement{
					Type: StatementType, PredicateType: PredicateType,
					Subject: []StatementSubject{{Name: state.String, Digest: digest}},
					Predicate: VerificationResult{
						Verifier: StatementVerifier{ID: VerifierID}, TimeVerified: v.EvaluatedAt.UTC().Format(time.RFC3339),
						ResourceURI: state.String, Policy: policy,
						InputAttestations:  append([]StatementResource{}, inputs[link.ID]...),
						VerificationResult: resultPassed, VerifiedLevels: []string{LevelReady},
					},
				})
			}
			if failed {
				out[at].Predicate.VerificationResult, out[at].Predicate.VerifiedLevels = resultFailed, []string{LevelFailed}
			}
		}
	}
	return out
}

// recordDigest is the digest of an evidence's record, nil where there is none.
func recordDigest(state *evidence.AssetState, id string) map[string]string {
	if state == nil {
		return nil
	}
	for _, e := range state.Evidences {
		if string(e.ID) != id {
			continue
		}
		if raw, err := e.JSON(); err == nil {
			return map[string]string{"sha256": fmt.Sprintf("%x", sha256.Sum256(raw))}
		}
	}
	return nil
}

// digest of the subject, for people.
func (s Statement) digest() string {
	for _, subject := range s.Subject {
		for algorithm, value := range subject.Digest {
			return algorithm + ":" + value
		}
	}
	return ""
}

// digestOf names an asset by its content, nil where its URI does not tell.
func digestOf(uri evidence.URI) map[string]string {
	switch uri.Type {
	case evidence.AssetImage:
		return map[string]string{"sha256": uri.ID}
	case evidence.AssetCommit:
		if _, sha, ok := strings.Cut(uri.String, "#"); ok {
			return map[string]string{"gitCommit": sha}
		}
	case evidence.AssetArtifact:
		for _, mark := range []string{"#sha256=", "#sha256:", "@sha256:"} {
			if i := strings.LastIndex(uri.String, mark); i >= 0 && evidence.ValidID(uri.String[i+len(mark):]) {
				return map[string]string{"sha256": uri.String[i+len(mark):]}
			}
		}
	}
	return nil
}
