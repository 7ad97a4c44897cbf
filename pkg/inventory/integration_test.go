// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build integration

package inventory_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/forge/forgetest"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

func TestIntegrationInventoryOnGitea(t *testing.T) {
	ctx := context.Background()
	repo := forgetest.NewRepository(t, "inventory")
	repo.Branch("prod", "master")
	first := repo.Write("prod", "team/web", `{"version":"1"}`, "add web")
	second := repo.Write("prod", "api", `{"version":"1"}`, "add api")
	auth := inventory.Auth{Token: repo.Token}

	for _, dir := range []string{"", filepath.Join(t.TempDir(), "clone")} {
		clone, err := inventory.Clone(ctx, inventory.Options{URL: repo.CloneURL, Branch: "prod", Auth: auth, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		from, err := clone.Snapshot(ctx, first, inventory.SnapshotOptions{})
		if err != nil {
			t.Fatal(err)
		}
		to, err := clone.Snapshot(ctx, clone.Head(), inventory.SnapshotOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := inventory.Delta{From: first, To: second, Changed: []string{"api"}}
		if diff := cmp.Diff(want, inventory.Diff(from, to)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}

	t.Run("refusals", func(t *testing.T) {
		for name, c := range map[string]struct {
			o    inventory.Options
			want error
		}{
			"no credentials":  {inventory.Options{URL: repo.CloneURL, Branch: "prod"}, inventory.ErrAuth},
			"a wrong token":   {inventory.Options{URL: repo.CloneURL, Branch: "prod", Auth: inventory.Auth{Token: "wrong"}}, inventory.ErrAuth},
			"no such branch":  {inventory.Options{URL: repo.CloneURL, Branch: "staging", Auth: auth}, inventory.ErrBranchNotFound},
			"no such project": {inventory.Options{URL: strings.TrimSuffix(repo.CloneURL, ".git") + "-not.git", Branch: "prod", Auth: auth}, inventory.ErrRepositoryNotFound},
			"too large":       {inventory.Options{URL: repo.CloneURL, Branch: "prod", Auth: auth, MaxBytes: 100}, inventory.ErrTooLarge},
		} {
			if _, err := inventory.Clone(ctx, c.o); !errors.Is(err, c.want) || strings.Contains(err.Error(), repo.Token) {
				t.Errorf("%s: want %v, got %v", name, c.want, err)
			}
		}
	})

	t.Run("tags", func(t *testing.T) {
		clone, err := inventory.Clone(ctx, inventory.Options{URL: repo.CloneURL, Branch: "prod", Auth: auth})
		if err != nil {
			t.Fatal(err)
		}
		tags := func() map[string]string {
			return map[string]string{"prod_latest": repo.TagCommit("prod_latest"), "chg-a": repo.TagCommit("chg-a"), "chg-b": repo.TagCommit("chg-b")}
		}
		push := func(updates ...inventory.TagUpdate) error { t.Helper(); return clone.PushTags(ctx, updates...) }

		if err := push(inventory.TagUpdate{Name: "prod_latest", New: first}, inventory.TagUpdate{Name: "chg-a", New: first}); err != nil {
			t.Fatal(err)
		}
		if err := push(inventory.TagUpdate{Name: "prod_latest", New: second, Old: first}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"prod_latest": second, "chg-a": first, "chg-b": ""}
		if diff := cmp.Diff(want, tags()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		err = push(inventory.TagUpdate{Name: "chg-b", New: second}, inventory.TagUpdate{Name: "prod_latest", New: first, Old: first})
		if !errors.Is(err, inventory.ErrTagMoved) {
			t.Errorf("want ErrTagMoved, got %v", err)
		}
		if diff := cmp.Diff(want, tags()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		fresh, err := inventory.Clone(ctx, inventory.Options{URL: repo.CloneURL, Branch: "prod", Auth: auth})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fresh.ResolveTag("prod_latest"); err != nil || got != second {
			t.Errorf("want %s, got %s, %v", second, got, err)
		}
	})
}

// TestIntegrationATagThatMovesDuringThePushIsRefusedByTheServer: between reading the tags
// and the push somebody moves one; the git server itself must refuse, for all
// tags of the push.
func TestIntegrationATagThatMovesDuringThePushIsRefusedByTheServer(t *testing.T) {
	ctx := context.Background()
	repo := forgetest.NewRepository(t, "race")
	repo.Branch("prod", "master")
	first := repo.Write("prod", "web", `{"version":"1"}`, "add web")
	second := repo.Write("prod", "api", `{"version":"1"}`, "add api")
	third := repo.Write("prod", "db", `{"version":"1"}`, "add db")
	repo.Tag("prod_latest", first)

	target, err := url.Parse(repo.CloneURL)
	if err != nil {
		t.Fatal(err)
	}
	upstream := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			repo.DeleteTag("prod_latest")
			repo.Tag("prod_latest", second)
		}
		upstream.ServeHTTP(w, r)
	}))
	defer proxy.Close()

	clone, err := inventory.Clone(ctx, inventory.Options{URL: proxy.URL + target.Path, Branch: "prod", Auth: inventory.Auth{Token: repo.Token}})
	if err != nil {
		t.Fatal(err)
	}
	err = clone.PushTags(ctx, inventory.TagUpdate{Name: "prod_latest", New: third, Old: first}, inventory.TagUpdate{Name: "chg-a", New: third})
	if !errors.Is(err, inventory.ErrTagMoved) {
		t.Errorf("want ErrTagMoved, got %v", err)
	}
	if got := repo.TagCommit("prod_latest"); got != second {
		t.Errorf("the tag that moved is at %s, want %s", got, second)
	}
	if got := repo.TagCommit("chg-a"); got != "" {
		t.Errorf("the other tag was pushed: %s", got)
	}
}
