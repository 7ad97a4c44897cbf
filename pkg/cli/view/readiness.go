// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// readiness answers the question that people come with: why is my deployment
// blocked?
func (p *page) readiness(change *v1alpha1.ChangeRequest) {
	verdict := change.Spec.Readiness
	p.heading("Readiness")
	p.field("  ", "Verdict", fmt.Sprintf("DEPLOYMENT_READY=%t", verdict.Ready))
	p.field("  ", "Evaluated", clock(verdict.EvaluatedAt.Time))
	p.field("  ", "Checks", fmt.Sprintf("%d passed, %d block", verdict.Passed, verdict.Blocked))
	if !verdict.Ready {
		p.field("  ", "", p.style.Faint("as it stood when the change was opened: evidence that is written later counts in a new run"))
	}
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
		p.field(indent, "Entry", plaintext.Line(check.Entry))
	}
	p.field(indent, "Tool", orNone(check.Tool))
	p.field(indent, "Rule", orNone(check.Rule))
	reason, remedy := SplitReason(check)
	p.text(indent, "Reason", reason, 8)
	if check.Evidence != "" {
		p.field(indent, "Evidence", plaintext.Line(check.Evidence))
	}
	p.text(indent, "Unblock", remedy, 8)
}

// unblockMark stands in the reason of a check before what would unblock it, as
// package readiness writes it.
const unblockMark = "; to unblock: "

// SplitReason divides the reason of a check into why it blocks and what would
// unblock it.
func SplitReason(check v1alpha1.CheckResult) (reason, remedy string) {
	if reason, remedy, found := strings.Cut(check.Reason, unblockMark); found {
		return reason, remedy
	}
	return check.Reason, Remedy(check)
}

// Remedy says what would unblock a check whose reason does not, by its result.
func Remedy(check v1alpha1.CheckResult) string {
	switch check.Result {
	case "failure":
		return "mend what the check found and let it run again on this asset"
	case "pending":
		return "wait until the check has written its result"
	case "missing":
		return "let the check run on this asset and write its evidence to the locker"
	default:
		return "let the check write a result that Countersign knows (success, failure or pending)"
	}
}
