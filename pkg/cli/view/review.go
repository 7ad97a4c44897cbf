// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"io"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
)

// Review draws what an approver is about to decide on: the content that the
// decision binds, what blocks it, and what to know before signing.
func Review(w io.Writer, style terminal.Style, change *v1alpha1.ChangeRequest, warnings []string) error {
	p := &page{style: style}
	spec := change.Spec
	p.line("", p.style.Bold(plaintext.Line(change.Name)), "  ", plaintext.Line(spec.Summary))
	p.line("")
	p.field("", "Target", p.targetLine(change))
	p.field("", "Planned", fmt.Sprintf("%s to %s, outage %s", clock(spec.PlannedStart.Time), clock(spec.PlannedEnd.Time), outage(change)))
	p.field("", "Risk", p.riskLine(change))
	p.field("", "Ready", p.readySummary(change))
	for _, check := range spec.Readiness.Blocking {
		p.field("", "", fmt.Sprintf("%s %s on %s", p.style.Bad(orNone(check.Result)), orNone(check.Check), orNone(check.Asset)))
	}
	if rest := spec.Readiness.Blocked - len(spec.Readiness.Blocking); rest > 0 {
		p.field("", "", fmt.Sprintf("… and %d more", rest))
	}
	p.field("", "Promotion PR", fmt.Sprintf("#%d by %s: %s", spec.PromotionPR.Number, orNone(spec.PromotionPR.Author), orNone(spec.PromotionPR.URL)))
	p.field("", "Deploys", deploys(spec))
	p.field("", "Inventory", "commit "+orNone(spec.Inventory.To))
	p.field("", "Content hash", orNone(spec.ContentHash))
	for _, warning := range warnings {
		p.line("")
		p.line("", p.style.Warn("Warning: "+plaintext.Line(warning)))
	}
	p.line("")
	return p.writeTo(w)
}

// deploys sums up the subjects in a line.
func deploys(spec v1alpha1.ChangeRequestSpec) string {
	text := fmt.Sprintf("%d inventory entries", spec.SubjectsTotal)
	if spec.SubjectsTotal == 1 {
		text = "1 inventory entry"
	}
	for i, subject := range spec.Subjects {
		if i == 5 {
			return text + ", …"
		}
		separator := ", "
		if i == 0 {
			separator = ": "
		}
		word := plaintext.Line(subject.Name)
		if subject.Version != "" {
			word += " " + plaintext.Line(subject.Version)
		}
		if subject.Action == "delete" {
			word += " (deleted)"
		}
		text += separator + word
	}
	return text
}
