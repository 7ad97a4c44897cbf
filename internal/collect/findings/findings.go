// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package findings reads the file in which a check lists what it found fault
// with. It is apart from package collect so that its tests, which fuzz it, need
// no key management service.
package findings

import (
	"bytes"
	"encoding/json"
	"fmt"

	kjson "sigs.k8s.io/json"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

const (
	// maxCount bounds the findings of one record.
	maxCount = 5000
	// maxFaultsTold bounds how many wrong findings are named one by one.
	maxFaultsTold = 20
)

// Parse reads a JSON array of findings:
//
//	[{"id": "CVE-2026-1", "url": "https://…", "due_date": "2026-09-01", "severity": "high",
//	  "first_found": "2026-08-01", "has_exempt": false, "found_status": "new"}]
//
// Keys that are not known are left out. A key that appears twice, or anything
// but an object, is a fault, and so is a finding without an id: nobody could say
// which finding was exempted.
func Parse(content []byte) ([]evidence.Finding, []string) {
	var items []json.RawMessage
	if trimmed := bytes.TrimSpace(content); len(trimmed) == 0 || trimmed[0] != '[' {
		return nil, []string{"it is not a JSON array"}
	}
	if err := json.Unmarshal(content, &items); err != nil {
		return nil, []string{fmt.Sprintf("it cannot be read: %v", err)}
	}
	if len(items) > maxCount {
		return nil, []string{fmt.Sprintf("it has %d findings, more than the %d allowed: attach the tool's report, and list what has to be fixed", len(items), maxCount)}
	}
	findings := make([]evidence.Finding, 0, len(items))
	var faults []string
	for i, item := range items {
		if len(faults) == maxFaultsTold {
			return nil, append(faults, "and perhaps more")
		}
		var finding evidence.Finding
		fault := ""
		if item[0] != '{' {
			fault = "is not an object"
		} else if strict, err := kjson.UnmarshalStrict(item, &finding, kjson.DisallowDuplicateFields); err != nil {
			fault = err.Error()
		} else if len(strict) > 0 {
			fault = strict[0].Error()
		} else if finding.ID == "" {
			fault = "has no id"
		}
		if fault != "" {
			faults = append(faults, fmt.Sprintf("finding %d: %s", i+1, fault))
			continue
		}
		findings = append(findings, finding)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return findings, nil
}
