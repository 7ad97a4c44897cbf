// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package view draws change requests for people: values in, text out, no
// client in sight.
//
// [List] draws many, [Describe] one in full, [Review] what an approver is about
// to sign, [Attachments] the documents of a record. [NextSteps] is the advice
// that Describe ends its first part with, as data.
package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
)

// none stands where a value is missing, as in tkn.
const none = "---"

// Detail is one change request with what belongs to it.
type Detail struct {
	Change *v1alpha1.ChangeRequest
	// Approvals are the ChangeApprovals of the change, counted or not.
	Approvals []v1alpha1.ChangeApproval
	// Resume is the command that takes a stopped run up again, empty if there
	// is nothing to resume.
	Resume string
	// Notes are remarks on what could not be read, for the reader to know.
	Notes []string
	// Now is the time that ages are counted from.
	Now time.Time
}

// page collects the text of a view and remembers nothing else.
type page struct {
	out   strings.Builder
	style terminal.Style
}

func (p *page) line(indent string, parts ...string) {
	p.out.WriteString(strings.TrimRight(indent+strings.Join(parts, ""), " "))
	p.out.WriteByte('\n')
}

func (p *page) heading(text string) {
	p.out.WriteByte('\n')
	p.line("", p.style.Bold(text))
}

// labelWidth lines values up behind their labels.
const labelWidth = 18

// field writes one labelled value, safe or coloured by the caller; later lines
// of it stand below the first.
func (p *page) field(indent, label string, lines ...string) {
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		p.line(indent, terminal.Pad(label, labelWidth-len(indent)), line)
	}
}

// text writes foreign text behind a label, wrapped, at most limit lines of it.
func (p *page) text(indent, label, text string, limit int) {
	var lines []string
	for _, line := range plaintext.Lines(text) {
		lines = append(lines, wrap(line)...)
		if len(lines) > 100*limit {
			break
		}
	}
	if len(lines) > limit {
		rest := len(lines) - limit
		lines = append(lines[:limit:limit], p.style.Faint(fmt.Sprintf("… %d more lines: see -o yaml", rest)))
	}
	if len(lines) == 1 && lines[0] == "" {
		lines[0] = none
	}
	p.field(indent, label, lines...)
}

const (
	// textColumns is how wide text of several lines is drawn.
	textColumns = 88
	// wordColumns is where a word is cut in two. It leaves whole what people
	// copy, such as references and commits.
	wordColumns = 300
)

// wrap breaks a line at spaces; what follows stands below its beginning, behind
// the bullet of a list.
func wrap(line string) []string {
	if terminal.Width(line) <= textColumns {
		return []string{line}
	}
	rest := strings.TrimLeft(line, " ")
	indent := line[:min(len(line)-len(rest), 16)]
	var lines []string
	for _, part := range plaintext.Wrap(rest, textColumns-len(indent)) {
		for _, piece := range breakWord(part, wordColumns) {
			lines = append(lines, indent+piece)
		}
		if len(lines) == 1 && strings.HasPrefix(rest, "- ") {
			indent += "  "
		}
	}
	return lines
}

// breakWord cuts a word that is wider than so many columns.
func breakWord(word string, columns int) []string {
	var parts []string
	runes := []rune(word)
	for len(runes) > columns {
		parts = append(parts, string(runes[:columns]))
		runes = runes[columns:]
	}
	return append(parts, string(runes))
}

func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, p.out.String())
	return err
}

// orNone makes foreign text safe and shows where there is none.
func orNone(text string) string {
	if text = plaintext.Line(text); text == "" {
		return none
	}
	return text
}

// clock writes a time as people compare it, in UTC whoever reads it where.
func clock(t time.Time) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// ago writes how long ago a time was.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return none
	}
	return duration.HumanDuration(now.Sub(t))
}

// size writes a number of bytes in a handy unit.
func size(bytes int64) string {
	const unit = 1000
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, prefix := float64(bytes)/unit, 0
	for value >= unit && prefix < len("kMGTP")-1 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTP"[prefix])
}

// Shell quotes foreign text as one word of a POSIX shell command, so that a
// command shown to a person does what it seems to do.
func Shell(text string) string {
	text = plaintext.Line(text)
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/:@%+=,", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// target writes a target as people name it: prod, or eu-de/prod.
func target(t v1alpha1.Target) string {
	if t.Region == "" {
		return plaintext.Line(t.Environment)
	}
	return plaintext.Line(t.Region + "/" + t.Environment)
}

// command writes a command of this plugin for one change.
func command(verb string, change *v1alpha1.ChangeRequest, rest ...string) string {
	words := append([]string{"tkn change", verb, Shell(change.Name), "-n", Shell(change.Namespace)}, rest...)
	return strings.Join(words, " ")
}
