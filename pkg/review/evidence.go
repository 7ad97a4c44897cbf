// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"time"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// EvidenceType is the check that a result is evidence of.
const EvidenceType = "com.ibm.peer_review"

// Tool is who made the evidence.
const Tool = "countersign-peer-review"

// MaxListed is how many pull requests, and how many commits, a record lists: those
// that failed first.
const MaxListed = 100

// Evidence is the record of a result about the commit that is deployed, which
// change names (see evidence.CommitURI). Its details hold, besides result and
// tool: message, from, to, required_approvals, commits (how many there are), more_commits,
// unreviewed (how many of them failed), unreviewed_commits and pull_requests,
// both with at most MaxListed items.
func (r Result) Evidence(change evidence.URI, origin evidence.Origin, at time.Time) *evidence.Evidence {
	result := evidence.ResultFailure
	if r.OK {
		result = evidence.ResultSuccess
	}
	if origin.Scope == "" && origin.PipelineRunID != "" {
		origin.Scope = evidence.Text(evidence.ScopeID(string(origin.PipelineRunID)))
	}
	unreviewed := []CommitOutcome{}
	failed := 0
	for _, c := range r.Commits {
		if c.OK {
			continue
		}
		if failed++; len(unreviewed) < MaxListed {
			unreviewed = append(unreviewed, c)
		}
	}
	requests := []PullRequestOutcome{}
	for _, ok := range []bool{false, true} {
		for _, pr := range r.PullRequests {
			if pr.OK == ok && len(requests) < MaxListed {
				requests = append(requests, pr)
			}
		}
	}
	return &evidence.Evidence{
		Version:     "2",
		Date:        evidence.Text(at.UTC().Format(time.RFC3339)),
		TypeID:      EvidenceType,
		TypeVersion: "1",
		Origin:      origin,
		Details: evidence.Details{
			Result:  evidence.Text(result),
			Tool:    Tool,
			Message: evidence.Note(r.Message), Remedy: evidence.Note(r.remedy()),
			Extra: map[string]any{
				"from": r.From, "to": r.To, "required_approvals": r.Required,
				"commits": len(r.Commits), "unreviewed": failed, "more_commits": r.TooMany,
				"unreviewed_commits": unreviewed, "pull_requests": requests,
			},
		},
		Assets: []evidence.AssetRef{{Hash: evidence.Text(change.ID), URI: evidence.Text(change.String)}},
	}
}

// remedy is that of the first commit that was not reviewed.
func (r Result) remedy() string {
	for _, c := range r.Commits {
		if !c.OK && c.Remedy != "" {
			return c.Remedy
		}
	}
	return ""
}
