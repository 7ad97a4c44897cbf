// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible makes hostile text safe to show in one line: characters that have no
// picture (control characters, line breaks, bidi controls, zero-width
// characters, broken UTF-8) are written as escapes such as \n, \x1b or \u202e,
// and more than most bytes are cut, which an ellipsis tells.
func Visible(s string, most int) string {
	return escape(s, most, func(rune) bool { return false })
}

// visibleText is Visible for text of several lines: it keeps line breaks and
// tabs and cuts nothing.
func visibleText(s string) string {
	return escape(s, len(s), func(r rune) bool { return r == '\n' || r == '\t' })
}

func escape(s string, most int, keep func(rune) bool) string {
	var out strings.Builder
	for i, r := range s {
		if i >= most {
			out.WriteString("…")
			break
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, s[i])
		case keep(r) || unicode.IsGraphic(r) && !blank(r):
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case r < 0x80:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	return out.String()
}

// blank finds characters that count as graphic and yet show nothing.
func blank(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xffa0:
		return true
	}
	return unicode.Is(unicode.Variation_Selector, r)
}

// code writes text as one code span of Markdown, in which no forge sees a
// mention, a link, a reference, HTML or emphasis.
func code(s string, most int) string {
	s = strings.TrimSpace(Visible(s, most))
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
	for line := range strings.Lines(visibleText(s)) {
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
