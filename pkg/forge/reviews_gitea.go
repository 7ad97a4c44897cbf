// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// giteaPage is how many items a page is asked for; a server may give fewer.
const giteaPage = "limit=50"

// Gitea has two accounts that are nobody's, with ids that no account has: of
// deleted users, and of what its own Actions do.
func giteaAccount(p *person) Account {
	if p == nil || p.ID == -1 {
		return Account{}
	}
	a := p.account()
	a.Machine = p.ID < 0 || p.Login == "gitea-actions" || p.Login == "forgejo-actions"
	return a
}

// reviews follows docs.gitea.com/api. Gitea lists the newest of a pull request's
// commits first, as they were when it was merged; it names no next page of
// reviews, and of the timeline not even the length.
func (giteaDialect) reviews(ctx context.Context, c *Client, pr PullRequest, _ string) (*ReviewHistory, error) {
	repo := escapeRepo(c.Repo)
	one := fmt.Sprintf("repos/%s/pulls/%d", repo, pr.Number)
	out := &ReviewHistory{}
	type review struct {
		User        *person   `json:"user"`
		State       string    `json:"state"`
		CommitID    string    `json:"commit_id"`
		SubmittedAt time.Time `json:"submitted_at"`
		Official    bool      `json:"official"`
		Dismissed   bool      `json:"dismissed"`
		Comments    int       `json:"comments_count"`
	}
	given, err := everything[review](ctx, c, one+"/reviews?"+giteaPage, func(page answer, items, total int) bool {
		count, err := strconv.Atoi(page.header.Get("X-Total-Count"))
		return items == 0 || err == nil && total >= count
	})
	if err != nil {
		return nil, err
	}
	lineComments := 0
	for _, r := range given {
		lineComments += max(r.Comments, 0)
		state := ReviewComment
		switch {
		case r.State != "APPROVED" && r.State != "REQUEST_CHANGES":
		case r.Dismissed:
			state = ReviewDismissed
		case r.State == "APPROVED":
			state = ReviewApproved
		default:
			state = ReviewChangesRequested
		}
		out.Reviews = append(out.Reviews, Review{Reviewer: giteaAccount(r.User), State: state, Commit: r.CommitID, Time: r.SubmittedAt, Member: r.Official})
	}
	commits, err := everything[proposed](ctx, c, one+"/commits?files=false&verification=false&"+giteaPage, nil)
	if err != nil {
		return nil, fmt.Errorf("its commits: %w", err)
	}
	if out.Commits = pullCommits(commits); len(commits) > 0 {
		out.Head = commits[0].SHA
	}
	return out, giteaTimeline(ctx, c, pr, lineComments, out)
}

// giteaTimeline reads pushes and labels. A page lacks the comments on lines that
// belong on it, so an empty one may be followed by others, if there are so many
// such comments.
func giteaTimeline(ctx context.Context, c *Client, pr PullRequest, lineComments int, out *ReviewHistory) error {
	type event struct {
		Type      string    `json:"type"`
		User      *person   `json:"user"`
		Body      string    `json:"body"`
		CreatedAt time.Time `json:"created_at"`
		Label     *label    `json:"label"`
	}
	repo := escapeRepo(c.Repo)
	longest, empty := 1, 0
	events, err := everything[*event](ctx, c, fmt.Sprintf("repos/%s/issues/%d/timeline?%s", repo, pr.Number, giteaPage), func(_ answer, items, _ int) bool {
		longest = max(longest, items)
		if items > 0 {
			return false
		}
		empty++
		return empty > lineComments/longest
	})
	if err != nil {
		return fmt.Errorf("its timeline: %w", err)
	}
	for _, e := range events {
		switch {
		case e == nil:
			// Gitea writes null for what it failed to load.
			return fmt.Errorf("its timeline: %s left out an event: see its log", c.scm.BaseURL.Host)
		case e.Type == "pull_push":
			out.Pushers = append(out.Pushers, giteaAccount(e.User))
		case e.Type == "label" && e.Label != nil:
			out.Labels = append(out.Labels, LabelEvent{Label: e.Label.Name, Actor: giteaAccount(e.User), Added: strings.TrimSpace(e.Body) == "1", Time: e.CreatedAt})
		}
	}
	return nil
}
