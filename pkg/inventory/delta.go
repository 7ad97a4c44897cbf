// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// Delta is what has to happen to a target: the entries by name, each list sorted.
type Delta struct {
	// From is the commit that the target concluded last, empty if none.
	From string
	// To is the commit to deploy.
	To string
	// Changed entries are new or have other content.
	Changed []string
	// Deleted entries were deployed and are in the inventory no more.
	Deleted []string
	// Released entries were deployed, are still in the inventory, and the ignore
	// file now excludes them: they are neither deployed nor deleted, since an
	// ignore file says what a pipeline leaves alone.
	Released []string
}

// Empty reports whether there is nothing to do.
func (d Delta) Empty() bool { return len(d.Changed) == 0 && len(d.Deleted) == 0 }

// Diff compares two commits by the hashes of their files. Each is seen through
// the ignore file it had itself: an entry that was ignored and is so no longer
// counts as changed, and one that was ignored and is gone was never deployed, so
// it is not deleted. A nil from means that the target has nothing yet.
func Diff(from, to *Snapshot) Delta {
	return diff(from, to, false)
}

// Everything is like Diff, but deploys all entries, changed or not.
func Everything(from, to *Snapshot) Delta {
	return diff(from, to, true)
}

func diff(from, to *Snapshot, redeploy bool) Delta {
	d := Delta{To: to.Commit}
	before := map[string]bool{}
	if from != nil {
		d.From = from.Commit
		before = make(map[string]bool, len(from.names))
		for _, name := range from.names {
			before[name] = true
		}
	}
	now := make(map[string]bool, len(to.names))
	for _, name := range to.names {
		now[name] = true
		if redeploy || !before[name] || from.files[name] != to.files[name] {
			d.Changed = append(d.Changed, name)
		}
	}
	if from == nil {
		return d
	}
	for _, name := range from.names {
		switch {
		case now[name]:
		case to.Has(name):
			d.Released = append(d.Released, name)
		default:
			d.Deleted = append(d.Deleted, name)
		}
	}
	return d
}

// Subjects lists entries as a change request does: those deployed, then those
// deleted. Deleted entries are described by the commit that last had them.
func Subjects(deployed, deleted []Entry) []v1alpha1.Subject {
	out := make([]v1alpha1.Subject, 0, len(deployed)+len(deleted))
	for _, e := range deployed {
		out = append(out, e.Subject("deploy"))
	}
	for _, e := range deleted {
		out = append(out, e.Subject("delete"))
	}
	return out
}
