// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"context"
	"slices"

	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

// maxRebased is how many commits of one pull request are looked for as copies,
// and maxMerges how many of its merges are compared.
const (
	maxRebased = 300
	maxMerges  = 100
)

// tracer tells which commits each pull request brought.
type tracer struct {
	ctx   context.Context
	repo  *inventory.Repository
	graph *inventory.Graph
	// merges says which pull requests a commit is recorded as the merge of,
	// brought which ones brought it in truth.
	merges, brought map[string][]int
}

// landing is how a pull request reached the branch.
type landing struct {
	// base is the branch before it, empty where that is not known.
	base    string
	commits []string
}

// trace finds out how a pull request was merged, and compares.
func (t *tracer) trace(pr *PullRequest) error {
	pr.Head = pr.History.Head
	parents := t.graph.Parents(pr.MergeCommit)
	if pr.Head == "" && len(parents) == 2 {
		// Nothing else says what was proposed, and the merge itself does.
		pr.Head = parents[1]
	}
	if !t.graph.Has(pr.Head) {
		pr.Head, pr.Problem = "", ProblemHead
		return nil
	}
	var land landing
	var err error
	switch {
	case pr.Head == pr.MergeCommit:
		land = t.fastForward(pr)
	case len(parents) == 2:
		land, err = t.mergeCommit(pr, parents[0])
	case len(parents) == 1:
		land, err = t.copies(pr)
	default:
		pr.Problem = ProblemContent
	}
	if err != nil {
		return err
	}
	for _, sha := range land.commits {
		// The merge of another pull request is that one's to answer for.
		if others := t.merges[sha]; len(others) > 0 && !slices.Contains(others, pr.Number) {
			continue
		}
		t.brought[sha] = append(t.brought[sha], pr.Number)
	}
	if pr.Problem != "" {
		return nil
	}
	if err := t.complete(pr, land); err != nil {
		return err
	}
	return t.equivalent(pr, land)
}

// fastForward: the branch was moved to what was proposed. Git does not tell where
// it was before; the forge listed what the pull request proposed.
func (t *tracer) fastForward(pr *PullRequest) landing {
	reach := t.graph.Reach(pr.Head)
	land := landing{}
	mine := map[string]bool{}
	for _, c := range pr.History.Commits {
		if reach.Has(c.SHA) && !mine[c.SHA] {
			mine[c.SHA] = true
			land.commits = append(land.commits, c.SHA)
		}
	}
	before := map[string]bool{}
	for _, sha := range land.commits {
		for _, parent := range t.graph.Parents(sha) {
			if !mine[parent] {
				before[parent] = true
				land.base = parent
			}
		}
	}
	if len(before) != 1 {
		land.base = ""
	}
	return land
}

// mergeCommit: a commit with two parents, the second of which is what was
// proposed, or a rebased copy of it.
func (t *tracer) mergeCommit(pr *PullRequest, base string) (landing, error) {
	land := landing{base: base, commits: t.graph.Between(base, pr.MergeCommit)}
	ok, err := t.compare(pr, base)
	if err == nil && !ok && t.graph.Parents(pr.MergeCommit)[1] != pr.Head {
		// Then nothing says that these commits are what was proposed.
		land.commits = nil
	}
	return land, err
}

// copies: one commit into which all were squashed, or rebased copies of each.
// Which of the two it was follows from the content: the branch before the copies,
// merged with what was proposed, gives the last of them. Of the possible lengths
// the greatest counts, since a shorter one would leave copies to nobody.
func (t *tracer) copies(pr *PullRequest) (landing, error) {
	most := 0
	for _, c := range pr.History.Commits {
		if len(c.Parents) < 2 {
			most++
		}
	}
	proposed := t.graph.Reach(pr.Head)
	chain := []string{pr.MergeCommit}
	var bases []string
	for at := pr.MergeCommit; ; {
		parents := t.graph.Parents(at)
		if len(parents) != 1 {
			break
		}
		bases = append(bases, parents[0])
		at = parents[0]
		if len(chain) >= min(most, maxRebased) || proposed.Has(at) || len(t.merges[at]) > 0 || len(t.graph.Parents(at)) != 1 {
			break
		}
		chain = append(chain, at)
	}
	for i := len(bases) - 1; i >= 0; i-- {
		ok, err := t.compare(pr, bases[i])
		if err != nil {
			return landing{}, err
		}
		if ok {
			pr.Problem, pr.Paths = "", nil
			return landing{base: bases[i], commits: chain[:i+1]}, nil
		}
	}
	return landing{}, nil
}

// compare reports whether the merge is that of a state of the branch and of what
// was proposed, and notes it if not.
func (t *tracer) compare(pr *PullRequest, base string) (bool, error) {
	paths, err := t.repo.MergeDifferences(t.ctx, t.graph, inventory.Merge{Ours: base, Theirs: pr.Head, Result: pr.MergeCommit})
	if err != nil {
		return false, err
	}
	if len(paths) > 0 {
		pr.Problem, pr.Paths = ProblemContent, paths
	}
	return len(paths) == 0, nil
}

// complete adds to a pull request's history what git knows and the forge did not
// list, and finds the merges that added nothing.
func (t *tracer) complete(pr *PullRequest, land landing) error {
	listed := map[string]bool{}
	for _, c := range pr.History.Commits {
		listed[c.SHA] = true
	}
	if land.base != "" {
		for _, sha := range t.graph.Between(land.base, pr.Head) {
			if listed[sha] {
				continue
			}
			c, err := t.repo.Commit(sha)
			if err != nil {
				return err
			}
			pr.History.Commits = append(pr.History.Commits, forge.PullCommit{
				SHA: sha, Parents: c.Parents, Message: c.Message,
				Author: forge.Account{Emails: []string{c.AuthorEmail}}, Committer: forge.Account{Emails: []string{c.CommitterEmail}},
			})
		}
	}
	compared := 0
	for _, c := range pr.History.Commits {
		parents := t.graph.Parents(c.SHA)
		if len(parents) != 2 || compared == maxMerges {
			continue
		}
		compared++
		paths, err := t.repo.MergeDifferences(t.ctx, t.graph, inventory.Merge{Ours: parents[0], Theirs: parents[1], Result: c.SHA})
		if err != nil {
			return err
		}
		if len(paths) == 0 {
			pr.Clean = append(pr.Clean, c.SHA)
		}
	}
	return nil
}

// equivalent finds approved commits that would have given the same: the branch
// was brought up to date afterwards, or rebased, and nothing else.
func (t *tracer) equivalent(pr *PullRequest, land landing) error {
	if land.base == "" {
		return nil
	}
	for _, commit := range approved(*pr) {
		if commit == pr.Head || !t.graph.Has(commit) {
			continue
		}
		paths, err := t.repo.MergeDifferences(t.ctx, t.graph, inventory.Merge{Ours: land.base, Theirs: commit, Result: pr.MergeCommit})
		if err != nil {
			return err
		}
		if len(paths) == 0 {
			pr.Equivalent = append(pr.Equivalent, commit)
		}
	}
	return nil
}
