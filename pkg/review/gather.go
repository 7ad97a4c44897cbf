// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

// Bounds on what is gathered.
const (
	// MaxCommits is how many commits are judged.
	MaxCommits = 10_000
	// MaxPullRequests is how many pull requests are read.
	MaxPullRequests = 500
	// concurrent is how many of them are read at a time.
	concurrent = 8
)

// Forge is what is asked. *forge.Client is one.
type Forge interface {
	forge.Forge
	forge.Reviews
}

// Gather reads what Check judges. The forge is asked for the list of merged pull
// requests, as far back as the one that the target has already, and then about
// those only that were merged among the commits; if there are no commits, it is
// not asked at all. What pull requests proposed and the branch has only as
// copies is fetched from git.
func Gather(ctx context.Context, f Forge, repo *inventory.Repository, q Query) (*Input, error) {
	in, err := gather(ctx, f, repo, q)
	if err != nil {
		return nil, fmt.Errorf("gathering the reviews of branch %q: %w", q.Branch, err)
	}
	return in, nil
}

func gather(ctx context.Context, f Forge, repo *inventory.Repository, q Query) (*Input, error) {
	known := []string{q.To}
	if q.From != "" {
		known = append(known, q.From)
	}
	graph, err := repo.Graph(ctx, known...)
	if err != nil {
		return nil, err
	}
	in := &Input{Query: q}
	if q.From != "" && graph.Reach(q.From).Has(q.To) {
		return in, nil
	}
	merged, err := list(ctx, f, graph, q)
	if err != nil {
		return nil, err
	}
	if in.PullRequests, err = read(ctx, f, merged, q.Policy.ExemptLabel); err != nil {
		return nil, err
	}
	missing, err := repo.Fetch(ctx, proposals(in.PullRequests))
	if err != nil {
		return nil, err
	}
	for _, commit := range proposals(in.PullRequests) {
		if !slices.Contains(missing, commit) {
			known = append(known, commit)
		}
	}
	if graph, err = repo.Graph(ctx, known...); err != nil {
		return nil, err
	}
	t := &tracer{ctx: ctx, repo: repo, graph: graph, merges: map[string][]int{}, brought: map[string][]int{}}
	for _, pr := range in.PullRequests {
		t.merges[pr.MergeCommit] = append(t.merges[pr.MergeCommit], pr.Number)
	}
	for i := range in.PullRequests {
		if err := t.trace(&in.PullRequests[i]); err != nil {
			return nil, fmt.Errorf("pull request %d: %w", in.PullRequests[i].Number, err)
		}
	}
	for _, sha := range commits(graph, q, in.PullRequests, t.brought) {
		if len(in.Commits) == MaxCommits {
			in.More = true
			break
		}
		c, err := repo.Commit(sha)
		if err != nil {
			return nil, err
		}
		in.Commits = append(in.Commits, Commit{
			SHA: c.SHA, Parents: c.Parents, Author: c.Author, AuthorEmail: c.AuthorEmail, CommitterEmail: c.CommitterEmail,
			Time: c.Time, Message: c.Message, PullRequests: t.brought[sha],
		})
	}
	return in, nil
}

// commits are those to judge, children first.
func commits(graph *inventory.Graph, q Query, prs []PullRequest, brought map[string][]int) []string {
	if q.From != "" {
		return graph.Between(q.From, q.To)
	}
	if len(prs) == 0 {
		return []string{q.To}
	}
	newest := prs[0]
	after := graph.Reach(newest.MergeCommit)
	return slices.DeleteFunc(graph.Between("", q.To), func(sha string) bool {
		return after.Has(sha) && sha != newest.MergeCommit && !slices.Contains(brought[sha], newest.Number)
	})
}

// list finds the pull requests that were merged among the commits, the newest
// first; for a first deployment, the newest alone.
//
// They come in the order of their last updates, and a merge is an update: once
// one was last updated before the latest merge that the target has already, those
// that follow were merged earlier still. That holds while the branch only grows;
// where it does not, all are read. Whoever could feign an earlier end would only
// have pull requests overlooked, and their commits taken for pushed.
func list(ctx context.Context, f Forge, graph *inventory.Graph, q Query) ([]forge.PullRequest, error) {
	to, from := graph.Reach(q.To), (*inventory.Reach)(nil)
	grows := false
	if q.From != "" {
		from, grows = graph.Reach(q.From), to.Has(q.From)
	}
	rank := map[string]int{}
	for i, sha := range graph.Between("", q.To) {
		rank[sha] = i
	}
	newestFirst := func(a, b forge.PullRequest) int { return rank[a.MergeCommit] - rank[b.MergeCommit] }
	var found []forge.PullRequest
	var old time.Time
	for pr, err := range f.MergedPullRequests(ctx, q.Branch) {
		if err != nil {
			return nil, err
		}
		if grows && !old.IsZero() && pr.Updated.Before(old) {
			break
		}
		if q.From == "" && len(found) > 0 && pr.Updated.Before(slices.MinFunc(found, newestFirst).MergedAt) {
			break
		}
		if from.Has(pr.MergeCommit) {
			if pr.MergedAt.After(old) {
				old = pr.MergedAt
			}
			continue
		}
		if !to.Has(pr.MergeCommit) {
			continue
		}
		if found = append(found, pr); len(found) > MaxPullRequests {
			return nil, fmt.Errorf("more than %d pull requests were merged since the last concluded commit: promote in smaller steps", MaxPullRequests)
		}
	}
	slices.SortStableFunc(found, newestFirst)
	if q.From == "" && len(found) > 1 {
		found = found[:1]
	}
	return found, nil
}

// read asks for everything about each pull request.
func read(ctx context.Context, f forge.Reviews, merged []forge.PullRequest, label string) ([]PullRequest, error) {
	out := make([]PullRequest, len(merged))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrent)
	for i, pr := range merged {
		group.Go(func() error {
			history, err := f.Reviews(ctx, pr, label)
			if err != nil {
				return err
			}
			if history == nil {
				return errors.New("the forge told nothing")
			}
			out[i] = PullRequest{PullRequest: pr, History: *history}
			return nil
		})
	}
	return out, group.Wait()
}

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// proposals are the commits that were proposed or approved, as far as the forge
// tells: what has to be there to be compared.
func proposals(prs []PullRequest) []string {
	var out []string
	add := func(commit string) {
		if fullSHA.MatchString(commit) && len(out) < inventory.MaxFetch && !slices.Contains(out, commit) {
			out = append(out, commit)
		}
	}
	for _, pr := range prs {
		add(pr.History.Head)
	}
	for _, pr := range prs {
		for _, commit := range approved(pr) {
			add(commit)
		}
	}
	return out
}

// approved are the commits that approvals are of, at most so many that hostile
// lists do no harm.
func approved(pr PullRequest) []string {
	const most = 20
	var out []string
	for _, r := range pr.History.Reviews {
		if r.State == forge.ReviewApproved && r.Commit != "" && !slices.Contains(out, r.Commit) && len(out) < most {
			out = append(out, r.Commit)
		}
	}
	return out
}
