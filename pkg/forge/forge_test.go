// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCheckHTTPURL(t *testing.T) {
	for _, good := range []string{
		"https://github.com/o/r.git", "http://10.0.0.1:3000/o/r", "http://localhost/o/r", "http://gitea.forge.svc:3000/o/r.git",
		"http://gitea/o/r", "http://[::1]:80/o/r", "http://gitea.forge.svc.cluster.local/o/r", "http://[::ffff:10.0.0.1]/o/r",
	} {
		if _, err := CheckHTTPURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "-x", "o/r", "ssh://git@host/o/r", "git@host:o/r", "https://u:pass@host/o/r", "https://token@host/o/r", "https:///o/r",
		"http://example.com/o/r", "http://8.8.8.8/o/r", "https://host/o/r?x=y", "https://host/o/r#f", "https://host/o/\nr", "ext::sh -c x",
		"http://localhost.example.com/o/r", "http://10.0.0.1.example.com/o/r", "https://host/%zz", "http://[::ffff:8.8.8.8]/o/r",
	} {
		_, err := CheckHTTPURL(bad)
		if err == nil {
			t.Errorf("%q was accepted", bad)
		} else if strings.Contains(err.Error(), "pass") && !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "token@") {
			t.Errorf("%q leaks: %v", bad, err)
		}
	}
}

func TestGuessAndLocate(t *testing.T) {
	type place struct{ API, Repo string }
	for raw, c := range map[string]struct {
		kind Kind
		want place
	}{
		"https://github.com/o/r.git":                {GitHub, place{"https://api.github.com/", "o/r"}},
		"https://github.example.com/o/r":            {GitHub, place{"https://github.example.com/api/v3/", "o/r"}},
		"https://gitlab.com/g/sub/r.git":            {GitLab, place{"https://gitlab.com/api/v4/", "g/sub/r"}},
		"http://gitea.forge.svc:3000/o/r.git/":      {Gitea, place{"http://gitea.forge.svc:3000/api/v1/", "o/r"}},
		"https://forgejo.example.com/mounted/o/r":   {Gitea, place{"https://forgejo.example.com/mounted/api/v1/", "o/r"}},
		"https://codeberg.org/o/r":                  {Gitea, place{"https://codeberg.org/api/v1/", "o/r"}},
		"https://git.example.com/o/r":               {"", place{}},
		"https://github-to-gitlab.example.com/o/r":  {"", place{}},
		"https://gitlab.com/../r":                   {GitLab, place{}},
		"https://gitea.example.com/justone":         {Gitea, place{}},
		"https://github.com/too/many/parts":         {GitHub, place{}},
		"https://gitea.example.com/%2e%2e/admin/r":  {Gitea, place{}},
		"https://gitlab.example.com/group//r":       {GitLab, place{}},
		"https://gitea.example.com/o/..%2f..%2fr/x": {Gitea, place{}},
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		kind := GuessKind(u.Hostname())
		got := place{}
		if api, repo, err := locate(kind, u); err == nil {
			got = place{api.String(), repo}
		}
		if kind != c.kind {
			t.Errorf("%s: want %q, got %q", raw, c.kind, kind)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", raw, diff)
		}
	}
}

// The bodies follow the forges' API documentation, cut to what is read and what
// could be mistaken.
var bodies = map[Kind]struct{ listPath, list, onePath, one string }{
	GitHub: {
		"/api/v3/repos/o/r/pulls",
		`[{"number":7,"state":"closed","html_url":"https://h/o/r/pull/7","title":"T","body":"B","user":{"login":"ada"},"labels":[{"name":"x"},{"name":"y"}],
		   "merge_commit_sha":"m7","merged_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-03T00:00:00Z","base":{"ref":"prod","sha":"b"},"head":{"ref":"promote","sha":"h7"}},
		  {"number":6,"state":"closed","title":"not merged","body":null,"user":null,"merge_commit_sha":"trial","merged_at":null,"updated_at":"2026-01-02T00:00:00Z","base":{"ref":"prod"},"head":null},
		  {"number":5,"state":"closed","title":"other branch","merge_commit_sha":"m5","merged_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","base":{"ref":"main"}}]`,
		"/api/v3/repos/o/r/pulls/7",
		`{"number":7,"html_url":"https://h/o/r/pull/7","title":"T","body":"B","user":{"login":"ada"},"labels":[{"name":"x"},{"name":"y"}],"merged":true,
		  "merge_commit_sha":"m7","merged_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-03T00:00:00Z","base":{"ref":"prod"},"head":{"sha":"h7"}}`,
	},
	Gitea: {
		"/api/v1/repos/o/r/pulls",
		`[{"number":7,"state":"closed","html_url":"https://h/o/r/pull/7","title":"T","body":"B","user":{"login":"ada"},"labels":[{"name":"x"},{"name":"y"}],"merged":true,
		   "merge_commit_sha":"m7","merged_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-03T00:00:00Z","base":{"ref":"prod"},"head":{"sha":"h7"}},
		  {"number":6,"title":"","body":"","user":null,"labels":null,"merged":false,"merge_commit_sha":null,"merged_at":null,"updated_at":"2026-01-02T00:00:00Z","base":{"ref":"prod"},"head":null}]`,
		"/api/v1/repos/o/r/pulls/7",
		`{"number":7,"html_url":"https://h/o/r/pull/7","title":"T","body":"B","user":{"login":"ada"},"labels":[{"name":"x"},{"name":"y"}],"merged":true,
		  "merge_commit_sha":"m7","merged_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-03T00:00:00Z","base":{"ref":"prod"},"head":{"sha":"h7"}}`,
	},
	GitLab: {
		"/api/v4/projects/o%2Fr/merge_requests",
		`[{"iid":7,"id":99,"state":"merged","web_url":"https://h/o/r/pull/7","title":"T","description":"B","author":{"username":"ada"},"labels":["x","y"],
		   "merge_commit_sha":"m7","squash_commit_sha":"s7","sha":"h7","merged_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-03T00:00:00Z","target_branch":"prod"}]`,
		"/api/v4/projects/o%2Fr/merge_requests/7",
		`{"iid":7,"state":"merged","web_url":"https://h/o/r/pull/7","title":"T","description":"B","author":{"username":"ada"},"labels":["x","y"],
		  "merge_commit_sha":"m7","squash_commit_sha":null,"sha":"h7","merged_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-03T00:00:00Z","target_branch":"prod"}`,
	},
}

var pr7 = PullRequest{
	Number: 7, URL: "https://h/o/r/pull/7", Title: "T", Body: "B", Author: "ada", Labels: []string{"x", "y"}, Base: "prod",
	HeadSHA: "h7", Merged: true, MergeCommit: "m7",
	MergedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Updated: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC),
}

func noWait(context.Context, time.Duration) error { return nil }

func open(t *testing.T, kind Kind, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := Open(context.Background(), Options{URL: server.URL + "/o/r.git", Kind: kind, Token: "s3cret", Wait: noWait})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func collect(c *Client) (out []PullRequest, err error) {
	for pr, e := range c.MergedPullRequests(context.Background(), "prod") {
		if e != nil {
			return out, e
		}
		out = append(out, pr)
	}
	return out, nil
}

func TestThreeForgesTellTheSame(t *testing.T) {
	for kind, b := range bodies {
		t.Run(string(kind), func(t *testing.T) {
			var auth string
			c := open(t, kind, func(w http.ResponseWriter, r *http.Request) {
				auth = r.Header.Get("Authorization")
				switch r.URL.EscapedPath() {
				case b.listPath:
					_, _ = w.Write([]byte(b.list))
				case b.onePath:
					_, _ = w.Write([]byte(b.one))
				default:
					t.Errorf("asked for %s", r.URL)
					w.WriteHeader(404)
				}
			})
			got, err := collect(c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]PullRequest{pr7}, got); diff != "" {
				t.Errorf("list (-want +got):\n%s", diff)
			}
			one, err := c.PullRequest(context.Background(), 7)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&pr7, one); diff != "" {
				t.Errorf("one (-want +got):\n%s", diff)
			}
			if want := map[Kind]string{GitHub: "Bearer s3cret", GitLab: "Bearer s3cret", Gitea: "token s3cret"}[kind]; auth != want {
				t.Errorf("want %q, got %q", want, auth)
			}
		})
	}
}

func TestGitLabMergeCommit(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"merge commit":               {`"merge_commit_sha":"m","squash_commit_sha":"s","sha":"h"`, "m"},
		"squashed and fast-forward":  {`"merge_commit_sha":null,"squash_commit_sha":"s","sha":"h"`, "s"},
		"fast-forward":               {`"merge_commit_sha":null,"squash_commit_sha":null,"sha":"h"`, "h"},
		"fast-forward, fields unset": {`"sha":"h"`, "h"},
	} {
		got, err := gitlabDialect{}.one([]byte(`{"iid":1,"state":"merged",` + c.body + `}`))
		if err != nil || got.MergeCommit != c.want {
			t.Errorf("%s: want %s, got %s, %v", name, c.want, got.MergeCommit, err)
		}
	}
}

// paged serves numbered pull requests, two to a page.
func paged(total int, asked *int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*asked++
		var page int
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
		var items []string
		for n := (page-1)*2 + 1; n <= min(page*2, total); n++ {
			items = append(items, fmt.Sprintf(`{"number":%d,"merge_commit_sha":"m","merged_at":"2026-01-02T03:04:05Z","base":{"ref":"prod"}}`, n))
		}
		if page*2 < total {
			w.Header().Set("Link", fmt.Sprintf(`<http://elsewhere.example/?page=%d>; rel="next", <http://elsewhere.example/?page=99>; rel="last"`, page+1))
		}
		_, _ = w.Write([]byte("[" + strings.Join(items, ",") + "]"))
	}
}

func TestPagesAreReadAsAskedFor(t *testing.T) {
	asked := 0
	c := open(t, Gitea, paged(5, &asked))
	got, err := collect(c)
	if err != nil || len(got) != 5 || asked != 3 {
		t.Errorf("got %d in %d requests, %v", len(got), asked, err)
	}
	asked = 0
	for pr, err := range c.MergedPullRequests(context.Background(), "prod") {
		if err != nil {
			t.Fatal(err)
		}
		if pr.Number == 2 {
			break
		}
	}
	if asked != 1 {
		t.Errorf("a caller that had enough caused %d requests", asked)
	}
	asked = 0
	c = open(t, Gitea, paged(100_000, &asked))
	if _, err := collect(c); err == nil || !strings.Contains(err.Error(), "gave up after 100 pages") || asked != MaxPages {
		t.Errorf("%d requests, %v", asked, err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	long := strings.Repeat("\x1b[31m", 100_000)
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		is     error
		want   string
	}{
		"a refused token":     {401, nil, long, ErrUnauthorized, "check key token"},
		"a forbidden object":  {403, nil, long, ErrUnauthorized, "read access to pull requests"},
		"an unknown object":   {404, nil, long, ErrNotFound, "check the URL"},
		"a rate limit":        {429, nil, long, nil, "limits the rate"},
		"GitHub's rate limit": {403, http.Header{"X-Ratelimit-Remaining": {"0"}}, long, nil, "limits the rate"},
		"a broken server":     {500, nil, long, nil, "status 500"},
		"not JSON":            {200, nil, "<html>" + long, nil, "not what its API documents"},
		"another object":      {200, nil, `{"number":8}`, nil, "answered with pull request 8"},
		"no number":           {200, nil, `{}`, nil, "without a number"},
	} {
		t.Run(name, func(t *testing.T) {
			client := open(t, GitHub, func(w http.ResponseWriter, r *http.Request) {
				for k, v := range c.header {
					w.Header()[k] = v
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := client.PullRequest(context.Background(), 7)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("want an error with %q, got %v", c.want, err)
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 500 {
				t.Errorf("error leaks or is too long: %.300q", err)
			}
		})
	}
}

func TestABusyForgeIsAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int // status of each answer; after the last one 200
		after   string
		ok      bool
		tries   int
	}{
		"once":                           {[]int{503}, "", true, 2},
		"with Retry-After":               {[]int{429, 429}, "7", true, 3},
		"until it is enough":             {[]int{502, 502, 502, 502}, "", false, 4},
		"not if it asks for too long":    {[]int{429}, "3600", false, 1},
		"not if it refuses":              {[]int{401}, "", false, 1},
		"secondary limits of GitHub too": {[]int{403}, "1", true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			var waits []time.Duration
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tries++
				if tries <= len(c.answers) {
					if c.after != "" {
						w.Header().Set("Retry-After", c.after)
					}
					w.WriteHeader(c.answers[tries-1])
					return
				}
				_, _ = w.Write([]byte(bodies[GitHub].one))
			}))
			defer server.Close()
			client, err := Open(context.Background(), Options{URL: server.URL + "/o/r", Kind: GitHub, Wait: func(_ context.Context, d time.Duration) error {
				waits = append(waits, d)
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.PullRequest(context.Background(), 7)
			if (err == nil) != c.ok || tries != c.tries || len(waits) != tries-1 {
				t.Errorf("%d tries, waits %v, %v", tries, waits, err)
			}
			if c.after == "7" && (len(waits) == 0 || waits[0] != 7*time.Second) {
				t.Errorf("Retry-After was not honoured: %v", waits)
			}
			for _, d := range waits {
				if d > MaxWait {
					t.Errorf("waited %s", d)
				}
			}
		})
	}
}

func TestRetryAfterMayBeADate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got, ok := retryAfter(http.Header{"Retry-After": {now.Add(9 * time.Second).Format(http.TimeFormat)}}, now)
	if !ok || got != 9*time.Second {
		t.Errorf("got %s, %v", got, ok)
	}
	if _, ok := retryAfter(http.Header{"Retry-After": {"soon"}}, now); ok {
		t.Error("nonsense was read")
	}
}

func TestTheTokenGoesToItsHostOnly(t *testing.T) {
	var stolen []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen = append(stolen, r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(bodies[Gitea].one))
	}))
	defer other.Close()
	c := open(t, Gitea, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	if _, err := c.PullRequest(context.Background(), 7); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{""}, stolen); diff != "" {
		t.Errorf("the other host was sent (-want +got):\n%s", diff)
	}
	loops := 0
	c = open(t, Gitea, func(w http.ResponseWriter, r *http.Request) {
		loops++
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
	})
	if _, err := c.PullRequest(context.Background(), 7); err == nil || loops > 10 {
		t.Errorf("%d redirects, %v", loops, err)
	}
}

func TestALongAnswerIsNotTakenForAWholeOne(t *testing.T) {
	c := open(t, Gitea, func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range MaxResponse>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	if _, err := c.PullRequest(context.Background(), 7); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("want an error about the length, got %v", err)
	}
}

func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    Kind
	}{
		"Gitea tells its version": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/v1/version" {
				_, _ = w.Write([]byte(`{"version":"1.26.0"}`))
				return
			}
			w.WriteHeader(404)
		}, Gitea},
		"GitLab marks even its refusals": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/api/v4/") {
				w.Header().Set("X-Gitlab-Meta", `{"version":"1"}`)
				w.WriteHeader(401)
				return
			}
			w.WriteHeader(404)
		}, GitLab},
		"GitHub marks its answers": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/api/v3/") {
				w.Header().Set("X-Github-Request-Id", "1")
				return
			}
			w.WriteHeader(404)
		}, GitHub},
		"something else says nothing": {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					t.Error("the token was sent to a host that may be anything")
				}
				c.handler(w, r)
			}))
			defer server.Close()
			client, err := Open(context.Background(), Options{URL: server.URL + "/o/r.git", Token: "s3cret", Wait: noWait})
			if c.want == "" {
				if err == nil || !strings.Contains(err.Error(), "github, gitlab or gitea") {
					t.Errorf("want an error that names the forges, got %v", err)
				}
				return
			}
			if err != nil || client.Kind != c.want {
				t.Errorf("want %s, got %+v, %v", c.want, client, err)
			}
		})
	}
}
