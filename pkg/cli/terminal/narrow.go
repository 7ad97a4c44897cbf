// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// Narrow fits harmless text without colours, of which some lines are the rows of
// a table, into so many columns. First the rows lose the columns that are blank
// in all of them, except two, so that they still line up; then every line that
// is still too wide is broken, and goes on below its beginning. A heading, which
// is indented by two at most, loses its middle where a word alone is too wide.
func Narrow(text string, columns int, row func(line string) bool) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	wide := false
	for _, line := range lines {
		wide = wide || plaintext.Columns(line) > columns
	}
	if !wide {
		return text
	}
	var rows []int
	var cells [][]string
	for i, line := range lines {
		if row(line) {
			rows, cells = append(rows, i), append(cells, cellsOf(line))
		}
	}
	keep := blankRuns(cells)
	for i, at := range rows {
		var line strings.Builder
		for column, cell := range cells[i] {
			if keep[column] {
				line.WriteString(cell)
			}
		}
		lines[at] = strings.TrimRight(line.String(), " ")
	}
	var out strings.Builder
	for _, line := range lines {
		for _, part := range broken(line, columns) {
			out.WriteString(part + "\n")
		}
	}
	return out.String()
}

// cellsOf divides a line into its columns; the second column of a wide character
// is empty.
func cellsOf(line string) []string {
	var cells []string
	for _, r := range line {
		width := plaintext.Columns(string(r))
		if width == 0 && len(cells) > 0 {
			cells[len(cells)-1] += string(r)
			continue
		}
		cells = append(cells, string(r))
		for range width - 1 {
			cells = append(cells, "")
		}
	}
	return cells
}

// blankRuns says which columns are kept: of each run of columns that are blank
// in every row, the first two. The indentation of all rows stays.
func blankRuns(rows [][]string) []bool {
	var keep []bool
	run, indentation := 0, true
	for column := 0; ; column++ {
		some, blank := false, true
		for _, cells := range rows {
			if column < len(cells) {
				some = true
				blank = blank && cells[column] == " "
			}
		}
		switch {
		case !some:
			return keep
		case !blank:
			run, indentation = 0, false
		default:
			run++
		}
		keep = append(keep, indentation || run <= 2)
	}
}

// broken divides a line that is too wide.
func broken(line string, columns int) []string {
	if plaintext.Columns(line) <= columns {
		return []string{line}
	}
	rest := strings.TrimLeft(line, " ")
	indent := line[:min(len(line)-len(rest), columns/4)]
	tooWide := func(word string) bool { return plaintext.Columns(word) > columns-len(indent)-2 }
	if len(indent) <= 2 && slices.ContainsFunc(strings.Fields(rest), tooWide) {
		return []string{indent + plaintext.Fit(rest, columns-len(indent))}
	}
	parts := plaintext.Break(rest, columns-len(indent)-2)
	for i, part := range parts {
		if i > 0 {
			part = "  " + part
		}
		parts[i] = indent + part
	}
	return parts
}
