// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package attestation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Reason says why a statement is good evidence or not. Only ReasonAccepted is
// good.
type Reason string

// The reasons of judgements.
const (
	// ReasonAccepted: the statement asserts a good result, as the rule wants it.
	ReasonAccepted Reason = "Accepted"
	// ReasonWrongSubject: the statement is about something else.
	ReasonWrongSubject Reason = "WrongSubject"
	// ReasonUnreadable: the predicate is not what its type says.
	ReasonUnreadable Reason = "Unreadable"
	// ReasonResultMissing: the predicate asserts no result.
	ReasonResultMissing Reason = "ResultMissing"
	// ReasonNotPassed: the predicate asserts a result that is not good.
	ReasonNotPassed Reason = "NotPassed"
	// ReasonContradiction: the predicate says good, and lists what is not.
	ReasonContradiction Reason = "Contradiction"
	// ReasonBuilderNotTrusted: the builder is none of the rule's.
	ReasonBuilderNotTrusted Reason = "BuilderNotTrusted"
	// ReasonSourceMismatch: something else was built than the entry or rule says.
	ReasonSourceMismatch Reason = "SourceMismatch"
	// ReasonVerifierNotTrusted: the verifier is none of the rule's.
	ReasonVerifierNotTrusted Reason = "VerifierNotTrusted"
	// ReasonLevelMissing: a level that the rule names was not verified.
	ReasonLevelMissing Reason = "LevelMissing"
	// ReasonSeverityExceeded: a finding is worse than the rule allows.
	ReasonSeverityExceeded Reason = "SeverityExceeded"
	// ReasonTooOld: the statement is older than the rule allows, or the rule sets
	// an age and the statement has no date.
	ReasonTooOld Reason = "TooOld"
	// ReasonFromFuture: the statement dates itself later than now.
	ReasonFromFuture Reason = "FromFuture"
	// ReasonUnreachable: whether there are statements could not be found out.
	ReasonUnreachable Reason = "Unreachable"
)

// Verified is a statement that an authority of the rule signed.
type Verified struct {
	Statement *Statement
	// Rule is the place of the rule, in the policy's list, that it was verified
	// for.
	Rule int
	// Authority that signed, by name, and Signer: its identity or key.
	Authority, Signer string
	// SignedAt is when it was signed, as a transparency log or timestamp
	// authority proves; zero if none does.
	SignedAt time.Time
}

// Image is what statements are judged for.
type Image struct {
	// Entry is the inventory entry's name.
	Entry string
	// Asset that the evidence is about.
	Asset evidence.URI
	// Digest as sha256:<hex>.
	Digest string
	// RepositoryURL and CommitSHA are what the entry says it was built from.
	RepositoryURL, CommitSHA string
}

// Judgement is a statement's worth.
type Judgement struct {
	// Evidence has result success only for ReasonAccepted.
	Evidence *evidence.Evidence
	OK       bool
	Reason   Reason
	// Message says what was found; safe to print.
	Message string
	// Durable is true for a failure that the statement itself asserts, which
	// stays true under every policy and is worth keeping in a locker. All other
	// judgements depend on the policy and the time, and are made anew in each
	// run: kept, a failure under yesterday's policy would block, at the same
	// date, today's success.
	Durable bool
}

// finding is what a predicate's own function found.
type finding struct {
	reason   Reason
	message  string
	asserted bool      // the failure is the statement's own
	tool     string    // that made the result
	date     time.Time // that the predicate asserts, zero if none
	details  map[string]any
}

func (f finding) fail(reason Reason, format string, args ...any) finding {
	f.reason, f.message = reason, fmt.Sprintf(format, args...)
	return f
}

func (f finding) accept(format string, args ...any) finding {
	return f.fail(ReasonAccepted, format, args...)
}

// predicate is a type of predicate that is understood.
type predicate struct {
	// tool names evidence whose predicate does not name its tool.
	tool  string
	judge func(*Statement, v1alpha1.AttestationRule, Image, finding) finding
	// uses are the fields of a rule that mean something for it, and needs those
	// without which nothing would ever be accepted.
	uses, needs []string
}

var (
	provenance = []string{"builders", "sources"}
	predicates = map[string]predicate{
		"https://slsa.dev/provenance/v1":                  {tool: "provenance", judge: judgeProvenanceV1, uses: provenance, needs: []string{"builders"}},
		"https://slsa.dev/provenance/v0.2":                {tool: "provenance", judge: judgeProvenanceV02, uses: provenance, needs: []string{"builders"}},
		"https://slsa.dev/verification_summary/v1":        {tool: "verification-summary", judge: judgeSummary, uses: []string{"verifiers", "levels"}, needs: []string{"verifiers"}},
		"https://in-toto.io/attestation/test-result/v0.1": {tool: "test-result", judge: judgeTests},
		"https://in-toto.io/attestation/vulns/v0.1":       {tool: "vulnerability-scan", judge: judgeVulns, uses: []string{"maxSeverity"}},
		"https://in-toto.io/attestation/vulns/v0.2":       {tool: "vulnerability-scan", judge: judgeVulns, uses: []string{"maxSeverity"}},
		"https://cosign.sigstore.dev/attestation/vuln/v1": {tool: "vulnerability-scan", judge: judgeCosignVuln, uses: []string{"maxSeverity"}},
		"https://cyclonedx.org/bom":                       {tool: "cyclonedx", judge: judgeCycloneDX},
		"https://spdx.dev/Document":                       {tool: "spdx", judge: judgeSPDX},
	}
)

// lookup finds what understands a predicate type. The two kinds of bills of
// materials are also written with a version at the end.
func lookup(predicateType string) (predicate, bool) {
	if p, ok := predicates[predicateType]; ok {
		return p, true
	}
	for _, unversioned := range []string{"https://cyclonedx.org/bom", "https://spdx.dev/Document"} {
		if strings.HasPrefix(predicateType, unversioned+"/v") {
			return predicates[unversioned], true
		}
	}
	return predicate{}, false
}

// Known are the predicate types that are understood, sorted.
func Known() []string {
	var known []string
	for name := range predicates {
		known = append(known, name)
	}
	slices.Sort(known)
	return known
}

// CheckRules reports all rules under which nothing could ever be accepted, or
// that set a field which means nothing for their predicate type.
func CheckRules(rules []v1alpha1.AttestationRule) error {
	var faults []error
	for i, rule := range rules {
		p, ok := lookup(rule.PredicateType)
		if !ok {
			faults = append(faults, fmt.Errorf("attestations[%d]: predicate type %q is not understood: use one of %s", i, clip(rule.PredicateType), strings.Join(Known(), ", ")))
			continue
		}
		for _, field := range []struct {
			name string
			set  bool
		}{
			{"builders", len(rule.Builders) > 0},
			{"sources", len(rule.Sources) > 0},
			{"verifiers", len(rule.Verifiers) > 0},
			{"levels", len(rule.Levels) > 0},
			{"maxSeverity", rule.MaxSeverity != ""},
		} {
			switch {
			case field.set && !slices.Contains(p.uses, field.name):
				faults = append(faults, fmt.Errorf("attestations[%d]: %s means nothing for predicate type %s: remove it", i, field.name, rule.PredicateType))
			case !field.set && slices.Contains(p.needs, field.name):
				faults = append(faults, fmt.Errorf("attestations[%d]: %s is empty, so that no statement of type %s would be accepted: list those that are trusted", i, field.name, rule.PredicateType))
			}
		}
	}
	return errors.Join(faults...)
}

// Judge says what a verified statement is worth for an image under its rule. run
// is the pipeline run's id.
func Judge(v Verified, rule v1alpha1.AttestationRule, image Image, now time.Time, run string) Judgement {
	p, understood := lookup(rule.PredicateType)
	f := finding{tool: cmp.Or(p.tool, "attestation"), details: map[string]any{}}
	s := v.Statement
	switch {
	case !understood || s.PredicateType != rule.PredicateType:
		f = f.fail(ReasonUnreadable, "the statement's predicate type %q is not the rule's", clip(s.PredicateType))
	case !s.About(image.Digest):
		f = f.fail(ReasonWrongSubject, "the statement is not about %s: none of its subjects has this digest", image.Digest)
	default:
		f = p.judge(s, rule, image, f)
	}
	date := f.date
	if date.IsZero() {
		date = v.SignedAt
	}
	switch {
	case date.After(now.Add(evidence.FutureSkew)):
		f = f.fail(ReasonFromFuture, "the statement dates itself %s, later than now", date.UTC().Format(time.RFC3339))
		date = now
	case rule.MaxAge == nil:
	case date.IsZero():
		if f.reason == ReasonAccepted {
			f = f.fail(ReasonTooOld, "the rule sets a greatest age, and neither the statement nor a transparency log says when it was made")
		}
	case now.Sub(date) > rule.MaxAge.Duration:
		if f.reason == ReasonAccepted {
			f = f.fail(ReasonTooOld, "the statement is of %s, older than the %s that the rule allows", date.UTC().Format(time.RFC3339), rule.MaxAge.Duration)
		}
	}
	if date.IsZero() {
		date = now
	} else {
		f.details["statement_date"] = date.UTC().Format(time.RFC3339)
	}
	f.details["authority"], f.details["signer"] = v.Authority, v.Signer
	f.details["statement"] = "sha256:" + s.Digest
	return judgement(f, rule, image, date, run)
}

// Unread is the judgement where the statements about an image, or all of them,
// could not be read: what cannot be read is not good. reason tells more than
// ReasonUnreachable where the caller knows more.
func Unread(rule v1alpha1.AttestationRule, image Image, message string, now time.Time, run string) Judgement {
	p, _ := lookup(rule.PredicateType)
	f := finding{tool: cmp.Or(p.tool, "attestation"), details: map[string]any{}}
	return judgement(f.fail(ReasonUnreachable, "%s", message), rule, image, now, run)
}

func judgement(f finding, rule v1alpha1.AttestationRule, image Image, date time.Time, run string) Judgement {
	j := Judgement{
		OK: f.reason == ReasonAccepted, Reason: f.reason,
		Message: plaintext.Clip(plaintext.Line(f.message), 2000),
		Durable: f.reason != ReasonAccepted && f.asserted,
	}
	result := evidence.ResultFailure
	if j.OK {
		result = evidence.ResultSuccess
	}
	f.details["reason"] = string(j.Reason)
	f.details["predicate_type"] = rule.PredicateType
	f.details["image"] = image.Digest
	j.Evidence = &evidence.Evidence{
		Version: "2",
		Date:    evidence.Text(date.UTC().Format(time.RFC3339)),
		TypeID:  evidence.Text(rule.EvidenceType),
		Origin:  evidence.Origin{Scope: evidence.Text(evidence.ScopeID(run)), PipelineRunID: evidence.Text(run)},
		Details: evidence.Details{Result: evidence.Text(result), Tool: evidence.Text(clip(f.tool)), Message: evidence.Note(j.Message), Extra: f.details},
		Assets:  []evidence.AssetRef{{Hash: evidence.Text(image.Asset.ID), URI: evidence.Text(image.Asset.String)}},
	}
	return j
}

// clip makes a foreign value fit for a message or a record.
func clip(text string) string { return plaintext.Clip(plaintext.Line(text), 300) }
