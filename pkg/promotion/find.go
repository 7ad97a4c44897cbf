// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign-dev/countersign/internal/plaintext"
	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/forge"
)

// ErrNoPromotion is wrapped by the error about a commit that no merged pull
// request leads to.
var ErrNoPromotion = errors.New("no promotion pull request")

// MaxContained is how many pull requests a change names.
const MaxContained = 100

// History places commits: rank 0 is the commit that is deployed, and no commit
// has a smaller rank than one of its descendants. *inventory.History is one.
type History interface {
	Rank(commit string) (rank int, ok bool)
}

// Query says which pull request to find.
type Query struct {
	// Branch that is deployed.
	Branch string
	// Commit that is deployed, for messages.
	Commit string
	// History of that commit.
	History History
	// Concluded is the history of the commit that the target concluded last;
	// nil if there is none. It bounds the pull requests that the change contains.
	Concluded History
}

// Found is the pull request that a change's fields come from.
type Found struct {
	// PR is the last merged one: the pull request whose merge commit is the
	// newest ancestor of, or equal to, the deployed commit.
	PR forge.PullRequest
	// CommitsAfter is the rank of its merge commit: zero where the deployed
	// commit is the merge, else at least so many commits reached the branch after
	// it without a pull request that is known.
	CommitsAfter int
	// Contained are the pull requests that the change brings to the target, the
	// newest first, PR among them unless the target has it already.
	Contained []forge.PullRequest
	// More is true if there were further ones than MaxContained.
	More bool
}

// PromotionPR is the pull request as a change request names it. Title and author
// are made visible and short.
func (f *Found) PromotionPR() v1alpha1.PromotionPR {
	return v1alpha1.PromotionPR{
		Number:      f.PR.Number,
		URL:         plaintext.Clip(f.PR.URL, 2048),
		Title:       plaintext.Clip(f.PR.Title, 250),
		Author:      plaintext.Clip(f.PR.Author, 250),
		MergeCommit: f.PR.MergeCommit,
	}
}

// Find finds the last merged pull request into a branch, by where merge commits
// lie in the deployed commit's history rather than by time, so that fields and
// content cannot part: a pull request merged after the run began is not seen,
// and neither is one whose merge was taken off the branch. The pull request is
// read once more by its number, so that its body is what it says now.
//
// Its error wraps ErrNoPromotion where there is none.
func Find(ctx context.Context, f forge.Forge, q Query) (*Found, error) {
	s := &search{q: q}
	for pr, err := range f.MergedPullRequests(ctx, q.Branch) {
		if err != nil {
			// A listing that ends early is good enough once nothing merged
			// later than the best can follow.
			if s.best != nil && s.last.Before(s.best.MergedAt) {
				s.more = true
				break
			}
			return nil, fmt.Errorf("finding the promotion pull request: %w", err)
		}
		if s.done(pr) {
			break
		}
		s.consider(pr)
	}
	if s.best == nil {
		return nil, fmt.Errorf("%w: no merged pull request into branch %q has its merge commit in the history of commit %s: merge the promotion pull request into %q with the forge's merge button, and run again",
			ErrNoPromotion, plaintext.Clip(q.Branch, 100), plaintext.Clip(q.Commit, 64), plaintext.Clip(q.Branch, 100))
	}
	pr, err := f.PullRequest(ctx, s.best.Number)
	if err != nil {
		return nil, fmt.Errorf("finding the promotion pull request: %w", err)
	}
	if !pr.Merged || pr.MergeCommit != s.best.MergeCommit || pr.Base != q.Branch {
		return nil, fmt.Errorf("finding the promotion pull request: the forge says two things of pull request %d: run again, and if that does not help look at %s", pr.Number, plaintext.Clip(pr.URL, 300))
	}
	return &Found{PR: *pr, CommitsAfter: s.rank, Contained: s.contained(), More: s.more}, nil
}

// search is what is known while pull requests come in, the most recently updated
// first. As a pull request is updated by its merge, none of those that follow
// was merged after the last one's update.
type search struct {
	q    Query
	best *forge.PullRequest
	rank int
	new  []ranked
	more bool
	last time.Time // the last one's update
	old  time.Time // the latest merge that the target has already
}

type ranked struct {
	pr   forge.PullRequest
	rank int
}

// done reports whether neither this pull request nor any that follows matters.
func (s *search) done(pr forge.PullRequest) bool {
	s.last = pr.Updated
	if s.best == nil {
		return false
	}
	if !s.old.IsZero() && pr.Updated.Before(s.old) {
		return true
	}
	return s.more && pr.Updated.Before(s.best.MergedAt)
}

func (s *search) consider(pr forge.PullRequest) {
	rank, ok := s.q.History.Rank(pr.MergeCommit)
	if !ok {
		return
	}
	if s.best == nil || rank < s.rank {
		s.best, s.rank = &pr, rank
	}
	if s.q.Concluded != nil {
		if _, has := s.q.Concluded.Rank(pr.MergeCommit); has {
			if pr.MergedAt.After(s.old) {
				s.old = pr.MergedAt
			}
			return
		}
	}
	if len(s.new) == MaxContained {
		s.more = true
		return
	}
	s.new = append(s.new, ranked{pr, rank})
}

func (s *search) contained() []forge.PullRequest {
	slices.SortStableFunc(s.new, func(a, b ranked) int { return a.rank - b.rank })
	var out []forge.PullRequest
	for _, r := range s.new {
		out = append(out, r.pr)
	}
	return out
}
