// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strings"
	"time"
)

// Finding is one thing that a check found fault with.
type Finding struct {
	ID  Text `json:"id,omitempty"`
	URL Text `json:"url,omitempty"`
	// DueDate is until when it may stand: a date with or without a time, or n/a.
	DueDate    Text `json:"due_date,omitempty"`
	FirstFound Text `json:"first_found,omitempty"`
	Severity   Text `json:"severity,omitempty"`
	// HasExempt is true if somebody exempted the finding.
	HasExempt Text `json:"has_exempt,omitempty"`
	// FoundStatus is new, existing, autoclosed or readonly.
	FoundStatus Text `json:"found_status,omitempty"`
}

// FindingReason says why a finding fails its check, or why it does not.
type FindingReason string

// The reasons of findings.
const (
	// FindingExempt: somebody exempted it; it does not fail the check.
	FindingExempt FindingReason = "Exempt"
	// FindingInGrace: its due date lies ahead; it does not fail the check.
	FindingInGrace FindingReason = "InGrace"
	// FindingOverdue: its due date has come.
	FindingOverdue FindingReason = "Overdue"
	// FindingWithoutDueDate: it has none (empty or n/a), so no grace either.
	FindingWithoutDueDate FindingReason = "WithoutDueDate"
	// FindingDueDateUnreadable: what is there as due date is no date.
	FindingDueDateUnreadable FindingReason = "DueDateUnreadable"
)

// JudgedFinding is a finding with what it means for its check.
type JudgedFinding struct {
	Finding
	Reason FindingReason
	// Fails is true if the finding alone makes the check a failure.
	Fails bool
	// Message says so in words; what came from a tool is quoted in it.
	Message string
}

// EvaluateFindings says what a check's findings make of it at a time: a success
// if every finding is exempt or within its grace period, else a failure. No
// findings are a success. The findings are returned in their order.
//
// A finding is exempt only if has_exempt is true, and within its grace period
// only if its due date lies after now. A due date without a time is the start of
// that day in UTC: the earliest moment that it can mean.
func EvaluateFindings(findings []Finding, now time.Time) (Result, []JudgedFinding) {
	result := ResultSuccess
	judged := make([]JudgedFinding, 0, len(findings))
	for _, f := range findings {
		j := JudgedFinding{Finding: f}
		j.Reason, j.Message = f.judge(now)
		j.Fails = j.Reason != FindingExempt && j.Reason != FindingInGrace
		if j.Fails {
			result = ResultFailure
		}
		judged = append(judged, j)
	}
	return result, judged
}

func (f Finding) judge(now time.Time) (FindingReason, string) {
	name := fmt.Sprintf("finding %.200q", string(f.ID))
	if f.HasExempt == "true" {
		return FindingExempt, name + " is exempt"
	}
	due := strings.TrimSpace(string(f.DueDate))
	if due == "" || strings.EqualFold(due, "n/a") {
		return FindingWithoutDueDate, name + " has no due date, so it must be resolved or exempted first"
	}
	at, err := parseDate(due)
	if err != nil {
		at, err = time.Parse(time.DateOnly, due)
	}
	switch {
	case err != nil:
		return FindingDueDateUnreadable, fmt.Sprintf("%s has due date %.64q, which is not ISO 8601, such as 2026-01-02", name, due)
	case at.After(now):
		return FindingInGrace, name + " is due on " + at.Format(time.RFC3339)
	}
	return FindingOverdue, name + " was due on " + at.Format(time.RFC3339)
}
