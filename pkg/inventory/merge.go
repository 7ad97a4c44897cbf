// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
)

// MaxMergePaths is how many paths a comparison of merges names.
const MaxMergePaths = 20

// Merge is a merge to compare: of two commits, with what came of it.
type Merge struct {
	Ours, Theirs, Result string
}

// MergeDifferences lists the paths at which a merge has other content than its
// two sides give, the first MaxMergePaths of them; none if it added nothing and
// dropped nothing. Each path, compared with the sides' best common ancestor, must
// have what the one side that changed it has. Where both sides changed a file,
// its lines are merged likewise, and the result must be that.
//
// It knows no renames: a file that one side renamed and the other changed is
// listed although git merges it. Where branches were merged crosswise and their
// common ancestors differ at a path that both sides changed, it is listed too.
func (r *Repository) MergeDifferences(ctx context.Context, g *Graph, m Merge) ([]string, error) {
	var bases []plumbing.Hash
	for _, base := range g.Bases(m.Ours, m.Theirs) {
		tree, err := r.tree(base)
		if err != nil {
			return nil, fmt.Errorf("comparing a merge: %w", err)
		}
		bases = append(bases, tree)
	}
	if len(bases) == 0 {
		bases = append(bases, plumbing.ZeroHash)
	}
	var trees [3]plumbing.Hash
	for i, commit := range []string{m.Ours, m.Theirs, m.Result} {
		tree, err := r.tree(commit)
		if err != nil {
			return nil, fmt.Errorf("comparing a merge: %w", err)
		}
		trees[i] = tree
	}
	c := &mergeCheck{ctx: ctx, repo: r, found: map[string]bool{}}
	folder := func(hash plumbing.Hash) gitobject.TreeEntry {
		if hash.IsZero() {
			return gitobject.TreeEntry{}
		}
		return gitobject.TreeEntry{Mode: filemode.Dir, Hash: hash}
	}
	var base []gitobject.TreeEntry
	for _, hash := range bases {
		base = append(base, folder(hash))
	}
	err := c.compare(sides{base: base, ours: folder(trees[0]), theirs: folder(trees[1]), result: folder(trees[2])}, "", 0)
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("comparing merge %s: %w", quote(m.Result), err)
	}
	return slices.Sorted(maps.Keys(c.found)), nil
}

func (r *Repository) tree(commit string) (plumbing.Hash, error) {
	c, err := r.commit(commit)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("commit %s: %w", quote(commit), err)
	}
	return c.TreeHash, nil
}

// sides are the entries of one path: the zero entry where there is none. Their
// names play no part.
type sides struct {
	base                 []gitobject.TreeEntry
	ours, theirs, result gitobject.TreeEntry
}

var errEnough = errors.New("enough")

type mergeCheck struct {
	ctx   context.Context
	repo  *Repository
	seen  int
	found map[string]bool
}

func same(a, b gitobject.TreeEntry) bool { return a.Mode == b.Mode && a.Hash == b.Hash }

// one returns the common ancestors' entry if they agree on it.
func one(base []gitobject.TreeEntry) (gitobject.TreeEntry, bool) {
	for _, b := range base[1:] {
		if !same(b, base[0]) {
			return gitobject.TreeEntry{}, false
		}
	}
	return base[0], true
}

func (c *mergeCheck) compare(s sides, at string, depth int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	base, agreed := one(s.base)
	switch {
	case same(s.ours, s.theirs):
		if same(s.result, s.ours) {
			return nil
		}
	case agreed && same(base, s.ours):
		if same(s.result, s.theirs) {
			return nil
		}
	case agreed && same(base, s.theirs):
		if same(s.result, s.ours) {
			return nil
		}
	}
	isFolder := func(e gitobject.TreeEntry) bool { return e.Mode == filemode.Dir }
	all := append(slices.Clone(s.base), s.ours, s.theirs, s.result)
	if slices.ContainsFunc(all, isFolder) {
		return c.folder(s, at, depth)
	}
	if agreed && !same(s.ours, s.theirs) && !same(base, s.ours) && !same(base, s.theirs) {
		clean, err := c.lines(base, s)
		if err != nil || clean {
			return err
		}
	}
	return c.report(at)
}

func (c *mergeCheck) report(at string) error {
	c.found[at] = true
	if len(c.found) == MaxMergePaths {
		return errEnough
	}
	return nil
}

// folder compares what is in a folder; where a side has a file instead, that
// file is compared with none.
func (c *mergeCheck) folder(s sides, at string, depth int) error {
	if depth > MaxDepth {
		return c.report(at)
	}
	all := append(slices.Clone(s.base), s.ours, s.theirs, s.result)
	inside := make([]map[string]gitobject.TreeEntry, len(all))
	names := map[string]bool{}
	files := sides{base: make([]gitobject.TreeEntry, len(s.base))}
	for i, e := range all {
		if e.Mode != filemode.Dir {
			switch i - len(s.base) {
			case 0:
				files.ours = e
			case 1:
				files.theirs = e
			case 2:
				files.result = e
			default:
				files.base[i] = e
			}
			continue
		}
		t, err := c.repo.git.TreeObject(e.Hash)
		if err != nil {
			return err
		}
		inside[i] = make(map[string]gitobject.TreeEntry, len(t.Entries))
		for _, e := range t.Entries {
			if _, twice := inside[i][e.Name]; twice {
				// Which of the two is meant depends on who reads it.
				return c.report(path.Join(at, e.Name))
			}
			inside[i][e.Name] = e
		}
		for name := range inside[i] {
			names[name] = true
		}
	}
	if err := c.compare(files, at, depth+1); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if c.seen++; c.seen > 4*MaxFiles {
			return fmt.Errorf("more than %d files and folders to compare", 4*MaxFiles)
		}
		n := len(s.base)
		next := sides{ours: inside[n][name], theirs: inside[n+1][name], result: inside[n+2][name]}
		for _, m := range inside[:n] {
			next.base = append(next.base, m[name])
		}
		if err := c.compare(next, path.Join(at, name), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// lines reports whether the result is what merging the lines of a file that both
// sides changed gives.
func (c *mergeCheck) lines(base gitobject.TreeEntry, s sides) (bool, error) {
	entries := []gitobject.TreeEntry{base, s.ours, s.theirs, s.result}
	var texts [4]string
	for i, e := range entries {
		// A file that both sides added has no ancestor to merge by, and one that
		// is gone on one side is a conflict.
		if !e.Mode.IsRegular() || e.Mode != base.Mode || e.Hash.IsZero() {
			return false, nil
		}
		data, err := c.repo.blob(e.Hash, MaxEntrySize)
		if errors.Is(err, errBlobTooLarge) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		texts[i] = string(data)
	}
	merged, ok := mergeLines(texts[0], texts[1], texts[2])
	return ok && merged == texts[3], nil
}

// hunk replaces lines [from, to) of the base.
type hunk struct {
	from, to int
	lines    []string
}

// mergeLines is a three-way merge of lines. As in git, changes that touch each
// other are a conflict unless they are the same.
func mergeLines(base, ours, theirs string) (string, bool) {
	lines := strings.SplitAfter(base, "\n")
	a, ok := hunks(lines, strings.SplitAfter(ours, "\n"))
	if !ok {
		return "", false
	}
	b, ok := hunks(lines, strings.SplitAfter(theirs, "\n"))
	if !ok {
		return "", false
	}
	var out strings.Builder
	at := 0
	apply := func(h hunk) {
		out.WriteString(strings.Join(lines[at:h.from], ""))
		out.WriteString(strings.Join(h.lines, ""))
		at = h.to
	}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].to < b[0].from:
			apply(a[0])
			a = a[1:]
		case len(a) == 0 || b[0].to < a[0].from:
			apply(b[0])
			b = b[1:]
		case a[0].from == b[0].from && a[0].to == b[0].to && slices.Equal(a[0].lines, b[0].lines):
			apply(a[0])
			a, b = a[1:], b[1:]
		default:
			return "", false
		}
	}
	out.WriteString(strings.Join(lines[at:], ""))
	return out.String(), true
}

// maxCells bounds the table of a comparison of lines: about 2,000 by 2,000.
const maxCells = 4 << 20

// hunks are the differences between two lists of lines, by their longest common
// subsequence; false if they are too long to compare.
func hunks(from, to []string) ([]hunk, bool) {
	head := 0
	for head < len(from) && head < len(to) && from[head] == to[head] {
		head++
	}
	tail := 0
	for tail < len(from)-head && tail < len(to)-head && from[len(from)-1-tail] == to[len(to)-1-tail] {
		tail++
	}
	a, b := from[head:len(from)-tail], to[head:len(to)-tail]
	if (len(a)+1)*(len(b)+1) > maxCells {
		return nil, false
	}
	// common[i][j] is the length for a[i:] and b[j:].
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	var out []hunk
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		h := hunk{from: head + i}
		for i < len(a) || j < len(b) {
			switch {
			case i < len(a) && j < len(b) && a[i] == b[j]:
			case j == len(b) || i < len(a) && common[(i+1)*width+j] >= common[i*width+j+1]:
				i++
				continue
			default:
				h.lines = append(h.lines, b[j])
				j++
				continue
			}
			break
		}
		h.to = head + i
		out = append(out, h)
	}
	return out, true
}
