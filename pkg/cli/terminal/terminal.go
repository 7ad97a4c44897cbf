// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package terminal puts text on a terminal: colours that can be switched off,
// tables whose columns line up whatever the alphabet, JSON and YAML that a
// terminal can be shown.
//
// Everything that a change request says comes from a pull request, a file or a
// server, and a terminal obeys some of what it is shown. Nothing in the plugin
// prints foreign text without passing it through package plaintext first.
package terminal

import (
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
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

// Width is how many columns text takes, colours not counted; see
// [plaintext.Columns].
func Width(text string) int {
	columns := 0
	for {
		before, code, colored := strings.Cut(text, "\x1b") // our own colours; foreign text has none left
		columns += plaintext.Columns(before)
		if !colored {
			return columns
		}
		_, text, _ = strings.Cut(code, "m")
	}
}

// Pad fills text, coloured or not, with spaces up to a width in columns.
func Pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(0, columns-Width(text)))
}
