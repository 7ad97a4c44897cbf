// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// MaxMessage is how much of a commit's message is kept, in bytes.
const MaxMessage = 64 << 10

// CommitObject is a commit as git has it. Who wrote and who committed it is what
// they claimed; message, names and addresses are text that anyone may have
// written.
type CommitObject struct {
	SHA                 string
	Parents             []string
	Author, AuthorEmail string
	CommitterEmail      string
	// Time is the committer's, UTC.
	Time time.Time
	// Message in full, up to MaxMessage bytes.
	Message string
}

// Commit reads one commit. The error wraps ErrCommitNotFound if there is none.
func (r *Repository) Commit(commit string) (*CommitObject, error) {
	c, err := r.commit(commit)
	if err != nil {
		return nil, fmt.Errorf("reading commit %s: %w", quote(commit), err)
	}
	out := &CommitObject{
		SHA: c.Hash.String(), Author: c.Author.Name, AuthorEmail: c.Author.Email, CommitterEmail: c.Committer.Email,
		Time: c.Committer.When.UTC(), Message: c.Message[:min(len(c.Message), MaxMessage)],
	}
	for _, p := range c.ParentHashes {
		out.Parents = append(out.Parents, p.String())
	}
	return out, nil
}

// Graph is commits with all their ancestors: who descends from whom, and nothing
// else, so that questions about it are answered without reading.
type Graph struct {
	index   map[plumbing.Hash]int32
	hashes  []plumbing.Hash
	parents [][]int32
}

// Reach is a set of commits of a graph that has every ancestor of each.
type Reach struct {
	graph *Graph
	has   []bool
}

// Has reports whether a commit is in the set; the nil set is empty.
func (s *Reach) Has(commit string) bool {
	if s == nil {
		return false
	}
	i, ok := s.graph.at(commit)
	return ok && s.has[i]
}

// Graph reads commits and all their ancestors, at most MaxHistory.
func (r *Repository) Graph(ctx context.Context, commits ...string) (*Graph, error) {
	g := &Graph{index: map[plumbing.Hash]int32{}}
	var todo []plumbing.Hash
	for _, commit := range commits {
		c, err := r.commit(commit)
		if err != nil {
			return nil, fmt.Errorf("reading the history of commit %s: %w", quote(commit), err)
		}
		todo = append(todo, c.Hash)
	}
	type loaded struct {
		at      int32
		parents []plumbing.Hash
	}
	var all []loaded
	for len(todo) > 0 {
		hash := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, done := g.index[hash]; done {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(g.hashes) == MaxHistory {
			return nil, fmt.Errorf("reading the history of the inventory: more than %d commits", MaxHistory)
		}
		c, err := r.git.CommitObject(hash)
		if err != nil {
			return nil, fmt.Errorf("reading the history of the inventory: commit %s: %w", hash, err)
		}
		at := int32(len(g.hashes)) //nolint:gosec // at most MaxHistory
		g.index[hash] = at
		g.hashes = append(g.hashes, hash)
		all = append(all, loaded{at, c.ParentHashes})
		todo = append(todo, c.ParentHashes...)
	}
	g.parents = make([][]int32, len(g.hashes))
	for _, l := range all {
		for _, p := range l.parents {
			g.parents[l.at] = append(g.parents[l.at], g.index[p])
		}
	}
	return g, nil
}

func (g *Graph) at(commit string) (int32, bool) {
	hash, err := parseCommit(commit)
	if err != nil {
		return 0, false
	}
	i, ok := g.index[hash]
	return i, ok
}

// Has reports whether the graph has a commit.
func (g *Graph) Has(commit string) bool {
	_, ok := g.at(commit)
	return ok
}

// Parents of a commit, in git's order; none of one that the graph lacks.
func (g *Graph) Parents(commit string) []string {
	i, ok := g.at(commit)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(g.parents[i]))
	for _, p := range g.parents[i] {
		out = append(out, g.hashes[p].String())
	}
	return out
}

// Reach is a commit with all its ancestors; empty for one that the graph lacks.
func (g *Graph) Reach(commit string) *Reach {
	s := &Reach{graph: g, has: make([]bool, len(g.hashes))}
	i, ok := g.at(commit)
	if !ok {
		return s
	}
	s.has[i] = true
	todo := []int32{i}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range g.parents[i] {
			if !s.has[p] {
				s.has[p] = true
				todo = append(todo, p)
			}
		}
	}
	return s
}

// Between lists the commits that are in the set of one commit and not in that of
// another, children before their parents. An empty from excludes nothing.
func (g *Graph) Between(from, to string) []string {
	var except *Reach
	if from != "" {
		except = g.Reach(from)
	}
	start, ok := g.at(to)
	if !ok || except != nil && except.has[start] {
		return nil
	}
	// Depth first, a commit is done once all that it leads to is; the reverse is
	// children first.
	type frame struct{ at, next int32 }
	seen := make([]bool, len(g.hashes))
	seen[start] = true
	var done []int32
	stack := []frame{{start, 0}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if int(top.next) == len(g.parents[top.at]) {
			done = append(done, top.at)
			stack = stack[:len(stack)-1]
			continue
		}
		p := g.parents[top.at][top.next]
		top.next++
		if !seen[p] && (except == nil || !except.has[p]) {
			seen[p] = true
			stack = append(stack, frame{p, 0})
		}
	}
	out := make([]string, 0, len(done))
	for i := len(done) - 1; i >= 0; i-- {
		out = append(out, g.hashes[done[i]].String())
	}
	return out
}

// Bases are the best common ancestors of two commits: those that no other common
// ancestor descends from. There are several only where branches were merged
// crosswise. Dates play no part, as anyone can claim any.
func (g *Graph) Bases(a, b string) []string {
	ra, rb := g.Reach(a), g.Reach(b)
	hasChild := make([]bool, len(g.hashes))
	for i := range g.hashes {
		if !ra.has[i] || !rb.has[i] {
			continue
		}
		for _, p := range g.parents[i] {
			hasChild[p] = true
		}
	}
	var out []string
	for i, hash := range g.hashes {
		if ra.has[i] && rb.has[i] && !hasChild[i] {
			out = append(out, hash.String())
		}
	}
	return out
}
