// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package plaintext makes text from strangers harmless, and lays it out in
// columns.
//
// Nearly everything that a change request says comes from a pull request, a
// file, a server or an approver. Whoever shows such text obeys some of it:
// escape sequences move a terminal's cursor and rename its window,
// bidirectional controls reorder a line so that it reads as something else,
// characters without a picture hide a difference, and a line break forges a
// second line of a log. Here is the one place that decides what may be shown:
//
//   - [Line] for one line: a message, a cell, a name.
//   - [Clip] for one line of bounded size: whatever is stored or sent on.
//   - [Lines] for several lines on a terminal.
//   - [Text] for several lines that are stored or quoted as a block.
//
// All four write a character that [Visible] refuses as its escape, in the
// manner of Go: \x1b, \u202e, \U000e0041, and a byte that is not UTF-8 as
// \xff. What is there thus stays legible, though not reversible: a backslash
// is not escaped, so the escape may also be what somebody typed. Each of them
// leaves its own output as it is, so text may pass through more than once.
//
// Markup is another matter: a harmless line may still be HTML, Markdown or
// YAML, and whoever writes those has to quote it.
//
// The columns of a terminal ([Columns], [Pad], [Cut], [Fit], [Wrap], [Break])
// are counted on text that is harmless already.
package plaintext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis stands for what was cut.
const ellipsis = "…"

// Visible tells whether a character may be shown as it is: it has a picture, or
// changes that of the one before it, or is the space of ASCII. Control, format
// and bidirectional characters are not visible, nor are other spaces, nor those
// that count as printable and yet show nothing.
func Visible(r rune) bool {
	return unicode.IsPrint(r) && !blank(r)
}

// blank finds characters that are printable in the sense of Unicode's
// categories and yet show nothing: fillers, and the variation selectors, a run
// of which can hide any message.
func blank(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xffa0:
		return true
	}
	return unicode.Is(unicode.Variation_Selector, r)
}

// Line makes text one harmless line. Line breaks, tabs and the spaces of other
// scripts become spaces, those at both ends are dropped, and whatever else is
// not visible becomes its escape.
func Line(text string) string {
	text = strings.TrimFunc(text, spacing)
	if harmless(text) {
		return text
	}
	var out strings.Builder
	for text != "" {
		shown, size := next(text)
		out.WriteString(shown)
		text = text[size:]
	}
	return out.String()
}

// Clip is Line, cut to at most so many bytes, the last of which then are an
// ellipsis. It cuts neither a character nor an escape in two, and reads no more
// of the text than it needs. Where not even the ellipsis has room, nothing is
// left of a text that is too long.
func Clip(text string, maxBytes int) string {
	text = strings.TrimFunc(text, spacing)
	if len(text) <= maxBytes && harmless(text) {
		return text
	}
	var out strings.Builder
	room := 0 // how much of out leaves room for the ellipsis
	for text != "" {
		shown, size := next(text)
		if out.Len()+len(shown) > maxBytes {
			if maxBytes < len(ellipsis) {
				return ""
			}
			return strings.TrimRight(out.String()[:room], " ") + ellipsis
		}
		out.WriteString(shown)
		if out.Len() <= maxBytes-len(ellipsis) {
			room = out.Len()
		}
		text = text[size:]
	}
	return out.String()
}

// Text makes text of several lines harmless. It keeps line breaks, which become
// \n, and tabs; all else in a line is treated as by Line, but nothing is
// dropped.
func Text(text string) string {
	if harmless(text) {
		return text
	}
	var out strings.Builder
	for text != "" {
		shown, size := next(text)
		switch {
		case text[size-1] == '\n':
			shown = "\n"
		case text[0] == '\t':
			shown = "\t"
		}
		out.WriteString(shown)
		text = text[size:]
	}
	return out.String()
}

// Lines divides text at its line breaks into harmless lines. They keep their
// indentation, in which a tab is one space; empty lines at both ends are
// dropped. There is always at least one line.
func Lines(text string) []string {
	text = strings.ReplaceAll(Text(text), "\t", " ")
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}

// next is how the first character of a text, which is not empty, is shown on a
// line, and how many bytes of the text it takes. A line break of two characters
// is one.
func next(text string) (shown string, size int) {
	if strings.HasPrefix(text, "\r\n") {
		return " ", len("\r\n")
	}
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf(`\x%02x`, text[0]), size
	case spacing(r):
		return " ", size
	case Visible(r):
		return text[:size], size
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r), size
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r), size
	}
	return fmt.Sprintf(`\U%08x`, r), size
}

// spacing finds what becomes a space. U+2028 and its like are not among them:
// nobody types them, and who reads the text should see that they are there.
func spacing(r rune) bool {
	return r == '\n' || r == '\r' || r == '\t' || unicode.Is(unicode.Zs, r)
}

// harmless spares most texts the copying.
func harmless(text string) bool {
	for _, r := range text {
		if r == utf8.RuneError || !Visible(r) {
			return false
		}
	}
	return true
}
