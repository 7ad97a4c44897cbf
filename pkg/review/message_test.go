// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review_test

import (
	"testing"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/review"
)

// TestMessageSaysWhy: one line is all that a verdict shows of a review.
func TestMessageSaysWhy(t *testing.T) {
	pushed := func(shas ...string) []review.Commit {
		var commits []review.Commit
		for _, sha := range shas {
			commits = append(commits, review.Commit{SHA: sha, Author: "bob", AuthorEmail: "bob@example.com", Message: "x"})
		}
		return commits
	}
	brought := pushed("merge", "head")
	for i := range brought {
		brought[i].PullRequests = []int{7}
	}
	const push = "no merged pull request brought it: it was pushed to the branch"
	for name, test := range map[string]struct {
		commits []review.Commit
		want    string
	}{
		"a pull request is told of once, whatever it brought": {
			brought, "2 of 2 commits not reviewed: pull request 7: 0 of 1 approval by people other than its authors",
		},
		"a commit that was pushed is named": {
			pushed("0123456789abcdef"), "1 of 1 commit not reviewed: commit 0123456789ab: " + push,
		},
		"of many the first few are told": {
			pushed("a", "b", "c", "d", "e"), "5 of 5 commits not reviewed: commit a: " + push + "; commit b: " + push + "; commit c: " + push + "; and others",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := review.Check(review.Input{
				Query:        review.Query{Policy: v1alpha1.PeerReviewPolicy{Approvals: 1}},
				Commits:      test.commits,
				PullRequests: []review.PullRequest{{PullRequest: forge.PullRequest{Number: 7, MergeCommit: "merge", Author: "bob"}, Head: "head"}},
			}).Message
			if got != test.want {
				t.Errorf("message %q, want %q", got, test.want)
			}
		})
	}
}
