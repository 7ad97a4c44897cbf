// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

// MaxDescription is the longest extended description, in bytes: with the rest of
// a change request it fits into a Kubernetes object many times over.
const MaxDescription = 56 << 10

// MaxSummary is the longest summary, in bytes.
const MaxSummary = 256

// Bounds of the parts of a description, so that none crowds out another; they
// and the first part's lines together are less than MaxDescription.
const (
	maxTextBytes   = MaxText
	maxLogBytes    = 10 << 10
	maxPRBytes     = 6 << 10
	maxResultBytes = 10 << 10
	maxLine        = 200
	maxEntryLog    = 10
)

// Description is what an extended description is made of. Zero values leave
// their part out or say that there is nothing.
type Description struct {
	// Text is the author's own, from the pull request.
	Text string
	// InventoryURL, From and To are the inventory's range; From is empty for a
	// first deployment.
	InventoryURL string
	From, To     string
	// Entries that are deployed or deleted.
	Entries []EntryChange
	// LogCut is true if older commits were left out of the change log.
	LogCut bool
	// PullRequests that the change contains, the newest first; MorePullRequests
	// is true if there were others.
	PullRequests     []forge.PullRequest
	MorePullRequests bool
	// Results are the test and scan results of the entries.
	Results []v1alpha1.CheckResult
}

// EntryChange is one entry with the inventory's commits that changed it.
type EntryChange struct {
	Subject v1alpha1.Subject
	// Commits, the newest first.
	Commits []inventory.Commit
}

// ByEntry gives each subject the commits of a change log that touched it.
func ByEntry(subjects []v1alpha1.Subject, log []inventory.Commit) []EntryChange {
	touched := map[string][]inventory.Commit{}
	for _, c := range log {
		for _, name := range c.Entries {
			touched[name] = append(touched[name], c)
		}
	}
	out := make([]EntryChange, 0, len(subjects))
	for _, s := range subjects {
		out = append(out, EntryChange{Subject: s, Commits: touched[s.Name]})
	}
	return out
}

// Describe writes the extended description in Markdown: the author's text, then
// the inventory commit, the change log of each entry, the pull requests, and the
// test and scan results. The same input gives the same text.
//
// Everything that comes from people is written as code, with what is invisible
// made visible, so that no forge, ticket system or terminal interprets it. Parts
// that are too long are cut, and a line says how much is missing.
func Describe(d Description) string {
	var parts []string
	if text := strings.TrimSpace(d.Text); text != "" {
		parts = append(parts, block(text, maxTextBytes))
	}
	parts = append(parts,
		part("INVENTORY COMMIT", commitLines(d), maxLogBytes),
		part("CHANGE LOG", logLines(d), maxLogBytes),
		part("PULL REQUESTS", prLines(d), maxPRBytes),
		part("TEST AND SCAN RESULTS", resultLines(d.Results), maxResultBytes))
	return strings.Join(parts, "\n\n")
}

// part writes a part with as many of its lines as fit.
func part(title string, lines []string, most int) string {
	var out strings.Builder
	out.WriteString("### " + title + "\n")
	if len(lines) == 0 {
		lines = []string{"none"}
	}
	for i, line := range lines {
		if out.Len()+len(line) > most {
			fmt.Fprintf(&out, "\n… cut here: %d of %d lines are missing", len(lines)-i, len(lines))
			break
		}
		out.WriteString("\n" + line)
	}
	return out.String()
}

func commitLines(d Description) []string {
	lines := []string{"- inventory: " + link(d.InventoryURL), "- commit: " + code(d.To, 64)}
	if d.From == "" {
		return append(lines, "- concluded before: nothing, this is the target's first deployment")
	}
	return append(lines, "- concluded before: "+code(d.From, 64))
}

func logLines(d Description) []string {
	var lines []string
	for _, e := range d.Entries {
		line := "- " + e.Subject.Action + " " + code(e.Subject.Name, maxLine)
		if e.Subject.Version != "" {
			line += " version " + code(e.Subject.Version, maxLine)
		}
		if e.Subject.Digest != "" {
			line += " " + code(e.Subject.Digest, 71)
		}
		lines = append(lines, line)
		for i, c := range e.Commits {
			if i == maxEntryLog {
				lines = append(lines, fmt.Sprintf("  - … and %d older commits", len(e.Commits)-i))
				break
			}
			lines = append(lines, fmt.Sprintf("  - %s - %s by %s", code(short(c.SHA), 12), code(c.Subject, maxLine), code(c.Author, 100)))
		}
	}
	if d.LogCut {
		lines = append(lines, "- … older commits of the inventory were not read")
	}
	return lines
}

func prLines(d Description) []string {
	var lines []string
	for _, pr := range d.PullRequests {
		lines = append(lines, fmt.Sprintf("- %s - (%s) by %s", link(pr.URL), code(pr.Title, maxLine), code(pr.Author, 100)))
	}
	if d.MorePullRequests {
		lines = append(lines, "- … and older ones")
	}
	return lines
}

// resultLines lists what blocks first.
func resultLines(results []v1alpha1.CheckResult) []string {
	sorted := slices.Clone(results)
	slices.SortStableFunc(sorted, func(a, b v1alpha1.CheckResult) int {
		rank := func(r v1alpha1.CheckResult) int {
			if r.Result == "success" {
				return 1
			}
			return 0
		}
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return slices.Compare([]string{a.Entry, a.Asset, a.Check, a.Tool}, []string{b.Entry, b.Asset, b.Check, b.Tool})
	})
	lines := make([]string, 0, len(sorted))
	for _, r := range sorted {
		line := fmt.Sprintf("- %s: %s, asset %s", code(r.Check, maxLine), code(r.Result, 20), code(r.Asset, 300))
		if r.Tool != "" {
			line += ", tool " + code(r.Tool, 100)
		}
		if r.Reason != "" {
			line += ": " + code(r.Reason, maxLine)
		}
		lines = append(lines, line)
	}
	return lines
}

// link writes a web address as an autolink if it is a plain one, else as code.
func link(s string) string {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || len(s) > 500 ||
		plaintext.Line(s) != s || strings.ContainsAny(s, "<>` \\@\"'") {
		return code(s, 300)
	}
	return "<" + s + ">"
}

func short(sha string) string { return cut(sha, 12) }

// Summary is a change in one line of at most MaxSummary bytes: what is deployed
// where. Deleted entries are named only where nothing is deployed.
func Summary(target v1alpha1.Target, subjects []v1alpha1.Subject) string {
	var deployed, deleted []string
	for _, s := range subjects {
		name := plaintext.Clip(s.Name, 80)
		if s.Action == "delete" {
			deleted = append(deleted, name)
			continue
		}
		if s.Version != "" {
			name += " " + plaintext.Clip(s.Version, 40)
		}
		deployed = append(deployed, name)
	}
	verb, names := "Deploy", deployed
	if len(deployed) == 0 {
		verb, names = "Delete", deleted
	}
	where := plaintext.Clip(target.Environment, 63)
	if target.Region != "" {
		where += " in " + plaintext.Clip(target.Region, 63)
	}
	what := "nothing"
	if len(names) > 0 {
		what = names[0]
	}
	if len(names) > 1 {
		what += fmt.Sprintf(" and %d more", len(names)-1)
	}
	tail := " to " + where
	if verb == "Delete" {
		tail = " from " + where
	} else if len(deleted) > 0 {
		tail += fmt.Sprintf(", delete %d", len(deleted))
	}
	// Escapes of hostile characters may be several times as long as those.
	most := MaxSummary - len(verb) - 1 - len("…")
	if len(tail) > most {
		tail = cut(tail, most/2) + "…"
	}
	if room := most - len(tail); len(what) > room {
		what = cut(what, max(room, 0)) + "…"
	}
	return cut(verb+" "+what+tail, MaxSummary)
}
