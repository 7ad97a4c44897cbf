// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether an entry with a problem can be deployed at all.
type Severity string

// The severities.
const (
	// SeverityError: the entry cannot be used.
	SeverityError Severity = "error"
	// SeverityWarning: the entry can be used, though something is missing.
	SeverityWarning Severity = "warning"
)

// Reason is a kind of problem; the values are part of the API.
type Reason string

// The reasons.
const (
	// ReasonUnsafePath: a file's name would lead or look elsewhere.
	ReasonUnsafePath Reason = "UnsafePath"
	// ReasonNotAFile: a symbolic link or a submodule.
	ReasonNotAFile Reason = "NotAFile"
	// ReasonDuplicateName: two files of one name in one folder.
	ReasonDuplicateName Reason = "DuplicateName"
	// ReasonTooLarge: an entry or all of them together exceed the limit.
	ReasonTooLarge Reason = "TooLarge"
	// ReasonUnreadable: git cannot produce the file.
	ReasonUnreadable Reason = "Unreadable"
	// ReasonNotJSON: the content is not one JSON object.
	ReasonNotJSON Reason = "NotJSON"
	// ReasonInvalidField: a key holds what it must not.
	ReasonInvalidField Reason = "InvalidField"
	// ReasonDigestMismatch: the entry names two digests.
	ReasonDigestMismatch Reason = "DigestMismatch"
	// ReasonMissingDigest: an image without a digest. It is a warning: what such
	// an entry deploys cannot be matched with evidence, so readiness blocks it.
	ReasonMissingDigest Reason = "MissingDigest"
	// ReasonNotFound: there is no entry of that name.
	ReasonNotFound Reason = "NotFound"
)

// Problem is one thing wrong with one file of an inventory.
type Problem struct {
	// Path of the file, with whatever characters it has: quote it to show it.
	Path string
	// Reason is for programs.
	Reason Reason
	// Severity tells errors from warnings.
	Severity Severity
	// Message says it in words, with the remedy; it is safe to show.
	Message string
}

// String renders a problem in one line that is safe to show in a terminal.
func (p Problem) String() string {
	return fmt.Sprintf("%s: entry %s: %s", p.Severity, quote(p.Path), p.Message)
}

// Errors returns the problems that forbid to use their entry.
func Errors(problems []Problem) []Problem {
	var out []Problem
	for _, p := range problems {
		if p.Severity == SeverityError {
			out = append(out, p)
		}
	}
	return out
}

func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(string(a.Reason), string(b.Reason)), strings.Compare(a.Message, b.Message))
	})
}

func problem(path string, reason Reason, format string, args ...any) Problem {
	return Problem{Path: path, Reason: reason, Severity: SeverityError, Message: fmt.Sprintf(format, args...)}
}

// quote shortens hostile text and makes its invisible characters visible.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], "\ufffd"))
	}
	return fmt.Sprintf("%q", s)
}
