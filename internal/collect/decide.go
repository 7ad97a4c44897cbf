// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Fields of the evidence's details beside those of the format.
const (
	// DetailReported is what the check itself said, where findings decided.
	DetailReported = "reported_result"
	// DetailEnvironment and DetailRegion are the environment that a check looked
	// at; readiness takes them for where the evidence comes from.
	DetailEnvironment = "environment"
	DetailRegion      = "region"
	// DetailMissing names files that should have been attached to a failure.
	DetailMissing = "missing_files"
)

// Draft is the record to write, and what to tell about it.
type Draft struct {
	Check   evidence.Check
	Outcome evidence.Outcome
	// Notes are lines for the log.
	Notes []string
}

// decide makes the record. Whatever keeps it from being made is told at once.
//
// A failure is recorded even if files are missing that it names: a check that
// broke seldom leaves any. A success is not.
func decide(p *Params, a *Asked, f *Facts, now time.Time) (*Draft, []string) {
	origin := evidence.Origin{
		ToolchainCRN:   evidence.Text(p.ToolchainCRN),
		PipelineID:     evidence.Text(p.PipelineID),
		PipelineRunID:  evidence.Text(p.PipelineRunID),
		PipelineRunURL: evidence.Text(p.PipelineRunURL),
	}
	d := &Draft{
		Check: evidence.Check{
			TypeID: p.TypeID, TypeVersion: p.TypeVersion, Tool: p.Tool, Origin: origin,
			Assets: assets(a.asset), Related: assets(a.related...), Parents: assets(a.parents...),
			Extra: map[string]any{},
		},
		Outcome: evidence.Outcome{
			Result: f.Result, Attachments: f.Attachments, Findings: f.Findings, Issues: a.issues,
			Extra: map[string]any{},
		},
	}
	if p.Environment != "" {
		d.Check.Extra[DetailEnvironment] = p.Environment
	}
	if p.Region != "" {
		d.Check.Extra[DetailRegion] = p.Region
	}
	if f.Result == evidence.ResultPending {
		return d, nil
	}
	if a.evaluate {
		var judged []evidence.JudgedFinding
		d.Outcome.Result, judged = evaluate(f.Result, f.Findings, now)
		d.Outcome.Extra[DetailReported] = string(f.Result)
		for _, finding := range judged {
			mark := "ok"
			if finding.Fails {
				mark = "fails"
			}
			d.note("  %-5s  %s", mark, finding.Message)
		}
	}
	if len(f.Missing) > 0 {
		if d.Outcome.Result != evidence.ResultFailure {
			return nil, []string{fmt.Sprintf("%s: no such file in workspace source", strings.Join(f.Missing, ", "))}
		}
		d.Outcome.Extra[DetailMissing] = f.Missing
		d.note("Recorded without %s: no such file in workspace source", strings.Join(f.Missing, ", "))
	}
	return d, nil
}

// evaluate lets the findings decide on a result: one that has to be fixed makes
// a success a failure, and a failure all of whose findings are exempt or still
// have time is a success. A failure without any finding stays one, because
// nothing says what failed.
func evaluate(reported evidence.Result, findings []evidence.Finding, now time.Time) (evidence.Result, []evidence.JudgedFinding) {
	result, judged := evidence.EvaluateFindings(findings, now)
	if len(findings) == 0 {
		result = reported
	}
	return result, judged
}

func assets(uris ...evidence.URI) []evidence.Asset {
	var out []evidence.Asset
	for _, uri := range uris {
		out = append(out, evidence.Asset{URI: evidence.Text(uri.String)})
	}
	return out
}

func (d *Draft) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}
