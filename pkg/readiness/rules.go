// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Reason is why a check passes or blocks.
type Reason string

// The reasons. A check on a hole in the locker has the reason of the
// evidence.Problem.
const (
	ReasonSuccess       Reason = "Success"
	ReasonFailure       Reason = "Failure"
	ReasonPending       Reason = "Pending"
	ReasonMissing       Reason = "Missing"
	ReasonUnknownResult Reason = "UnknownResult"
	// ReasonUnsigned: the only success lacks the signature that is demanded.
	ReasonUnsigned Reason = "Unsigned"
	// ReasonNotPresent: there is no evidence, which its rule allows.
	ReasonNotPresent Reason = "NotPresent"
	ReasonListedOnly Reason = "ListedOnly"
	ReasonDeletion   Reason = "Deletion"
	// ReasonNothingAsked: no rule asks anything of the entry, and there is no
	// evidence of it.
	ReasonNothingAsked Reason = "NothingAsked"
	// ReasonPolicyAllows, ReasonPolicyDenies and ReasonPolicyUndecided are about
	// a Rego policy's word; undecided, it blocks.
	ReasonPolicyAllows    Reason = "PolicyAllows"
	ReasonPolicyDenies    Reason = "PolicyDenies"
	ReasonPolicyUndecided Reason = "PolicyUndecided"
	// ReasonNoRuleApplies blocks whatever no rule has an answer to.
	ReasonNoRuleApplies Reason = "NoRuleApplies"
)

// question is one check to judge: the facts of it, and how they came about.
type question struct {
	Check
	// evidence that the check is about; nil where there is none.
	evidence *evidence.Evidence
	// problem in the locker or the entry.
	problem *evidence.Problem
	// unneeded: the problem is of an asset that no rule that blocks asks about.
	unneeded bool
	// missing: there is no evidence that counts.
	missing bool
	// unsigned is a success that does not count, for lack of a signature.
	unsigned *evidence.Problem
	// others are what counts of a missing check, though not for its rule.
	others []sourced
	// deletion: the entry goes.
	deletion bool
	// unasked: no rule asks anything of the entry.
	unasked bool
	// row of a Rego policy's table that the check is.
	row *Row
	// decision of a Rego policy; explained: its table says why not.
	decision  *Decision
	explained bool
}

// answer is a rule's word on a question.
type answer struct {
	outcome          Outcome
	reason           Reason
	message, unblock string
}

// rules in the order in which they are put to a question. The first that has
// an answer decides; a question that none answers blocks.
var rules = []func(question) (answer, bool){
	// Deleting needs no evidence; the entry is listed so that it is seen.
	deletionIsListed,
	// A pipeline run's own records, such as logs, are shown and never gate.
	pipelineRunIsListed,
	// A Rego policy must come to a decision, and allow the deployment.
	policyMustAllow,
	// A hole in what some other asset leads to, which no rule that blocks asks
	// about, is a warning.
	unneededHoleWarns,
	// Whatever else cannot be identified, read or trusted blocks.
	holeBlocks,
	// What no rule names, or a rule ignores, is listed.
	unnamedIsListed,
	// Missing evidence blocks where it is required, passes where it is required
	// if present, and is a warning where it is recommended.
	missingByLevel,
	// Whatever is recommended and no success is a warning.
	recommendedWarns,
	// A check that failed blocks.
	failureBlocks,
	// A check that has not come to a result passes where it is required if
	// present.
	pendingPassesIfPresent,
	// Anywhere else it blocks.
	pendingBlocks,
	// A result in any word but the three of the format blocks.
	unknownBlocks,
	// Success passes; nothing else does.
	successPasses,
}

func judge(q question) Check {
	a := answer{outcome: Block, reason: ReasonNoRuleApplies, message: "no rule has an answer to this check"}
	for _, rule := range rules {
		if got, ok := rule(q); ok {
			a = got
			break
		}
	}
	check := q.Check
	check.Outcome, check.Reason, check.Message, check.Unblock = a.outcome, a.reason, a.message, a.unblock
	if q.row != nil && q.row.Message != "" {
		check.Message = plaintext.Clip(q.row.Message, maxMessage)
	}
	return check
}

// maxMessage bounds what a policy may say about one check.
const maxMessage = 1000

func deletionIsListed(q question) (answer, bool) {
	return answer{outcome: Info, reason: ReasonDeletion, message: "the entry is deleted, which needs no evidence"}, q.deletion
}

func pipelineRunIsListed(q question) (answer, bool) {
	return answer{outcome: Info, reason: ReasonListedOnly, message: "records of a pipeline run are listed and never gate"},
		q.AssetType == evidence.AssetPipelineRun
}

func policyMustAllow(q question) (answer, bool) {
	d := q.decision
	switch {
	case d == nil:
		return answer{}, false
	case d.Problem != "":
		return answer{
			outcome: Block, reason: ReasonPolicyUndecided,
			message: "the Rego policy comes to no decision: " + plaintext.Clip(d.Problem, maxMessage),
			unblock: "correct the policy: package one_pipeline.config needs a boolean allow and a set table_results",
		}, true
	case d.Allow:
		return answer{outcome: Info, reason: ReasonPolicyAllows, message: "the Rego policy allows the deployment"}, true
	case q.explained:
		return answer{outcome: Info, reason: ReasonPolicyDenies, message: "the Rego policy does not allow the deployment, for what blocks in its table"}, true
	}
	return answer{
		outcome: Block, reason: ReasonPolicyDenies, message: "the Rego policy does not allow the deployment, and its table does not say why",
		unblock: "see what the policy's allow asks for; a policy that adds it to table_results is easier to obey",
	}, true
}

func unneededHoleWarns(q question) (answer, bool) {
	if q.problem == nil || !q.unneeded {
		return answer{}, false
	}
	return answer{
		outcome: Warn, reason: Reason(q.problem.Reason),
		message: q.problem.Message + "; no rule that blocks asks anything of this asset",
		unblock: remedies[q.problem.Reason],
	}, true
}

func holeBlocks(q question) (answer, bool) {
	if q.problem == nil {
		return answer{}, false
	}
	return answer{
		outcome: Block,
		reason:  Reason(q.problem.Reason),
		message: q.problem.Message,
		unblock: remedies[q.problem.Reason],
	}, true
}

// remedies say what closes each kind of hole.
var remedies = map[evidence.ProblemReason]string{
	evidence.ReasonNotIdentified:      "correct the inventory entry: its provenance by digest, its repository_url and its full commit_sha",
	evidence.ReasonAssetMissing:       "collect evidence for the asset again, which writes its record, or check that the run reads the right locker",
	evidence.ReasonAssetUnreadable:    "collect evidence for the asset again, after removing the broken record",
	evidence.ReasonLinkUnusable:       "write the asset's record again with asset ids in related and parents",
	evidence.ReasonParentCycle:        "write the asset's record again with its true parents",
	evidence.ReasonMarkerUnusable:     "remove the stray object from the asset's evidences folder",
	evidence.ReasonEvidenceMissing:    "restore the evidence record, or run the check again and remove the marker",
	evidence.ReasonEvidenceUnreadable: "restore the evidence record, or run the check again and remove the marker",
	evidence.ReasonWrongID:            "restore the record whose id belongs in this place",
	evidence.ReasonWrongAsset:         "remove the marker: the evidence is about something else",
	evidence.ReasonTooLarge:           "store large output as an attachment, not in the record",
	evidence.ReasonTooMany:            "remove what does not belong to the asset, or deploy fewer entries at once",
	evidence.ReasonDateUnreadable:     "run the check again; its date must be ISO 8601",
	evidence.ReasonFromFuture:         "correct the clock of the tool that wrote it and run the check again",
	evidence.ReasonUnsigned:           "run the check again with a collector that signs its evidence with a trusted key",
	evidence.ReasonUntied:             "collect the evidence again in version 2, which names its assets",
	evidence.ReasonAttachmentMissing:  "restore the attachment, or run the check again and collect its output",
	evidence.ReasonAttachmentWrong:    "restore the attachment whose digest the evidence names, or run the check again",
}

func unnamedIsListed(q question) (answer, bool) {
	a := answer{outcome: Info, reason: ReasonListedOnly, message: "no rule asks for this; it is listed and does not gate"}
	switch {
	case q.Rule != RuleListed:
		return answer{}, false
	case q.unsigned != nil:
		a.reason, a.message = ReasonUnsigned, q.unsigned.Message
	case q.unasked:
		a.reason, a.message = ReasonNothingAsked, "no rule asks anything of this entry, and there is no evidence of it"
	case q.RuleSource != "":
		a.message = "its rule has it listed only"
	}
	return a, true
}

func missingByLevel(q question) (answer, bool) {
	if !q.missing {
		return answer{}, false
	}
	a := answer{
		outcome: Block, reason: ReasonMissing, unblock: howToGet(q),
		message: "no evidence of a check that is required of this " + asset(q) + instead(q),
	}
	if q.unsigned != nil {
		a.reason, a.message = ReasonUnsigned, q.unsigned.Message
		a.unblock = remedies[evidence.ReasonUnsigned]
	}
	switch q.Rule {
	case RuleRequiredIfPresent:
		if q.unsigned != nil {
			return answer{outcome: Pass, reason: ReasonUnsigned, message: a.message + "; this rule allows there to be none"}, true
		}
		return answer{outcome: Pass, reason: ReasonNotPresent, message: "there is no evidence, which this rule allows"}, true
	case RuleRecommended:
		a.outcome = Warn
		if q.unsigned == nil {
			a.message = "no evidence of a check that is recommended for this " + asset(q) + instead(q)
		}
	}
	return a, true
}

// instead says what evidence of the check there is, where the rule asks for
// that of another tool or environment.
func instead(q question) string {
	if len(q.others) == 0 {
		return ""
	}
	const most = 3
	var there []string
	for _, c := range q.others[:min(most, len(q.others))] {
		is := "evidence that names no tool"
		if c.Tool() != "" {
			is = fmt.Sprintf("%.80q", c.Tool())
		}
		if c.source.Name != "" {
			is += fmt.Sprintf(" from %.200q", c.source.String())
		}
		there = append(there, is)
	}
	if more := len(q.others) - most; more > 0 {
		there = append(there, fmt.Sprintf("%d more", more))
	}
	return "; there is other evidence of it, which the rule does not take: " + strings.Join(there, ", ")
}

// asset names the kind of thing that a question is about.
func asset(q question) string { return cmp.Or(string(q.AssetType), "asset") }

// howToGet says how missing evidence comes about.
func howToGet(q question) string {
	how := "run the check"
	if q.Tool != "" {
		how += fmt.Sprintf(" with %.80q", q.Tool)
	}
	how += " on this " + asset(q)
	switch {
	case q.Source == checks.CIPipeline:
		how += " when it is built"
	case q.Source != "":
		how += fmt.Sprintf(" in %.200q", q.Source)
	}
	return how + " and collect its evidence"
}

func recommendedWarns(q question) (answer, bool) {
	if q.Rule != RuleRecommended || q.Result == string(evidence.ResultSuccess) {
		return answer{}, false
	}
	a, ok := failureBlocks(q)
	if !ok {
		a, ok = pendingBlocks(q)
	}
	if !ok {
		a, ok = unknownBlocks(q)
	}
	a.outcome = Warn
	a.message += "; it is only recommended"
	return a, ok
}

// maxSaid bounds what a tool's own words add to a message.
const maxSaid = 600

func failureBlocks(q question) (answer, bool) {
	message, unblock := "the check failed", "fix what it found and run it again, or have the change approved by a person"
	if q.evidence != nil {
		if said := q.evidence.Details.Message; said != "" {
			message += ": " + plaintext.Clip(string(said), maxSaid)
		}
		if remedy := q.evidence.Details.Remedy; remedy != "" {
			unblock = plaintext.Clip(string(remedy), maxSaid)
		}
		if n := len(q.evidence.Findings); n > 0 {
			message += fmt.Sprintf(" with %d findings", n)
		}
		if n := len(q.evidence.Issues); n > 0 {
			message += fmt.Sprintf("; issue %.200q", q.evidence.Issues[0])
		}
	}
	return answer{outcome: Block, reason: ReasonFailure, message: message, unblock: unblock}, q.Result == string(evidence.ResultFailure)
}

func pendingPassesIfPresent(q question) (answer, bool) {
	return answer{outcome: Pass, reason: ReasonPending, message: "the check has not come to a result, which this rule allows"},
		q.Rule == RuleRequiredIfPresent && q.Result == string(evidence.ResultPending)
}

func pendingBlocks(q question) (answer, bool) {
	a := answer{
		outcome: Block, reason: ReasonPending,
		message: "the check has not come to a result",
		unblock: "wait for it to finish, then start the run again",
	}
	// Whoever recorded the outcome unsigned must not be told to wait for it.
	if q.unsigned != nil {
		a.message += " that counts: " + q.unsigned.Message
		a.unblock = remedies[evidence.ReasonUnsigned]
	}
	return a, q.Result == string(evidence.ResultPending)
}

func unknownBlocks(q question) (answer, bool) {
	if q.Result != string(evidence.ResultUnknown) {
		return answer{}, false
	}
	var word string
	switch {
	case q.evidence != nil:
		word = string(q.evidence.Details.Result)
	case q.row != nil:
		word = q.row.Status
	default:
		return answer{}, false
	}
	return answer{
		outcome: Block, reason: ReasonUnknownResult,
		message: fmt.Sprintf("the result is %.80q, which is none of success, failure and pending", word),
		unblock: "correct the tool that records it and run the check again",
	}, true
}

func successPasses(q question) (answer, bool) {
	return answer{outcome: Pass, reason: ReasonSuccess, message: "the check succeeded"},
		(q.evidence != nil || q.row != nil) && q.Result == string(evidence.ResultSuccess)
}
