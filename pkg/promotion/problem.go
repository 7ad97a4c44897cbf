// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"strings"
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
		found = `found "` + Visible(p.Found, maxFound) + `"`
	}
	s := fmt.Sprintf("%s: %s; expected %s", p.Field, found, p.Allowed)
	if p.Link != "" {
		s += " (" + Visible(p.Link, 300) + ")"
	}
	return s
}

// Problems are all the faults of one change. As an error they are one message
// that lists every one of them.
type Problems []Problem

// Error implements error.
func (p Problems) Error() string {
	var out strings.Builder
	switch len(p) {
	case 0:
		return "no faults"
	case 1:
		out.WriteString("1 fault in the change's fields; nothing was created")
	default:
		fmt.Fprintf(&out, "%d faults in the change's fields; nothing was created", len(p))
	}
	out.WriteString(". Correct the pull request's description and the run's parameters, then run again:")
	for i, problem := range p {
		fmt.Fprintf(&out, "\n  %d. %s", i+1, problem)
	}
	return out.String()
}

// Err is nil if there are no problems, so that a caller can return it.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}
