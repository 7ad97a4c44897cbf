// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// code writes text as one code span of Markdown, in which no forge sees a
// mention, a link, a reference, HTML or emphasis.
func code(s string, most int) string {
	s = plaintext.Clip(s, most)
	if s == "" {
		return "(none)"
	}
	fence := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// block writes text of several lines as an indented code block, which, unlike a
// fence, nothing in the text can end. Of more than most bytes it says how much
// is missing.
func block(s string, most int) string {
	var out strings.Builder
	for line := range strings.Lines(plaintext.Text(s)) {
		if strings.TrimSpace(line) != "" {
			out.WriteString("    ")
		}
		out.WriteString(line)
	}
	whole := out.String()
	kept := cut(whole, most)
	if len(kept) == len(whole) {
		return whole
	}
	return fmt.Sprintf("%s…\n\n… cut here: %d of %d bytes are missing", kept, len(whole)-len(kept), len(whole))
}

// longestRun is the length of the longest run of backticks.
func longestRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// cut shortens text to so many bytes without splitting a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
