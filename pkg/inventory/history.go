// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"container/heap"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
)

// MaxHistory is how many commits a history may have.
const MaxHistory = 100_000

// History is a commit and all its ancestors in an order in which no commit
// comes after one of its ancestors; of commits that are not related, the later
// one comes first.
type History struct {
	order []plumbing.Hash
	rank  map[plumbing.Hash]int
}

// Rank is the place of a commit in the history, 0 for the commit that it begins
// with. False if it is not an ancestor; the nil History has no commits.
func (h *History) Rank(commit string) (int, bool) {
	if h == nil {
		return 0, false
	}
	hash, err := parseCommit(commit)
	if err != nil {
		return 0, false
	}
	rank, ok := h.rank[hash]
	return rank, ok
}

// Len is how many commits there are.
func (h *History) Len() int { return len(h.order) }

// History returns a commit's history.
func (r *Repository) History(ctx context.Context, commit string) (*History, error) {
	start, err := r.commit(commit)
	if err != nil {
		return nil, fmt.Errorf("reading the history of commit %s: %w", quote(commit), err)
	}
	commits, err := r.ancestors(ctx, start, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the history of commit %s: %w", quote(commit), err)
	}
	return order(commits, start.Hash), nil
}

// ancestors collects a commit and its ancestors, except those in a set.
func (r *Repository) ancestors(ctx context.Context, start *gitobject.Commit, except map[plumbing.Hash]int) (map[plumbing.Hash]*gitobject.Commit, error) {
	out := map[plumbing.Hash]*gitobject.Commit{}
	todo := []plumbing.Hash{start.Hash}
	for len(todo) > 0 {
		hash := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, done := out[hash]; done {
			continue
		}
		if _, skip := except[hash]; skip {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(out) == MaxHistory {
			return nil, fmt.Errorf("more than %d commits", MaxHistory)
		}
		c, err := r.git.CommitObject(hash)
		if err != nil {
			return nil, fmt.Errorf("commit %s: %w", hash, err)
		}
		out[hash] = c
		todo = append(todo, c.ParentHashes...)
	}
	return out, nil
}

// order sorts commits so that children precede their parents.
func order(commits map[plumbing.Hash]*gitobject.Commit, start plumbing.Hash) *History {
	children := make(map[plumbing.Hash]int, len(commits))
	for _, c := range commits {
		for _, p := range unique(c.ParentHashes) {
			children[p]++
		}
	}
	h := &History{rank: make(map[plumbing.Hash]int, len(commits))}
	ready := &newestFirst{}
	if c, ok := commits[start]; ok {
		heap.Push(ready, c)
	}
	for ready.Len() > 0 {
		c := heap.Pop(ready).(*gitobject.Commit)
		h.rank[c.Hash] = len(h.order)
		h.order = append(h.order, c.Hash)
		for _, p := range unique(c.ParentHashes) {
			if children[p]--; children[p] == 0 && commits[p] != nil {
				heap.Push(ready, commits[p])
			}
		}
	}
	return h
}

func unique(hashes []plumbing.Hash) []plumbing.Hash {
	var out []plumbing.Hash
	for _, h := range hashes {
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// newestFirst is a heap of commits; the hash settles equal times, so that the
// order is always the same.
type newestFirst []*gitobject.Commit

func (h newestFirst) Len() int { return len(h) }
func (h newestFirst) Less(i, j int) bool {
	a, b := h[i].Committer.When, h[j].Committer.When
	if a.Equal(b) {
		return h[i].Hash.String() < h[j].Hash.String()
	}
	return a.After(b)
}
func (h newestFirst) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *newestFirst) Push(x any) { *h = append(*h, x.(*gitobject.Commit)) }

// Pop implements heap.Interface.
func (h *newestFirst) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// Commit is one line of a change log. Author and Subject are text that anyone
// may have written.
type Commit struct {
	SHA     string
	Author  string
	Time    time.Time
	Subject string
	// Merge is true for a commit with several parents; its Entries are empty, as
	// the commits that it brings in are listed themselves.
	Merge bool
	// Entries are the files that it changed, sorted; at most MaxCommitEntries.
	Entries []string
}

// MaxCommitEntries is how many files of one commit a change log names.
const MaxCommitEntries = 1000

// ChangeLog lists the commits that are ancestors of, or equal to, one commit and
// not so of another, newest first. An empty from means from the beginning. At
// most so many are returned; more says whether there were others.
func (r *Repository) ChangeLog(ctx context.Context, from, to string, most int) (log []Commit, more bool, err error) {
	what := fmt.Sprintf("reading the change log to commit %s", quote(to))
	start, err := r.commit(to)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", what, err)
	}
	var except map[plumbing.Hash]int
	if from != "" {
		old, err := r.History(ctx, from)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", what, err)
		}
		except = old.rank
	}
	commits, err := r.ancestors(ctx, start, except)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", what, err)
	}
	for _, hash := range order(commits, start.Hash).order {
		if len(log) == most {
			return log, true, nil
		}
		line, err := r.line(ctx, commits[hash])
		if err != nil {
			return nil, false, fmt.Errorf("%s: commit %s: %w", what, hash, err)
		}
		log = append(log, line)
	}
	return log, false, nil
}

func (r *Repository) line(ctx context.Context, c *gitobject.Commit) (Commit, error) {
	subject, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	line := Commit{
		SHA:     c.Hash.String(),
		Author:  c.Author.Name,
		Time:    c.Author.When.UTC(),
		Subject: strings.TrimSpace(subject),
		Merge:   len(c.ParentHashes) > 1,
	}
	if line.Merge {
		return line, nil
	}
	parent := plumbing.ZeroHash
	if len(c.ParentHashes) == 1 {
		p, err := r.git.CommitObject(c.ParentHashes[0])
		if err != nil {
			return line, err
		}
		parent = p.TreeHash
	}
	d := &treeDiff{ctx: ctx, repo: r}
	if err := d.compare(parent, c.TreeHash, "", 1); err != nil {
		return line, err
	}
	slices.Sort(d.paths)
	line.Entries = slices.Compact(d.paths)
	return line, nil
}

// treeDiff lists the files that differ between two trees, looking only into
// folders whose hashes differ.
type treeDiff struct {
	ctx   context.Context
	repo  *Repository
	paths []string
	seen  int
}

func (d *treeDiff) compare(a, b plumbing.Hash, prefix string, depth int) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	if a == b || depth > MaxDepth {
		return nil
	}
	before, err := d.entries(a)
	if err != nil {
		return err
	}
	after, err := d.entries(b)
	if err != nil {
		return err
	}
	names := slices.Collect(maps.Keys(after))
	for name := range before {
		if _, still := after[name]; !still {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if before[name] == after[name] {
			continue
		}
		if d.seen++; d.seen > MaxFiles {
			return fmt.Errorf("more than %d changes", MaxFiles)
		}
		if err := d.differs(before[name], after[name], path.Join(prefix, name), depth); err != nil {
			return err
		}
	}
	return nil
}

func (d *treeDiff) differs(a, b gitobject.TreeEntry, full string, depth int) error {
	folders := func(e gitobject.TreeEntry) plumbing.Hash {
		if e.Mode == filemode.Dir {
			return e.Hash
		}
		return plumbing.ZeroHash
	}
	file := func(e gitobject.TreeEntry) bool { return e.Mode != filemode.Dir && !e.Hash.IsZero() }
	if (file(a) || file(b)) && len(d.paths) < MaxCommitEntries {
		d.paths = append(d.paths, full)
	}
	return d.compare(folders(a), folders(b), full, depth+1)
}

func (d *treeDiff) entries(tree plumbing.Hash) (map[string]gitobject.TreeEntry, error) {
	if tree.IsZero() {
		return nil, nil
	}
	t, err := d.repo.git.TreeObject(tree)
	if err != nil {
		return nil, err
	}
	out := make(map[string]gitobject.TreeEntry, len(t.Entries))
	for _, e := range t.Entries {
		out[e.Name] = e
	}
	return out, nil
}
