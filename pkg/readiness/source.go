// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	kjson "sigs.k8s.io/json"

	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// SourceOf is the environment that an evidence comes from, as a checks file
// names it: checks.CIPipeline where the run that built the entry wrote it, or
// where it names no environment; else the environment and region in its
// details.
//
// The building run comes first because a build may well name the environment
// that it builds for. Evidence that names none is the building side's too:
// nothing is known to have collected it in an environment, and records of other
// programs do not say.
func SourceOf(e *evidence.Evidence, component evidence.Component) checks.Environment {
	ci := checks.Environment{Name: checks.CIPipeline}
	if run := component.PipelineRunID; run != "" && string(e.Origin.Scope) == evidence.ScopeID(run) {
		return ci
	}
	if where := collectedIn(e); where.Name != "" {
		return where
	}
	return ci
}

// collectedIn reads environment and region of an evidence's details. What is no
// name of either is as good as none.
func collectedIn(e *evidence.Evidence) checks.Environment {
	raw, err := e.JSON()
	if err != nil {
		return checks.Environment{}
	}
	var record struct {
		Details struct {
			Environment evidence.Text `json:"environment"`
			Region      evidence.Text `json:"region"`
		} `json:"details"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &record); err != nil {
		return checks.Environment{}
	}
	where := checks.Environment{Name: string(record.Details.Environment), Region: string(record.Details.Region)}
	if !checks.ValidName(where.Name) || where.Region != "" && !checks.ValidName(where.Region) {
		return checks.Environment{}
	}
	if where.Name == checks.CIPipeline {
		where.Region = ""
	}
	return where
}

// bySource divides the evidence of an asset by where it comes from: what stage
// found does not supersede what the build found.
func bySource(evidences []*evidence.Evidence, component evidence.Component) map[checks.Environment][]*evidence.Evidence {
	out := map[checks.Environment][]*evidence.Evidence{}
	for _, e := range evidences {
		source := SourceOf(e, component)
		out[source] = append(out[source], e)
	}
	return out
}
