// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// account and label are written alike by GitHub and Gitea.
type account struct {
	Login string `json:"login"`
}

type label struct {
	Name string `json:"name"`
}

// pull is a pull request as GitHub and Gitea write it. Pointers are null where
// the author or the fork was deleted, or where it is not merged.
type pull struct {
	Number         int        `json:"number"`
	HTMLURL        string     `json:"html_url"`
	Title          string     `json:"title"`
	Body           string     `json:"body"`
	User           *account   `json:"user"`
	Labels         []label    `json:"labels"`
	MergeCommitSHA *string    `json:"merge_commit_sha"`
	MergedAt       *time.Time `json:"merged_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	Base           *branch    `json:"base"`
	Head           *branch    `json:"head"`
}

type branch struct {
	Ref string `json:"ref"`
	SHA string `json:"sha"`
}

func (p pull) pullRequest() PullRequest {
	out := PullRequest{
		Number:  p.Number,
		URL:     p.HTMLURL,
		Title:   p.Title,
		Body:    p.Body,
		Updated: p.UpdatedAt,
	}
	if p.User != nil {
		out.Author = p.User.Login
	}
	for _, l := range p.Labels {
		out.Labels = append(out.Labels, l.Name)
	}
	if p.Base != nil {
		out.Base = p.Base.Ref
	}
	if p.Head != nil {
		out.HeadSHA = p.Head.SHA
	}
	// An open pull request on GitHub has a merge commit too: the one of a trial
	// merge. Only the time tells.
	if p.MergedAt != nil && p.MergeCommitSHA != nil {
		out.Merged, out.MergedAt, out.MergeCommit = true, *p.MergedAt, *p.MergeCommitSHA
	}
	return out
}

// decode reads JSON and refuses pull requests without a number.
func decode[T any](body []byte, convert func(T) PullRequest) (PullRequest, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return PullRequest{}, err
	}
	pr := convert(v)
	if pr.Number <= 0 {
		return PullRequest{}, errors.New("a pull request without a number")
	}
	return pr, nil
}

func decodeList[T any](body []byte, convert func(T) PullRequest) ([]PullRequest, error) {
	var vs []T
	if err := json.Unmarshal(body, &vs); err != nil {
		return nil, err
	}
	out := make([]PullRequest, 0, len(vs))
	for _, v := range vs {
		pr := convert(v)
		if pr.Number <= 0 {
			return nil, errors.New("a pull request without a number")
		}
		out = append(out, pr)
	}
	return out, nil
}

// escapeRepo escapes each part of owner/repository.
func escapeRepo(repo string) string {
	parts := strings.Split(repo, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// githubDialect follows docs.github.com/en/rest/pulls/pulls.
type githubDialect struct{}

func (githubDialect) listPath(repo, branch string, page, size int) string {
	q := url.Values{
		"state": {"closed"}, "base": {branch}, "sort": {"updated"}, "direction": {"desc"},
		"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(size)},
	}
	return fmt.Sprintf("repos/%s/pulls?%s", escapeRepo(repo), q.Encode())
}

func (githubDialect) onePath(repo string, number int) string {
	return fmt.Sprintf("repos/%s/pulls/%d", escapeRepo(repo), number)
}

func (githubDialect) list(body []byte) ([]PullRequest, error) {
	return decodeList(body, pull.pullRequest)
}

func (githubDialect) one(body []byte) (PullRequest, error) {
	return decode(body, pull.pullRequest)
}

// giteaDialect follows docs.gitea.com/api. Older servers do not know
// base_branch and ignore it; a server may answer with fewer than asked for.
type giteaDialect struct{}

func (giteaDialect) listPath(repo, branch string, page, size int) string {
	q := url.Values{
		"state": {"closed"}, "base_branch": {branch}, "sort": {"recentupdate"},
		"page": {strconv.Itoa(page)}, "limit": {strconv.Itoa(size)},
	}
	return fmt.Sprintf("repos/%s/pulls?%s", escapeRepo(repo), q.Encode())
}

func (giteaDialect) onePath(repo string, number int) string {
	return githubDialect{}.onePath(repo, number)
}

func (giteaDialect) list(body []byte) ([]PullRequest, error) {
	return decodeList(body, pull.pullRequest)
}

func (giteaDialect) one(body []byte) (PullRequest, error) {
	return decode(body, pull.pullRequest)
}

// gitlabDialect follows docs.gitlab.com/api/merge_requests.
type gitlabDialect struct{}

type mergeRequest struct {
	IID            int        `json:"iid"`
	WebURL         string     `json:"web_url"`
	Title          string     `json:"title"`
	Description    string     `json:"description"`
	State          string     `json:"state"`
	TargetBranch   string     `json:"target_branch"`
	SHA            string     `json:"sha"`
	MergeCommitSHA string     `json:"merge_commit_sha"`
	SquashSHA      string     `json:"squash_commit_sha"`
	Labels         []string   `json:"labels"`
	MergedAt       *time.Time `json:"merged_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	Author         *struct {
		Username string `json:"username"`
	} `json:"author"`
}

func (m mergeRequest) pullRequest() PullRequest {
	out := PullRequest{
		Number:  m.IID,
		URL:     m.WebURL,
		Title:   m.Title,
		Body:    m.Description,
		Labels:  m.Labels,
		Base:    m.TargetBranch,
		HeadSHA: m.SHA,
		Updated: m.UpdatedAt,
	}
	if m.Author != nil {
		out.Author = m.Author.Username
	}
	if m.State == "merged" {
		out.Merged = true
		if m.MergedAt != nil {
			out.MergedAt = *m.MergedAt
		}
		// GitLab fills merge_commit_sha only where it made a merge commit,
		// squash_commit_sha where it squashed; after a fast-forward the
		// branch's own last commit is what the target branch ends with.
		for _, sha := range []string{m.MergeCommitSHA, m.SquashSHA, m.SHA} {
			if sha != "" {
				out.MergeCommit = sha
				break
			}
		}
	}
	return out
}

func (gitlabDialect) listPath(repo, branch string, page, size int) string {
	q := url.Values{
		"state": {"merged"}, "target_branch": {branch}, "order_by": {"updated_at"}, "sort": {"desc"},
		"scope": {"all"}, "page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(size)},
	}
	return fmt.Sprintf("projects/%s/merge_requests?%s", url.PathEscape(repo), q.Encode())
}

func (gitlabDialect) onePath(repo string, number int) string {
	return fmt.Sprintf("projects/%s/merge_requests/%d", url.PathEscape(repo), number)
}

func (gitlabDialect) list(body []byte) ([]PullRequest, error) {
	return decodeList(body, mergeRequest.pullRequest)
}

func (gitlabDialect) one(body []byte) (PullRequest, error) {
	return decode(body, mergeRequest.pullRequest)
}
