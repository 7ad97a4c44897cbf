// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/test/fixture"
)

// TestControllerKilled kills the controller at every stage of opening a change.
// It is not parallel: while it runs, no gate of any other test would move.
func TestControllerKilled(t *testing.T) {
	p := newProject(t, fixture.ProjectOptions{})
	promote(t, p, "1.0.0", nil, fixture.GoodBody())
	kill := func(when string) {
		t.Helper()
		// A killed pod's object is gone before its successor's is there.
		var names []string
		err := fixture.Poll(t.Context(), 50*time.Millisecond, 30*time.Second, func() (bool, error) {
			var err error
			names, err = env.KillControllers(t.Context())
			return err == nil, nil
		})
		if err != nil {
			t.Fatalf("%s: killing the controller: %v", when, err)
		}
		t.Logf("%s: killed %v", when, names)
	}

	run := start(t, p, nil)
	kill("before there is a change")
	for _, stage := range []struct {
		name string
		ok   func(*v1alpha1.ChangeRequest) bool
	}{
		{"the change exists", func(*v1alpha1.ChangeRequest) bool { return true }},
		{"the change was seen", func(c *v1alpha1.ChangeRequest) bool { return c.Status.State != "" }},
		{"the change was submitted", func(c *v1alpha1.ChangeRequest) bool {
			return slices.ContainsFunc(c.Status.History, func(e v1alpha1.HistoryEvent) bool { return e.Event == v1alpha1.EventSubmitted })
		}},
		{"the change is being implemented", func(c *v1alpha1.ChangeRequest) bool { return c.Status.Implementing != nil }},
	} {
		if _, err := run.WaitChange(t.Context(), 3*time.Minute, stage.name, stage.ok); err != nil {
			t.Fatal(err)
		}
		kill(stage.name)
		// Once more, before its successor has had time to do anything.
		kill(stage.name + ", again")
	}
	wantSucceeded(t, run)
	change := wantChange(t, run)
	if names := changeNames(t, p); len(names) != 1 {
		t.Errorf("the namespace has change requests %v, want one", names)
	}
	wantEnd(t, change, v1alpha1.StateClosed, v1alpha1.CategorySuccessful)
	wantAttachments(t, change, openingAttachments, closingAttachments)
	for _, event := range []string{v1alpha1.EventCreated, v1alpha1.EventSubmitted, v1alpha1.EventClosed} {
		count := 0
		for _, e := range change.Status.History {
			if e.Event == event {
				count++
			}
		}
		if count != 1 {
			t.Errorf("the history has %d events %q, want one", count, event)
		}
	}
}
