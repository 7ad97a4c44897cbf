// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forgetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Person is an account on a real Gitea, deleted when its test ends.
type Person struct {
	Login, Email, Token string
}

// Person makes an account that may write to the repository, or with write false
// only read it. The token of the tests must be an administrator's.
func (r *Repository) Person(name string, write bool) Person {
	r.t.Helper()
	login := fmt.Sprintf("%s-%d", name, time.Now().UnixNano())
	p := Person{Login: login, Email: login + "@people.example"}
	password := fmt.Sprintf("pw-%d-Aa1!", time.Now().UnixNano())
	r.call(http.MethodPost, "admin/users", map[string]any{
		"username": login, "email": p.Email, "password": password, "must_change_password": false,
	}, nil)
	r.t.Cleanup(func() { r.call(http.MethodDelete, "admin/users/"+login+"?purge=true", nil, nil) })
	permission := "read"
	if write {
		permission = "write"
	}
	r.api(http.MethodPut, "collaborators/"+login, map[string]any{"permission": permission}, nil)
	var token struct {
		SHA1 string `json:"sha1"`
	}
	body, err := json.Marshal(map[string]any{"name": "tests", "scopes": []string{"all"}})
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, strings.TrimSuffix(r.server, "/")+"/api/v1/users/"+login+"/tokens", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(login, password)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 || json.Unmarshal(answer, &token) != nil {
		r.t.Fatalf("making a token of %s: status %d: %s, %v", login, res.StatusCode, answer, err)
	}
	p.Token = token.SHA1
	return p
}

// As is the repository in the hands of somebody else.
func (r *Repository) As(p Person) *Repository {
	other := *r
	other.Token = p.Token
	return &other
}

// WriteAs is Write with another author and committer than the person who does
// it.
func (r *Repository) WriteAs(branch, path, content, message, email string) string {
	r.t.Helper()
	var out struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	who := map[string]any{"name": "somebody", "email": email}
	r.api(http.MethodPost, "contents/"+path, map[string]any{
		"branch": branch, "message": message, "content": base64.StdEncoding.EncodeToString([]byte(content)), "author": who, "committer": who,
	}, &out)
	return out.Commit.SHA
}

// Review gives a review of a pull request's newest commit: APPROVED,
// REQUEST_CHANGES or COMMENT. It returns the review's id, and the status of the
// answer.
func (r *Repository) Review(number int, event string) (id int64, status int) {
	r.t.Helper()
	status, answer := r.send(http.MethodPost, fmt.Sprintf("repos/%s/pulls/%d/reviews", r.FullName, number), map[string]any{"event": event, "body": "by a test"})
	var out struct {
		ID int64 `json:"id"`
	}
	if status < 300 {
		if err := json.Unmarshal(answer, &out); err != nil {
			r.t.Fatal(err)
		}
	}
	return out.ID, status
}

// Approve approves a pull request's newest commit.
func (r *Repository) Approve(number int) int64 {
	r.t.Helper()
	id, status := r.Review(number, "APPROVED")
	if status >= 300 {
		r.t.Fatalf("approving pull request %d: status %d", number, status)
	}
	return id
}

// Dismiss dismisses a review.
func (r *Repository) Dismiss(number int, id int64) {
	r.t.Helper()
	r.api(http.MethodPost, fmt.Sprintf("pulls/%d/reviews/%d/dismissals", number, id), map[string]any{"message": "by a test"}, nil)
}

// Label sets a label, which it makes first if there is none, on a pull request.
func (r *Repository) Label(number int, name string) {
	r.t.Helper()
	type label struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	var all []label
	r.api(http.MethodGet, "labels", nil, &all)
	var id int64
	for _, l := range all {
		if l.Name == name {
			id = l.ID
		}
	}
	if id == 0 {
		var made label
		r.api(http.MethodPost, "labels", map[string]any{"name": name, "color": "#00aabb"}, &made)
		id = made.ID
	}
	r.api(http.MethodPost, fmt.Sprintf("issues/%d/labels", number), map[string]any{"labels": []int64{id}}, nil)
}

// MergedAs marks a pull request as merged by hand with a commit.
func (r *Repository) MergedAs(number int, commit string) {
	r.t.Helper()
	r.api(http.MethodPatch, "", map[string]any{"allow_manual_merge": true}, nil)
	r.api(http.MethodPost, fmt.Sprintf("pulls/%d/merge", number), map[string]any{"Do": "manually-merged", "MergeCommitID": commit}, nil)
}

// UpdateBranch brings a pull request's branch up to date: merge or rebase.
func (r *Repository) UpdateBranch(number int, style string) {
	r.t.Helper()
	r.api(http.MethodPost, fmt.Sprintf("pulls/%d/update?style=%s", number, style), nil, nil)
}

// AwaitPush waits until Gitea has noted the push of a commit to a pull request,
// which it does in the background.
func (r *Repository) AwaitPush(number int, commit string) {
	r.t.Helper()
	err := wait.PollUntilContextTimeout(r.t.Context(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		status, answer := r.send(http.MethodGet, fmt.Sprintf("repos/%s/issues/%d/timeline?limit=50", r.FullName, number), nil)
		return status == http.StatusOK && bytes.Contains(answer, []byte(commit)), nil
	})
	if err != nil {
		r.t.Fatalf("the push of %s to pull request %d was not noted: %v", commit, number, err)
	}
}
