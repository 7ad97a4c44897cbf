// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// tableColumns is the width that the terminal table keeps to.
const tableColumns = 100

// maxShown bounds any one text before it is laid out.
const maxShown = 2000

// TableOptions change how WriteTable looks.
type TableOptions struct {
	// Color marks outcomes with terminal colours.
	Color bool
	// BlockingOnly leaves out checks that do not block.
	BlockingOnly bool
}

// WriteTable writes the verdict for a person at a terminal, at most 100 columns
// wide, and DEPLOYMENT_READY=true or false as its last line. Nothing in it that
// came from a locker or an inventory can move the cursor, change colours or
// reorder text.
func (v Verdict) WriteTable(w io.Writer, options TableOptions) error {
	var out strings.Builder
	entry, asset := "\x00", "\x00"
	for _, c := range v.Checks {
		if options.BlockingOnly && c.Outcome != Block {
			continue
		}
		if c.Entry != entry {
			if entry != "\x00" {
				out.WriteByte('\n')
			}
			entry, asset = c.Entry, "\x00"
			// Never the bare name: an entry may be called DEPLOYMENT_READY=true.
			out.WriteString("entry " + plaintext.Fit(orDash(plaintext.Clip(c.Entry, maxShown)), tableColumns-6) + "\n")
		}
		if c.Asset != asset && c.Asset != "" {
			asset = c.Asset
			out.WriteString("  " + plaintext.Fit(strings.TrimSpace(string(c.AssetType)+" "+plaintext.Clip(c.Asset, maxShown)), tableColumns-2) + "\n")
		}
		writeCheck(&out, c, options.Color)
	}
	if out.Len() > 0 {
		out.WriteByte('\n')
	}
	fmt.Fprintf(&out, "%d checks passed, %d block.\nDEPLOYMENT_READY=%t\n", v.Passed, v.Blocked, v.Ready)
	_, err := io.WriteString(w, out.String())
	return err
}

// writeCheck writes one line per check, and for a blocking one why and what
// would unblock it.
func writeCheck(out *strings.Builder, c Check, color bool) {
	const mark, name, tool = 5, 50, 22
	outcome, on := "ok", "\x1b[32m"
	switch c.Outcome {
	case Block:
		outcome, on = "BLOCK", "\x1b[31m"
	case Info:
		outcome, on = "info", "\x1b[36m"
	}
	outcome = plaintext.Pad(outcome, mark)
	if color {
		outcome = on + outcome + "\x1b[0m"
	}
	line := fmt.Sprintf("    %s  %s  %s  %s", outcome,
		plaintext.Pad(plaintext.Fit(plaintext.Clip(c.Check, maxShown), name), name),
		plaintext.Pad(plaintext.Fit(orDash(plaintext.Clip(c.Tool, maxShown)), tool), tool),
		c.Result)
	out.WriteString(strings.TrimRight(line, " ") + "\n")
	if c.Outcome != Block {
		return
	}
	const indent = "           "
	for _, line := range plaintext.Break(plaintext.Clip(c.Message, maxShown), tableColumns-len(indent)) {
		out.WriteString(indent + line + "\n")
	}
	if c.Unblock != "" {
		for _, line := range plaintext.Break("to unblock: "+plaintext.Clip(c.Unblock, maxShown), tableColumns-len(indent)) {
			out.WriteString(indent + line + "\n")
		}
	}
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
	fmt.Fprintf(&out, "**DEPLOYMENT_READY=%t**: %d checks passed, %d block.\n\n", v.Ready, v.Passed, v.Blocked)
	out.WriteString("| Outcome | Entry | Check | Tool | Result | Asset | Reason |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	listed := 0
	for _, outcome := range []Outcome{Block, Pass, Info} {
		for _, c := range v.Checks {
			if c.Outcome != outcome || listed == limit {
				continue
			}
			listed++
			reason := c.Message
			if c.Unblock != "" {
				reason += "; to unblock: " + c.Unblock
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s |\n", c.Outcome,
				code(c.Entry, 200), code(c.Check, 200), code(c.Tool, 100), c.Result, code(c.Asset, 400), code(reason, 600))
		}
	}
	if rest := len(v.Checks) - listed; rest > 0 {
		fmt.Fprintf(&out, "\n%d more checks are in the summary.\n", rest)
	}
	return out.String()
}

// Summary is the document attached to a change request as Delta Summary or
// Closing Summary: the documented evidence summary, with the verdict and every
// check that it rests on added as readiness.
type Summary struct {
	evidence.Summary
	Readiness Verdict `json:"readiness"`
}

// Summarise makes the summary of the evidence that a verdict was reached on. It
// is the same, byte for byte, for the same evidence and date.
func Summarise(c *evidence.Collection, v Verdict, pipelineRunID string, date time.Time) (Summary, error) {
	s, err := evidence.Summarise(c, pipelineRunID, date)
	if err != nil {
		return Summary{}, fmt.Errorf("summarising evidence: %w", err)
	}
	return Summary{Summary: s, Readiness: v}, nil
}

// JSON is the document, indented, with a newline at its end.
func (s Summary) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding evidence summary: %w", err)
	}
	return append(data, '\n'), nil
}
