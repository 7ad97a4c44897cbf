// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
)

// Bounds of one inventory.
const (
	// MaxFiles is how many files and folders an inventory may have. A tree that
	// contains itself in many places reaches it as well.
	MaxFiles = 50_000
	// MaxDepth is how deep folders may nest.
	MaxDepth = 16
	// MaxTotalSize is how many bytes of entries are read at a time.
	MaxTotalSize = 64 << 20
)

// SnapshotOptions say how to look at a commit.
type SnapshotOptions struct {
	// IgnoreFile is the path of the ignore file; empty for DefaultIgnoreFile. A
	// file named here must exist, the default one need not.
	IgnoreFile string
}

// Snapshot is the inventory at one commit: which entries there are. What is in
// them is read later, and only of those that matter.
type Snapshot struct {
	// Commit as 40 hex digits.
	Commit string

	names    []string // sorted
	ignored  []string // sorted
	files    map[string]plumbing.Hash
	problems []Problem
	repo     *Repository
}

// Names are the entries that the ignore file leaves, sorted.
func (s *Snapshot) Names() []string { return slices.Clone(s.names) }

// Ignored are the entries that the ignore file excludes, sorted.
func (s *Snapshot) Ignored() []string { return slices.Clone(s.ignored) }

// Problems are the files that cannot be entries because of what they are or how
// they are called. They are not among Names; callers should refuse an inventory
// with any.
func (s *Snapshot) Problems() []Problem { return slices.Clone(s.problems) }

// Has reports whether there is such an entry, ignored or not.
func (s *Snapshot) Has(name string) bool { _, ok := s.files[name]; return ok }

// Snapshot looks at a commit. The error is about the commit, the repository or
// the ignore file as a whole; what is wrong with single files is in the
// snapshot's Problems.
func (r *Repository) Snapshot(ctx context.Context, commit string, o SnapshotOptions) (*Snapshot, error) {
	what := fmt.Sprintf("reading the inventory %s at commit %s", r.remote.name, quote(commit))
	c, err := r.commit(commit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	tree, err := r.git.TreeObject(c.TreeHash)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	ignore, err := r.ignore(tree, o.IgnoreFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	s := &Snapshot{Commit: commit, files: map[string]plumbing.Hash{}, repo: r}
	w := &walker{ctx: ctx, repo: r, ignore: ignore, snapshot: s}
	if err := w.folder(tree, "", 1); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	slices.Sort(s.names)
	slices.Sort(s.ignored)
	sortProblems(s.problems)
	return s, nil
}

func (r *Repository) commit(commit string) (*gitobject.Commit, error) {
	hash, err := parseCommit(commit)
	if err != nil {
		return nil, err
	}
	c, err := r.git.CommitObject(hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("%w: it is not in the history of branch %s nor tagged", ErrCommitNotFound, quote(r.Branch))
	}
	return c, err
}

// ignore reads the ignore file, which must be a plain file.
func (r *Repository) ignore(root *gitobject.Tree, name string) (*Ignore, error) {
	required := name != ""
	if !required {
		name = DefaultIgnoreFile
	}
	found, err := root.FindEntry(path.Clean(name))
	if errors.Is(err, gitobject.ErrEntryNotFound) || errors.Is(err, gitobject.ErrDirectoryNotFound) {
		if required {
			return nil, fmt.Errorf("ignore file %s does not exist", quote(name))
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ignore file %s: %w", quote(name), err)
	}
	if found.Mode != filemode.Regular && found.Mode != filemode.Executable && found.Mode != filemode.Deprecated {
		return nil, fmt.Errorf("ignore file %s is not a plain file", quote(name))
	}
	content, err := r.blob(found.Hash, maxIgnoreSize)
	if err != nil {
		return nil, fmt.Errorf("ignore file %s: %w", quote(name), err)
	}
	out, err := ParseIgnore(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(name), err)
	}
	return out, nil
}

// errBlobTooLarge is how blob says that it did not read.
var errBlobTooLarge = errors.New("too large")

// blob reads a file of at most so many bytes, looking at its size first.
func (r *Repository) blob(hash plumbing.Hash, most int64) ([]byte, error) {
	size, err := r.git.Storer.EncodedObjectSize(hash)
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, fmt.Errorf("%w: %d bytes, more than the %d allowed", errBlobTooLarge, size, most)
	}
	b, err := r.git.BlobObject(hash)
	if err != nil {
		return nil, err
	}
	in, err := b.Reader()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, most))
}

// walker lists the files of a commit.
type walker struct {
	ctx      context.Context
	repo     *Repository
	ignore   *Ignore
	snapshot *Snapshot
	seen     int
}

func (w *walker) folder(tree *gitobject.Tree, prefix string, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	names := make(map[string]bool, len(tree.Entries))
	for _, e := range tree.Entries {
		if w.seen++; w.seen > MaxFiles {
			return fmt.Errorf("more than %d files and folders", MaxFiles)
		}
		full := path.Join(prefix, e.Name)
		if why := unsafeName(e.Name); why != "" {
			w.problem(prefix+"/"+e.Name, ReasonUnsafePath, "%s: rename it", why)
			continue
		}
		if names[e.Name] {
			w.problem(full, ReasonDuplicateName, "the folder has two files of this name")
			continue
		}
		names[e.Name] = true
		if strings.HasPrefix(e.Name, ".") {
			continue // hidden
		}
		if err := w.file(e, full, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) file(e gitobject.TreeEntry, full string, depth int) error {
	s := w.snapshot
	switch e.Mode {
	case filemode.Dir:
		if depth == MaxDepth {
			w.problem(full, ReasonUnsafePath, "folders nest deeper than %d", MaxDepth)
			return nil
		}
		sub, err := w.repo.git.TreeObject(e.Hash)
		if err != nil {
			return fmt.Errorf("folder %s: %w", quote(full), err)
		}
		return w.folder(sub, full, depth+1)
	case filemode.Regular, filemode.Executable, filemode.Deprecated:
		if strings.HasSuffix(strings.ToLower(e.Name), ".md") {
			return nil
		}
		s.files[full] = e.Hash
		if w.ignore.Excludes(full) {
			s.ignored = append(s.ignored, full)
			return nil
		}
		s.names = append(s.names, full)
	default:
		if w.ignore.Excludes(full) {
			return nil // it is never looked at
		}
		kind := "a symbolic link"
		if e.Mode == filemode.Submodule {
			kind = "a submodule"
		}
		w.problem(full, ReasonNotAFile, "%s, not a file: replace it, or list it in %s", kind, DefaultIgnoreFile)
	}
	return nil
}

func (w *walker) problem(full string, reason Reason, format string, args ...any) {
	w.snapshot.problems = append(w.snapshot.problems, problem(strings.TrimPrefix(full, "/"), reason, format, args...))
}

// unsafeName says what is wrong with one part of a path. Git allows most of
// these; a program that writes files or prints names should not meet them.
func unsafeName(name string) string {
	switch {
	case name == "":
		return "the name is empty"
	case name == "." || name == "..":
		return "the name leads to another folder"
	case strings.EqualFold(name, ".git"):
		return "the name is git's own"
	case strings.ContainsAny(name, `/\`):
		return "the name holds a slash or backslash"
	case strings.HasPrefix(name, "-"):
		return "the name begins with '-' and could be taken for an option"
	case len(name) > 255:
		return "the name is longer than 255 bytes"
	case !utf8.ValidString(name):
		return "the name is not UTF-8"
	case strings.ContainsFunc(name, invisible):
		return "the name holds control or invisible characters"
	}
	return ""
}

// Entries reads entries by name, in the order given. An entry with errors is
// returned with Name and Raw alone, and every problem is told; the caller
// decides what to do with them.
func (s *Snapshot) Entries(ctx context.Context, names []string) ([]Entry, []Problem) {
	var out []Entry
	var problems []Problem
	total := 0
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return out, append(problems, problem(name, ReasonUnreadable, "gave up: %v", err))
		}
		hash, ok := s.files[name]
		if !ok {
			problems = append(problems, problem(name, ReasonNotFound, "commit %s has no such entry", s.Commit))
			continue
		}
		raw, err := s.repo.blob(hash, MaxEntrySize)
		if err != nil {
			reason := ReasonUnreadable
			if errors.Is(err, errBlobTooLarge) {
				reason = ReasonTooLarge
			}
			problems = append(problems, problem(name, reason, "%v", err))
			out = append(out, Entry{Name: name})
			continue
		}
		if total += len(raw); total > MaxTotalSize {
			return out, append(problems, problem(name, ReasonTooLarge, "the entries up to this one have more than %d bytes together", MaxTotalSize))
		}
		entry, found := ParseEntry(name, raw)
		out = append(out, entry)
		problems = append(problems, found...)
	}
	return out, problems
}
