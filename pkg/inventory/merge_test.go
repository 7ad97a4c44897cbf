// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"
)

// files is a tree as a list of path=content; a content may hold several lines,
// separated by commas.
func files(list string) map[string]string {
	out := map[string]string{}
	for _, item := range strings.Fields(list) {
		path, content, _ := strings.Cut(item, "=")
		out[path] = strings.ReplaceAll(content, ",", "\n") + "\n"
	}
	return out
}

func TestMergeDifferences(t *testing.T) {
	const base = "a=1 dir/b=1 dir/c=1 long=1,2,3,4,5"
	for name, c := range map[string]struct {
		ours, theirs, result string
		want                 []string
	}{
		"each side's changes":                                  {"a=2 dir/b=1 dir/c=1 long=1,2,3,4,5", "a=1 dir/b=2 dir/c=1 long=1,2,3,4,5", "a=2 dir/b=2 dir/c=1 long=1,2,3,4,5", nil},
		"nothing happened on the branch":                       {base, "a=2 n=1", "a=2 n=1", nil},
		"nothing was proposed":                                 {"a=2 n=1", base, "a=2 n=1", nil},
		"both made the same change":                            {"a=2", "a=2", "a=2", nil},
		"files that both sides added":                          {base + " x=1", base + " y=1", base + " x=1 y=1", nil},
		"a file slipped in":                                    {base + " x=1", base + " y=1", base + " x=1 y=1 evil=1", []string{"evil"}},
		"a file slipped into a folder":                         {base + " x=1", base, base + " x=1 dir/evil=1", []string{"dir/evil"}},
		"a new folder slipped in":                              {base + " x=1", base, base + " x=1 new/evil=1", []string{"new/evil"}},
		"a file changed besides":                               {base + " x=1", base + " y=1", strings.Replace(base, "a=1", "a=9", 1) + " x=1 y=1", []string{"a"}},
		"what one side changed changed once more":              {strings.Replace(base, "a=1", "a=2", 1), base, strings.Replace(base, "a=1", "a=9", 1), []string{"a"}},
		"what was proposed left out":                           {base + " x=1", base + " y=1", base + " x=1", []string{"y"}},
		"what the branch had left out":                         {base + " x=1", base + " y=1", base + " y=1", []string{"x"}},
		"a removal left out":                                   {base + " x=1", "a=1 long=1,2,3,4,5", base + " x=1", []string{"dir/b", "dir/c"}},
		"a removal":                                            {base + " x=1", "a=1 long=1,2,3,4,5", "a=1 long=1,2,3,4,5 x=1", nil},
		"a removal besides":                                    {base + " x=1", base + " y=1", "a=1 dir/b=1 long=1,2,3,4,5 x=1 y=1", []string{"dir/c"}},
		"a file in place of a folder":                          {base + " x=1", "a=1 dir=1 long=1,2,3,4,5", "a=1 dir=1 long=1,2,3,4,5 x=1", nil},
		"a file in place of a folder, slipped in":              {base + " x=1", base, "a=1 dir=1 long=1,2,3,4,5 x=1", []string{"dir", "dir/b", "dir/c"}},
		"lines of both sides":                                  {"a=1 dir/b=1 dir/c=1 long=0,2,3,4,5", "a=1 dir/b=1 dir/c=1 long=1,2,3,4,6", "a=1 dir/b=1 dir/c=1 long=0,2,3,4,6", nil},
		"lines of both sides, and one besides":                 {"a=1 dir/b=1 dir/c=1 long=0,2,3,4,5", "a=1 dir/b=1 dir/c=1 long=1,2,3,4,6", "a=1 dir/b=1 dir/c=1 long=0,2,9,4,6", []string{"long"}},
		"lines of one side only":                               {"a=1 dir/b=1 dir/c=1 long=0,2,3,4,5", "a=1 dir/b=1 dir/c=1 long=1,2,3,4,6", "a=1 dir/b=1 dir/c=1 long=0,2,3,4,5", []string{"long"}},
		"a conflict, solved by somebody":                       {strings.Replace(base, "a=1", "a=2", 1), strings.Replace(base, "a=1", "a=3", 1), strings.Replace(base, "a=1", "a=2", 1), []string{"a"}},
		"both added a file, differently":                       {base + " x=1", base + " x=2", base + " x=2", []string{"x"}},
		"one side removed what the other one changed":          {"dir/b=1 dir/c=1 long=1,2,3,4,5", strings.Replace(base, "a=1", "a=2", 1), "dir/b=1 dir/c=1 long=1,2,3,4,5", []string{"a"}},
		"renamed and changed: git would merge, we do not know": {strings.Replace(base, "a=1", "a=2", 1), strings.Replace(base, "a=1", "z=1", 1), strings.Replace(base, "a=1", "z=2", 1), []string{"a", "z"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(t)
			root := b.commit("base", files(base))
			ours := b.commit("ours", files(c.ours), root)
			theirs := b.commit("theirs", files(c.theirs), root)
			result := b.commit("merge", files(c.result), ours, theirs)
			for _, m := range []Merge{{ours, theirs, result}, {theirs, ours, result}} {
				if diff := cmp.Diff(c.want, differences(t, b, result, m)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func differences(t *testing.T, b *builder, head string, m Merge) []string {
	t.Helper()
	repo := b.clone(head)
	graph, err := repo.Graph(context.Background(), head)
	if err != nil {
		t.Fatal(err)
	}
	got, err := repo.MergeDifferences(context.Background(), graph, m)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestMergeDifferencesOfStrangeTrees(t *testing.T) {
	b := newBuilder(t)
	one, two := b.object(plumbing.BlobObject, []byte("1")), b.object(plumbing.BlobObject, []byte("2"))
	root := b.commitTree("base", b.rawTree(raw{"100644", "a", one}))
	ours := b.commitTree("ours", b.rawTree(raw{"100644", "a", one}, raw{"100644", "b", one}), root)

	twice := b.commitTree("a name twice", b.rawTree(raw{"100644", "a", two}, raw{"100644", "a", one}, raw{"100644", "b", one}), ours, root)
	if diff := cmp.Diff([]string{"a"}, differences(t, b, twice, Merge{ours, root, twice})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	executable := b.commitTree("another mode", b.rawTree(raw{"100755", "a", one}, raw{"100644", "b", one}), ours, root)
	if diff := cmp.Diff([]string{"a"}, differences(t, b, executable, Merge{ours, root, executable})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	unrelated := b.commit("another root", files("z=1"))
	both := b.commitTree("merge", b.rawTree(raw{"100644", "a", one}, raw{"100644", "b", one}, raw{"100644", "z", b.object(plumbing.BlobObject, []byte("1\n"))}), ours, unrelated)
	if diff := cmp.Diff([]string(nil), differences(t, b, both, Merge{ours, unrelated, both})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	many := map[string]string{"a": "1"}
	for i := range 100 {
		many[fmt.Sprintf("x%03d", i)] = "evil"
	}
	long := b.commit("many", many, ours, root)
	if got := differences(t, b, long, Merge{ours, root, long}); len(got) != MaxMergePaths {
		t.Errorf("got %d paths", len(got))
	}
}

// TestMergesAcross: two branches merged into each other have two best common
// ancestors; what they agree on is compared, what they do not is listed.
func TestMergesAcross(t *testing.T) {
	b := newBuilder(t)
	root := b.commit("root", files("a=1 b=1 c=1 d=1 f=1"))
	x := b.commit("x", files("a=2 b=1 c=2 d=1 f=1"), root)
	y := b.commit("y", files("a=1 b=2 c=1 d=2 f=1"), root)
	xy := b.commit("xy", files("a=2 b=2 c=2 d=2 f=1"), x, y)
	yx := b.commit("yx", files("a=2 b=2 c=2 d=2 f=1"), y, x)
	ours := b.commit("ours", files("a=2 b=2 d=3 f=2"), xy)
	theirs := b.commit("theirs", files("a=3 b=3 c=3 f=1"), yx)
	result := b.commit("result", files("a=3 b=3 c=3 d=3 f=2"), ours, theirs)
	repo := b.clone(result)
	graph, err := repo.Graph(context.Background(), result)
	if err != nil {
		t.Fatal(err)
	}
	bases := graph.Bases(ours, theirs)
	slices.Sort(bases)
	want := []string{x, y}
	slices.Sort(want)
	if diff := cmp.Diff(want, bases); diff != "" {
		t.Errorf("bases (-want +got):\n%s", diff)
	}
	// f is 1 in both ancestors; the others are 1 in one and 2 in the other. What
	// one side removed was changed by the other.
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, differences(t, b, result, Merge{ours, theirs, result})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGraph(t *testing.T) {
	b := newBuilder(t)
	a := b.commit("a", nil)
	c := b.commit("c", nil, a)
	side := b.commit("side", nil, a)
	merge := b.commit("merge", nil, c, side)
	other := b.commit("other", nil)
	b.ref("refs/tags/other", other)
	repo := b.clone(merge)
	graph, err := repo.Graph(context.Background(), merge, other)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct{ want, got any }{
		"parents":              {[]string{c, side}, graph.Parents(merge)},
		"of the first":         {[]string{}, graph.Parents(a)},
		"of a stranger":        {[]string(nil), graph.Parents(strings.Repeat("0", 40))},
		"of nonsense":          {[]string(nil), graph.Parents("HEAD")},
		"base":                 {[]string{a}, graph.Bases(c, side)},
		"base of an ancestor":  {[]string{c}, graph.Bases(c, merge)},
		"base of itself":       {[]string{c}, graph.Bases(c, c)},
		"no base":              {[]string(nil), graph.Bases(c, other)},
		"between":              {[]string{merge, side}, graph.Between(c, merge)},
		"between, the other":   {[]string{merge, c}, graph.Between(side, merge)},
		"nothing between":      {[]string(nil), graph.Between(merge, c)},
		"nothing in common":    {[]string{other}, graph.Between(merge, other)},
		"a stranger in reach":  {false, graph.Reach(merge).Has(other)},
		"the first in reach":   {true, graph.Reach(merge).Has(a)},
		"nobody reaches":       {false, (*Reach)(nil).Has(a)},
		"a stranger reaches":   {false, graph.Reach(strings.Repeat("0", 40)).Has(a)},
		"has":                  {true, graph.Has(side)},
		"has not":              {false, graph.Has(strings.Repeat("0", 40))},
		"everything, in order": {true, ordered(graph, graph.Between("", merge))},
	} {
		if diff := cmp.Diff(x.want, x.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// ordered is whether no commit comes before one of its descendants.
func ordered(g *Graph, commits []string) bool {
	for i, commit := range commits {
		for _, parent := range g.Parents(commit) {
			if at := slices.Index(commits, parent); at >= 0 && at < i {
				return false
			}
		}
	}
	return len(commits) == 4
}

func TestFetch(t *testing.T) {
	ctx := context.Background()
	b := newBuilder(t)
	root := b.commit("root", files("a=1"))
	head := b.commit("head", files("a=2"), root)
	proposed := b.commit("proposed", files("a=1 b=1"), root)
	repo := b.clone(head)
	if _, err := repo.Commit(proposed); err == nil {
		t.Fatal("the clone has what is not on the branch")
	}
	gone := strings.Repeat("1", 40)
	missing, err := repo.Fetch(ctx, []string{gone, proposed, head, proposed})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{gone}, missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	c, err := repo.Commit(proposed)
	if err != nil || c.Message != "proposed" || c.AuthorEmail != "ada@example.com" || !slices.Equal(c.Parents, []string{root}) {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := repo.Fetch(ctx, []string{"--upload-pack=x"}); err == nil {
		t.Error("nonsense was fetched")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := repo.Graph(cancelled, head); err == nil {
		t.Error("a cancelled run went on")
	}
}

func TestMergeLines(t *testing.T) {
	for name, c := range map[string]struct {
		base, ours, theirs, want string
		ok                       bool
	}{
		"apart":                     {"1\n2\n3\n", "0\n2\n3\n", "1\n2\n4\n", "0\n2\n4\n", true},
		"touching":                  {"1\n2\n", "0\n2\n", "1\n3\n", "", false},
		"the same":                  {"1\n2\n", "0\n2\n", "0\n2\n", "0\n2\n", true},
		"one side only":             {"1\n2\n", "1\n2\n", "1\n2\n3", "1\n2\n3", true},
		"added in two places":       {"1\n2\n3\n", "0\n1\n2\n3\n", "1\n2\n3\n4\n", "0\n1\n2\n3\n4\n", true},
		"added in one place":        {"1\n2\n", "1\nx\n2\n", "1\ny\n2\n", "", false},
		"removed and changed":       {"1\n2\n3\n", "1\n3\n", "1\n9\n3\n", "", false},
		"nothing before":            {"", "1\n", "", "1\n", true},
		"longer than is compared":   {strings.Repeat("a\n", 3000), strings.Repeat("b\n", 3000), strings.Repeat("a\n", 3000), "", false},
		"long, but little of it is": {strings.Repeat("a\n", 3000), strings.Repeat("a\n", 3000) + "b\n", strings.Repeat("a\n", 3000), strings.Repeat("a\n", 3000) + "b\n", true},
	} {
		got, ok := mergeLines(c.base, c.ours, c.theirs)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
}

func FuzzMergeLines(f *testing.F) {
	f.Add("1\n2\n3\n", "0\n2\n3\n", "1\n2\n4\n")
	f.Add("", "a", "\n")
	f.Fuzz(func(t *testing.T, base, ours, theirs string) {
		if len(base)+len(ours)+len(theirs) > 3000 {
			return
		}
		for _, c := range [][3]string{{base, base, theirs}, {base, theirs, base}, {base, theirs, theirs}} {
			if got, ok := mergeLines(c[0], c[1], c[2]); !ok || got != theirs {
				t.Errorf("%q: got %q, %v", c, got, ok)
			}
		}
		one, ok1 := mergeLines(base, ours, theirs)
		two, ok2 := mergeLines(base, theirs, ours)
		if one != two || ok1 != ok2 {
			t.Errorf("got %q, %v and %q, %v", one, ok1, two, ok2)
		}
	})
}
