// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

func description() Description {
	subjects := []v1alpha1.Subject{
		{Name: "web", Action: "deploy", Version: "1.2.3", Digest: "sha256:" + strings.Repeat("a", 64)},
		{Name: "team/api", Action: "deploy"},
		{Name: "old", Action: "delete"},
	}
	log := []inventory.Commit{
		{SHA: strings.Repeat("1", 40), Author: "Ada", Subject: "promote `web` @everyone <img src=x onerror=alert(1)>", Entries: []string{"team/api", "web"}},
		{SHA: strings.Repeat("2", 40), Author: "Mallory\u202e", Subject: "fixes #1 [x](javascript:y) $(params.x)", Entries: []string{"old", "other"}},
	}
	return Description{
		Text:         "What we do:\n\n```\n@channel <script>\x1b[2J\n",
		InventoryURL: "https://forge.example/o/inventory.git", From: strings.Repeat("3", 40), To: strings.Repeat("1", 40),
		Entries: ByEntry(subjects, log), LogCut: true,
		PullRequests: []forge.PullRequest{
			{URL: "https://forge.example/o/inventory/pulls/7", Title: "promote master to prod", Author: "ada"},
			{URL: "javascript:alert(1)", Title: "``two`` | ticks`", Author: ""},
		},
		MorePullRequests: true,
		Results: []v1alpha1.CheckResult{
			{Asset: "docker://web@sha256:a", Check: "com.ibm.unit_tests", Tool: "jest", Result: "success", Reason: "passed"},
			{Asset: "docker://web@sha256:a", Check: "com.ibm.code_vulnerability_scan", Result: "failure", Reason: "3 findings"},
		},
	}
}

func TestDescribe(t *testing.T) {
	golden(t, "testdata/description.md", Describe(description()))
	golden(t, "testdata/description-empty.md", Describe(Description{To: strings.Repeat("1", 40)}))
}

func TestDescribeIsBounded(t *testing.T) {
	d := description()
	for _, text := range []string{strings.Repeat("\x1b", 1<<20), strings.Repeat("`", 1<<20), strings.Repeat("a\n", 1<<19), strings.Repeat("é", 1<<19)} {
		d.Text = text
		d.Entries, d.PullRequests, d.Results = nil, nil, nil
		for i := range 1000 {
			name := fmt.Sprint("app-", i, text[:100])
			e := EntryChange{Subject: v1alpha1.Subject{Name: name, Action: "deploy"}}
			for range 20 {
				e.Commits = append(e.Commits, inventory.Commit{SHA: strings.Repeat("1", 40), Subject: text[:1000]})
			}
			d.Entries = append(d.Entries, e)
			d.PullRequests = append(d.PullRequests, forge.PullRequest{Title: name})
			d.Results = append(d.Results, v1alpha1.CheckResult{Asset: name, Check: "x", Result: "missing"})
		}
		got := Describe(d)
		if len(got) > MaxDescription {
			t.Errorf("%d bytes", len(got))
		}
		if strings.Count(got, "… cut here: ") != 4 || !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b") {
			t.Errorf("%d cuts, valid %v", strings.Count(got, "… cut here: "), utf8.ValidString(got))
		}
	}
}

func TestSummary(t *testing.T) {
	prod, eu := v1alpha1.Target{Environment: "prod"}, v1alpha1.Target{Environment: "prod", Region: "eu-de"}
	deploy := func(name, version string) v1alpha1.Subject {
		return v1alpha1.Subject{Name: name, Version: version, Action: "deploy"}
	}
	gone := v1alpha1.Subject{Name: "old", Action: "delete"}
	for want, c := range map[string]struct {
		target   v1alpha1.Target
		subjects []v1alpha1.Subject
	}{
		"Deploy web 1.2.3 to prod":                      {prod, []v1alpha1.Subject{deploy("web", "1.2.3")}},
		"Deploy web to prod in eu-de":                   {eu, []v1alpha1.Subject{deploy("web", "")}},
		"Deploy web 1 and 2 more to prod, delete 1":     {prod, []v1alpha1.Subject{deploy("web", "1"), deploy("api", "1"), gone, deploy("db", "1")}},
		"Delete old from prod":                          {prod, []v1alpha1.Subject{gone}},
		`Deploy a \u202eb $(params.x) to prod in eu-de`: {eu, []v1alpha1.Subject{deploy("a\n\u202eb", "$(params.x)")}},
	} {
		if got := Summary(c.target, c.subjects); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	for _, long := range []string{strings.Repeat("x", 1000), strings.Repeat("é", 1000), strings.Repeat("\x1b", 1000)} {
		got := Summary(v1alpha1.Target{Environment: long, Region: long}, []v1alpha1.Subject{deploy(long, long), deploy(long, long), gone})
		if len(got) > MaxSummary || !utf8.ValidString(got) || !strings.HasPrefix(got, "Deploy ") {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	}
}
