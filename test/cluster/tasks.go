package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// task is one thing to do, and what must be done before it.
type task struct {
	name  string
	after []string
	run   func(context.Context) error
}

// errSkipped marks a task that did not run because one before it failed.
var errSkipped = errors.New("skipped")

// runTasks runs every task as soon as those it comes after are done. The first
// failure cancels the rest.
func runTasks(ctx context.Context, tasks []task) error {
	if err := checkTasks(tasks); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	done := map[string]chan struct{}{}
	for _, t := range tasks {
		done[t.name] = make(chan struct{})
	}
	var (
		mu     sync.Mutex
		failed = map[string]error{}
		first  error
		all    sync.WaitGroup
	)
	fail := func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		failed[name] = err
		if first == nil && !errors.Is(err, errSkipped) {
			first = fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, t := range tasks {
		all.Add(1)
		go func() {
			defer all.Done()
			defer close(done[t.name])
			for _, before := range t.after {
				<-done[before]
			}
			mu.Lock()
			skip := ctx.Err() != nil
			for _, before := range t.after {
				skip = skip || failed[before] != nil
			}
			mu.Unlock()
			if skip {
				fail(t.name, errSkipped)
				return
			}
			if err := t.run(ctx); err != nil {
				fail(t.name, err)
				cancel()
			}
		}()
	}
	all.Wait()
	if first == nil && len(failed) > 0 {
		return ctx.Err()
	}
	return first
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
