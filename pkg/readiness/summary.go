// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Summary is the document attached to a change request as Delta Summary or
// Closing Summary: the documented evidence summary, with the verdict and every
// check that it rests on added as readiness, and a statement about each asset.
type Summary struct {
	evidence.Summary
	Readiness Verdict `json:"readiness"`
	// Statements say for each asset what the verdict on it is.
	Statements []Statement `json:"statements"`
}

// Summarise makes the summary of the evidence that a verdict was reached on. It
// is the same, byte for byte, for the same evidence and date.
func Summarise(c *evidence.Collection, v Verdict, pipelineRunID string, date time.Time) (Summary, error) {
	s, err := evidence.Summarise(c, pipelineRunID, date)
	if err != nil {
		return Summary{}, fmt.Errorf("summarising evidence: %w", err)
	}
	if s.Evidences, err = withDecisive(s.Evidences, c, v); err != nil {
		return Summary{}, fmt.Errorf("summarising evidence: %w", err)
	}
	return Summary{Summary: s, Readiness: v, Statements: Statements(c, v)}, nil
}

// withDecisive adds the evidence that decided a check and is not in the summary
// yet: of one check of an asset, the summary has the newest, and a verdict may
// rest on one of each environment.
func withDecisive(have []json.RawMessage, c *evidence.Collection, v Verdict) ([]json.RawMessage, error) {
	known := map[string]bool{}
	for _, raw := range have {
		var record struct {
			ID evidence.Text `json:"id"`
		}
		if err := json.Unmarshal(raw, &record); err != nil {
			return nil, err
		}
		known[string(record.ID)] = true
	}
	for _, check := range v.Checks {
		state := c.Assets[check.AssetID]
		if check.Evidence == "" || known[check.Evidence] || state == nil {
			continue
		}
		for _, e := range state.Evidences {
			if string(e.ID) != check.Evidence {
				continue
			}
			raw, err := e.JSON()
			if err != nil {
				return nil, err
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, raw); err != nil {
				return nil, err
			}
			have, known[check.Evidence] = append(have, compact.Bytes()), true
			break
		}
	}
	return have, nil
}

// JSON is the document, indented, with a newline at its end.
func (s Summary) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding evidence summary: %w", err)
	}
	return append(data, '\n'), nil
}

// maxMarkdown is how many assets, and how many checks, the Markdown form lists.
const maxMarkdown = 1000

// Markdown is the summary for people: the verdict on each asset, then the
// checks. Of more than a thousand of either the rest is counted.
func (s Summary) Markdown() string {
	const limit = maxMarkdown
	var out strings.Builder
	title := "Delta Summary"
	if s.Readiness.Basis.Phase == checks.PostDeployment {
		title = "Closing Summary"
	}
	fmt.Fprintf(&out, "# %s\n\n", title)
	fmt.Fprintf(&out, "Run %s, %s. %d evidences.\n\n", orDash(code(s.PipelineRunID, 200)), code(s.Date, 100), len(s.Evidences))
	if len(s.Statements) > 0 {
		out.WriteString("| Verdict | Asset | Digest | Evidences |\n| --- | --- | --- | --- |\n")
		for i, statement := range s.Statements {
			if i == limit {
				fmt.Fprintf(&out, "\n%d more assets are in the summary.\n", len(s.Statements)-i)
				break
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %d |\n", statement.Predicate.VerificationResult,
				code(statement.Predicate.ResourceURI, 400), code(statement.digest(), 200), len(statement.Predicate.InputAttestations))
		}
		out.WriteByte('\n')
	}
	out.WriteString(s.Readiness.Markdown(limit))
	return out.String()
}
