// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// DefaultIgnoreFile is the file in the inventory's root that says which entries
// are not deployed.
const DefaultIgnoreFile = ".inventoryignore"

// Bounds of an ignore file.
const (
	maxIgnoreSize  = 64 << 10
	maxIgnoreLines = 1000
)

// Ignore says which entries are not deployed. The nil Ignore excludes nothing.
//
// The file has one pattern on each line, with the rules of .gitignore: a plain
// name matches at any depth, "dir/" a folder with all in it, "*" and "**" are
// wildcards, "!" brings back what an earlier line excluded, the last matching
// line decides, and lines that begin with "#" are comments. Three things differ:
//
//   - "**" followed by "!keep" is an allow-list: an excluded folder does not keep
//     what is in it from being brought back;
//   - ".ext", a dot and a name, means every file that ends so, as hidden files are
//     no entries anyway;
//   - a file without any pattern excludes everything.
type Ignore struct {
	all     bool
	matcher gitignore.Matcher
}

// ParseIgnore reads an ignore file.
func ParseIgnore(content []byte) (*Ignore, error) {
	if len(content) > maxIgnoreSize {
		return nil, fmt.Errorf("the ignore file has %d bytes, more than the %d allowed", len(content), maxIgnoreSize)
	}
	if !utf8.Valid(content) {
		return nil, fmt.Errorf("the ignore file is not UTF-8 text")
	}
	var patterns []gitignore.Pattern
	for line := range strings.Lines(strings.TrimPrefix(string(content), "\ufeff")) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(patterns) == maxIgnoreLines {
			return nil, fmt.Errorf("the ignore file has more than %d patterns", maxIgnoreLines)
		}
		if suffix, ok := extension(line); ok {
			patterns = append(patterns, gitignore.ParsePattern(suffix, nil))
		}
		patterns = append(patterns, gitignore.ParsePattern(line, nil))
	}
	if len(patterns) == 0 {
		return &Ignore{all: true}, nil
	}
	return &Ignore{matcher: gitignore.NewMatcher(patterns)}, nil
}

// extension turns ".md" into "*.md" and "!.md" into "!*.md".
func extension(line string) (string, bool) {
	name, bang := line, ""
	if rest, ok := strings.CutPrefix(line, "!"); ok {
		name, bang = rest, "!"
	}
	name = strings.TrimRight(name, " ")
	if len(name) < 2 || name[0] != '.' || name[1] == '.' || strings.ContainsAny(name, "/*?[\\") {
		return "", false
	}
	return bang + "*" + name, true
}

// Excludes reports whether an entry is not deployed.
func (i *Ignore) Excludes(name string) bool {
	switch {
	case i == nil:
		return false
	case i.all:
		return true
	}
	return i.matcher.Match(strings.Split(name, "/"), false)
}
