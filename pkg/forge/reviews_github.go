// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// person is an account as GitHub and Gitea write it. GitHub says whether it is a
// bot, Gitea shows an address.
type person struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
	Email string `json:"email"`
}

// account converts a person; nil is an account that is gone.
func (p *person) account() Account {
	if p == nil {
		return Account{}
	}
	a := Account{Login: p.Login, Machine: p.Type == "Bot" || strings.HasSuffix(p.Login, "[bot]")}
	if p.Email != "" {
		a.Emails = []string{p.Email}
	}
	return a
}

// proposed is a commit as GitHub and Gitea write it.
type proposed struct {
	SHA       string  `json:"sha"`
	Author    *person `json:"author"`
	Committer *person `json:"committer"`
	Commit    struct {
		Message   string    `json:"message"`
		Author    *identity `json:"author"`
		Committer *identity `json:"committer"`
	} `json:"commit"`
	Parents []struct {
		SHA string `json:"sha"`
	} `json:"parents"`
}

type identity struct {
	Email string `json:"email"`
}

func (c proposed) pullCommit() PullCommit {
	maker := func(account *person, id *identity) Account {
		a := Account{}
		if account != nil {
			a.Login = account.Login
		}
		if id != nil && id.Email != "" {
			a.Emails = []string{id.Email}
		}
		return a
	}
	out := PullCommit{
		SHA: c.SHA, Message: c.Commit.Message,
		Author: maker(c.Author, c.Commit.Author), Committer: maker(c.Committer, c.Commit.Committer),
	}
	for _, p := range c.Parents {
		out.Parents = append(out.Parents, p.SHA)
	}
	return out
}

func pullCommits(commits []proposed) []PullCommit {
	out := make([]PullCommit, 0, len(commits))
	for _, c := range commits {
		out = append(out, c.pullCommit())
	}
	return out
}

// githubListed is how many commits GitHub lists of one pull request.
const githubListed = 250

// reviews follows docs.github.com/en/rest/pulls/reviews, /pulls/pulls and
// /issues/events.
func (githubDialect) reviews(ctx context.Context, c *Client, pr PullRequest, label string) (*ReviewHistory, error) {
	repo := escapeRepo(c.Repo)
	one := fmt.Sprintf("repos/%s/pulls/%d", repo, pr.Number)
	out := &ReviewHistory{Head: pr.HeadSHA}
	type review struct {
		User        *person   `json:"user"`
		State       string    `json:"state"`
		CommitID    string    `json:"commit_id"`
		SubmittedAt time.Time `json:"submitted_at"`
		Association string    `json:"author_association"`
	}
	given, err := everything[review](ctx, c, one+"/reviews?per_page=100", nil)
	if err != nil {
		return nil, err
	}
	for _, r := range given {
		state := ReviewComment
		switch r.State {
		case "APPROVED":
			state = ReviewApproved
		case "CHANGES_REQUESTED":
			state = ReviewChangesRequested
		case "DISMISSED":
			state = ReviewDismissed
		}
		out.Reviews = append(out.Reviews, Review{
			Reviewer: r.User.account(), State: state, Commit: r.CommitID, Time: r.SubmittedAt,
			// Anyone who can read a public repository can approve.
			Member: slices.Contains([]string{"OWNER", "MEMBER", "COLLABORATOR"}, r.Association),
		})
	}
	commits, err := everything[proposed](ctx, c, one+"/commits?per_page=100", nil)
	if err != nil {
		return nil, fmt.Errorf("its commits: %w", err)
	}
	if len(commits) >= githubListed {
		if commits, err = compared(ctx, c, one, repo); err != nil {
			return nil, fmt.Errorf("its commits: %w", err)
		}
	}
	out.Commits = pullCommits(commits)
	if label == "" {
		return out, nil
	}
	type event struct {
		Event     string    `json:"event"`
		Actor     *person   `json:"actor"`
		CreatedAt time.Time `json:"created_at"`
		Label     *struct {
			Name string `json:"name"`
		} `json:"label"`
	}
	events, err := everything[event](ctx, c, fmt.Sprintf("repos/%s/issues/%d/events?per_page=100", repo, pr.Number), nil)
	if err != nil {
		return nil, fmt.Errorf("its labels: %w", err)
	}
	for _, e := range events {
		if (e.Event == "labeled" || e.Event == "unlabeled") && e.Label != nil {
			out.Labels = append(out.Labels, LabelEvent{Label: e.Label.Name, Actor: e.Actor.account(), Added: e.Event == "labeled", Time: e.CreatedAt})
		}
	}
	return out, nil
}

// compared lists the commits of a pull request that has more than GitHub lists
// of one, by comparing its two ends.
func compared(ctx context.Context, c *Client, one, repo string) ([]proposed, error) {
	got, err := c.ask(ctx, one)
	if err != nil {
		return nil, err
	}
	var ends pull
	if err := json.Unmarshal(got.body, &ends); err != nil || ends.Base == nil || ends.Head == nil {
		return nil, fmt.Errorf("the answer of %s is not what its API documents: a pull request without base or head", c.scm.BaseURL.Host)
	}
	var all []proposed
	for page := 1; page <= MaxPages; page++ {
		got, err := c.ask(ctx, fmt.Sprintf("repos/%s/compare/%s...%s?per_page=100&page=%d", repo, url.PathEscape(ends.Base.SHA), url.PathEscape(ends.Head.SHA), page))
		if err != nil {
			return nil, err
		}
		var part struct {
			Commits []proposed `json:"commits"`
		}
		if err := json.Unmarshal(got.body, &part); err != nil {
			return nil, fmt.Errorf("the answer of %s is not what its API documents: %w", c.scm.BaseURL.Host, err)
		}
		all = append(all, part.Commits...)
		if !got.next {
			return all, nil
		}
	}
	return nil, fmt.Errorf("gave up after %d pages", MaxPages)
}
