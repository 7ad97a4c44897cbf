// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// Problem is one fault in what a promotion pull request or a run's parameters
// say of a change. Its strings are safe to show once rendered by String.
type Problem struct {
	// Field is the tag (<priority>), the parameter (target-environment-purpose)
	// or "body".
	Field string
	// Found is what stands there; empty if nothing does.
	Found string
	// Allowed is what may stand there.
	Allowed string
	// Link is where to correct it: the pull request's page; empty for a
	// parameter.
	Link string
}

// maxFound is how much of what was found a message repeats.
const maxFound = 100

// String renders the problem in one line.
func (p Problem) String() string {
	found := "nothing found"
	if p.Found != "" {
		found = `found "` + plaintext.Clip(p.Found, maxFound) + `"`
	}
	s := fmt.Sprintf("%s: %s; expected %s", p.Field, found, p.Allowed)
	if p.Link != "" {
		s += " (" + plaintext.Clip(p.Link, 300) + ")"
	}
	return s
}
