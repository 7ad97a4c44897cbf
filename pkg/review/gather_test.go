// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/review"
)

// world is an inventory on disk, and a forge that tells what it was given.
type world struct {
	t     testing.TB
	dir   string
	store *filesystem.Storage
	clock time.Time
	names map[string]string // of commits

	prs       []forge.PullRequest
	histories map[int]forge.ReviewHistory
	broken    error

	mu     sync.Mutex
	listed int
	asked  []int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: at(0), names: map[string]string{}, histories: map[int]forge.ReviewHistory{}}
	w.store = filesystem.NewStorage(osfs.New(w.dir), cache.NewObjectLRUDefault())
	if _, err := git.Init(w.store, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// commit makes a commit whose files are those of a list: each name is a file's
// name and content, as in "a b=2".
func (w *world) commit(name, list string, parents ...string) string {
	w.t.Helper()
	files := map[string]string{}
	for _, item := range strings.Fields(list) {
		path, content, _ := strings.Cut(item, "=")
		files[path] = content
	}
	var hashes []plumbing.Hash
	for _, p := range parents {
		hashes = append(hashes, plumbing.NewHash(p))
	}
	w.clock = w.clock.Add(time.Minute)
	sha := writeCommit(w.t, w.store, nil, files, name, w.clock, hashes...).String()
	w.names[sha] = name
	return sha
}

// pull records a merged pull request of commits, the last of which is the head,
// approved by bob.
func (w *world) pull(merge string, commits ...string) int {
	number := len(w.prs) + 1
	w.clock = w.clock.Add(time.Minute)
	w.prs = append([]forge.PullRequest{{
		Number: number, Author: "ada", Base: "prod", Merged: true, MergeCommit: merge, MergedAt: w.clock, Updated: w.clock, HeadSHA: commits[len(commits)-1],
	}}, w.prs...)
	h := forge.ReviewHistory{Head: commits[len(commits)-1]}
	for _, c := range commits {
		h.Commits = append(h.Commits, forge.PullCommit{SHA: c, Author: person("ada")})
	}
	h.Reviews = []forge.Review{{Reviewer: person("bob"), State: forge.ReviewApproved, Commit: h.Head, Time: w.clock, Member: true}}
	w.histories[number] = h
	return number
}

func (w *world) MergedPullRequests(_ context.Context, branch string) iter.Seq2[forge.PullRequest, error] {
	return func(yield func(forge.PullRequest, error) bool) {
		for _, pr := range w.prs {
			w.listed++
			if pr.Base == branch && !yield(pr, nil) {
				return
			}
		}
		if w.broken != nil {
			yield(forge.PullRequest{}, w.broken)
		}
	}
}

func (w *world) PullRequest(context.Context, int) (*forge.PullRequest, error) {
	return nil, errors.New("nobody asks for one")
}

func (w *world) Reviews(_ context.Context, pr forge.PullRequest, _ string) (*forge.ReviewHistory, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, pr.Number)
	h, ok := w.histories[pr.Number]
	if !ok {
		return nil, forge.ErrNotFound
	}
	return &h, nil
}

func (w *world) gather(from, to string) (*review.Input, error) {
	w.t.Helper()
	ctx := context.Background()
	if err := w.store.SetReference(plumbing.NewHashReference("refs/heads/prod", plumbing.NewHash(to))); err != nil {
		w.t.Fatal(err)
	}
	if from != "" {
		if err := w.store.SetReference(plumbing.NewHashReference("refs/tags/prod_latest", plumbing.NewHash(from))); err != nil {
			w.t.Fatal(err)
		}
	}
	repo, err := inventory.Clone(ctx, inventory.Options{URL: "file://" + w.dir, Branch: "prod"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.listed, w.asked = 0, nil
	return review.Gather(ctx, w, repo, review.Query{Branch: "prod", From: from, To: to, Policy: v1alpha1.PeerReviewPolicy{Approvals: 1}})
}

// want compares the reasons of the commits since one, by the names of these.
func (w *world) want(from, to string, want map[string]review.Reason) review.Result {
	w.t.Helper()
	in, err := w.gather(from, to)
	if err != nil {
		w.t.Fatal(err)
	}
	result := review.Check(*in)
	got := map[string]review.Reason{}
	for _, c := range result.Commits {
		got[w.names[c.SHA]] = c.Reason
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("(-want +got):\n%s", diff)
	}
	good := !slices.ContainsFunc(slices.Collect(maps.Values(want)), func(r review.Reason) bool { return r != review.ReasonApproved })
	if result.OK != good {
		w.t.Errorf("OK is %v: %s", result.OK, result.Message)
	}
	return result
}

const (
	approved = review.ReasonApproved
	direct   = review.ReasonDirectPush
	smuggled = review.ReasonMergeChangesContent
	unknown  = review.ReasonHeadUnknown
)

type reasons = map[string]review.Reason

// TestEachWayToMerge: the branch has moved from "from" to "now", which another
// pull request brought, while one with commits 1 and 2 was open.
func TestEachWayToMerge(t *testing.T) {
	for name, c := range map[string]struct {
		merge func(w *world, now, two string) string
		want  reasons
	}{
		"merge commit": {func(w *world, now, two string) string {
			return w.commit("M", "f now one two", now, two)
		}, reasons{"now": approved, "1": approved, "2": approved, "M": approved}},
		"merge commit with something besides": {func(w *world, now, two string) string {
			return w.commit("M", "f now one two evil", now, two)
		}, reasons{"now": approved, "1": smuggled, "2": smuggled, "M": smuggled}},
		"merge commit that drops what the branch had": {func(w *world, now, two string) string {
			return w.commit("M", "f one two", now, two)
		}, reasons{"now": approved, "1": smuggled, "2": smuggled, "M": smuggled}},
		"squashed": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two", now)
		}, reasons{"now": approved, "M": approved}},
		"squashed with something besides": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two evil", now)
		}, reasons{"now": approved, "M": smuggled}},
		"squashed on a commit that was pushed": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two evil", w.commit("push", "f now evil", now))
		}, reasons{"now": approved, "push": direct, "M": approved}},
		"squashed on a commit that does the same": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two", w.commit("push", "f now one", now))
		}, reasons{"now": approved, "push": approved, "M": approved}},
		"rebased": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two", w.commit("1'", "f now one", now))
		}, reasons{"now": approved, "1'": approved, "M": approved}},
		"rebased with something besides": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two evil", w.commit("1'", "f now one evil", now))
		}, reasons{"now": approved, "1'": direct, "M": approved}},
		"rebased with something besides in the last": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two evil", w.commit("1'", "f now one", now))
		}, reasons{"now": approved, "1'": direct, "M": smuggled}},
		"rebased on a commit that was pushed": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two evil", w.commit("1'", "f now one evil", w.commit("push", "f now evil", now)))
		}, reasons{"now": approved, "push": direct, "1'": approved, "M": approved}},
		"rebased, then merged": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two", now, w.commit("2'", "f now one two", w.commit("1'", "f now one", now)))
		}, reasons{"now": approved, "1'": approved, "2'": approved, "M": approved}},
		"rebased, then merged with something besides": {func(w *world, now, _ string) string {
			return w.commit("M", "f now one two evil", now, w.commit("2'", "f now one two evil", w.commit("1'", "f now one", now)))
		}, reasons{"now": approved, "1'": direct, "2'": direct, "M": smuggled}},
		"merged by hand with a commit on top of what was proposed": {func(w *world, now, two string) string {
			return w.commit("M", "f now one two evil", now, w.commit("3", "f one two evil", two))
		}, reasons{"now": approved, "1": direct, "2": direct, "3": direct, "M": smuggled}},
		"three at once": {func(w *world, now, two string) string {
			return w.commit("M", "f now one two", now, two, w.commit("3", "f one two", two))
		}, reasons{"now": approved, "1": direct, "2": direct, "3": direct, "M": smuggled}},
		"claimed to be a commit that was pushed": {func(w *world, now, _ string) string {
			return w.commit("M", "f now evil", now)
		}, reasons{"now": approved, "M": smuggled}},
		"claimed to be a commit that does nothing": {func(w *world, now, _ string) string {
			return w.commit("M", "f now", now)
		}, reasons{"now": approved, "M": smuggled}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			from := w.commit("from", "f")
			one := w.commit("1", "f one", from)
			two := w.commit("2", "f one two", one)
			now := w.commit("now", "f now", from)
			w.pull(now, now)
			merge := c.merge(w, now, two)
			w.pull(merge, one, two)
			w.want(from, merge, c.want)
		})
	}
}

func TestFastForward(t *testing.T) {
	w := newWorld(t)
	from := w.commit("from", "f")
	one := w.commit("1", "f one", from)
	two := w.commit("2", "f one two", one)
	w.pull(two, one, two)
	w.want(from, two, reasons{"1": approved, "2": approved})

	// One more was pushed beneath, which the pull request did not propose.
	push := w.commit("push", "f evil", two)
	three := w.commit("3", "f evil three", push)
	w.pull(three, three)
	w.want(from, three, reasons{"1": approved, "2": approved, "push": direct, "3": approved})
}

func TestWhatIsNotAPullRequests(t *testing.T) {
	w := newWorld(t)
	from := w.commit("from", "f")
	one := w.commit("1", "f one", from)
	merge := w.commit("M", "f one", from, one)
	w.want(from, merge, reasons{"1": direct, "M": direct})

	t.Run("one that merged into another branch", func(t *testing.T) {
		number := w.pull(merge, one)
		w.prs[0].Base = "staging"
		w.want(from, merge, reasons{"1": direct, "M": direct})
		w.prs = w.prs[1:]
		delete(w.histories, number)
	})
	t.Run("a merge of the branch into what was pushed", func(t *testing.T) {
		other := w.commit("evil", "f evil", from)
		w.pull(merge, one)
		backwards := w.commit("back", "f one evil", other, merge)
		w.want(from, backwards, reasons{"1": approved, "M": approved, "evil": direct, "back": direct})
	})
}

func TestWhatWasPushedBeneath(t *testing.T) {
	t.Run("and the pull request was made on top of it", func(t *testing.T) {
		w := newWorld(t)
		from := w.commit("from", "f")
		push := w.commit("push", "f evil", from)
		one := w.commit("1", "f evil one", push)
		two := w.commit("2", "f evil one two", one)
		merge := w.commit("M", "f evil one two", push)
		w.pull(merge, one, two)
		w.want(from, merge, reasons{"push": direct, "M": approved})
	})
	t.Run("beneath another pull request, with the same content", func(t *testing.T) {
		w := newWorld(t)
		from := w.commit("from", "f")
		push := w.commit("push", "f two", from)
		other := w.commit("other", "f one two", push)
		w.pull(other, w.commit("o", "f one two", push))
		a := w.commit("a", "f one", from)
		b := w.commit("b", "f one two", a)
		c := w.commit("c", "f one two three", b)
		merge := w.commit("M", "f one two three", other)
		w.pull(merge, a, b, c)
		w.want(from, merge, reasons{"push": direct, "other": approved, "M": approved})
	})
}

func TestTwoPullRequestsOfOneMerge(t *testing.T) {
	// Somebody merged by hand what two pull requests proposed, one on top of the
	// other; the forge takes both for merged by it.
	w := newWorld(t)
	from := w.commit("from", "f")
	one := w.commit("1", "f one", from)
	two := w.commit("2", "f one two", one)
	merge := w.commit("M", "f one two", from, two)
	w.pull(merge, one)
	second := w.pull(merge, one, two)
	w.want(from, merge, reasons{"1": approved, "2": approved, "M": approved})

	h := w.histories[second]
	h.Reviews = nil
	w.histories[second] = h
	w.want(from, merge, reasons{"1": review.ReasonNotApproved, "2": review.ReasonNotApproved, "M": review.ReasonNotApproved})
}

// TestAnotherOnesMerge: what one pull request was merged as is never what another
// one brought, though their contents would allow it.
func TestAnotherOnesMerge(t *testing.T) {
	for name, squash := range map[string]bool{"squashed or rebased": true, "fast-forward": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			from := w.commit("from", "f")
			first := w.commit("1", "f one", from)
			number := w.pull(first, first)
			h := w.histories[number]
			h.Reviews = nil
			w.histories[number] = h
			a := w.commit("a", "f one", from)
			b := w.commit("b", "f one two", a)
			merge := w.commit("M", "f one two", first)
			if squash {
				w.pull(merge, a, b)
			} else {
				w.pull(merge, first, merge)
			}
			w.want(from, merge, reasons{"1": review.ReasonNotApproved, "M": approved})
		})
	}
}

func TestApprovalsOfOtherCommits(t *testing.T) {
	for name, c := range map[string]struct {
		approved string
		want     review.Reason
	}{
		"what was merged":                        {"updated", approved},
		"before it was brought up to date":       {"2", approved},
		"before it was rebased":                  {"2'", approved},
		"before something was added":             {"1", review.ReasonNotApproved},
		"before something was taken away":        {"3", review.ReasonNotApproved},
		"a commit that git does not have":        {"gone", review.ReasonNotApproved},
		"what is on the branch, by a mistake":    {"from", review.ReasonNotApproved},
		"something that is no commit at all":     {"--help", review.ReasonNotApproved},
		"what another pull request has proposed": {"now", review.ReasonNotApproved},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			from := w.commit("from", "f")
			one := w.commit("1", "f one", from)
			two := w.commit("2", "f one two", one)
			w.commit("3", "f one two three", two)
			now := w.commit("now", "f now", from)
			w.commit("2'", "f now one two", now)
			w.pull(now, now)
			updated := w.commit("updated", "f now one two", two, now)
			merge := w.commit("M", "f now one two", now)
			number := w.pull(merge, one, two, updated)
			h := w.histories[number]
			h.Reviews[0].Commit = c.approved
			for sha, name := range w.names {
				if name == c.approved {
					h.Reviews[0].Commit = sha
				}
			}
			if c.approved == "gone" {
				h.Reviews[0].Commit = strings.Repeat("1", 40)
			}
			// Whoever brought it up to date wrote nothing.
			h.Commits[2].Author = person("bob")
			w.want(from, merge, reasons{"now": approved, "M": c.want})
		})
	}
}

// TestCommitsThatTheForgeDoesNotList count, too: who wrote one cannot approve.
func TestCommitsThatTheForgeDoesNotList(t *testing.T) {
	w := newWorld(t)
	from := w.commit("from", "f")
	one := w.commit("1", "f one", from)
	two := w.commit("2", "f one two", one)
	merge := w.commit("M", "f one two", from, two)
	number := w.pull(merge, two)
	h := w.histories[number]
	h.Reviews[0].Reviewer = person("bob", "ada@example.com") // as 1 says
	w.want(from, merge, reasons{"1": review.ReasonNotApproved, "2": review.ReasonNotApproved, "M": review.ReasonNotApproved})
}

func TestHeadsThatAreNotKnown(t *testing.T) {
	w := newWorld(t)
	from := w.commit("from", "f")
	one := w.commit("1", "f one", from)
	merge := w.commit("M", "f one", from, one)
	squash := w.commit("S", "f one", from)
	for name, c := range map[string]struct {
		head, merge string
		want        reasons
	}{
		"not told, of a merge commit":    {"", merge, reasons{"1": approved, "M": approved}},
		"not told, of a squashed one":    {"", squash, reasons{"S": unknown}},
		"gone":                           {strings.Repeat("1", 40), squash, reasons{"S": unknown}},
		"gone, of a merge commit":        {strings.Repeat("1", 40), merge, reasons{"1": direct, "M": unknown}},
		"no commit":                      {"../../x", squash, reasons{"S": unknown}},
		"told, and only the forge's own": {one, squash, reasons{"S": approved}},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.prs = nil
			number := w.pull(c.merge, one)
			h := w.histories[number]
			h.Head = c.head
			w.histories[number] = h
			w.want(from, c.merge, c.want)
		})
	}
}

func TestFirstDeployment(t *testing.T) {
	w := newWorld(t)
	old := w.commit("old", "f")
	before := w.commit("before", "f b", old)
	w.pull(before, before)
	one := w.commit("1", "f b one", before)
	two := w.commit("2", "f b one two", one)
	x := w.commit("1'", "f b one", before)
	merge := w.commit("M", "f b one two", x)
	w.pull(merge, one, two)
	result := w.want("", merge, reasons{"1'": approved, "M": approved})
	if len(result.PullRequests) != 1 || w.listed != 2 || !slices.Equal(w.asked, []int{2}) {
		t.Errorf("listed %d, asked for %v", w.listed, w.asked)
	}
	push := w.commit("push", "f b one two evil", merge)
	w.want("", push, reasons{"1'": approved, "M": approved, "push": direct})
	w.prs = nil
	w.want("", push, reasons{"push": direct})
}

func TestRanges(t *testing.T) {
	w := newWorld(t)
	root := w.commit("root", "f")
	a := w.commit("a", "f a", root)
	b := w.commit("b", "f b", root)
	w.pull(a, a)
	w.pull(b, b)
	t.Run("nothing new", func(t *testing.T) {
		w.t = t
		w.want(a, a, reasons{})
		w.want(a, root, reasons{})
		if w.listed != 0 {
			t.Errorf("the forge was asked")
		}
	})
	t.Run("a branch that was reset", func(t *testing.T) {
		w.t = t
		w.want(a, b, reasons{"b": approved})
		w.want(b, a, reasons{"a": approved})
	})
	t.Run("an unknown commit", func(t *testing.T) {
		w.t = t
		if _, err := review.Gather(context.Background(), w, w.clone(a), review.Query{Branch: "prod", From: strings.Repeat("1", 40), To: a}); !errors.Is(err, inventory.ErrCommitNotFound) {
			t.Error(err)
		}
	})
}

func (w *world) clone(to string) *inventory.Repository {
	w.t.Helper()
	if err := w.store.SetReference(plumbing.NewHashReference("refs/heads/prod", plumbing.NewHash(to))); err != nil {
		w.t.Fatal(err)
	}
	repo, err := inventory.Clone(context.Background(), inventory.Options{URL: "file://" + w.dir, Branch: "prod"})
	if err != nil {
		w.t.Fatal(err)
	}
	return repo
}

// TestTheForgeIsAskedForLittle: only pull requests of the range are asked for,
// and the list is read no further than to the first one before it.
func TestTheForgeIsAskedForLittle(t *testing.T) {
	w := newWorld(t)
	tip := w.commit("root", "f")
	files := "f"
	var from string
	for i := range 40 {
		if i == 35 {
			from = tip
		}
		files += fmt.Sprintf(" f%d", i)
		tip = w.commit(fmt.Sprint(i), files, tip)
		w.pull(tip, tip)
	}
	// An old one that somebody talks about comes first.
	i := slices.IndexFunc(w.prs, func(pr forge.PullRequest) bool { return pr.Number == 3 })
	old := w.prs[i]
	old.Updated = w.clock.Add(time.Hour)
	w.prs = append([]forge.PullRequest{old}, slices.Delete(w.prs, i, i+1)...)
	w.want(from, tip, reasons{"35": approved, "36": approved, "37": approved, "38": approved, "39": approved})
	slices.Sort(w.asked)
	if w.listed > 8 || !slices.Equal(w.asked, []int{36, 37, 38, 39, 40}) {
		t.Errorf("listed %d, asked for %v", w.listed, w.asked)
	}
}

func TestWhatTheForgeDoesNotTellIsAnError(t *testing.T) {
	w := newWorld(t)
	from := w.commit("from", "f")
	tip := w.commit("tip", "f a", from)
	w.broken = forge.ErrUnauthorized
	if _, err := w.gather(from, tip); !errors.Is(err, forge.ErrUnauthorized) {
		t.Error(err)
	}
	w.broken = nil
	w.histories = nil
	w.prs = []forge.PullRequest{{Number: 1, Base: "prod", Merged: true, MergeCommit: tip}}
	if _, err := w.gather(from, tip); !errors.Is(err, forge.ErrNotFound) {
		t.Error(err)
	}
	w.prs = nil
	for i := range review.MaxPullRequests + 1 {
		w.prs = append(w.prs, forge.PullRequest{Number: i + 1, Base: "prod", Merged: true, MergeCommit: tip})
	}
	if _, err := w.gather(from, tip); err == nil || !strings.Contains(err.Error(), "smaller steps") {
		t.Error(err)
	}
}
