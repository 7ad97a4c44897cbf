// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package findings

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

func TestFilesThatAreNoFindings(t *testing.T) {
	for sentence, tc := range map[string]struct{ content, want string }{
		"nothing":             {"", "not a JSON array"},
		"an object":           {`{"findings":[]}`, "not a JSON array"},
		"half an array":       {`[{"id":"a"}`, "cannot be read"},
		"too many":            {"[" + strings.Repeat("{},", maxCount) + "{}]", "more than the 5000 allowed"},
		"two results of one":  {`[{"id":"a","has_exempt":false,"has_exempt":true}]`, "finding 1: duplicate field"},
		"no id":               {`[{"id":"a"},{"url":"x"}]`, "finding 2: has no id"},
		"a list as a text":    {`[{"id":["a"]}]`, "finding 1: "},
		"far too many faults": {"[" + strings.Repeat("7,", 100) + "7]", "and perhaps more"},
	} {
		t.Run(sentence, func(t *testing.T) {
			found, faults := Parse([]byte(tc.content))
			if len(found) > 0 || !strings.Contains(strings.Join(faults, "\n"), tc.want) {
				t.Errorf("%d findings, faults %q, want %q", len(found), faults, tc.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"id":"CVE-1","has_exempt":true,"due_date":"n/a"}]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"id":1,"has_exempt":"yes"},null]`))
	f.Add([]byte(` [ [ ] ] `))
	f.Fuzz(func(t *testing.T, content []byte) {
		findings, faults := Parse(content)
		if len(findings) > 0 && len(faults) > 0 {
			t.Errorf("%d findings beside faults %q", len(findings), faults)
		}
		for _, finding := range findings {
			if finding.ID == "" {
				t.Error("a finding without an id")
			}
		}
		evidence.EvaluateFindings(findings, time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC))
	})
}
