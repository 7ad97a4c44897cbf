// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reviews reads who looked at a pull request and who had a hand in it. *Client
// is the real one.
type Reviews interface {
	// Reviews returns what the forge recorded about one merged pull request. Who
	// set labels is read only if it carries the label that is asked for (in any
	// case), since most pull requests do not.
	Reviews(ctx context.Context, pr PullRequest, label string) (*ReviewHistory, error)
}

// ReviewHistory is what a forge recorded about a pull request, besides the pull
// request itself. Names and messages are text that anyone may have written.
type ReviewHistory struct {
	// Head is the commit that was proposed when the pull request was merged;
	// empty where the forge does not tell. On Gitea it is not PullRequest.HeadSHA,
	// which follows the branch after the merge.
	Head string
	// Commits are the proposed ones, in no defined order.
	Commits []PullCommit
	// Reviews in the order in which they were given. On GitLab: what stands.
	Reviews []Review
	// Pushers pushed to the pull request while it was open, as far as the forge
	// tells: GitHub does not, and Gitea notes a push a moment later, and no more
	// once the pull request was merged.
	Pushers []Account
	// Labels are the changes of the label that was asked for, the oldest first.
	Labels []LabelEvent
}

// Account is somebody as the forge knows them.
type Account struct {
	// Login name; empty if the account is gone or not known.
	Login string
	// Email addresses of the account that the forge shows.
	Emails []string
	// Machine is true where the forge says that no person is behind it.
	Machine bool
}

// PullCommit is a commit that a pull request proposed.
type PullCommit struct {
	SHA string
	// Parents are its parents' ids, where the forge tells them.
	Parents []string
	// Author and Committer hold the commit's own address, and the login that the
	// forge found for it: empty where it found none. GitLab tells none.
	Author, Committer Account
	// Message of the commit.
	Message string
}

// ReviewState is what a review says.
type ReviewState string

// The states. A comment neither approves nor objects.
const (
	ReviewApproved         ReviewState = "approved"
	ReviewChangesRequested ReviewState = "changes-requested"
	ReviewDismissed        ReviewState = "dismissed"
	ReviewComment          ReviewState = "comment"
)

// Review is one review of a pull request.
type Review struct {
	Reviewer Account
	State    ReviewState
	// Commit that was looked at; empty where the forge does not tell. GitLab tells
	// times only: there it is the newest commit that it had recorded by then.
	Commit string
	// Time of the review.
	Time time.Time
	// Member is whether the forge counts the reviewer among those who may decide:
	// on Gitea an official review, on GitHub one of an owner, member or
	// collaborator; on GitLab nobody else can approve.
	Member bool
}

// LabelEvent is a label set or removed.
type LabelEvent struct {
	Label string
	Actor Account
	// Added is false where the label was removed.
	Added bool
	Time  time.Time
}

// Reviews implements Reviews. It sends at least two requests (GitHub), four
// (Gitea) or five (GitLab, and one for every approver), more for long lists, and
// one for the label.
func (c *Client) Reviews(ctx context.Context, pr PullRequest, label string) (*ReviewHistory, error) {
	if label != "" && !slices.ContainsFunc(pr.Labels, func(l string) bool { return strings.EqualFold(l, label) }) {
		label = ""
	}
	history, err := c.dialect.reviews(ctx, c, pr, label)
	if err != nil {
		return nil, fmt.Errorf("reading the reviews of pull request %d of %s: %w", pr.Number, c.Repo, err)
	}
	history.Labels = slices.DeleteFunc(history.Labels, func(e LabelEvent) bool { return !strings.EqualFold(e.Label, label) })
	return history, nil
}

// everything reads the pages of a list, at most MaxPages. With until, the list
// ends where that says so of a page's answer; else where the server names no
// next page.
func everything[T any](ctx context.Context, c *Client, path string, until func(page answer, items, total int) bool) ([]T, error) {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	var all []T
	for page := 1; page <= MaxPages; page++ {
		got, err := c.ask(ctx, path+separator+"page="+strconv.Itoa(page))
		if err != nil {
			return nil, err
		}
		var items []T
		if err := json.Unmarshal(got.body, &items); err != nil {
			return nil, fmt.Errorf("the answer of %s is not what its API documents: %w", c.scm.BaseURL.Host, err)
		}
		all = append(all, items...)
		if until == nil && !got.next || until != nil && until(got, len(items), len(all)) {
			return all, nil
		}
	}
	return nil, fmt.Errorf("gave up after %d pages", MaxPages)
}
