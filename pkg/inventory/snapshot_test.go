// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"
)

func TestSnapshotListsEntries(t *testing.T) {
	b := newBuilder(t)
	files := map[string]string{
		"web":                  `{}`,
		"team/api":             `{}`,
		"team/.hidden":         `x`,
		"with.extension.json":  `{}`,
		"README.md":            `x`,
		"team/NOTES.MD":        `x`,
		".github/workflow":     `x`,
		".inventoryignore":     "# what this pipeline leaves alone\nlegacy/\n.txt\n",
		"legacy/old":           `{}`,
		"notes.txt":            `x`,
		"team/deeper/legacy/x": `{}`,
	}
	commit := b.commit("first", files)
	s := b.snapshot(b.clone(commit), commit)
	want := map[string][]string{
		"names":   {"team/api", "web", "with.extension.json"},
		"ignored": {"legacy/old", "notes.txt", "team/deeper/legacy/x"},
	}
	if diff := cmp.Diff(want, map[string][]string{"names": s.Names(), "ignored": s.Ignored()}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(s.Problems()) != 0 {
		t.Errorf("problems: %v", s.Problems())
	}
}

func TestIgnore(t *testing.T) {
	for name, c := range map[string]struct {
		file     string
		excluded []string
		kept     []string
	}{
		"an empty file excludes everything":         {"", []string{"a", "b/c"}, nil},
		"so does one of blank lines and comments":   {"\n  \n# nothing\n", []string{"a", "b/c"}, nil},
		"a plain name matches at any depth":         {"app", []string{"app", "x/app", "app/inner"}, []string{"apple", "x/apple"}},
		"a folder with all that is in it":           {"team/", []string{"team/a", "team/b/c"}, []string{"team", "teams/a"}},
		"a suffix":                                  {".json", []string{"a.json", "x/b.json"}, []string{"json", "a.json5"}},
		"an allow-list of a name":                   {"**\n!keep", []string{"a", "x/a"}, []string{"keep", "x/keep"}},
		"an allow-list of a folder":                 {"**\n!keep/", []string{"a", "keeper/a"}, []string{"keep/a", "keep/b/c"}},
		"an allow-list of a path":                   {"**\n!team/api\r\n", []string{"a", "team/web"}, []string{"team/api"}},
		"a wildcard":                                {"app-*", []string{"app-1", "x/app-"}, []string{"app"}},
		"a path":                                    {"team/app", []string{"team/app"}, []string{"app"}},
		"a path at any depth":                       {"**/app", []string{"app", "x/y/app"}, []string{"apple"}},
		"the last line wins":                        {"!a\na", []string{"a"}, []string{"b"}},
		"a byte order mark does not hide a line":    {"\ufeffa", []string{"a"}, []string{"b"}},
		"a broken pattern matches nothing":          {"[a", nil, []string{"a", "[a"}},
		"a comment after patterns excludes nothing": {"a\n#b", []string{"a"}, []string{"b", "#b"}},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := ParseIgnore([]byte(c.file))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range c.excluded {
				if !i.Excludes(e) {
					t.Errorf("%q is kept", e)
				}
			}
			for _, e := range c.kept {
				if i.Excludes(e) {
					t.Errorf("%q is excluded", e)
				}
			}
		})
	}
	for name, file := range map[string]string{
		"too many bytes":    strings.Repeat("x", maxIgnoreSize+1),
		"too many patterns": strings.Repeat("x\n", maxIgnoreLines+1),
		"not text":          "\xff\xfe",
	} {
		if _, err := ParseIgnore([]byte(file)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSnapshotWithHostileNames(t *testing.T) {
	b := newBuilder(t)
	blob := b.object(plumbing.BlobObject, []byte(`{}`))
	link := b.object(plumbing.BlobObject, []byte(`/etc/passwd`))
	inner := b.rawTree(raw{"100644", "app", blob})
	tree := b.rawTree(
		raw{"100644", "-rf", blob},
		raw{"40000", "..", inner},
		raw{"100644", "../escape", blob},
		raw{"100644", "/absolute", blob},
		raw{"100644", `back\slash`, blob},
		raw{"40000", ".GIT", inner},
		raw{"100644", "bidi\u202eexe", blob},
		raw{"100644", "clear\x1b[2J", blob},
		raw{"100644", "good", blob},
		raw{"100644", "line\nbreak", blob},
		raw{"120000", "link", link},
		raw{"100644", "not\xffutf8", blob},
		raw{"160000", "submodule", blob},
		raw{"100644", "twice", blob},
		raw{"100644", "twice", link},
		raw{"100644", strings.Repeat("x", 300), blob},
	)
	commit := b.commitTree("hostile", tree)
	s := b.snapshot(b.clone(commit), commit)
	got := map[string]Reason{}
	for _, p := range s.Problems() {
		got[p.Path] = p.Reason
		if strings.ContainsFunc(p.String(), invisible) {
			t.Errorf("message is not safe to show: %q", p.String())
		}
	}
	want := map[string]Reason{
		"-rf": ReasonUnsafePath, "..": ReasonUnsafePath, "../escape": ReasonUnsafePath, "/absolute": ReasonUnsafePath,
		`back\slash`: ReasonUnsafePath, ".GIT": ReasonUnsafePath, "bidi\u202eexe": ReasonUnsafePath,
		"clear\x1b[2J": ReasonUnsafePath, "line\nbreak": ReasonUnsafePath, "not\xffutf8": ReasonUnsafePath,
		strings.Repeat("x", 300): ReasonUnsafePath, "link": ReasonNotAFile, "submodule": ReasonNotAFile,
		"twice": ReasonDuplicateName,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"good", "twice"}, s.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestSnapshotOfATreeThatContainsItselfManyTimes(t *testing.T) {
	b := newBuilder(t)
	tree := b.tree(map[string]string{"app": `{}`})
	for range 10 {
		var entries []raw
		for i := range 10 {
			entries = append(entries, raw{"40000", fmt.Sprint("d", i), tree})
		}
		tree = b.rawTree(entries...)
	}
	commit := b.commitTree("bomb", tree)
	repo := b.clone(commit)
	if _, err := repo.Snapshot(context.Background(), commit, SnapshotOptions{}); err == nil || !strings.Contains(err.Error(), "more than 50000") {
		t.Errorf("want an error about the number of files, got %v", err)
	}
	if _, _, err := repo.ChangeLog(context.Background(), "", commit, 10); err == nil || !strings.Contains(err.Error(), "more than 50000") {
		t.Errorf("want an error about the number of changes, got %v", err)
	}
}

func TestSnapshotErrors(t *testing.T) {
	b := newBuilder(t)
	link := b.object(plumbing.BlobObject, []byte("/etc/passwd"))
	linked := b.commitTree("link", b.rawTree(raw{"120000", DefaultIgnoreFile, link}))
	large := b.commit("large", map[string]string{DefaultIgnoreFile: strings.Repeat("x", maxIgnoreSize+1)}, linked)
	repo := b.clone(large)
	for name, c := range map[string]struct {
		commit string
		o      SnapshotOptions
		want   string
	}{
		"a commit that is not there":          {strings.Repeat("1", 40), SnapshotOptions{}, "commit not found"},
		"a branch instead of a commit":        {"prod", SnapshotOptions{}, "40 lower-case hex"},
		"an ignore file that is a link":       {linked, SnapshotOptions{}, "not a plain file"},
		"an ignore file that is too large":    {large, SnapshotOptions{}, "more than the 65536"},
		"a named ignore file that is missing": {large, SnapshotOptions{IgnoreFile: "eu.ignore"}, "does not exist"},
		"an ignore file outside":              {large, SnapshotOptions{IgnoreFile: "../../etc/passwd"}, "invalid path"},
	} {
		if _, err := repo.Snapshot(context.Background(), c.commit, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error with %q, got %v", name, c.want, err)
		}
	}
}

func TestDiff(t *testing.T) {
	b := newBuilder(t)
	from := b.commit("from", map[string]string{
		"same": `{"a":1}`, "changed": `{"a":1}`, "gone": `{"a":1}`, "released": `{"a":1}`,
		"ignored/before": `{"a":1}`, "ignored/gone": `{"a":1}`, DefaultIgnoreFile: "ignored/\n",
	})
	to := b.commit("to", map[string]string{
		"same": `{"a":1}`, "changed": `{"a":2}`, "released": `{"a":2}`, "new": `{"a":1}`,
		"ignored/before": `{"a":1}`, DefaultIgnoreFile: "released\n",
	}, from)
	repo := b.clone(to)
	before, after := b.snapshot(repo, from), b.snapshot(repo, to)

	want := Delta{From: from, To: to, Changed: []string{"changed", "ignored/before", "new"}, Deleted: []string{"gone"}, Released: []string{"released"}}
	if diff := cmp.Diff(want, Diff(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all := []string{"changed", "ignored/before", "new", "same"}
	if diff := cmp.Diff(Delta{To: to, Changed: all}, Diff(nil, after)); diff != "" {
		t.Errorf("first deployment (-want +got):\n%s", diff)
	}
	want.Changed = all
	if diff := cmp.Diff(want, Everything(before, after)); diff != "" {
		t.Errorf("redeployment (-want +got):\n%s", diff)
	}
	if !Diff(after, after).Empty() || Diff(before, after).Empty() || Everything(after, after).Empty() {
		t.Error("Empty is wrong")
	}
}

func TestChangeLogAndHistory(t *testing.T) {
	b := newBuilder(t)
	root := b.commit("root", map[string]string{"a": `1`, "team/b": `1`})
	left := b.commit("left\n\nbody", map[string]string{"a": `2`, "team/b": `1`}, root)
	right := b.commit("right", map[string]string{"a": `1`, "team/b": `2`, "team/c": `1`}, root)
	merge := b.commit("merge", map[string]string{"a": `2`, "team/b": `2`, "team/c": `1`}, left, right)
	last := b.commit("  last  ", map[string]string{"team/b": `2`, "team/c": `1`}, merge)
	repo := b.clone(last)
	ctx := context.Background()

	log, more, err := repo.ChangeLog(ctx, root, last, 100)
	if err != nil || more {
		t.Fatal(more, err)
	}
	at := func(minute int) time.Time {
		return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(minute) * time.Minute)
	}
	want := []Commit{
		{SHA: last, Author: "Ada", Time: at(5), Subject: "last", Entries: []string{"a"}},
		{SHA: merge, Author: "Ada", Time: at(4), Subject: "merge", Merge: true},
		{SHA: right, Author: "Ada", Time: at(3), Subject: "right", Entries: []string{"team/b", "team/c"}},
		{SHA: left, Author: "Ada", Time: at(2), Subject: "left", Entries: []string{"a"}},
	}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if log, more, err := repo.ChangeLog(ctx, "", last, 2); err != nil || !more || len(log) != 2 {
		t.Errorf("two of five: got %d, %v, %v", len(log), more, err)
	}
	if log, more, err := repo.ChangeLog(ctx, last, last, 2); err != nil || more || len(log) != 0 {
		t.Errorf("none: got %d, %v, %v", len(log), more, err)
	}
	h, err := repo.History(ctx, merge)
	if err != nil {
		t.Fatal(err)
	}
	ranks := map[string]int{}
	for name, sha := range map[string]string{"merge": merge, "right": right, "left": left, "root": root} {
		ranks[name], _ = h.Rank(sha)
	}
	if diff := cmp.Diff(map[string]int{"merge": 0, "right": 1, "left": 2, "root": 3}, ranks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := h.Rank(last); ok {
		t.Error("a descendant has a rank")
	}
	if _, ok := (*History)(nil).Rank(root); ok {
		t.Error("the nil history has a commit")
	}
	if _, err := repo.History(ctx, strings.Repeat("0", 40)); !errors.Is(err, ErrCommitNotFound) {
		t.Errorf("want ErrCommitNotFound, got %v", err)
	}
}

// TestHistoryDespiteWrongClocks: a commit may claim to be older than its parent.
func TestHistoryDespiteWrongClocks(t *testing.T) {
	b := newBuilder(t)
	root := b.commit("root", map[string]string{"a": `1`})
	b.clock = b.clock.Add(-1000 * time.Hour)
	middle := b.commit("middle", map[string]string{"a": `2`}, root)
	last := b.commit("last", map[string]string{"a": `3`}, middle, root)
	h, err := b.clone(last).History(context.Background(), last)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := h.Rank(middle)
	r, _ := h.Rank(root)
	if m != 1 || r != 2 || h.Len() != 3 {
		t.Errorf("middle %d, root %d of %d", m, r, h.Len())
	}
}

func BenchmarkDelta5000(b *testing.B) {
	repo := newBuilder(b)
	files := map[string]string{}
	for i := range 5000 {
		files[fmt.Sprintf("team-%02d/app-%04d", i%50, i)] = fmt.Sprintf(`{"name":"app-%d","version":"1"}`, i)
	}
	from := repo.commit("from", files)
	for i := range 20 {
		files[fmt.Sprintf("team-%02d/app-%04d", i, i)] = `{"version":"2"}`
	}
	to := repo.commit("to", files, from)
	clone := repo.clone(to)
	for b.Loop() {
		d := Diff(repo.snapshot(clone, from), repo.snapshot(clone, to))
		if len(d.Changed) != 20 {
			b.Fatal(len(d.Changed))
		}
	}
}
