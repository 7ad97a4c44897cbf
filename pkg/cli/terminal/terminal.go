// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package terminal puts text on a terminal: colours that can be switched off,
// columns that line up whatever the alphabet, and text from strangers made
// harmless.
//
// Everything that a change request says comes from a pull request, a file or a
// server. A terminal obeys some of what it is shown: escape sequences move the
// cursor and rename the window, and bidirectional controls reorder a line so
// that it reads as something else. [Line] and [Lines] turn every such character
// into the visible text \u202e; nothing in this module prints foreign text
// without passing it through one of them.
package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Style is what a terminal can show. The zero value is plain text for a pipe
// or a file.
type Style struct {
	// Color allows ANSI colours.
	Color bool
}

// The colours, as ANSI "select graphic rendition" codes.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s Style) paint(code, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold marks a heading.
func (s Style) Bold(text string) string { return s.paint(bold, text) }

// Faint marks what a reader may skip.
func (s Style) Faint(text string) string { return s.paint(faint, text) }

// Good marks success.
func (s Style) Good(text string) string { return s.paint(green, text) }

// Bad marks failure.
func (s Style) Bad(text string) string { return s.paint(red, text) }

// Warn marks what wants attention.
func (s Style) Warn(text string) string { return s.paint(yellow, text) }

// Command marks what a reader may type.
func (s Style) Command(text string) string { return s.paint(cyan, text) }

// Line makes foreign text safe to show on one line: line breaks become spaces,
// and every other character that is not printable in the sense of
// [unicode.IsPrint] (control, bidirectional and other format characters,
// exotic spaces, broken UTF-8) becomes its escape, such as \x1b or \u202e.
func Line(text string) string {
	return strings.TrimSpace(neutralise(text, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }))
}

// Lines makes foreign text safe to show on several lines. Line breaks divide
// it; each line is treated as by [Line], but keeps its indentation.
func Lines(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(neutralise(line, func(r rune) bool { return r == '\t' || r == '\r' }), " ")
	}
	return lines
}

// neutralise replaces what is not printable, and what toSpace names by a space.
func neutralise(text string, toSpace func(rune) bool) string {
	if harmless(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case toSpace(r):
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteString(text[i : i+size])
		default:
			b.WriteString(escape(r))
		}
		i += size
	}
	return b.String()
}

func harmless(text string) bool {
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func escape(r rune) string {
	switch {
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// Width is how many columns text takes, colours not counted. East Asian wide
// characters take two, combining marks none.
func Width(text string) int {
	columns := 0
	for i := 0; i < len(text); {
		if text[i] == '\x1b' { // our own colours; foreign text has none left
			if end := strings.IndexByte(text[i:], 'm'); end >= 0 {
				i += end + 1
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		columns += runeWidth(r)
		i += size
	}
	return columns
}

func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Pad fills text with spaces up to a width in columns.
func Pad(text string, columns int) string {
	if missing := columns - Width(text); missing > 0 {
		return text + strings.Repeat(" ", missing)
	}
	return text
}

// Cut shortens text without colours to at most so many columns, the last of
// which then shows that something is missing.
func Cut(text string, columns int) string {
	if Width(text) <= columns {
		return text
	}
	used := 0
	for i, r := range text {
		w := runeWidth(r)
		if used+w > columns-1 {
			return text[:i] + "…"
		}
		used += w
	}
	return text
}

// Wrap breaks one line of text without colours at spaces, so that no line is
// wider than so many columns unless one word is.
func Wrap(text string, columns int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		w := Width(word)
		if used > 0 && used+1+w > columns {
			lines = append(lines, line)
			line, used = "", 0
		}
		if used > 0 {
			line += " "
			used++
		}
		line += word
		used += w
	}
	return append(lines, line)
}
