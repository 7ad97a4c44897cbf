// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/forge"
)

// listed is a forge with pull requests in the order in which it lists them.
type listed struct {
	prs  []forge.PullRequest
	err  error // at the end of the list
	read int
}

func (l *listed) MergedPullRequests(context.Context, string) iter.Seq2[forge.PullRequest, error] {
	return func(yield func(forge.PullRequest, error) bool) {
		for _, pr := range l.prs {
			l.read++
			if !yield(pr, nil) {
				return
			}
		}
		if l.err != nil {
			yield(forge.PullRequest{}, l.err)
		}
	}
}

func (l *listed) PullRequest(_ context.Context, number int) (*forge.PullRequest, error) {
	for _, pr := range l.prs {
		if pr.Number == number {
			pr.Body = "as it is now"
			return &pr, nil
		}
	}
	return nil, forge.ErrNotFound
}

// line is a history of commits, the newest first.
type line []string

func (l line) Rank(commit string) (int, bool) {
	for i, c := range l {
		if c == commit {
			return i, true
		}
	}
	return 0, false
}

// pr was merged on one day as commit m<number> and updated on another.
func pr(number, merged, updated int) forge.PullRequest {
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	return forge.PullRequest{
		Number: number, Base: "prod", Merged: true, MergeCommit: fmt.Sprint("m", number), MergedAt: day(merged), Updated: day(updated),
	}
}

func TestFind(t *testing.T) {
	type outcome struct {
		Number, After, Read int
		Contained           []int
	}
	for name, c := range map[string]struct {
		prs       []forge.PullRequest
		history   line
		concluded line
		want      outcome
	}{
		"the deployed commit is the merge": {
			[]forge.PullRequest{pr(3, 3, 3), pr(2, 2, 2)}, line{"m3", "m2", "root"}, line{"m2", "root"},
			outcome{3, 0, 2, []int{3}}},
		"a comment on an old one does not make it the last": {
			[]forge.PullRequest{pr(1, 1, 9), pr(3, 3, 3), pr(2, 2, 2)}, line{"m3", "m2", "m1"}, nil,
			outcome{3, 0, 3, []int{3, 2, 1}}},
		"one merged after the run began is not seen": {
			[]forge.PullRequest{pr(4, 4, 4), pr(3, 3, 3)}, line{"m3", "root"}, nil,
			outcome{3, 0, 2, []int{3}}},
		"commits pushed without a pull request are counted": {
			[]forge.PullRequest{pr(3, 3, 3)}, line{"x", "y", "m3"}, nil,
			outcome{3, 2, 1, []int{3}}},
		"several since the last conclusion": {
			[]forge.PullRequest{pr(4, 4, 4), pr(3, 3, 3), pr(2, 2, 2), pr(1, 1, 1)}, line{"m4", "m3", "m2", "m1"}, line{"m2", "m1"},
			outcome{4, 0, 4, []int{4, 3}}},
		"a comment on a concluded one hides nothing": {
			[]forge.PullRequest{pr(1, 1, 9), pr(4, 4, 4), pr(3, 3, 3), pr(2, 2, 2)}, line{"m4", "m3", "m2", "m1"}, line{"m2", "m1"},
			outcome{4, 0, 4, []int{4, 3}}},
		"nothing new": {
			[]forge.PullRequest{pr(4, 4, 4), pr(3, 3, 3), pr(2, 2, 2)}, line{"m4", "m3"}, line{"m4", "m3"},
			outcome{4, 0, 2, nil}},
		"a merge that was taken off the branch": {
			[]forge.PullRequest{pr(4, 4, 4), pr(3, 3, 3)}, line{"new", "m3"}, nil,
			outcome{3, 1, 2, []int{3}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &listed{prs: c.prs}
			q := Query{Branch: "prod", Commit: c.history[0], History: c.history}
			if c.concluded != nil {
				q.Concluded = c.concluded
			}
			found, err := Find(context.Background(), f, q)
			if err != nil {
				t.Fatal(err)
			}
			got := outcome{Number: found.PR.Number, After: found.CommitsAfter, Read: f.read}
			for _, pr := range found.Contained {
				got.Contained = append(got.Contained, pr.Number)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if found.PR.Body != "as it is now" {
				t.Error("the pull request was not read again")
			}
		})
	}
}

func TestFindNothing(t *testing.T) {
	_, err := Find(context.Background(), &listed{prs: []forge.PullRequest{pr(4, 4, 4)}}, Query{Branch: "prod\x1b", Commit: "abc", History: line{"root"}})
	if !errors.Is(err, ErrNoPromotion) || !strings.Contains(err.Error(), "merge the promotion pull request") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("want ErrNoPromotion with a remedy, got %v", err)
	}
}

func TestFindInAListThatEndsEarly(t *testing.T) {
	broken := errors.New("gave up")
	if _, err := Find(context.Background(), &listed{prs: []forge.PullRequest{pr(3, 3, 3)}, err: broken}, Query{Branch: "prod", History: line{"m3"}}); !errors.Is(err, broken) {
		t.Errorf("a later merge may be missing, and yet: %v", err)
	}
	found, err := Find(context.Background(), &listed{prs: []forge.PullRequest{pr(3, 3, 3), pr(2, 2, 2)}, err: broken}, Query{Branch: "prod", History: line{"m3", "m2"}})
	if err != nil || found.PR.Number != 3 || !found.More {
		t.Errorf("nothing later can be missing, and yet: %+v, %v", found, err)
	}
}

func TestFindAmongVeryMany(t *testing.T) {
	f := &listed{}
	var history line
	for n := 5000; n > 0; n-- {
		f.prs = append(f.prs, pr(n, n, n))
		history = append(history, fmt.Sprint("m", n))
	}
	found, err := Find(context.Background(), f, Query{Branch: "prod", History: history})
	if err != nil || found.PR.Number != 5000 || len(found.Contained) != MaxContained || !found.More || f.read > MaxContained+5 {
		t.Errorf("%d contained, %d read, %v", len(found.Contained), f.read, err)
	}
}

func TestPromotionPRIsSafeToShow(t *testing.T) {
	p := pr(3, 3, 3)
	p.Title, p.Author, p.URL = "a\u202eb\n"+strings.Repeat("x", 1000), "\x1b[2J", "https://forge/3"
	got := (&Found{PR: p}).PromotionPR()
	if strings.ContainsAny(got.Title+got.Author, "\u202e\n\x1b") || len(got.Title) > 300 || got.MergeCommit != "m3" || got.Number != 3 {
		t.Errorf("got %+v", got)
	}
}
