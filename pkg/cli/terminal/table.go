// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"io"
	"strings"
)

// gap is what stands between two columns.
const gap = "   "

// Table is rows of cells in columns. Cells may be coloured; text in them must
// have been made safe before.
type Table struct {
	Header []string
	Rows   [][]string
}

// Write writes the table, its columns lined up, each line after indent.
func (t Table) Write(w io.Writer, indent string) error {
	rows := t.Rows
	if len(t.Header) > 0 {
		rows = append([][]string{t.Header}, rows...)
	}
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		line.WriteString(indent)
		for i, cell := range row {
			if i > 0 {
				line.WriteString(gap)
			}
			line.WriteString(Pad(cell, widths[i]))
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
