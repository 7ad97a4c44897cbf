// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
)

// Filter says which changes to list. Its zero value lets all pass.
type Filter struct {
	// States are change states, case aside; "open" stands for all but Closed
	// and Canceled.
	States []string
	// Target is an environment, or region/environment.
	Target string
}

// Open is the filter word for every state in which something is still to come.
const Open = "open"

// States are the words that a filter takes.
func States() []string {
	return []string{
		Open, string(v1alpha1.StateNew), string(v1alpha1.StateAssess), string(v1alpha1.StateAuthorize),
		string(v1alpha1.StateScheduled), string(v1alpha1.StateImplement), string(v1alpha1.StateReview),
		string(v1alpha1.StateClosed), string(v1alpha1.StateCanceled),
	}
}

// Apply returns the changes that pass, the newest first.
func (f Filter) Apply(changes []v1alpha1.ChangeRequest) []v1alpha1.ChangeRequest {
	passed := slices.DeleteFunc(slices.Clone(changes), func(change v1alpha1.ChangeRequest) bool {
		return !f.target(change.Spec.Target) || !f.state(state(&change))
	})
	slices.SortStableFunc(passed, func(a, b v1alpha1.ChangeRequest) int {
		return cmp.Or(
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return passed
}

func (f Filter) state(state v1alpha1.ChangeState) bool {
	return len(f.States) == 0 || slices.ContainsFunc(f.States, func(wanted string) bool {
		if strings.EqualFold(wanted, Open) {
			return open(state)
		}
		return strings.EqualFold(wanted, string(state))
	})
}

func (f Filter) target(t v1alpha1.Target) bool {
	region, environment, hasRegion := strings.Cut(f.Target, "/")
	if !hasRegion {
		return f.Target == "" || f.Target == t.Environment
	}
	return environment == t.Environment && region == t.Region
}

// state of a change, which has none before the controller first saw it.
func state(change *v1alpha1.ChangeRequest) v1alpha1.ChangeState {
	return cmp.Or(change.Status.State, v1alpha1.StateNew)
}

func open(state v1alpha1.ChangeState) bool {
	return state != v1alpha1.StateClosed && state != v1alpha1.StateCanceled
}

// ListOptions say how a list is drawn.
type ListOptions struct {
	AllNamespaces bool
	NoHeaders     bool
	Now           time.Time
}

// List draws changes as a table, one a line.
func List(w io.Writer, style terminal.Style, changes []v1alpha1.ChangeRequest, options ListOptions) error {
	var table terminal.Table
	if !options.NoHeaders {
		table.Header = []string{"NAME", "TARGET", "STATE", "APPROVAL", "READY", "RISK", "CATEGORY", "AGE", "SUMMARY"}
		if options.AllNamespaces {
			table.Header = append([]string{"NAMESPACE"}, table.Header...)
		}
	}
	for i := range changes {
		change := &changes[i]
		row := []string{
			plaintext.Line(change.Name),
			target(change.Spec.Target),
			plaintext.Line(string(state(change))),
			approvalWord(style, change.Status.Approval.State),
			yesNo(style, change.Spec.Readiness.Ready),
			orNone(string(change.Spec.Fields.Risk)),
			category(style, change.Status.CloseCategory),
			ago(options.Now, change.CreationTimestamp.Time),
			plaintext.Cut(plaintext.Line(change.Spec.Summary), 48),
		}
		if options.AllNamespaces {
			row = append([]string{plaintext.Line(change.Namespace)}, row...)
		}
		table.Rows = append(table.Rows, row)
	}
	return table.Write(w, "")
}

func yesNo(style terminal.Style, value bool) string {
	if value {
		return style.Good("yes")
	}
	return style.Bad("no")
}

func approvalWord(style terminal.Style, state v1alpha1.ApprovalState) string {
	word := orNone(string(state))
	switch state {
	case v1alpha1.ApprovalApproved:
		return style.Good(word)
	case v1alpha1.ApprovalRejected:
		return style.Bad(word)
	case v1alpha1.ApprovalRequested:
		return style.Warn(word)
	}
	return word
}

func category(style terminal.Style, category v1alpha1.CloseCategory) string {
	word := orNone(string(category))
	switch category {
	case v1alpha1.CategorySuccessful:
		return style.Good(word)
	case v1alpha1.CategorySuccessfulWithIssues:
		return style.Warn(word)
	case v1alpha1.CategoryUnsuccessful:
		return style.Bad(word)
	}
	return word
}
