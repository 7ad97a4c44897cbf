// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"time"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/forge"
)

// AutomatedMarker in the message of a commit says that a machine made it. It
// counts only from the policy's automated authors.
const AutomatedMarker = "##AUTOMATED_COMMIT##"

// Query says what to look at.
type Query struct {
	// Branch that is deployed.
	Branch string
	// From is the commit that the target concluded last. Empty for the first
	// deployment: then only what the newest pull request brought is looked at, and
	// what came after it. What lay on the branch before was not deployed by a
	// change of this target, and the history of an inventory that is older than
	// the rule could never satisfy it.
	From string
	// To is the commit to deploy.
	To string
	// Policy to judge by.
	Policy v1alpha1.PeerReviewPolicy
}

// Input is everything that is judged, as plain values.
type Input struct {
	Query
	// Commits that are ancestors of To, or To itself, and not of From; the newest
	// first.
	Commits []Commit
	// More is whether there are more commits than were read.
	More bool
	// PullRequests that were merged among these commits, the newest first.
	PullRequests []PullRequest
}

// Commit is a commit as git has it. Author, addresses and message are text that
// anyone may have written.
type Commit struct {
	SHA     string
	Parents []string
	// Author is a name, the others are addresses.
	Author, AuthorEmail, CommitterEmail string
	Time                                time.Time
	Message                             string
	// PullRequests are the numbers of those that brought it, in truth: their
	// content was compared.
	PullRequests []int
}

// PullRequest is one that was merged among the commits.
type PullRequest struct {
	forge.PullRequest
	History forge.ReviewHistory
	// Head is the commit that was proposed and merged; empty if that is not known.
	Head string
	// Equivalent are other commits of which there are approvals, that would have
	// given the very same content on the branch: the pull request was rebased, or
	// brought up to date, after the approval. Approvals of any other commit do not
	// count.
	Equivalent []string
	// Problem says why the merge cannot be taken for the merge of this pull
	// request; empty if it can.
	Problem MergeProblem
	// Paths are those where the merge has other content than its parents give,
	// sorted; the first few.
	Paths []string
	// Clean are the commits in History that merge two others without adding
	// anything; whoever made one wrote nothing.
	Clean []string
}

// MergeProblem is why a merge is not that of a pull request.
type MergeProblem string

// The problems; the values are part of the API.
const (
	// ProblemContent: the merge has content that neither the branch nor the pull
	// request had.
	ProblemContent MergeProblem = "MergeChangesContent"
	// ProblemHead: the commit that was proposed is not known, or gone from git.
	ProblemHead MergeProblem = "HeadUnknown"
)
