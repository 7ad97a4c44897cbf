// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"fmt"

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
	ReasonListedOnly    Reason = "ListedOnly"
	ReasonDeletion      Reason = "Deletion"
	// ReasonNoRuleApplies blocks whatever no rule has an answer to.
	ReasonNoRuleApplies Reason = "NoRuleApplies"
)

// question is one check to judge: the facts of it, and how they came about.
// Exactly one of evidence, problem, missing and deletion is set.
type question struct {
	Check
	evidence *evidence.Evidence
	problem  *evidence.Problem
	missing  bool
	deletion bool
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
	// Whatever cannot be identified, read or trusted blocks.
	holeBlocks,
	// A required check without any evidence blocks.
	missingBlocks,
	// A check that failed blocks.
	failureBlocks,
	// A check that has not come to a result blocks.
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
	return check
}

func deletionIsListed(q question) (answer, bool) {
	return answer{outcome: Info, reason: ReasonDeletion, message: "the entry is deleted, which needs no evidence"}, q.deletion
}

func pipelineRunIsListed(q question) (answer, bool) {
	return answer{outcome: Info, reason: ReasonListedOnly, message: "records of a pipeline run are listed and never gate"},
		q.AssetType == evidence.AssetPipelineRun
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
}

func missingBlocks(q question) (answer, bool) {
	return answer{
		outcome: Block, reason: ReasonMissing,
		message: fmt.Sprintf("no evidence of a check that every %s must have", q.AssetType),
		unblock: "run the check on this " + string(q.AssetType) + " and collect its evidence",
	}, q.missing
}

func failureBlocks(q question) (answer, bool) {
	message, unblock := "the check failed", "fix what it found and run it again, or have the change approved by a person"
	if q.evidence != nil {
		if n := len(q.evidence.Findings); n > 0 {
			message += fmt.Sprintf(" with %d findings", n)
		}
		if n := len(q.evidence.Issues); n > 0 {
			message += fmt.Sprintf("; issue %.200q", q.evidence.Issues[0])
		}
	}
	return answer{outcome: Block, reason: ReasonFailure, message: message, unblock: unblock}, q.Result == string(evidence.ResultFailure)
}

func pendingBlocks(q question) (answer, bool) {
	return answer{
		outcome: Block, reason: ReasonPending,
		message: "the check has not come to a result",
		unblock: "wait for it to finish, then start the run again",
	}, q.Result == string(evidence.ResultPending)
}

func unknownBlocks(q question) (answer, bool) {
	if q.evidence == nil || q.Result != string(evidence.ResultUnknown) {
		return answer{}, false
	}
	return answer{
		outcome: Block, reason: ReasonUnknownResult,
		message: fmt.Sprintf("the evidence's result is %.80q, which is none of success, failure and pending", string(q.evidence.Details.Result)),
		unblock: "correct the tool that records it and run the check again",
	}, true
}

func successPasses(q question) (answer, bool) {
	return answer{outcome: Pass, reason: ReasonSuccess, message: "the check succeeded"},
		q.evidence != nil && q.Result == string(evidence.ResultSuccess)
}
