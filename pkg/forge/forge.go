// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package forge reads merged pull requests from GitHub, GitLab and Gitea (and
// its fork Forgejo) through one small interface.
//
// It stands on github.com/jenkins-x/go-scm: its client resolves addresses,
// sends requests and reads paging links. It does not use the pull request
// services of go-scm's drivers, because their common type leaves out what a
// change record needs. What each lacks, read in its source at v1.15.31:
//
//   - every driver: the time of the merge, listing by target branch, listing in
//     a defined order;
//   - GitHub: whether a listed pull request was merged at all;
//   - GitLab: the merge commit, besides two further requests for every merge
//     request of a listing;
//   - Gitea: the context, the HTTP client and the certificates of the caller
//     (its calls go through an SDK of their own, which also panics on a pull
//     request whose author or fork was deleted).
//
// So each forge has one small file here that asks its documented REST API
// directly, all of them with the same guarded HTTP client: the token goes to the
// forge's own host and nowhere else and is in no error; answers are bounded; a
// forge that is busy is asked again, a bounded number of times.
package forge

import (
	"context"
	"iter"
	"time"
)

// Kind is a make of forge.
type Kind string

// The forges.
const (
	GitHub Kind = "github"
	GitLab Kind = "gitlab"
	// Gitea stands for Forgejo as well.
	Gitea Kind = "gitea"
)

// Forge reads the pull requests of one repository. *Client is the real one.
type Forge interface {
	// MergedPullRequests yields the pull requests that were merged into a
	// branch, the most recently updated first, page by page as they are asked
	// for. An error ends the sequence. A caller that has enough stops ranging.
	//
	// Because a merge updates a pull request, Updated is never before Merged:
	// once Updated is older than a merge already seen, no later merge follows.
	MergedPullRequests(ctx context.Context, branch string) iter.Seq2[PullRequest, error]
	// PullRequest returns one pull request by its number, merged or not.
	PullRequest(ctx context.Context, number int) (*PullRequest, error)
}

// PullRequest is a pull request (on GitLab: a merge request) as the forge tells
// it. Title, Body, Labels and Author are text that anyone may have written.
type PullRequest struct {
	// Number as in its URL, unique in the repository.
	Number int
	// URL of its page.
	URL string
	// Title is one line, Body is Markdown.
	Title string
	Body  string
	// Author is the login name of who opened it; empty if that user is gone.
	Author string
	// Labels are the names of its labels, in the forge's order.
	Labels []string
	// Base is the branch it was opened against.
	Base string
	// HeadSHA is the last commit of the branch that was proposed.
	HeadSHA string
	// Merged is whether it was merged.
	Merged bool
	// MergeCommit is the commit with which the merge ended on Base: the merge
	// commit, the squashed commit, or after a rebase or fast-forward the last of
	// its commits. Empty if it is not merged.
	MergeCommit string
	// MergedAt is when it was merged, zero if it is not.
	MergedAt time.Time
	// Updated is when anything about it last changed.
	Updated time.Time
}
