// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"

	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

func TestCloneIntoAFolderEqualsCloneIntoMemory(t *testing.T) {
	b := newBuilder(t)
	first := b.commit("first", map[string]string{"app": `{"version":"1"}`})
	second := b.commit("second", map[string]string{"app": `{"version":"2"}`}, first)
	b.ref("refs/heads/prod", second)
	b.ref("refs/tags/prod_latest", first)

	dir := filepath.Join(t.TempDir(), "clone.git")
	for _, o := range []Options{{}, {Dir: dir}} {
		o.URL, o.Branch = b.url(), "prod"
		repo, err := Clone(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		latest, err := repo.ResolveTag("prod_latest")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{second, first}, []string{repo.Head(), latest}); diff != "" {
			t.Errorf("head and tag (-want +got):\n%s", diff)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		t.Error("the clone is not bare")
	}
	if _, err := Clone(context.Background(), Options{URL: b.url(), Branch: "prod", Dir: dir}); err == nil {
		t.Error("cloned into a folder that is not empty")
	}
}

func TestCloneRefusals(t *testing.T) {
	b := newBuilder(t)
	b.ref("refs/heads/prod", b.commit("first", map[string]string{"app": `{}`}))
	const long = "https://example.com/o/r.git"
	for name, c := range map[string]struct{ url, branch, want string }{
		"a branch that is an option":           {long, "--upload-pack=touch /tmp/x", "begins with '-'"},
		"a branch with a line break":           {long, "prod\nx", "not a name that git allows"},
		"a branch with a bidi control":         {long, "prod\u202e", "not a name that git allows"},
		"a branch that climbs":                 {long, "../../x", "not a name that git allows"},
		"no branch":                            {long, "", "empty"},
		"a URL that is an option":              {"--upload-pack=x", "prod", "begins with '-'"},
		"a helper that runs commands":          {"ext::sh -c touch%20/tmp/x", "prod", "spaces"},
		"a helper without spaces":              {"ext::sh", "prod", `scheme "ext"`},
		"a descriptor helper":                  {"fd::17", "prod", `scheme "fd"`},
		"the git protocol":                     {"git://example.com/o/r.git", "prod", `scheme "git"`},
		"ssh":                                  {"ssh://git@example.com/o/r.git", "prod", "uses ssh"},
		"ssh in short form":                    {"git@example.com:o/r.git", "prod", "uses ssh"},
		"a password in the URL":                {"https://u:hunter2@example.com/o/r.git", "prod", "user name or password"},
		"plain http to a public host":          {"http://example.com/o/r.git", "prod", "use https"},
		"a file URL with a host":               {"file://host/x", "prod", "file:///absolute/path"},
		"a file URL with control characters":   {"file:///tmp/\x1b[31m", "prod", "control characters"},
		"a local path that is not there":       {"file:///nowhere/at/all", "prod", "repository not found"},
		"a branch that is not there":           {b.url(), "staging", `has no such branch; it has "prod"`},
		"a URL with a control character in it": {"https://example.com/\x00", "prod", "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Clone(context.Background(), Options{URL: c.url, Branch: c.branch})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("want an error with %q, got %v", c.want, err)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.ContainsAny(err.Error(), "\x00\x1b\n") {
				t.Errorf("error leaks: %q", err)
			}
		})
	}
}

func TestCloneTellsWhatTheServerSaid(t *testing.T) {
	server := func(status int, body string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return s
	}
	gone := server(200, "")
	goneURL := gone.URL
	gone.Close()
	for name, c := range map[string]struct {
		url  string
		auth Auth
		is   error
		want string
	}{
		"no credentials where some are wanted": {server(401, "").URL, Auth{}, ErrAuth, "none were given"},
		"a refused token":                      {server(401, "").URL, Auth{Token: "s3cret"}, ErrAuth, "refused the token"},
		"a forbidden repository":               {server(403, "").URL, Auth{Token: "s3cret"}, ErrAuth, "refused the token"},
		"an unknown repository":                {server(404, "").URL, Auth{Token: "s3cret"}, ErrRepositoryNotFound, "check the URL"},
		"a host that does not answer":          {goneURL, Auth{}, ErrUnreachable, "network policies"},
		"a host that nobody knows":             {"http://no-such-host.invalid.test", Auth{}, ErrUnreachable, "cluster's DNS"},
		"a failing server with much to say":    {server(500, strings.Repeat("\x1b[31m", 100_000)).URL, Auth{}, nil, "status 500"},
		"a CA that is none":                    {"https://127.0.0.1:1", Auth{CA: []byte("x")}, nil, "ca.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Clone(context.Background(), Options{URL: c.url + "/o/r.git", Branch: "prod", Auth: c.auth})
			if err == nil || (c.is != nil && !errors.Is(err, c.is)) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("want an error that is %v with %q, got %v", c.is, c.want, err)
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 2000 {
				t.Errorf("error leaks or is too long: %.200q", err)
			}
		})
	}
}

func TestCredentialsStayWithTheHostTheyAreFor(t *testing.T) {
	var stolen string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen = r.Header.Get("Authorization")
		w.WriteHeader(404)
	}))
	defer other.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.String(), http.StatusFound)
	}))
	defer first.Close()
	if _, err := Clone(context.Background(), Options{URL: first.URL + "/o/r.git", Branch: "prod", Auth: Auth{Token: "s3cret"}}); err == nil {
		t.Fatal("cloned from nothing")
	}
	if stolen != "" {
		t.Errorf("the other host was sent %q", stolen)
	}
}

func TestAServerThatSendsTooMuchIsLeft(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = w.Write([]byte("001e# service=git-upload-pack\n0000"))
		head := strings.Repeat("1", 40) + " HEAD\x00agent=x\n"
		_, _ = fmt.Fprintf(w, "%04x%s", len(head)+4, head)
		for i := 0; ; i++ {
			ref := fmt.Sprintf("%s refs/heads/b%d\n", strings.Repeat("1", 40), i)
			if _, err := fmt.Fprintf(w, "%04x%s", len(ref)+4, ref); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	_, err := Clone(context.Background(), Options{URL: s.URL + "/o/r.git", Branch: "prod", MaxBytes: 1 << 16})
	if !errors.Is(err, ErrTooLarge) {
		t.Fatalf("want ErrTooLarge, got %v", err)
	}
}

func TestTagName(t *testing.T) {
	for want, target := range map[string]v1alpha1.Target{
		"prod_latest":        {Environment: "prod"},
		"eu-de_prod_latest":  {Environment: "prod", Region: "eu-de"},
		"us_staging_latest":  {Environment: "staging", Region: "us"},
		"us_pre_prod_latest": {Environment: "pre_prod", Region: "us"},
	} {
		if got := TagName(target); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
}

func TestResolveTag(t *testing.T) {
	b := newBuilder(t)
	first := b.commit("first", map[string]string{"app": `{}`})
	b.ref("refs/tags/plain", first)
	b.annotate("annotated", first)
	b.ref("refs/tags/blob", b.object(plumbing.BlobObject, []byte("x")).String())
	repo := b.clone(first)
	for _, name := range []string{"plain", "annotated"} {
		if got, err := repo.ResolveTag(name); err != nil || got != first {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
	if _, err := repo.ResolveTag("none"); !errors.Is(err, ErrTagNotFound) {
		t.Errorf("want ErrTagNotFound, got %v", err)
	}
	for _, name := range []string{"blob", "-x", "", "a b", "a\x00"} {
		if _, err := repo.ResolveTag(name); err == nil || errors.Is(err, ErrTagNotFound) {
			t.Errorf("%q: want a refusal, got %v", name, err)
		}
	}
}

func TestPushTags(t *testing.T) {
	setUp := func(t *testing.T) (b *builder, repo *Repository, first, second, third string) {
		b = newBuilder(t)
		first = b.commit("first", map[string]string{"app": `{"version":"1"}`})
		second = b.commit("second", map[string]string{"app": `{"version":"2"}`}, first)
		third = b.commit("third", map[string]string{"app": `{"version":"3"}`}, second)
		b.ref("refs/tags/prod_latest", first)
		return b, b.clone(third), first, second, third
	}
	remoteTag := func(b *builder, name string) string {
		ref, err := b.store.Reference(plumbing.NewTagReferenceName(name))
		if err != nil {
			return ""
		}
		return ref.Hash().String()
	}
	ctx := context.Background()

	t.Run("moves a tag that is where it was and creates another", func(t *testing.T) {
		b, repo, first, _, third := setUp(t)
		err := repo.PushTags(ctx,
			TagUpdate{Name: "prod_latest", New: third, Old: first},
			TagUpdate{Name: "chg-abc", New: third})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{third, third}, []string{remoteTag(b, "prod_latest"), remoteTag(b, "chg-abc")}); diff != "" {
			t.Error(diff)
		}
		if got, _ := repo.ResolveTag("prod_latest"); got != third {
			t.Errorf("the clone still has %s", got)
		}
		// Again: nothing left to do.
		if err := repo.PushTags(ctx, TagUpdate{Name: "prod_latest", New: third, Old: first}); err != nil {
			t.Errorf("pushing again: %v", err)
		}
	})
	t.Run("moves a tag backwards", func(t *testing.T) {
		b, repo, first, _, third := setUp(t)
		b.ref("refs/tags/prod_latest", third)
		if err := repo.PushTags(ctx, TagUpdate{Name: "prod_latest", New: first, Old: third}); err != nil {
			t.Fatal(err)
		}
		if got := remoteTag(b, "prod_latest"); got != first {
			t.Errorf("tag is at %s", got)
		}
	})
	t.Run("refuses all if one was moved meanwhile", func(t *testing.T) {
		b, repo, first, second, third := setUp(t)
		b.ref("refs/tags/prod_latest", second)
		err := repo.PushTags(ctx,
			TagUpdate{Name: "chg-abc", New: third},
			TagUpdate{Name: "prod_latest", New: third, Old: first})
		if !errors.Is(err, ErrTagMoved) || !strings.Contains(err.Error(), second) {
			t.Errorf("want ErrTagMoved naming %s, got %v", second, err)
		}
		if got := remoteTag(b, "prod_latest") + remoteTag(b, "chg-abc"); got != second {
			t.Errorf("tags changed: %s", got)
		}
	})
	t.Run("refuses to create a tag that exists", func(t *testing.T) {
		_, repo, _, _, third := setUp(t)
		if err := repo.PushTags(ctx, TagUpdate{Name: "prod_latest", New: third}); !errors.Is(err, ErrTagMoved) {
			t.Errorf("want ErrTagMoved, got %v", err)
		}
	})
	t.Run("refuses to move a tag that is gone", func(t *testing.T) {
		_, repo, first, _, third := setUp(t)
		if err := repo.PushTags(ctx, TagUpdate{Name: "eu_prod_latest", New: third, Old: first}); !errors.Is(err, ErrTagMoved) {
			t.Errorf("want ErrTagMoved, got %v", err)
		}
	})
	t.Run("compares an annotated tag by its commit", func(t *testing.T) {
		b, _, first, _, third := setUp(t)
		b.annotate("prod_latest", first)
		repo := b.clone(third)
		if err := repo.PushTags(ctx, TagUpdate{Name: "prod_latest", New: third, Old: first}); err != nil {
			t.Fatal(err)
		}
		if got := remoteTag(b, "prod_latest"); got != third {
			t.Errorf("tag is at %s", got)
		}
	})
	t.Run("refuses names and commits that are none", func(t *testing.T) {
		_, repo, first, _, third := setUp(t)
		for _, u := range []TagUpdate{{Name: "-d", New: third}, {Name: "a..b", New: third}, {Name: "x", New: "HEAD"}, {Name: "x", New: third, Old: first[:7]}} {
			if err := repo.PushTags(ctx, u); err == nil {
				t.Errorf("%+v was accepted", u)
			}
		}
	})
}
