// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Columns is how wide text is on a terminal. East Asian wide characters take
// two columns, combining marks none.
func Columns(text string) int {
	columns := 0
	for _, r := range text {
		columns += runeColumns(r)
	}
	return columns
}

func runeColumns(r rune) int {
	if r < 0x80 {
		return 1
	}
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
	return text + strings.Repeat(" ", max(0, columns-Columns(text)))
}

// Cut shortens text at its end to at most so many columns, the last of which
// then shows that something is missing.
func Cut(text string, columns int) string {
	if Columns(text) <= columns {
		return text
	}
	if columns < 1 {
		return ""
	}
	return head(text, columns-1) + ellipsis
}

// Fit shortens text in its middle to at most so many columns: both ends of a
// URI or of a check's name tell more than its middle. Less than five columns
// have no room for that and become dots.
func Fit(text string, columns int) string {
	if Columns(text) <= columns {
		return text
	}
	if columns < 5 {
		return strings.Repeat(".", max(columns, 0))
	}
	start := head(text, columns/2)
	end := []rune(text[len(start):])
	first := len(end)
	for used := 0; first > 0; first-- {
		if used += runeColumns(end[first-1]); used > columns-columns/2-1 {
			break
		}
	}
	// A mark whose character was cut must not end up on the ellipsis.
	for first < len(end) && runeColumns(end[first]) == 0 {
		first++
	}
	return start + ellipsis + string(end[first:])
}

// head is as much of the beginning of a text as fits into so many columns.
func head(text string, columns int) string {
	used := 0
	for i, r := range text {
		if used += runeColumns(r); used > columns {
			return text[:i]
		}
	}
	return text
}

// Wrap breaks one line at spaces into lines of at most so many columns. A word
// that is wider stays whole, so that people can copy it. There is always at
// least one line.
func Wrap(text string, columns int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		w := Columns(word)
		if line != "" && used+1+w > columns {
			lines = append(lines, line)
			line, used = "", 0
		}
		if line != "" {
			line += " "
			used++
		}
		line += word
		used += w
	}
	return append(lines, line)
}

// Break is Wrap for where the width must be kept to: it breaks words that are
// wider, too. Only a single character may be wider than a line.
func Break(text string, columns int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		w := Columns(word)
		switch {
		case line == "":
		case used+1+w <= columns:
			line += " "
			used++
		default:
			lines = append(lines, line)
			line, used = "", 0
		}
		for w > columns {
			start := head(word, columns)
			if start == "" { // one character is wider than the line
				start = string([]rune(word)[:1])
			}
			if start == word {
				break
			}
			lines = append(lines, start)
			word = word[len(start):]
			w = Columns(word)
		}
		line += word
		used += w
	}
	return append(lines, line)
}
