// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package forgetest makes repositories on a real Gitea for integration tests.
//
// It takes the server from COUNTERSIGN_TEST_GITEA_URL and a token that may create
// repositories from COUNTERSIGN_TEST_GITEA_TOKEN, and fails a test where one of
// them is missing.
package forgetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Repository is a private repository on a real Gitea, deleted when its test ends.
type Repository struct {
	// CloneURL without credentials.
	CloneURL string
	// Token that may read and write it.
	Token string
	// FullName is owner/name.
	FullName string

	t      testing.TB
	server string
}

// NewRepository makes a repository whose branch master holds one README.
func NewRepository(t testing.TB, prefix string) *Repository {
	t.Helper()
	r := &Repository{t: t, server: env(t, "COUNTERSIGN_TEST_GITEA_URL"), Token: env(t, "COUNTERSIGN_TEST_GITEA_TOKEN")}
	name := fmt.Sprintf("%s-%d", prefix, time.Now().UnixNano())
	var created struct {
		FullName string `json:"full_name"`
	}
	r.call(http.MethodPost, "user/repos", map[string]any{"name": name, "private": true, "auto_init": true, "default_branch": "master"}, &created)
	r.FullName = created.FullName
	r.CloneURL = strings.TrimSuffix(r.server, "/") + "/" + created.FullName + ".git"
	t.Cleanup(func() { r.call(http.MethodDelete, "repos/"+r.FullName, nil, nil) })
	r.api(http.MethodPatch, "", map[string]any{
		"allow_merge_commits": true, "allow_squash_merge": true, "allow_rebase": true, "allow_rebase_explicit": true, "allow_fast_forward_only_merge": true,
	}, nil)
	return r
}

// Branch makes a branch from another one.
func (r *Repository) Branch(name, from string) {
	r.t.Helper()
	r.api(http.MethodPost, "branches", map[string]any{"new_branch_name": name, "old_ref_name": from}, nil)
}

// Head is the commit that a branch is at.
func (r *Repository) Head(branch string) string {
	r.t.Helper()
	var out struct {
		Commit struct {
			ID string `json:"id"`
		} `json:"commit"`
	}
	r.api(http.MethodGet, "branches/"+url.PathEscape(branch), nil, &out)
	return out.Commit.ID
}

// Write commits one new file to a branch and returns the commit.
func (r *Repository) Write(branch, path, content, message string) string {
	r.t.Helper()
	var out struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	r.api(http.MethodPost, "contents/"+path, map[string]any{
		"branch": branch, "message": message, "content": base64.StdEncoding.EncodeToString([]byte(content)),
	}, &out)
	return out.Commit.SHA
}

// Open opens a pull request and returns its number.
func (r *Repository) Open(head, base, title, body string) int {
	r.t.Helper()
	var out struct {
		Number int `json:"number"`
	}
	r.api(http.MethodPost, "pulls", map[string]any{"head": head, "base": base, "title": title, "body": body}, &out)
	return out.Number
}

// Merge merges a pull request: merge, squash, rebase, rebase-merge or
// fast-forward-only. Gitea works out in the background whether one can be
// merged, and refuses until it has.
func (r *Repository) Merge(number int, style string) {
	r.t.Helper()
	var (
		status int
		answer []byte
	)
	err := wait.PollUntilContextTimeout(r.t.Context(), 200*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		status, answer = r.send(http.MethodPost, fmt.Sprintf("repos/%s/pulls/%d/merge", r.FullName, number), map[string]any{"Do": style})
		return status != http.StatusMethodNotAllowed && status != http.StatusConflict, nil
	})
	if err != nil || status >= 300 {
		r.t.Fatalf("merging pull request %d: status %d: %s", number, status, answer)
	}
}

// Comment adds a comment to a pull request, which updates it.
func (r *Repository) Comment(number int, text string) {
	r.t.Helper()
	r.api(http.MethodPost, fmt.Sprintf("issues/%d/comments", number), map[string]any{"body": text}, nil)
}

// Tag makes a tag at a commit.
func (r *Repository) Tag(name, commit string) {
	r.t.Helper()
	r.api(http.MethodPost, "tags", map[string]any{"tag_name": name, "target": commit}, nil)
}

// DeleteTag removes a tag.
func (r *Repository) DeleteTag(name string) {
	r.t.Helper()
	r.api(http.MethodDelete, "tags/"+url.PathEscape(name), nil, nil)
}

// TagCommit is the commit that a tag names, empty if there is none.
func (r *Repository) TagCommit(name string) string {
	r.t.Helper()
	status, answer := r.send(http.MethodGet, "repos/"+r.FullName+"/tags/"+url.PathEscape(name), nil)
	if status == http.StatusNotFound {
		return ""
	}
	var out struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	if err := json.Unmarshal(answer, &out); err != nil || status != http.StatusOK {
		r.t.Fatalf("reading tag %s: status %d: %s", name, status, answer)
	}
	return out.Commit.SHA
}

func (r *Repository) api(method, path string, in, out any) {
	r.t.Helper()
	r.call(method, strings.TrimSuffix("repos/"+r.FullName+"/"+path, "/"), in, out)
}

func (r *Repository) call(method, path string, in, out any) {
	r.t.Helper()
	status, answer := r.send(method, path, in)
	if status >= 300 {
		r.t.Fatalf("%s %s: status %d: %s", method, path, status, answer)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (r *Repository) send(method, path string, in any) (int, []byte) {
	r.t.Helper()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			r.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, strings.TrimSuffix(r.server, "/")+"/api/v1/"+path, &body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+r.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, answer
}

func env(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: integration tests need a real Gitea", name)
	}
	return value
}
