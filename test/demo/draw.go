// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// The control sequences of every terminal in use.
const (
	upLines   = "\x1b[%dA"
	clearLine = "\x1b[K" // from the cursor to the end of the line
	clearDown = "\x1b[J" // everything below

	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	blue   = "\x1b[34m"
	plain  = "\x1b[0m"
)

// redraw is what turns one block of lines on a terminal into another: the
// cursor is below the old block before, and below the new one after. Lines that
// stay as they are are skipped over.
func redraw(old, lines []string) string {
	if slices.Equal(old, lines) {
		return ""
	}
	var frame strings.Builder
	if len(old) > 0 {
		fmt.Fprintf(&frame, "\r"+upLines, len(old))
	}
	for i, line := range lines {
		if i >= len(old) || old[i] != line {
			frame.WriteString(line)
			frame.WriteString(clearLine)
		}
		frame.WriteString("\r\n")
	}
	if len(lines) < len(old) {
		frame.WriteString(clearDown)
	}
	return frame.String()
}

// cut shortens lines to a width, so that none wraps and the count of lines on
// the screen is the count of lines drawn. Colours take no width.
func cut(lines []string, width int) []string {
	short := make([]string, len(lines))
	for i, line := range lines {
		short[i] = cutLine(line, width)
	}
	return short
}

func cutLine(line string, width int) string {
	seen, escape := 0, false
	for i, r := range line {
		switch {
		case escape:
			escape = r != 'm'
		case r == '\x1b':
			escape = true
		case seen == width-1 && visible(line[i:]) > 1:
			return line[:i] + "…" + plain
		default:
			seen++
		}
	}
	return line
}

// visible counts the characters that take a place.
func visible(text string) int {
	count, escape := 0, false
	for _, r := range text {
		switch {
		case escape:
			escape = r != 'm'
		case r == '\x1b':
			escape = true
		default:
			count++
		}
	}
	return count
}

// paint colours a text, if colours are wanted.
func (s *screen) paint(colour, text string) string {
	if !s.color || text == "" {
		return text
	}
	return colour + text + plain
}
