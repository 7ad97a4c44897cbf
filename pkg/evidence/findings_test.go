// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEvaluateFindings(t *testing.T) {
	now := time.Date(2026, 8, 3, 12, 0, 0, 0, time.UTC)
	due := func(date string) Finding { return Finding{ID: "CVE-1", DueDate: Text(date)} }
	exempt := func(word string) Finding { return Finding{ID: "CVE-1", DueDate: "n/a", HasExempt: Text(word)} }
	for name, tc := range map[string]struct {
		findings []Finding
		result   Result
		reasons  []FindingReason
	}{
		"no findings":                             {nil, ResultSuccess, nil},
		"one with time left":                      {[]Finding{due("2026-08-03T12:00:01Z")}, ResultSuccess, []FindingReason{FindingInGrace}},
		"one that is due now":                     {[]Finding{due("2026-08-03T12:00:00Z")}, ResultFailure, []FindingReason{FindingOverdue}},
		"one that was due in another zone":        {[]Finding{due("2026-08-03T13:59:59+02:00")}, ResultFailure, []FindingReason{FindingOverdue}},
		"one that is due on a later day":          {[]Finding{due("2026-08-04")}, ResultSuccess, []FindingReason{FindingInGrace}},
		"one that is due today":                   {[]Finding{due("2026-08-03")}, ResultFailure, []FindingReason{FindingOverdue}},
		"one without a due date":                  {[]Finding{due("")}, ResultFailure, []FindingReason{FindingWithoutDueDate}},
		"one that has none, in words":             {[]Finding{due("n/a"), due(" N/A ")}, ResultFailure, []FindingReason{FindingWithoutDueDate, FindingWithoutDueDate}},
		"one whose due date is no date":           {[]Finding{due("soon")}, ResultFailure, []FindingReason{FindingDueDateUnreadable}},
		"one whose due date is a day and a month": {[]Finding{due("04/08/2030")}, ResultFailure, []FindingReason{FindingDueDateUnreadable}},
		"one that is exempt":                      {[]Finding{exempt("true")}, ResultSuccess, []FindingReason{FindingExempt}},
		"one that is exempt in another word":      {[]Finding{exempt("yes"), exempt("True"), exempt("false")}, ResultFailure, []FindingReason{FindingWithoutDueDate, FindingWithoutDueDate, FindingWithoutDueDate}},
		"an exempt one that is overdue":           {[]Finding{{DueDate: "2020-01-01", HasExempt: "true"}}, ResultSuccess, []FindingReason{FindingExempt}},
		"one bad among good ones":                 {[]Finding{exempt("true"), due("2026-08-02"), due("2027-01-01")}, ResultFailure, []FindingReason{FindingExempt, FindingOverdue, FindingInGrace}},
	} {
		t.Run(name, func(t *testing.T) {
			result, judged := EvaluateFindings(tc.findings, now)
			var reasons []FindingReason
			for i, j := range judged {
				reasons = append(reasons, j.Reason)
				if j.Finding != tc.findings[i] || j.Message == "" {
					t.Errorf("got %+v of %+v", j, tc.findings[i])
				}
				if j.Fails != (j.Reason != FindingExempt && j.Reason != FindingInGrace) {
					t.Errorf("%s fails: %v", j.Reason, j.Fails)
				}
			}
			if result != tc.result {
				t.Errorf("got %s, want %s", result, tc.result)
			}
			if diff := cmp.Diff(tc.reasons, reasons); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
