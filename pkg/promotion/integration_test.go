// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build integration

package promotion_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/forge/forgetest"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/promotion"
)

// TestIntegrationFindOnGitea promotes once with each way to merge that Gitea has, and each
// time the pull request just merged is the one that is found.
func TestIntegrationFindOnGitea(t *testing.T) {
	ctx := context.Background()
	repo := forgetest.NewRepository(t, "find")
	repo.Branch("prod", "master")
	root := repo.Head("prod")

	f, err := forge.Open(ctx, forge.Options{URL: repo.CloneURL, Token: repo.Token})
	if err != nil {
		t.Fatal(err)
	}
	if f.Kind != forge.Gitea {
		t.Fatalf("the server was taken for %s", f.Kind)
	}
	find := func() (*promotion.Found, *inventory.Repository, error) {
		t.Helper()
		clone, err := inventory.Clone(ctx, inventory.Options{URL: repo.CloneURL, Branch: "prod", Auth: inventory.Auth{Token: repo.Token}})
		if err != nil {
			t.Fatal(err)
		}
		history, err := clone.History(ctx, clone.Head())
		if err != nil {
			t.Fatal(err)
		}
		concluded, err := clone.History(ctx, root)
		if err != nil {
			t.Fatal(err)
		}
		found, err := promotion.Find(ctx, f, promotion.Query{Branch: "prod", Commit: clone.Head(), History: history, Concluded: concluded})
		return found, clone, err
	}

	if _, _, err := find(); !errors.Is(err, promotion.ErrNoPromotion) {
		t.Fatalf("before any promotion: want ErrNoPromotion, got %v", err)
	}

	var merged []int
	for i, style := range []string{"merge", "squash", "rebase", "rebase-merge", "fast-forward-only"} {
		t.Run(style, func(t *testing.T) {
			head := "promote-" + style
			repo.Branch(head, "prod")
			if style == "rebase" || style == "rebase-merge" {
				// Something to rebase onto.
				repo.Write("prod", "direct/"+style, `{"version":"1"}`, "pushed directly")
			}
			repo.Write(head, "apps/"+style, `{"version":"1"}`, "first "+style)
			repo.Write(head, "apps/"+style+"-too", `{"version":"1"}`, "second "+style)
			body := promotion.Fill(map[promotion.Tag]string{
				promotion.TagPriority: "Moderate", promotion.TagAssignedTo: "ada@example.com", promotion.TagCustomerImpact: "Low",
				promotion.TagDeploymentImpact: "Small", promotion.TagDescription: "by " + style + " $(params.x) `id` \u202e",
			})
			number := repo.Open(head, "prod", "promote master to prod "+style, strings.ReplaceAll(body, "\n", "\r\n"))
			repo.Merge(number, style)
			merged = append([]int{number}, merged...)
			if i > 0 {
				// An old one that is talked about is not the last merged.
				repo.Comment(merged[len(merged)-1], "a late comment")
			}

			found, clone, err := find()
			if err != nil {
				t.Fatal(err)
			}
			if found.PR.Number != number || found.PR.MergeCommit != clone.Head() || found.CommitsAfter != 0 {
				t.Errorf("want %d merged as %s, got %d as %s, %d after", number, clone.Head(), found.PR.Number, found.PR.MergeCommit, found.CommitsAfter)
			}
			var contained []int
			for _, pr := range found.Contained {
				contained = append(contained, pr.Number)
			}
			if diff := cmp.Diff(merged, contained); diff != "" {
				t.Errorf("contained (-want +got):\n%s", diff)
			}
			fields, problems := promotion.Validate(promotion.Parse(found.PR.Body), promotion.Params{
				EnvironmentPurpose: "production", EnvironmentDetail: "test", OutageDuration: "none", ChangeDuration: "30", Link: found.PR.URL,
			})
			if len(problems) > 0 {
				t.Error(problems)
			}
			if want := "by " + style + " $(params.x) `id` \\u202e"; fields.Description != want {
				t.Errorf("want %q, got %q", want, fields.Description)
			}
			if found.PR.Author == "" || found.PR.MergedAt.IsZero() || !strings.HasPrefix(found.PR.URL, "http") {
				t.Errorf("incomplete: %+v", found.PR)
			}
		})
	}

	t.Run("a direct push afterwards", func(t *testing.T) {
		repo.Write("prod", "direct/last", `{"version":"1"}`, "pushed directly")
		found, _, err := find()
		if err != nil || found.PR.Number != merged[0] || found.CommitsAfter != 1 {
			t.Errorf("want %d with one commit after, got %+v, %v", merged[0], found, err)
		}
	})
}

// TestIntegrationFindReadsPages: the last merged is found behind more pull requests than a
// page holds.
func TestIntegrationFindReadsPages(t *testing.T) {
	ctx := context.Background()
	repo := forgetest.NewRepository(t, "pages")
	repo.Branch("prod", "master")
	repo.Branch("promote", "prod")
	repo.Write("promote", "app", `{"version":"1"}`, "promote")
	number := repo.Open("promote", "prod", "promote master to prod", promotion.Template())
	repo.Merge(number, "merge")
	want := repo.Head("prod")
	for i := range 3 {
		branch := fmt.Sprint("other-", i)
		repo.Branch(branch, "master")
		repo.Write(branch, fmt.Sprint("other/", i), `{}`, "other")
		repo.Merge(repo.Open(branch, "master", branch, ""), "squash")
	}
	f, err := forge.Open(ctx, forge.Options{URL: repo.CloneURL, Kind: forge.Gitea, Token: repo.Token, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	clone, err := inventory.Clone(ctx, inventory.Options{URL: repo.CloneURL, Branch: "prod", Auth: inventory.Auth{Token: repo.Token}})
	if err != nil {
		t.Fatal(err)
	}
	history, err := clone.History(ctx, clone.Head())
	if err != nil {
		t.Fatal(err)
	}
	found, err := promotion.Find(ctx, f, promotion.Query{Branch: "prod", Commit: clone.Head(), History: history})
	if err != nil || found.PR.Number != number || found.PR.MergeCommit != want {
		t.Errorf("want %d as %s, got %+v, %v", number, want, found, err)
	}
}
