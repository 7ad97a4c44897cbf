// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/json"
	"time"
)

// SummaryVersion is the version of the documented summary format.
const SummaryVersion = "2.0"

// Summary is the documented evidence summary: for some components, the newest
// evidence of each of their assets, as it was recorded and without aggregation.
type Summary struct {
	Version string `json:"version"`
	// Date of the summary, RFC 3339 in UTC.
	Date          string            `json:"date"`
	ToolchainCRN  string            `json:"toolchain_crn,omitempty"`
	PipelineID    string            `json:"pipeline_id,omitempty"`
	PipelineRunID string            `json:"pipeline_run_id"`
	Evidences     []json.RawMessage `json:"evidences"`
}

// Summarise makes the summary of a collection. It is the same, byte for byte,
// for the same collection and date: assets are in the order of the components
// that reach them, the evidence of each by check and tool. Evidence about
// several assets appears once.
func Summarise(c *Collection, pipelineRunID string, date time.Time) (Summary, error) {
	s := Summary{
		Version:       SummaryVersion,
		Date:          date.UTC().Format(time.RFC3339),
		PipelineRunID: pipelineRunID,
		Evidences:     []json.RawMessage{},
	}
	seenAssets, seenEvidence := map[string]bool{}, map[string]bool{}
	for _, component := range c.Components {
		for _, link := range component.Assets {
			if seenAssets[link.ID] {
				continue
			}
			seenAssets[link.ID] = true
			current, _ := Newest(c.Assets[link.ID].Evidences, date)
			for _, e := range current {
				if seenEvidence[string(e.ID)] {
					continue
				}
				seenEvidence[string(e.ID)] = true
				raw, err := e.JSON()
				if err != nil {
					return Summary{}, err
				}
				var compact bytes.Buffer
				if err := json.Compact(&compact, raw); err != nil {
					return Summary{}, err
				}
				s.Evidences = append(s.Evidences, compact.Bytes())
			}
		}
	}
	return s, nil
}
