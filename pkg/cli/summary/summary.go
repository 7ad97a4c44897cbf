// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package summary takes the verdict out of the documents that runs attach to a
// change request.
package summary

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/countersign-dev/countersign/pkg/readiness"
)

// Parse takes the verdict out of a Delta Summary or Closing Summary. One
// that contradicts itself is refused.
func Parse(content []byte) (readiness.Verdict, error) {
	var document struct {
		Readiness *readiness.Verdict `json:"readiness"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		return readiness.Verdict{}, fmt.Errorf("reading the summary: %w", err)
	}
	v := document.Readiness
	if v == nil {
		return readiness.Verdict{}, errors.New("reading the summary: it has no verdict")
	}
	blocked := 0
	for _, c := range v.Checks {
		switch c.Outcome {
		case readiness.Block:
			blocked++
		case readiness.Pass, readiness.Warn, readiness.Info:
		default:
			return readiness.Verdict{}, fmt.Errorf("reading the summary: a check has outcome %.80q, which is none of pass, block, warn and info", c.Outcome)
		}
	}
	if blocked != v.Blocked || v.Ready != (blocked == 0) {
		return readiness.Verdict{}, fmt.Errorf("reading the summary: it contradicts itself: ready is %t, blocked %d, and %d checks block", v.Ready, v.Blocked, blocked)
	}
	return *v, nil
}
