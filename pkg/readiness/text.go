// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Plain makes text from outside safe to show on a terminal or to store: one
// line, every control, bidirectional and other invisible character written out
// as \u202e, and cut to at most limit bytes with an ellipsis.
func Plain(s string, limit int) string {
	var out strings.Builder
	cut := 0 // where an ellipsis still fits
	for _, r := range s {
		var piece string
		switch {
		case r == utf8.RuneError:
			piece = `\ufffd`
		case r == '\n' || r == '\r' || r == '\t' || unicode.Is(unicode.Zs, r):
			piece = " "
		case !unicode.IsGraphic(r): // controls, and the invisible ones of category Cf
			if r > 0xffff {
				piece = fmt.Sprintf(`\U%08x`, r)
			} else {
				piece = fmt.Sprintf(`\u%04x`, r)
			}
		default:
			piece = string(r)
		}
		if out.Len()+len(piece) > limit {
			return out.String()[:cut] + "…"
		}
		out.WriteString(piece)
		if out.Len() <= limit-len("…") {
			cut = out.Len()
		}
	}
	return out.String()
}

// columns is how wide text is on a terminal.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		return 0
	case width.LookupRune(r).Kind() == width.EastAsianWide || width.LookupRune(r).Kind() == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// fit cuts text in its middle to at most n columns: both ends of a URI or of a
// check's name tell more than its middle.
func fit(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	if n < 5 {
		return strings.Repeat(".", max(n, 0))
	}
	runes := []rune(s)
	left, right := n/2, n-n/2-1
	var head, tail []rune
	for used := 0; len(head) < len(runes); {
		r := runes[len(head)]
		if used += runeColumns(r); used > left {
			break
		}
		head = append(head, r)
	}
	for used, i := 0, len(runes)-1; i >= len(head); i-- {
		if used += runeColumns(runes[i]); used > right {
			break
		}
		tail = append(tail, runes[i])
	}
	var out strings.Builder
	out.WriteString(string(head))
	out.WriteString("…")
	for i := len(tail) - 1; i >= 0; i-- {
		out.WriteRune(tail[i])
	}
	return out.String()
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-columns(s)))
}

// wrap breaks text into lines of at most n columns, between words where it can.
func wrap(s string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && columns(line)+1+columns(word) <= n {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		line = word
		for columns(line) > n {
			cut, used := 0, 0
			for i, r := range line {
				if used += runeColumns(r); used > n {
					cut = i
					break
				}
			}
			lines = append(lines, line[:cut])
			line = line[cut:]
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// code is text as a Markdown code span in a table cell. Nothing in it is
// markup, a mention or a link.
func code(s string, limit int) string {
	s = strings.TrimSpace(Plain(s, limit))
	if s == "" {
		return ""
	}
	s = strings.NewReplacer("`", "'", "|", "¦").Replace(s)
	return "`" + s + "`"
}
