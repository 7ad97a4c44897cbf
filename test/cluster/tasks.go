// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync"
)

// task is one thing to do, and what must be done before it.
type task struct {
	name  string
	after []string
	run   func(context.Context) error
}

// runTasks runs every task as soon as those it comes after are done. The first
// failure cancels the rest, and what has not begun by then does not begin.
func runTasks(ctx context.Context, tasks []task) error {
	if err := checkTasks(tasks); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	done := map[string]chan struct{}{}
	for _, t := range tasks {
		done[t.name] = make(chan struct{})
	}
	var all sync.WaitGroup
	for _, t := range tasks {
		all.Go(func() {
			defer close(done[t.name])
			for _, before := range t.after {
				<-done[before]
			}
			if ctx.Err() != nil {
				return
			}
			if err := t.run(ctx); err != nil {
				cancel(fmt.Errorf("%s: %w", t.name, err))
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// checkTasks refuses a table with an unknown name, a name twice, or a task that
// comes after a later one: read from the top, the table is a possible order.
func checkTasks(tasks []task) error {
	seen := map[string]bool{}
	for _, t := range tasks {
		for _, before := range t.after {
			if !seen[before] {
				return fmt.Errorf("task %q comes after %q, which is not above it", t.name, before)
			}
		}
		if seen[t.name] {
			return fmt.Errorf("task %q is there twice", t.name)
		}
		seen[t.name] = true
	}
	return nil
}

// without leaves out the named tasks, and with them every mention of them.
func without(tasks []task, names map[string]bool) []task {
	var kept []task
	for _, t := range tasks {
		if names[t.name] {
			continue
		}
		var after []string
		for _, before := range t.after {
			if !names[before] {
				after = append(after, before)
			}
		}
		t.after = after
		kept = append(kept, t)
	}
	return kept
}
