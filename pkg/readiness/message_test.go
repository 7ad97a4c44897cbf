// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"strings"
	"testing"

	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// What people are told must lead them to what is wrong: not to wait for a result
// that was recorded unsigned, and not to run a check that another tool ran.
func TestMessagesNameTheEvidenceThatIsThere(t *testing.T) {
	const unit = evidence.TypeUnitTests
	unsigned := evidence.Signature{Status: evidence.SignatureInvalid, Problem: "it is not signed"}
	for name, tc := range map[string]struct {
		file    string
		build   func(b builder)
		message string
		unblock string
	}{
		"a pending whose outcome was recorded unsigned": {
			file: tools("required", "*"),
			build: func(b builder) {
				b.add(t, commitURI, unit, "pending").Date = "2026-01-01T00:00:00Z"
				e := b.add(t, commitURI, unit, "success")
				e.Date, e.Signature = "2026-01-01T00:01:00Z", unsigned
			},
			message: "says success, but does not count: it is not signed",
			unblock: "signs its evidence with a trusted key",
		},
		"a pending after an unsigned success is waited for": {
			file: tools("required", "*"),
			build: func(b builder) {
				b.add(t, commitURI, unit, "pending").Date = "2026-01-01T00:02:00Z"
				e := b.add(t, commitURI, unit, "success")
				e.Date, e.Signature = "2026-01-01T00:01:00Z", unsigned
			},
			message: "the check has not come to a result",
			unblock: "wait for it to finish",
		},
		"evidence of another tool": {
			file:    tools("required", "jest"),
			build:   func(b builder) { b.add(t, commitURI, unit, "success") },
			message: `there is other evidence of it, which the rule does not take: "tool" from "ci-pipeline"`,
			unblock: `with "jest"`,
		},
		"evidence of no tool": {
			file:    tools("required", "jest"),
			build:   func(b builder) { b.add(t, commitURI, unit, "success").Details.Tool = "" },
			message: `evidence that names no tool from "ci-pipeline"`,
			unblock: `with "jest"`,
		},
		"evidence from another environment": {
			file:    `"source_environments": [{"name": "prod"}], ` + tools("required", "*"),
			build:   func(b builder) { staged(b.add(t, commitURI, unit, "success"), "") },
			message: `"tool" from "stage"`,
			unblock: `in "prod"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := collect(t, shop)
			tc.build(b)
			file := parse(t, section2(checks.PreDeployment, unit, `{"asset_type": "commit", `+tc.file+`}`))
			v := Evaluate(Input{Evidence: b.Collection, Checks: file, Now: now})
			for _, c := range v.Checks {
				if c.Check != unit || c.Outcome != Block {
					continue
				}
				if !strings.Contains(c.Message, tc.message) || !strings.Contains(c.Unblock, tc.unblock) {
					t.Errorf("message %q, to unblock %q; want %q and %q in them", c.Message, c.Unblock, tc.message, tc.unblock)
				}
				return
			}
			t.Errorf("nothing blocks: %+v", v.Checks)
		})
	}
}
