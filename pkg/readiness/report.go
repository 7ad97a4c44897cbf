// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"fmt"
	"io"
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// tableColumns is the width that the terminal table keeps to.
const tableColumns = 100

// maxShown bounds any one text before it is laid out.
const maxShown = 2000

// TableOptions change how WriteTable looks.
type TableOptions struct {
	// Color marks outcomes with terminal colours.
	Color bool
	// BlockingOnly leaves out checks that neither block nor warn.
	BlockingOnly bool
	// Full says of every check, and not only of those that block or warn, which
	// rule it falls under and where the evidence is.
	Full bool
	// Columns that texts keep to; 0 and more than 100 are 100. Rows keep theirs.
	Columns int
}

func (o TableOptions) columns() int {
	if o.Columns <= 0 {
		return tableColumns
	}
	return min(o.Columns, tableColumns)
}

// WriteTable writes the verdict for a person at a terminal, at most 100 columns
// wide, and DEPLOYMENT_READY=true or false as its last line. Nothing in it that
// came from a locker or an inventory can move the cursor, change colours or
// reorder text.
func (v Verdict) WriteTable(w io.Writer, options TableOptions) error {
	var out strings.Builder
	entry, asset := "\x00", "\x00"
	for _, c := range v.Checks {
		if options.BlockingOnly && c.Outcome != Block && c.Outcome != Warn {
			continue
		}
		if c.Entry != entry {
			if entry != "\x00" {
				out.WriteByte('\n')
			}
			entry, asset = c.Entry, "\x00"
			// Never the bare name: an entry may be called DEPLOYMENT_READY=true.
			if c.Entry == "" {
				out.WriteString("the change as a whole\n")
			} else {
				out.WriteString("entry " + plaintext.Fit(plaintext.Clip(c.Entry, maxShown), tableColumns-6) + "\n")
			}
		}
		if c.Asset != asset && c.Asset != "" {
			asset = c.Asset
			out.WriteString("  " + plaintext.Fit(strings.TrimSpace(plaintext.Clip(string(c.AssetType), 100)+" "+plaintext.Clip(c.Asset, maxShown)), tableColumns-2) + "\n")
		}
		writeCheck(&out, c, options)
	}
	if out.Len() > 0 {
		out.WriteByte('\n')
	}
	for _, line := range v.Basis.lines() {
		for _, line := range plaintext.Break(line, options.columns()) {
			out.WriteString(line + "\n")
		}
	}
	fmt.Fprintf(&out, "%s\nDEPLOYMENT_READY=%t\n", v.counts(), v.Ready)
	_, err := io.WriteString(w, out.String())
	return err
}

// counts is the verdict in one sentence.
func (v Verdict) counts() string {
	noun := "checks"
	if v.Passed == 1 {
		noun = "check"
	}
	if v.Warned > 0 {
		return fmt.Sprintf("%d %s passed, %d block, %d warn.", v.Passed, noun, v.Blocked, v.Warned)
	}
	return fmt.Sprintf("%d %s passed, %d block.", v.Passed, noun, v.Blocked)
}

// lines say which files were judged by; none in default mode.
func (b Basis) lines() []string {
	var out []string
	for _, f := range b.Files {
		line := fmt.Sprintf("judged by %s, sha256 %.12s, %s", plaintext.Clip(f.Name, 200), f.SHA256, b.Phase)
		if b.Source != nil {
			line += ", from " + plaintext.Clip(b.Source.String(), 200)
		}
		if b.Target != nil {
			line += ", to " + plaintext.Clip(b.Target.String(), 200)
		}
		out = append(out, line)
	}
	return out
}

// writeCheck writes one line per check, and for one that blocks or warns why,
// what would unblock it, by which rule, and where the evidence is.
func writeCheck(out *strings.Builder, c Check, options TableOptions) {
	const mark, name, tool, result = 5, 40, 16, 8
	outcome, on := "ok", "\x1b[32m"
	switch c.Outcome {
	case Block:
		outcome, on = "BLOCK", "\x1b[31m"
	case Warn:
		outcome, on = "warn", "\x1b[33m"
	case Info:
		outcome, on = "info", "\x1b[36m"
	}
	outcome = plaintext.Pad(outcome, mark)
	if options.Color {
		outcome = on + outcome + "\x1b[0m"
	}
	line := fmt.Sprintf("    %s  %s  %s  %s  %s", outcome,
		plaintext.Pad(plaintext.Fit(plaintext.Clip(c.Check, maxShown), name), name),
		plaintext.Pad(plaintext.Fit(orDash(plaintext.Clip(c.Tool, maxShown)), tool), tool),
		plaintext.Pad(c.Result, result), c.Rule)
	out.WriteString(strings.TrimRight(line, " ") + "\n")
	// A success that does not count needs to be told, even where nothing asks for it.
	told := c.Outcome == Block || c.Outcome == Warn || c.Reason == ReasonUnsigned
	if !told && !options.Full {
		return
	}
	const indent = "           "
	write := func(indent, text string) {
		for _, line := range plaintext.Break(text, max(options.columns()-len(indent), 20)) {
			out.WriteString(indent + line + "\n")
		}
	}
	if told || c.Reason != ReasonSuccess {
		write(indent, plaintext.Clip(c.Message, maxShown))
	}
	if told && c.Unblock != "" {
		write(indent, "to unblock: "+plaintext.Clip(c.Unblock, maxShown))
	}
	if origin := c.origin(); origin != "" {
		write(indent, plaintext.Clip(origin, maxShown))
	}
	if c.EvidencePath != "" {
		// Less indented, so that the documented path fits into one line.
		write("       ", "at "+plaintext.Clip(c.EvidencePath, maxShown))
	}
}

// origin says where a rule and its evidence are from.
func (c Check) origin() string {
	var parts []string
	if c.RuleSource != "" {
		parts = append(parts, "rule: "+c.RuleSource)
	}
	if c.Source != "" {
		parts = append(parts, "from: "+c.Source)
	}
	if c.Date != "" {
		parts = append(parts, "date: "+c.Date)
	}
	if c.SignedBy != "" {
		parts = append(parts, "signed by: "+c.SignedBy)
	}
	return strings.Join(parts, "; ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Markdown is the verdict as a table for an issue, a comment or a change
// record. Texts from outside are code spans, so that nothing in them is
// markup. At most limit checks are listed, blocking ones first; the rest are
// counted.
func (v Verdict) Markdown(limit int) string {
	var out strings.Builder
	fmt.Fprintf(&out, "**DEPLOYMENT_READY=%t**: %s\n\n", v.Ready, v.counts())
	for _, line := range v.Basis.lines() {
		out.WriteString(code(line, 700) + "\n\n")
	}
	out.WriteString("| Outcome | Entry | Check | Tool | Result | Rule | Asset | Reason | Evidence |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	listed := 0
	for _, outcome := range []Outcome{Block, Warn, Pass, Info} {
		for _, c := range v.Checks {
			if c.Outcome != outcome || listed == limit {
				continue
			}
			listed++
			reason := c.Message
			if c.Unblock != "" {
				reason += "; to unblock: " + c.Unblock
			}
			rule := c.Rule
			if c.RuleSource != "" {
				rule += ", " + c.RuleSource
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", c.Outcome,
				code(c.Entry, 200), code(c.Check, 200), code(c.Tool, 100), c.Result, code(rule, 400), code(c.Asset, 400), code(reason, 600), code(c.EvidencePath, 200))
		}
	}
	if rest := len(v.Checks) - listed; rest > 0 {
		fmt.Fprintf(&out, "\n%d more checks are in the summary.\n", rest)
	}
	return out.String()
}
