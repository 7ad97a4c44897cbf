// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build integration

package review_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/forge/forgetest"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/review"
)

// team is a repository on a real Gitea with people, branch prod, and a policy.
type team struct {
	*forgetest.Repository
	t                     *testing.T
	ada, bob, eve, reader forgetest.Person
	policy                v1alpha1.PeerReviewPolicy
	from                  string
}

func newTeam(t *testing.T) *team {
	t.Helper()
	r := &team{Repository: forgetest.NewRepository(t, "peer-review"), t: t}
	r.ada, r.bob, r.eve = r.Person("pr-ada", true), r.Person("pr-bob", true), r.Person("pr-eve", true)
	r.reader = r.Person("pr-reader", false)
	r.Branch("prod", "master")
	r.from = r.Head("prod")
	r.policy = v1alpha1.PeerReviewPolicy{Approvals: 1, ExemptLabel: "reviewed-later", AutomatedAuthors: []string{"ci@robots.example"}}
	return r
}

// propose makes a branch of prod with files by ada, and her pull request.
func (r *team) propose(name string, files ...string) int {
	r.t.Helper()
	r.As(r.ada).Branch(name, "prod")
	for _, file := range files {
		r.As(r.ada).Write(name, file, "{}", "add "+file)
	}
	return r.As(r.ada).Open(name, "prod", name, "")
}

// robot moves the branch on, which nobody needs to review.
func (r *team) robot(file string) {
	r.t.Helper()
	r.WriteAs("prod", file, "{}", "build\n\n"+review.AutomatedMarker, "ci@robots.example")
}

func (r *team) check(from string) review.Result {
	r.t.Helper()
	ctx := context.Background()
	clone, err := inventory.Clone(ctx, inventory.Options{URL: r.CloneURL, Branch: "prod", Auth: inventory.Auth{Token: r.Token}})
	if err != nil {
		r.t.Fatal(err)
	}
	f, err := forge.Open(ctx, forge.Options{URL: r.CloneURL, Kind: forge.Gitea, Token: r.Token})
	if err != nil {
		r.t.Fatal(err)
	}
	in, err := review.Gather(ctx, f, clone, review.Query{Branch: "prod", From: from, To: clone.Head(), Policy: r.policy})
	if err != nil {
		r.t.Fatal(err)
	}
	return review.Check(*in)
}

// want checks what is new since the last time: how many commits of which reason.
func (r *team) want(want map[review.Reason]int) review.Result {
	r.t.Helper()
	result := r.check(r.from)
	got := map[review.Reason]int{}
	for _, c := range result.Commits {
		got[c.Reason]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("reasons (-want +got):\n%s%s", diff, tell(result))
	}
	good := true
	for reason := range maps.Keys(want) {
		good = good && slices.Contains([]review.Reason{review.ReasonApproved, review.ReasonExempt, review.ReasonAutomated}, reason)
	}
	if result.OK != good {
		r.t.Errorf("want OK %v, got %s", good, tell(result))
	}
	r.from = r.Head("prod")
	return result
}

func tell(r review.Result) string {
	out := r.Message + "\n"
	for _, c := range r.Commits {
		out += fmt.Sprintf("  %.12s %v %s %q: %s\n", c.SHA, c.OK, c.Reason, c.Subject, c.Message)
	}
	for _, pr := range r.PullRequests {
		out += fmt.Sprintf("  #%d by %s %v %s: %s %+v\n", pr.Number, pr.Author, pr.OK, pr.Reason, pr.Message, pr.Ignored)
	}
	return out
}

var styles = []string{"merge", "squash", "rebase", "rebase-merge", "fast-forward-only"}

// TestIntegrationEachWayToMerge: an approved pull request with two commits passes
// whichever way it is merged, also where the branch moved on meanwhile; one that
// nobody approved never does; and in both cases each commit is known to be the
// pull request's.
func TestIntegrationEachWayToMerge(t *testing.T) {
	r := newTeam(t)
	for _, style := range styles {
		commits := map[string]int{"merge": 3, "squash": 1, "rebase": 2, "rebase-merge": 3, "fast-forward-only": 2}[style]
		for _, moved := range []bool{false, true} {
			if moved && style == "fast-forward-only" {
				continue // Gitea refuses that.
			}
			for _, approve := range []bool{true, false} {
				if moved && !approve {
					continue
				}
				name := fmt.Sprintf("%s-%v-%v", style, moved, approve)
				t.Run(name, func(t *testing.T) {
					number := r.propose(name, name+"/a", name+"/b")
					want := map[review.Reason]int{}
					if moved {
						r.robot(name + "/other")
						want[review.ReasonAutomated]++
					}
					if approve {
						r.As(r.bob).Approve(number)
						want[review.ReasonApproved] += commits
					} else {
						want[review.ReasonNotApproved] += commits
					}
					// The approver merges, and so becomes the committer of copies.
					r.As(r.bob).Merge(number, style)
					// What happens to the branch later is not what was merged.
					r.As(r.ada).Write(name, name+"/later", "{}", "later")
					r.want(want)
				})
			}
		}
	}
	t.Run("from the first deployment on", func(t *testing.T) {
		number := r.propose("first", "first/a", "first/b")
		r.As(r.bob).Approve(number)
		r.As(r.bob).Merge(number, "rebase")
		result := r.check("")
		if !result.OK || len(result.Commits) != 2 || len(result.PullRequests) != 1 {
			t.Error(tell(result))
		}
	})
}

// TestIntegrationApprovalsThatDoNotCount are attacks on a real Gitea.
func TestIntegrationApprovalsThatDoNotCount(t *testing.T) {
	r := newTeam(t)
	ignored := func(t *testing.T, result review.Result, want ...review.Reason) {
		t.Helper()
		var got []review.Reason
		for _, pr := range result.PullRequests {
			for _, i := range pr.Ignored {
				got = append(got, i.Reason)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ignored (-want +got):\n%s%s", diff, tell(result))
		}
	}
	t.Run("one's own is refused by Gitea itself", func(t *testing.T) {
		number := r.propose("own", "own")
		if _, status := r.As(r.ada).Review(number, "APPROVED"); status < 400 {
			t.Errorf("Gitea answered with status %d", status)
		}
		r.As(r.ada).Merge(number, "merge")
		r.want(map[review.Reason]int{review.ReasonNotApproved: 2})
	})
	t.Run("of a commit before the last push", func(t *testing.T) {
		number := r.propose("stale", "stale/a")
		r.As(r.bob).Approve(number)
		r.As(r.ada).Write("stale", "stale/b", "{}", "after the approval")
		r.As(r.ada).Merge(number, "squash")
		ignored(t, r.want(map[review.Reason]int{review.ReasonNotApproved: 1}), review.ReasonOtherCommit)
	})
	t.Run("but one before the branch was brought up to date does count", func(t *testing.T) {
		for _, style := range []string{"merge", "rebase"} {
			name := "update-" + style
			number := r.propose(name, name+"/a")
			r.robot(name + "/other")
			r.As(r.bob).Approve(number)
			r.As(r.eve).UpdateBranch(number, style)
			r.As(r.ada).Merge(number, "squash")
			r.want(map[review.Reason]int{review.ReasonApproved: 1, review.ReasonAutomated: 1})
		}
	})
	t.Run("dismissed", func(t *testing.T) {
		number := r.propose("dismissed", "dismissed")
		r.Dismiss(number, r.As(r.bob).Approve(number))
		r.As(r.ada).Merge(number, "merge")
		ignored(t, r.want(map[review.Reason]int{review.ReasonNotApproved: 2}), review.ReasonDismissed)
	})
	t.Run("followed by a request for changes", func(t *testing.T) {
		number := r.propose("changes", "changes")
		r.As(r.bob).Approve(number)
		if _, status := r.As(r.bob).Review(number, "REQUEST_CHANGES"); status >= 300 {
			t.Fatal(status)
		}
		r.As(r.ada).Merge(number, "merge")
		ignored(t, r.want(map[review.Reason]int{review.ReasonNotApproved: 2}), review.ReasonChangesRequested)
	})
	t.Run("twice by one person where two are needed", func(t *testing.T) {
		r.policy.Approvals = 2
		defer func() { r.policy.Approvals = 1 }()
		number := r.propose("twice", "twice")
		r.As(r.bob).Approve(number)
		r.As(r.bob).Approve(number)
		r.As(r.ada).Merge(number, "merge")
		result := r.want(map[review.Reason]int{review.ReasonNotApproved: 2})
		if diff := cmp.Diff([]string{r.bob.Login}, result.PullRequests[0].Approvals); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("of somebody who wrote one of its commits", func(t *testing.T) {
		number := r.propose("coauthor", "coauthor/a")
		r.As(r.ada).WriteAs("coauthor", "coauthor/b", "{}", "by bob, pushed by ada", r.bob.Email)
		r.As(r.bob).Approve(number)
		r.As(r.ada).Merge(number, "rebase")
		ignored(t, r.want(map[review.Reason]int{review.ReasonNotApproved: 2}), review.ReasonOwnCommit)
	})
	t.Run("of somebody who pushed a commit under a name that nobody has", func(t *testing.T) {
		number := r.propose("pusher", "pusher/a")
		r.AwaitPush(number, r.As(r.bob).WriteAs("pusher", "pusher/b", "{}", "by bob, who says otherwise", "nobody@nowhere.example"))
		r.As(r.bob).Approve(number)
		r.As(r.ada).Merge(number, "squash")
		ignored(t, r.want(map[review.Reason]int{review.ReasonNotApproved: 1}), review.ReasonOwnPush)
	})
	t.Run("of somebody who may only read", func(t *testing.T) {
		number := r.propose("reader", "reader")
		r.As(r.reader).Approve(number)
		r.As(r.ada).Merge(number, "merge")
		ignored(t, r.want(map[review.Reason]int{review.ReasonNotApproved: 2}), review.ReasonNotAMember)
	})
	t.Run("a label that the author set", func(t *testing.T) {
		number := r.propose("label-own", "label-own")
		r.As(r.ada).Merge(number, "merge")
		r.As(r.ada).Label(number, "reviewed-later")
		ignored(t, r.want(map[review.Reason]int{review.ReasonNotApproved: 2}), review.ReasonOwnPullRequest)
	})
	t.Run("but one that somebody else set, after the merge, does count", func(t *testing.T) {
		number := r.propose("label", "label")
		r.As(r.ada).Merge(number, "merge")
		r.As(r.eve).Label(number, "reviewed-later")
		result := r.want(map[review.Reason]int{review.ReasonExempt: 2})
		if result.PullRequests[0].ExemptBy != r.eve.Login {
			t.Error(tell(result))
		}
	})
}

// TestIntegrationPastTheForge are commits that reach the branch on other ways.
func TestIntegrationPastTheForge(t *testing.T) {
	r := newTeam(t)
	t.Run("pushed to the branch", func(t *testing.T) {
		r.As(r.ada).Write("prod", "direct", "{}", "pushed directly")
		r.want(map[review.Reason]int{review.ReasonDirectPush: 1})
	})
	t.Run("by an automated author", func(t *testing.T) {
		r.robot("robot")
		r.want(map[review.Reason]int{review.ReasonAutomated: 1})
	})
	t.Run("by somebody who marks a commit as automated", func(t *testing.T) {
		r.As(r.ada).Write("prod", "not-a-robot", "{}", "build 8\n\n"+review.AutomatedMarker)
		r.want(map[review.Reason]int{review.ReasonDirectPush: 1})
	})
	t.Run("beneath an approved pull request", func(t *testing.T) {
		number := r.propose("beneath", "beneath")
		r.As(r.bob).Approve(number)
		r.As(r.ada).Write("prod", "smuggled", "{}", "pushed directly")
		r.As(r.ada).Merge(number, "rebase")
		r.want(map[review.Reason]int{review.ReasonApproved: 1, review.ReasonDirectPush: 1})
	})
	t.Run("in a merge made by hand", func(t *testing.T) {
		number := r.propose("evil", "evil/a")
		r.As(r.bob).Approve(number)
		merge := r.pushMerge("evil", map[string]string{"evil/smuggled": "{}"})
		r.MergedAs(number, merge)
		result := r.want(map[review.Reason]int{review.ReasonMergeChangesContent: 2})
		if result.PullRequests[0].Reason != review.ReasonMergeChangesContent {
			t.Error(tell(result))
		}
	})
	t.Run("in a merge made by hand that adds nothing", func(t *testing.T) {
		number := r.propose("good", "good/a")
		r.As(r.bob).Approve(number)
		r.MergedAs(number, r.pushMerge("good", nil))
		r.want(map[review.Reason]int{review.ReasonApproved: 2})
	})
	t.Run("claimed as the merge of a pull request", func(t *testing.T) {
		number := r.propose("claimed", "claimed/a")
		r.As(r.bob).Approve(number)
		r.MergedAs(number, r.As(r.ada).Write("prod", "claimed/smuggled", "{}", "pushed directly"))
		r.want(map[review.Reason]int{review.ReasonMergeChangesContent: 1})
	})
}

// pushMerge merges a branch into prod by hand, with further files, and pushes it.
func (r *team) pushMerge(branch string, files map[string]string) string {
	r.t.Helper()
	auth := &githttp.BasicAuth{Username: "x", Password: r.Token}
	repo, err := git.Clone(memory.NewStorage(), nil, &git.CloneOptions{URL: r.CloneURL, Auth: auth})
	if err != nil {
		r.t.Fatal(err)
	}
	ours, theirs := plumbing.NewHash(r.Head("prod")), plumbing.NewHash(r.Head(branch))
	paths := map[string]plumbing.Hash{}
	for _, commit := range []plumbing.Hash{ours, theirs} {
		c, err := repo.CommitObject(commit)
		if err != nil {
			r.t.Fatal(err)
		}
		all, err := c.Files()
		if err != nil {
			r.t.Fatal(err)
		}
		if err := all.ForEach(func(f *object.File) error { paths[f.Name] = f.Hash; return nil }); err != nil {
			r.t.Fatal(err)
		}
	}
	merge := writeCommit(r.t, repo.Storer, paths, files, "Merge by hand", time.Now(), ours, theirs)
	err = repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/by-hand", merge))
	if err == nil {
		err = repo.Push(&git.PushOptions{Auth: auth, RefSpecs: []config.RefSpec{"refs/heads/by-hand:refs/heads/prod"}})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return merge.String()
}
