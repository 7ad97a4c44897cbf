// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package offline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

// folder is what a folder of entries holds.
type folder struct {
	entries  []inventory.Entry
	ignored  int
	warnings []string
}

// readInventory reads a checkout of an inventory, or any folder with entries, by
// the rules of package inventory: hidden files and Markdown are no entries, and
// the ignore file leaves out more. Faults of all entries are told at once.
func readInventory(dir string, patterns []string) (*folder, error) {
	wrap := func(err error) error { return fmt.Errorf("reading the inventory %s: %w", dir, err) }
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, wrap(err)
	}
	defer root.Close()
	files := root.FS()
	var ignore *inventory.Ignore
	switch content, err := readFile(files, inventory.DefaultIgnoreFile, inventory.MaxEntrySize); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, wrap(fmt.Errorf("%s: %w", inventory.DefaultIgnoreFile, err))
	default:
		if ignore, err = inventory.ParseIgnore(content); err != nil {
			return nil, wrap(fmt.Errorf("%s: %w", inventory.DefaultIgnoreFile, err))
		}
	}
	var (
		out      folder
		problems []error
		count    int
		total    int
	)
	fault := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("entry %s: %s", plaintext.Clip(name, 200), fmt.Sprintf(format, args...)))
	}
	used := make([]bool, len(patterns))
	for i, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			used[i] = true
			problems = append(problems, fmt.Errorf("pattern %q: %w", pattern, err))
		}
	}
	err = fs.WalkDir(files, ".", func(name string, file fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if count++; count > inventory.MaxFiles {
			return fmt.Errorf("more than %d files and folders", inventory.MaxFiles)
		}
		switch {
		case strings.HasPrefix(file.Name(), ".") && file.IsDir():
			return fs.SkipDir
		case strings.HasPrefix(file.Name(), "."):
			return nil
		case file.IsDir():
			if strings.Count(name, "/")+1 >= inventory.MaxDepth {
				fault(name, "folders nest deeper than %d", inventory.MaxDepth)
				return fs.SkipDir
			}
			return nil
		case strings.HasSuffix(strings.ToLower(name), ".md"):
			return nil
		case ignore.Excludes(name) || !chosen(patterns, used, name):
			out.ignored++
			return nil
		case unsafeName(file.Name()):
			fault(name, "the name holds characters that are not shown, a backslash, or begins with '-': rename it")
			return nil
		}
		content, err := readFile(files, name, inventory.MaxEntrySize)
		if err != nil {
			fault(name, "%v: correct it, or list it in %s if it is not an entry", err, inventory.DefaultIgnoreFile)
			return nil
		}
		if total += len(content); total > inventory.MaxTotalSize {
			return fmt.Errorf("the entries have more than %d bytes together", inventory.MaxTotalSize)
		}
		entry, found := inventory.ParseEntry(name, content)
		for _, p := range found {
			if p.Severity == inventory.SeverityError {
				problems = append(problems, errors.New(p.String()))
			} else {
				out.warnings = append(out.warnings, p.String())
			}
		}
		out.entries = append(out.entries, entry)
		return nil
	})
	if err != nil {
		problems = append(problems, err)
	}
	for i, pattern := range patterns {
		if !used[i] && len(problems) == 0 {
			problems = append(problems, fmt.Errorf("pattern %q matches no entry", pattern))
		}
	}
	if len(out.entries) == 0 && len(problems) == 0 {
		problems = append(problems, errors.New("it holds no entry that is deployed"))
	}
	if len(problems) > 0 {
		return nil, wrap(errors.Join(problems...))
	}
	return &out, nil
}

// unsafeName finds names that a run refuses.
func unsafeName(name string) bool {
	return !utf8.ValidString(name) || strings.HasPrefix(name, "-") || strings.Contains(name, `\`) ||
		strings.ContainsFunc(name, func(r rune) bool { return !plaintext.Visible(r) })
}

// readFile reads a plain file of at most limit bytes; links are not followed.
func readFile(files fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Lstat(files, name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a plain file")
	case info.Size() > limit:
		return nil, fmt.Errorf("it has %d bytes, more than the %d allowed", info.Size(), limit)
	}
	return fs.ReadFile(files, name)
}

// chosen reports whether any pattern is about an entry, and notes which are used.
func chosen(patterns []string, used []bool, name string) bool {
	found := len(patterns) == 0
	for i, pattern := range patterns {
		if matches(strings.Split(pattern, "/"), strings.Split(name, "/")) {
			used[i], found = true, true
		}
	}
	return found
}

// matches compares a name with a pattern, folder by folder; ** stands for any
// number of folders. A pattern that cannot be read matches nothing.
func matches(pattern, name []string) bool {
	for len(pattern) > 0 && pattern[0] != "**" {
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	if len(pattern) == 0 {
		return len(name) == 0
	}
	return slices.ContainsFunc(tails(name), func(rest []string) bool { return matches(pattern[1:], rest) })
}

// tails are a list and all lists that it ends with.
func tails(list []string) [][]string {
	var out [][]string
	for i := range len(list) + 1 {
		out = append(out, list[i:])
	}
	return out
}
