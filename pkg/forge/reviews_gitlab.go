// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

type gitlabUser struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
}

// Access tokens of projects and groups have accounts named so
// (docs.gitlab.com/user/project/settings/project_access_tokens).
var gitlabBot = regexp.MustCompile(`^(?:project|group)_[0-9]+_bot(?:_[0-9a-z]+)?$`)

func (u *gitlabUser) account() Account {
	if u == nil || u.Username == "ghost" {
		return Account{}
	}
	return Account{Login: u.Username, Machine: gitlabBot.MatchString(u.Username)}
}

// reviews follows docs.gitlab.com/api/merge_request_approvals, /merge_requests,
// /notes, /resource_label_events and /users. What a person approved is the newest
// version of the merge request at that time.
func (gitlabDialect) reviews(ctx context.Context, c *Client, pr PullRequest, label string) (*ReviewHistory, error) {
	one := fmt.Sprintf("projects/%s/merge_requests/%d", url.PathEscape(c.Repo), pr.Number)
	out := &ReviewHistory{Head: pr.HeadSHA}
	noted, err := gitlabNotes(ctx, c, one, out)
	if err != nil {
		return nil, fmt.Errorf("its notes: %w", err)
	}
	if err := gitlabApprovals(ctx, c, one, noted, out); err != nil {
		return nil, err
	}
	type reviewer struct {
		User  *gitlabUser `json:"user"`
		State string      `json:"state"`
	}
	reviewers, err := everything[reviewer](ctx, c, one+"/reviewers?per_page=100", nil)
	if err != nil {
		return nil, fmt.Errorf("its reviewers: %w", err)
	}
	for _, r := range reviewers {
		if r.State == "requested_changes" {
			// The state is the one that holds now, so it comes last.
			out.Reviews = append(out.Reviews, Review{Reviewer: r.User.account(), State: ReviewChangesRequested, Time: pr.Updated, Member: true})
		}
	}
	type commit struct {
		ID             string   `json:"id"`
		ParentIDs      []string `json:"parent_ids"`
		AuthorEmail    string   `json:"author_email"`
		CommitterEmail string   `json:"committer_email"`
		Message        string   `json:"message"`
	}
	commits, err := everything[commit](ctx, c, one+"/commits?per_page=100", nil)
	if err != nil {
		return nil, fmt.Errorf("its commits: %w", err)
	}
	for _, m := range commits {
		out.Commits = append(out.Commits, PullCommit{
			SHA: m.ID, Parents: m.ParentIDs, Message: m.Message,
			Author: Account{Emails: []string{m.AuthorEmail}}, Committer: Account{Emails: []string{m.CommitterEmail}},
		})
	}
	if label == "" {
		return out, nil
	}
	type event struct {
		User      *gitlabUser `json:"user"`
		CreatedAt time.Time   `json:"created_at"`
		Action    string      `json:"action"`
		Label     *struct {
			Name string `json:"name"`
		} `json:"label"`
	}
	events, err := everything[event](ctx, c, one+"/resource_label_events?per_page=100", nil)
	if err != nil {
		return nil, fmt.Errorf("its labels: %w", err)
	}
	for _, e := range events {
		if e.Label != nil {
			out.Labels = append(out.Labels, LabelEvent{Label: e.Label.Name, Actor: e.User.account(), Added: e.Action == "add", Time: e.CreatedAt})
		}
	}
	return out, nil
}

// gitlabNotes reads what GitLab itself noted: pushes, and when who approved
// last, which older servers tell nowhere else.
func gitlabNotes(ctx context.Context, c *Client, one string, out *ReviewHistory) (map[string]time.Time, error) {
	type note struct {
		System    bool        `json:"system"`
		Body      string      `json:"body"`
		Author    *gitlabUser `json:"author"`
		CreatedAt time.Time   `json:"created_at"`
	}
	notes, err := everything[note](ctx, c, one+"/notes?sort=asc&order_by=created_at&per_page=100", nil)
	if err != nil {
		return nil, err
	}
	approved := map[string]time.Time{}
	for _, n := range notes {
		switch who := n.Author.account(); {
		case !n.System || who.Login == "":
		case strings.HasPrefix(n.Body, "approved this merge request"):
			approved[who.Login] = n.CreatedAt
		case strings.HasPrefix(n.Body, "added ") && strings.Contains(n.Body, " commit"):
			out.Pushers = append(out.Pushers, who)
		}
	}
	return approved, nil
}

func gitlabApprovals(ctx context.Context, c *Client, one string, noted map[string]time.Time, out *ReviewHistory) error {
	got, err := c.ask(ctx, one+"/approvals")
	if err != nil {
		return err
	}
	var approvals struct {
		ApprovedBy []struct {
			User       *gitlabUser `json:"user"`
			ApprovedAt *time.Time  `json:"approved_at"`
		} `json:"approved_by"`
	}
	if err := json.Unmarshal(got.body, &approvals); err != nil {
		return fmt.Errorf("the answer of %s is not what its API documents: %w", c.scm.BaseURL.Host, err)
	}
	type version struct {
		Head      string    `json:"head_commit_sha"`
		CreatedAt time.Time `json:"created_at"`
	}
	versions, err := everything[version](ctx, c, one+"/versions?per_page=100", nil)
	if err != nil {
		return fmt.Errorf("its versions: %w", err)
	}
	for _, a := range approvals.ApprovedBy {
		r := Review{Reviewer: a.User.account(), State: ReviewApproved, Member: true}
		if r.Reviewer.Login != "" {
			email, err := gitlabEmail(ctx, c, a.User.ID)
			if err != nil {
				return fmt.Errorf("its approvers: %w", err)
			}
			if email != "" {
				r.Reviewer.Emails = []string{email}
			}
		}
		if a.ApprovedAt != nil {
			r.Time = *a.ApprovedAt
		} else {
			r.Time = noted[r.Reviewer.Login]
		}
		var newest time.Time
		for _, v := range versions {
			if !r.Time.IsZero() && !v.CreatedAt.After(r.Time) && (r.Commit == "" || v.CreatedAt.After(newest)) {
				r.Commit, newest = v.Head, v.CreatedAt
			}
		}
		out.Reviews = append(out.Reviews, r)
	}
	return nil
}

// gitlabEmail is the address that an account shows to everyone, if any.
func gitlabEmail(ctx context.Context, c *Client, id int64) (string, error) {
	got, err := c.ask(ctx, fmt.Sprintf("users/%d", id))
	if err != nil {
		return "", err
	}
	var user struct {
		PublicEmail string `json:"public_email"`
	}
	if err := json.Unmarshal(got.body, &user); err != nil {
		return "", fmt.Errorf("the answer of %s is not what its API documents: %w", c.scm.BaseURL.Host, err)
	}
	return user.PublicEmail, nil
}
