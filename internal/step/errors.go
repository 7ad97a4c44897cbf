// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import (
	"errors"
	"fmt"
	"strings"
)

// The exit codes of every step but run-stage, which ends with its script's.
const (
	ExitOK      = 0
	ExitFailed  = 1
	ExitInvalid = 2
	ExitRefused = 3
)

// InvalidError is a list of problems that a person has to correct: what was
// asked for cannot be done as it is.
type InvalidError struct {
	// Problems, each naming the thing, what is wrong with it and what is allowed.
	Problems []string
}

// Error lists every problem on a line of its own.
func (e *InvalidError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0]
	}
	return fmt.Sprintf("%d problems:\n  - %s", len(e.Problems), strings.Join(e.Problems, "\n  - "))
}

// Invalid makes an InvalidError of problems; nil if there are none.
func Invalid(problems ...string) error {
	if len(problems) == 0 {
		return nil
	}
	return &InvalidError{Problems: problems}
}

// RefusedError is a refusal: what was asked for is well-formed and must not be
// done.
type RefusedError struct {
	// Reasons, all of them.
	Reasons []string
}

// Error lists every reason.
func (e *RefusedError) Error() string {
	if len(e.Reasons) == 1 {
		return e.Reasons[0]
	}
	return fmt.Sprintf("refused for %d reasons:\n  - %s", len(e.Reasons), strings.Join(e.Reasons, "\n  - "))
}

// Refused makes a RefusedError of reasons; nil if there are none.
func Refused(reasons ...string) error {
	if len(reasons) == 0 {
		return nil
	}
	return &RefusedError{Reasons: reasons}
}

// Join makes one error of several that were met side by side. Invalid input is
// merged into one list; if there is nothing else the result is an InvalidError.
func Join(errs ...error) error {
	var (
		problems []string
		others   []error
	)
	for _, err := range errs {
		var invalid *InvalidError
		switch {
		case err == nil:
		case errors.As(err, &invalid):
			problems = append(problems, invalid.Problems...)
		default:
			others = append(others, err)
		}
	}
	if len(others) == 0 {
		return Invalid(problems...)
	}
	return errors.Join(append(others, Invalid(problems...))...)
}

// ExitCode is the exit code for an error.
func ExitCode(err error) int {
	var (
		invalid *InvalidError
		refused *RefusedError
	)
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &refused):
		return ExitRefused
	case errors.As(err, &invalid):
		return ExitInvalid
	}
	return ExitFailed
}
