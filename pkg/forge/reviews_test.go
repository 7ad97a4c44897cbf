// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }

// reviewBodies follow the forges' API documentation, cut to what is read and what
// could be mistaken. Each tells of: ada's pull request of commits c1 and c2; an
// approval of c1 by bob, and one of c2 by eve; a request for changes by carol; a
// label set by dave.
var reviewBodies = map[Kind]map[string]string{
	GitHub: {
		"/api/v3/repos/o/r/pulls/7/reviews?per_page=100&page=1": `[
		  {"id":1,"user":{"login":"bob","type":"User"},"state":"APPROVED","commit_id":"c1","submitted_at":"2026-01-02T03:01:00Z","author_association":"MEMBER"},
		  {"id":2,"user":{"login":"eve","type":"User"},"state":"APPROVED","commit_id":"c2","submitted_at":"2026-01-02T03:02:00Z","author_association":"CONTRIBUTOR"},
		  {"id":3,"user":{"login":"carol","type":"User"},"state":"CHANGES_REQUESTED","commit_id":"c2","submitted_at":"2026-01-02T03:03:00Z","author_association":"COLLABORATOR"},
		  {"id":4,"user":{"login":"robot[bot]","type":"Bot"},"state":"APPROVED","commit_id":null,"submitted_at":"2026-01-02T03:04:00Z","author_association":"NONE"},
		  {"id":5,"user":null,"state":"DISMISSED","commit_id":"c2","submitted_at":"2026-01-02T03:05:00Z","author_association":"OWNER"},
		  {"id":6,"user":{"login":"bob","type":"User"},"state":"COMMENTED","commit_id":"c2","submitted_at":"2026-01-02T03:06:00Z","author_association":"MEMBER"},
		  {"id":7,"user":{"login":"bob","type":"User"},"state":"PENDING","commit_id":"c2","author_association":"MEMBER"}]`,
		"/api/v3/repos/o/r/pulls/7/commits?per_page=100&page=1": `[
		  {"sha":"c1","author":{"login":"ada"},"committer":{"login":"web-flow"},"parents":[{"sha":"p"}],
		   "commit":{"message":"one","author":{"name":"Ada","email":"ada@example.com"},"committer":{"name":"GitHub","email":"noreply@github.com"}}},
		  {"sha":"c2","author":null,"committer":null,"parents":[{"sha":"c1"},{"sha":"x"}],
		   "commit":{"message":"two","author":{"name":"?","email":"who@example.com"},"committer":null}}]`,
		"/api/v3/repos/o/r/issues/7/events?per_page=100&page=1": `[
		  {"event":"labeled","actor":{"login":"dave","type":"User"},"created_at":"2026-01-02T03:07:00Z","label":{"name":"Exempt"}},
		  {"event":"labeled","actor":{"login":"ada","type":"User"},"created_at":"2026-01-02T03:08:00Z","label":{"name":"other"}},
		  {"event":"unlabeled","actor":null,"created_at":"2026-01-02T03:09:00Z","label":{"name":"exempt"}},
		  {"event":"merged","actor":{"login":"ada"},"created_at":"2026-01-02T03:10:00Z"}]`,
	},
	Gitea: {
		"/api/v1/repos/o/r/pulls/7/reviews?limit=50&page=1": `[
		  {"id":1,"user":{"id":2,"login":"bob","email":"bob@example.com"},"state":"APPROVED","commit_id":"c1","submitted_at":"2026-01-02T03:01:00Z","official":true,"dismissed":false,"stale":true},
		  {"id":2,"user":{"id":3,"login":"eve"},"state":"APPROVED","commit_id":"c2","submitted_at":"2026-01-02T03:02:00Z","official":false},
		  {"id":3,"user":{"id":4,"login":"carol"},"state":"REQUEST_CHANGES","commit_id":"c2","submitted_at":"2026-01-02T03:03:00Z","official":true,"comments_count":1},
		  {"id":4,"user":{"id":-2,"login":"gitea-actions"},"state":"APPROVED","commit_id":"","submitted_at":"2026-01-02T03:04:00Z"},
		  {"id":5,"user":{"id":-1,"login":"Ghost"},"state":"APPROVED","commit_id":"c2","submitted_at":"2026-01-02T03:05:00Z","official":true,"dismissed":true},
		  {"id":6,"user":{"id":2,"login":"bob","email":"bob@example.com"},"state":"COMMENT","commit_id":"c2","submitted_at":"2026-01-02T03:06:00Z"},
		  {"id":7,"user":null,"team":{"name":"t"},"state":"REQUEST_REVIEW","submitted_at":"2026-01-02T03:00:00Z"}]`,
		"/api/v1/repos/o/r/pulls/7/commits?files=false&verification=false&limit=50&page=1": `[
		  {"sha":"c2","author":null,"committer":null,"parents":[{"sha":"c1"},{"sha":"x"}],
		   "commit":{"message":"two","author":{"name":"?","email":"who@example.com"},"committer":null}},
		  {"sha":"c1","author":{"login":"ada"},"committer":{"login":"web-flow"},"parents":[{"sha":"p"}],
		   "commit":{"message":"one","author":{"name":"Ada","email":"ada@example.com"},"committer":{"name":"GitHub","email":"noreply@github.com"}}}]`,
		"/api/v1/repos/o/r/issues/7/timeline?limit=50&page=1": `[
		  {"type":"pull_push","user":{"id":1,"login":"ada"},"body":"{}","created_at":"2026-01-02T03:00:00Z"},
		  {"type":"label","user":{"id":5,"login":"dave"},"body":"1","created_at":"2026-01-02T03:07:00Z","label":{"name":"Exempt"}},
		  {"type":"label","user":{"id":1,"login":"ada"},"body":"1","created_at":"2026-01-02T03:08:00Z","label":{"name":"other"}},
		  {"type":"label","user":{"id":-1,"login":"Ghost"},"body":"","created_at":"2026-01-02T03:09:00Z","label":{"name":"exempt"}},
		  {"type":"label","user":{"id":1,"login":"ada"},"body":"1","created_at":"2026-01-02T03:10:00Z","label":null}]`,
		"/api/v1/repos/o/r/issues/7/timeline?limit=50&page=2": `null`,
	},
	GitLab: {
		"/api/v4/projects/o%2Fr/merge_requests/7/notes?sort=asc&order_by=created_at&per_page=100&page=1": `[
		  {"system":true,"body":"added 1 commit\n\n<ul><li>c2 - two</li></ul>","author":{"id":1,"username":"ada"},"created_at":"2026-01-02T03:01:30Z"},
		  {"system":false,"body":"added 1 commit","author":{"id":9,"username":"liar"},"created_at":"2026-01-02T03:01:40Z"},
		  {"system":false,"body":"approved this merge request","author":{"id":9,"username":"eve"},"created_at":"2026-01-02T03:59:00Z"},
		  {"system":true,"body":"approved this merge request","author":{"id":3,"username":"eve"},"created_at":"2026-01-02T03:02:00Z"},
		  {"system":true,"body":"changed the description","author":{"id":3,"username":"eve"},"created_at":"2026-01-02T03:02:00Z"}]`,
		"/api/v4/projects/o%2Fr/merge_requests/7/approvals": `{"approved_by":[
		  {"user":{"id":2,"username":"bob"},"approved_at":"2026-01-02T03:01:00.000Z"},
		  {"user":{"id":3,"username":"eve"}},
		  {"user":{"id":6,"username":"project_12_bot_3a4f"},"approved_at":"2026-01-02T02:00:00.000Z"},
		  {"user":{"id":7,"username":"never"}}]}`,
		"/api/v4/projects/o%2Fr/merge_requests/7/versions?per_page=100&page=1": `[
		  {"head_commit_sha":"c2","created_at":"2026-01-02T03:01:30.000Z"},{"head_commit_sha":"c1","created_at":"2026-01-02T03:00:30.000Z"}]`,
		"/api/v4/projects/o%2Fr/merge_requests/7/reviewers?per_page=100&page=1": `[
		  {"user":{"id":4,"username":"carol"},"state":"requested_changes"},{"user":{"id":2,"username":"bob"},"state":"approved"}]`,
		"/api/v4/projects/o%2Fr/merge_requests/7/commits?per_page=100&page=1": `[
		  {"id":"c2","parent_ids":["c1","x"],"message":"two","author_email":"who@example.com","committer_email":"who@example.com"},
		  {"id":"c1","parent_ids":["p"],"message":"one","author_email":"ada@example.com","committer_email":"ada@example.com"}]`,
		"/api/v4/projects/o%2Fr/merge_requests/7/resource_label_events?per_page=100&page=1": `[
		  {"user":{"id":5,"username":"dave"},"created_at":"2026-01-02T03:07:00.000Z","action":"add","label":{"name":"Exempt"}},
		  {"user":{"id":1,"username":"ada"},"created_at":"2026-01-02T03:08:00.000Z","action":"add","label":{"name":"other"}},
		  {"user":{"id":9,"username":"ghost"},"created_at":"2026-01-02T03:09:00.000Z","action":"remove","label":{"name":"exempt"}},
		  {"user":null,"created_at":"2026-01-02T03:10:00.000Z","action":"add","label":null}]`,
		"/api/v4/users/2": `{"id":2,"username":"bob","public_email":"bob@example.com"}`,
		"/api/v4/users/3": `{"id":3,"username":"eve","public_email":""}`,
		"/api/v4/users/6": `{"id":6,"username":"project_12_bot_3a4f"}`,
		"/api/v4/users/7": `{"id":7,"username":"never"}`,
	},
}

func who(login string, emails ...string) Account { return Account{Login: login, Emails: emails} }

var reviewsOf7 = map[Kind]ReviewHistory{
	GitHub: {
		Head: "h7",
		Commits: []PullCommit{
			{SHA: "c1", Parents: []string{"p"}, Author: who("ada", "ada@example.com"), Committer: who("web-flow", "noreply@github.com"), Message: "one"},
			{SHA: "c2", Parents: []string{"c1", "x"}, Author: who("", "who@example.com"), Message: "two"},
		},
		Reviews: []Review{
			{Reviewer: who("bob"), State: ReviewApproved, Commit: "c1", Time: at(1), Member: true},
			{Reviewer: who("eve"), State: ReviewApproved, Commit: "c2", Time: at(2)},
			{Reviewer: who("carol"), State: ReviewChangesRequested, Commit: "c2", Time: at(3), Member: true},
			{Reviewer: Account{Login: "robot[bot]", Machine: true}, State: ReviewApproved, Time: at(4)},
			{State: ReviewDismissed, Commit: "c2", Time: at(5), Member: true},
			{Reviewer: who("bob"), State: ReviewComment, Commit: "c2", Time: at(6), Member: true},
			{Reviewer: who("bob"), State: ReviewComment, Commit: "c2", Member: true},
		},
		Labels: []LabelEvent{{Label: "Exempt", Actor: who("dave"), Added: true, Time: at(7)}, {Label: "exempt", Time: at(9)}},
	},
	Gitea: {
		Head: "c2",
		Commits: []PullCommit{
			{SHA: "c2", Parents: []string{"c1", "x"}, Author: who("", "who@example.com"), Message: "two"},
			{SHA: "c1", Parents: []string{"p"}, Author: who("ada", "ada@example.com"), Committer: who("web-flow", "noreply@github.com"), Message: "one"},
		},
		Reviews: []Review{
			{Reviewer: who("bob", "bob@example.com"), State: ReviewApproved, Commit: "c1", Time: at(1), Member: true},
			{Reviewer: who("eve"), State: ReviewApproved, Commit: "c2", Time: at(2)},
			{Reviewer: who("carol"), State: ReviewChangesRequested, Commit: "c2", Time: at(3), Member: true},
			{Reviewer: Account{Login: "gitea-actions", Machine: true}, State: ReviewApproved, Time: at(4)},
			{State: ReviewDismissed, Commit: "c2", Time: at(5), Member: true},
			{Reviewer: who("bob", "bob@example.com"), State: ReviewComment, Commit: "c2", Time: at(6)},
			{State: ReviewComment, Time: at(0)},
		},
		Pushers: []Account{who("ada")},
		Labels:  []LabelEvent{{Label: "Exempt", Actor: who("dave"), Added: true, Time: at(7)}, {Label: "exempt", Time: at(9)}},
	},
	GitLab: {
		Head: "h7",
		Commits: []PullCommit{
			{SHA: "c2", Parents: []string{"c1", "x"}, Author: who("", "who@example.com"), Committer: who("", "who@example.com"), Message: "two"},
			{SHA: "c1", Parents: []string{"p"}, Author: who("", "ada@example.com"), Committer: who("", "ada@example.com"), Message: "one"},
		},
		Reviews: []Review{
			{Reviewer: who("bob", "bob@example.com"), State: ReviewApproved, Commit: "c1", Time: at(1), Member: true},
			{Reviewer: who("eve"), State: ReviewApproved, Commit: "c2", Time: at(2), Member: true},
			{Reviewer: Account{Login: "project_12_bot_3a4f", Machine: true}, State: ReviewApproved, Time: at(0).Add(-time.Hour), Member: true},
			{Reviewer: who("never"), State: ReviewApproved, Member: true},
			{Reviewer: who("carol"), State: ReviewChangesRequested, Time: pr7.Updated, Member: true},
		},
		Pushers: []Account{who("ada")},
		Labels:  []LabelEvent{{Label: "Exempt", Actor: who("dave"), Added: true, Time: at(7)}, {Label: "exempt", Time: at(9)}},
	},
}

func TestReviewsOfThreeForges(t *testing.T) {
	for kind, bodies := range reviewBodies {
		t.Run(string(kind), func(t *testing.T) {
			for label, labelled := range map[string]bool{"EXEMPT": true, "not there": false, "": false} {
				asked := 0
				c := open(t, kind, func(w http.ResponseWriter, r *http.Request) {
					asked++
					address := r.URL.EscapedPath()
					if r.URL.RawQuery != "" {
						address += "?" + r.URL.RawQuery
					}
					body, ok := bodies[address]
					if !ok {
						t.Errorf("asked for %s", address)
						w.WriteHeader(http.StatusNotFound)
						return
					}
					if strings.Contains(address, "/reviews") {
						w.Header().Set("X-Total-Count", "7")
					}
					_, _ = w.Write([]byte(body))
				})
				pr := pr7
				pr.Labels = []string{"x", "Exempt"}
				got, err := c.Reviews(context.Background(), pr, label)
				if err != nil {
					t.Fatal(err)
				}
				want := reviewsOf7[kind]
				if !labelled {
					want.Labels = nil
					got.Labels = append([]LabelEvent(nil), got.Labels...)
				}
				if diff := cmp.Diff(&want, got); diff != "" {
					t.Errorf("label %q (-want +got):\n%s", label, diff)
				}
				requests := map[Kind]int{GitHub: 2, Gitea: 4, GitLab: 9}[kind]
				if labelled && kind != Gitea {
					requests++
				}
				if asked != requests {
					t.Errorf("label %q: %d requests, want %d", label, asked, requests)
				}
			}
		})
	}
}

// TestGitHubListsFewCommitsOfOnePullRequest: 250 at most, so the two ends are
// compared instead.
func TestGitHubListsFewCommitsOfOnePullRequest(t *testing.T) {
	commits := func(from, to int) string {
		var items []string
		for i := from; i < to; i++ {
			items = append(items, fmt.Sprintf(`{"sha":"c%d","author":{"login":"ada"},"commit":{"message":"m"}}`, i))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	c := open(t, GitHub, func(w http.ResponseWriter, r *http.Request) {
		next := func(more bool) {
			if more {
				w.Header().Set("Link", `<https://elsewhere.example/?page=2>; rel="next"`)
			}
		}
		page := r.URL.Query().Get("page")
		switch {
		case strings.HasSuffix(r.URL.Path, "/reviews"):
			_, _ = w.Write([]byte(`[]`))
		case strings.HasSuffix(r.URL.Path, "/commits"):
			next(page == "1")
			_, _ = w.Write([]byte(map[string]string{"1": commits(0, 100), "2": commits(100, 250)}[page]))
		case strings.HasSuffix(r.URL.Path, "/pulls/7"):
			_, _ = w.Write([]byte(`{"number":7,"base":{"sha":"b0"},"head":{"sha":"h7"}}`))
		case strings.HasSuffix(r.URL.Path, "/compare/b0...h7"):
			next(page == "1")
			_, _ = w.Write([]byte(`{"commits":` + map[string]string{"1": commits(0, 200), "2": commits(200, 300)}[page] + `}`))
		default:
			t.Errorf("asked for %s", r.URL)
		}
	})
	got, err := c.Reviews(context.Background(), pr7, "")
	if err != nil || len(got.Commits) != 300 || got.Commits[299].Author.Login != "ada" {
		t.Errorf("%d commits, %v", len(got.Commits), err)
	}
}

// TestGiteaHidesCommentsOnLines: they are missing from the pages that they are
// counted on, so that an empty page need not be the last.
func TestGiteaHidesCommentsOnLines(t *testing.T) {
	timeline := []string{`[{"type":"comment"},{"type":"comment"}]`, `null`, `null`, `[{"type":"pull_push","user":{"id":3,"login":"eve"}}]`, `null`, `null`, `null`}
	for comments, found := range map[int]int{0: 0, 4: 1, 5: 1} {
		c := open(t, Gitea, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Total-Count", "1")
			var page int
			_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
			switch {
			case strings.HasSuffix(r.URL.Path, "/reviews"):
				_, _ = fmt.Fprintf(w, `[{"state":"COMMENT","comments_count":%d}]`, comments)
			case strings.HasSuffix(r.URL.Path, "/timeline"):
				_, _ = w.Write([]byte(timeline[min(page, len(timeline))-1]))
			default:
				_, _ = w.Write([]byte(`[]`))
			}
		})
		got, err := c.Reviews(context.Background(), pr7, "")
		if err != nil || len(got.Pushers) != found {
			t.Errorf("%d comments: %+v, %v", comments, got, err)
		}
	}
}

func TestReviewsThatCannotBeReadAreErrors(t *testing.T) {
	for kind, bodies := range reviewBodies {
		for broken := range bodies {
			if strings.Contains(broken, "page=2") {
				continue
			}
			for name, answer := range map[string]struct {
				status int
				body   string
				is     error
			}{"not there": {404, "", ErrNotFound}, "forbidden": {403, "", ErrUnauthorized}, "not JSON": {200, "<html>", nil}, "of another shape": {200, `"x"`, nil}} {
				c := open(t, kind, func(w http.ResponseWriter, r *http.Request) {
					address := r.URL.EscapedPath()
					if r.URL.RawQuery != "" {
						address += "?" + r.URL.RawQuery
					}
					w.Header().Set("X-Total-Count", "7")
					if address == broken {
						w.WriteHeader(answer.status)
						_, _ = w.Write([]byte(answer.body))
						return
					}
					_, _ = w.Write([]byte(bodies[address]))
				})
				pr := pr7
				pr.Labels = []string{"exempt"}
				_, err := c.Reviews(context.Background(), pr, "exempt")
				if err == nil || answer.is != nil && !errors.Is(err, answer.is) || !strings.Contains(err.Error(), "pull request 7 of o/r") {
					t.Errorf("%s %s %s: %v", kind, broken, name, err)
				}
			}
		}
	}
}

// FuzzReviews: whatever a forge answers, there is a history or an error.
func FuzzReviews(f *testing.F) {
	for _, bodies := range reviewBodies {
		for _, body := range bodies {
			f.Add(body)
		}
	}
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") > "1" {
			_, _ = w.Write([]byte("[]"))
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, answer string) {
		body = answer
		for _, kind := range []Kind{GitHub, GitLab, Gitea} {
			c, err := Open(context.Background(), Options{URL: server.URL + "/o/r.git", Kind: kind, Wait: noWait})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Reviews(context.Background(), PullRequest{Number: 7, Labels: []string{"x"}}, "x"); (got == nil) == (err == nil) {
				t.Errorf("%s: %+v, %v", kind, got, err)
			}
		}
	})
}
