// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

// Explanation is a verdict with the answer to the question that it is read for:
// why is my deployment blocked?
type Explanation struct {
	// Answer is one line, for [Answer] or [AnswerOf] to make.
	Answer string `json:"answer"`
	// About says of what the verdict is.
	About string `json:"about"`
	// Unseen is what a run would have looked at too.
	Unseen []string `json:"unseen,omitempty"`
	// Notes are remarks for the reader.
	Notes []string `json:"notes,omitempty"`
	// Verdict with every check.
	Verdict readiness.Verdict `json:"verdict"`
}

// maxName is how much of a name the answer repeats.
const maxName = 100

// Answer says in one line what blocks, and nothing but that.
func Answer(v readiness.Verdict, unseen int) string {
	if v.Ready {
		answer := fmt.Sprintf("Ready: nothing blocks, %s.", count(v.Passed, "check passes", "checks pass"))
		if unseen > 0 {
			answer = fmt.Sprintf("Nothing blocks as far as can be seen here: %s, and not everything was looked at.",
				count(v.Passed, "check passes", "checks pass"))
		}
		return answer
	}
	return "Blocked by " + blockers(v) + "."
}

// blockers names the first check that blocks, and counts the rest.
func blockers(v readiness.Verdict) string {
	for _, c := range v.Checks {
		if c.Outcome != readiness.Block {
			continue
		}
		first := plaintext.Clip(c.Check, maxName)
		if c.Entry != "" {
			first += " of " + plaintext.Clip(c.Entry, maxName)
		}
		first += " (" + plaintext.Clip(c.Result, maxName) + ")"
		if rest := v.Blocked - 1; rest > 0 {
			first += ", and " + count(rest, "more check", "more checks")
		}
		return first
	}
	return count(v.Blocked, "check", "checks")
}

// AnswerOf says in one line why a change is blocked, if it is: by a person, by
// the record, by checks, or by what else it was not approved for.
func AnswerOf(change *v1alpha1.ChangeRequest, v readiness.Verdict) string {
	status := change.Status
	submitted := condition(change, v1alpha1.ConditionSubmitted)
	ready := Answer(v, 0)
	switch {
	case status.Approval.State == v1alpha1.ApprovalRejected:
		for _, d := range status.Approval.Decisions {
			if d.Decision == v1alpha1.DecisionReject {
				return fmt.Sprintf("Blocked by %s, who rejected it: %s", plaintext.Clip(d.User, maxName), orNone(plaintext.Clip(d.Comment, 2*maxName)))
			}
		}
		return "Blocked: the change was rejected."
	case status.State == v1alpha1.StateCanceled:
		return "The change was given up before it was deployed. A new run opens a new one. " + ready
	case !open(state(change)), state(change) == v1alpha1.StateReview:
		return "Not blocked: the change was deployed or tried. When it was opened: " + ready
	case submitted != nil && submitted.Status == metav1.ConditionFalse:
		return fmt.Sprintf("Blocked: the record is not in place: %s: %s",
			plaintext.Clip(submitted.Reason, maxName), plaintext.Clip(submitted.Message, 4*maxName))
	case status.Approval.State == v1alpha1.ApprovalApproved && v.Ready:
		return "Not blocked: it is approved. " + ready
	case status.Approval.State == v1alpha1.ApprovalApproved:
		return fmt.Sprintf("Not blocked: it was approved, though %s.", doesBlock(v))
	case !v.Ready:
		return ready
	case status.Approval.State == v1alpha1.ApprovalRequested:
		return "Ready, and yet not approved: " + plaintext.Clip(strings.Join(status.Approval.Reasons, "; "), 4*maxName)
	}
	return ready
}

func doesBlock(v readiness.Verdict) string {
	if v.Blocked == 1 {
		return "this check blocks: " + blockers(v)
	}
	return "these checks block: " + blockers(v)
}

// count is a number with what it is of.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// ExplainOptions say how a verdict is drawn.
type ExplainOptions struct {
	// BlockingOnly leaves out the checks that are good.
	BlockingOnly bool
	// Columns of the terminal; 0 if it is none.
	Columns int
}

// tableColumns is how wide package readiness draws.
const tableColumns = 100

// fewest columns that a table is fitted into.
const fewest = 40

// Explain draws a verdict: the answer first, the table after it.
func Explain(w io.Writer, style terminal.Style, e Explanation, options ExplainOptions) error {
	p := &page{style: style}
	columns := textColumns
	if options.Columns > 0 {
		columns = min(columns, max(options.Columns, fewest))
	}
	paint := style.Good
	if !e.Verdict.Ready {
		paint = style.Bad
	}
	for _, line := range plaintext.Break(plaintext.Line(e.Answer), columns) {
		p.line("", paint(line))
	}
	p.remarks(e, columns)
	p.line("")
	if err := p.writeTo(w); err != nil {
		return err
	}
	draw := readiness.TableOptions{Color: style.Color, BlockingOnly: options.BlockingOnly}
	if options.Columns == 0 || options.Columns >= tableColumns {
		return harmless(e.Verdict).WriteTable(w, draw)
	}
	draw.Color, draw.Columns = false, max(options.Columns, fewest)
	var table strings.Builder
	if err := harmless(e.Verdict).WriteTable(&table, draw); err != nil {
		return err
	}
	narrow := terminal.Narrow(table.String(), draw.Columns, isRow)
	_, err := io.WriteString(w, paintRows(narrow, style))
	return err
}

// marks are the outcomes as rows of the table begin with them.
var marks = regexp.MustCompile(`(?m)^    (ok   |BLOCK|warn |info ) `)

func isRow(line string) bool { return marks.MatchString(line) }

// paintRows colours outcomes as package readiness does.
func paintRows(table string, style terminal.Style) string {
	return marks.ReplaceAllStringFunc(table, func(mark string) string {
		word := mark[4:9]
		paint := map[string]func(string) string{"ok   ": style.Good, "BLOCK": style.Bad, "warn ": style.Warn, "info ": style.Command}[word]
		return "    " + paint(word) + " "
	})
}

// harmless makes a verdict safe to draw that was not reached here: package
// readiness counts on its own words in its own verdicts.
func harmless(v readiness.Verdict) readiness.Verdict {
	word := func(text string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune("|`*[]()<>&@#!~\\", r) {
				return '?'
			}
			return r
		}, plaintext.Clip(text, maxName))
	}
	v.Checks = slices.Clone(v.Checks)
	for i := range v.Checks {
		c := &v.Checks[i]
		c.Result, c.Rule = word(c.Result), word(c.Rule)
		c.Outcome, c.Reason, c.AssetType = readiness.Outcome(word(string(c.Outcome))), readiness.Reason(word(string(c.Reason))), evidence.AssetType(word(string(c.AssetType)))
	}
	v.Basis.Mode, v.Basis.Phase = word(v.Basis.Mode), checks.Phase(word(string(v.Basis.Phase)))
	v.Basis.Files = slices.Clone(v.Basis.Files)
	for i := range v.Basis.Files {
		v.Basis.Files[i].SHA256 = word(v.Basis.Files[i].SHA256)
	}
	return v
}

func (p *page) remarks(e Explanation, columns int) {
	for _, line := range plaintext.Break(plaintext.Line(e.About), columns) {
		p.line("", line)
	}
	for _, unseen := range e.Unseen {
		for i, line := range plaintext.Break("Not looked at: "+plaintext.Line(unseen), columns-2) {
			p.line(hang(i), p.style.Warn(line))
		}
	}
	for _, note := range e.Notes {
		for i, line := range plaintext.Break("Note: "+plaintext.Line(note), columns-2) {
			p.line(hang(i), line)
		}
	}
}

// hang indents what follows the first line of a paragraph.
func hang(line int) string {
	if line == 0 {
		return ""
	}
	return "  "
}

// maxMarkdownChecks is how many checks a comment or issue takes.
const maxMarkdownChecks = 200

// ExplainMarkdown writes a verdict for an issue or a comment. No text in it is
// markup but ours.
func ExplainMarkdown(w io.Writer, e Explanation) error {
	var out strings.Builder
	fmt.Fprintf(&out, "**%s**\n\n%s\n", quoted(e.Answer), quoted(e.About))
	for _, unseen := range e.Unseen {
		fmt.Fprintf(&out, "\nNot looked at: %s\n", quoted(unseen))
	}
	for _, note := range e.Notes {
		fmt.Fprintf(&out, "\nNote: %s\n", quoted(note))
	}
	out.WriteByte('\n')
	out.WriteString(harmless(e.Verdict).Markdown(maxMarkdownChecks))
	_, err := io.WriteString(w, out.String())
	return err
}

// quoted makes text one line of Markdown in which nothing is markup, a mention
// or a link.
func quoted(text string) string {
	var out strings.Builder
	for _, r := range plaintext.Line(text) {
		switch {
		case r == '&':
			out.WriteString("&amp;")
		case r == '<':
			out.WriteString("&lt;")
		case r == '@', r == '#':
			fmt.Fprintf(&out, "&#%d;", r)
		case strings.ContainsRune("\\`*_[]()!|~", r):
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == ':':
			// Or a forge makes a link of https://…
			out.WriteString("&#58;")
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
