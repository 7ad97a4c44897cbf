// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
)

// readiness answers the question that people come with: why is my deployment
// blocked?
func (p *page) readiness(change *v1alpha1.ChangeRequest) {
	verdict := change.Spec.Readiness
	p.heading("Readiness")
	p.field("  ", "Verdict", fmt.Sprintf("DEPLOYMENT_READY=%t", verdict.Ready))
	p.field("  ", "Evaluated", clock(verdict.EvaluatedAt.Time))
	p.field("  ", "Checks", fmt.Sprintf("%d passed, %d block", verdict.Passed, verdict.Blocked))
	for i, check := range verdict.Blocking {
		p.line("")
		p.line("  ", fmt.Sprintf("%d. ", i+1), p.style.Bold(orNone(check.Check)), ": ", p.style.Bad(orNone(check.Result)))
		p.check(check)
	}
	if rest := verdict.Blocked - len(verdict.Blocking); rest > 0 {
		p.line("")
		p.line("  ", p.style.Faint(fmt.Sprintf("… %d more checks block: the Delta Summary lists all of them", rest)))
	}
}

func (p *page) check(check v1alpha1.CheckResult) {
	const indent = "     "
	p.field(indent, "Asset", orNone(check.Asset))
	if check.Entry != "" {
		p.field(indent, "Entry", terminal.Line(check.Entry))
	}
	p.field(indent, "Tool", orNone(check.Tool))
	p.field(indent, "Rule", orNone(check.Rule))
	p.text(indent, "Reason", check.Reason, 8)
	if check.Evidence != "" {
		p.field(indent, "Evidence", terminal.Line(check.Evidence))
	}
	p.text(indent, "Unblock", Remedy(check), 8)
}

// Remedy says what would unblock a check, by its result.
func Remedy(check v1alpha1.CheckResult) string {
	switch check.Result {
	case "failure":
		return "mend what the check found, let it run again on this asset, and start a new run"
	case "pending":
		return "wait until the check has written its result, and start a new run"
	case "missing":
		return "let the check run on this asset and write its evidence to the locker, and start a new run"
	default:
		return "let the check write a result that Countersign knows (success, failure or pending), and start a new run"
	}
}
