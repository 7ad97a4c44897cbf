// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	pipelinev1beta1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/countersign-dev/countersign/test/fixture"
)

// moments are when things were first seen to happen.
type moments struct {
	mu   sync.Mutex
	seen map[string]time.Time
	why  map[string]string // of runs that ended badly
	more chan struct{}     // closed, and replaced, when something was added
	err  error
}

// The things that happen. Tasks are named run/task.
func began(task string) string  { return "began " + task }
func ended(what string) string  { return "ended " + what }
func waiting(run string) string { return "waiting " + run }
func passed(run string) string  { return "passed " + run }

// observe watches the runs of a namespace until the context is over.
func observe(ctx context.Context, p *fixture.Project) (*moments, error) {
	m := &moments{seen: map[string]time.Time{}, why: map[string]string{}, more: make(chan struct{})}
	tekton, all := p.Env.Tekton, metav1.ListOptions{}
	for _, open := range []func() (watch.Interface, error){
		func() (watch.Interface, error) { return tekton.TektonV1().PipelineRuns(p.Namespace).Watch(ctx, all) },
		func() (watch.Interface, error) { return tekton.TektonV1().TaskRuns(p.Namespace).Watch(ctx, all) },
		func() (watch.Interface, error) { return tekton.TektonV1beta1().CustomRuns(p.Namespace).Watch(ctx, all) },
	} {
		events, err := open()
		if err != nil {
			return nil, fmt.Errorf("watching namespace %s: %w", p.Namespace, err)
		}
		go m.follow(ctx, events, open)
	}
	return m, nil
}

// follow notes events, and opens the watch again when the API server ends it.
func (m *moments) follow(ctx context.Context, events watch.Interface, open func() (watch.Interface, error)) {
	for {
		for event := range events.ResultChan() {
			m.note(event, time.Now())
		}
		if ctx.Err() != nil {
			return
		}
		var err error
		if events, err = open(); err != nil {
			m.mu.Lock()
			m.err = err
			close(m.more)
			m.more = make(chan struct{})
			m.mu.Unlock()
			return
		}
	}
}

func (m *moments) note(event watch.Event, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := func(what string) {
		if _, known := m.seen[what]; !known {
			m.seen[what] = now
		}
	}
	switch object := event.Object.(type) {
	case *pipelinev1.PipelineRun:
		if object.IsDone() {
			first(ended(object.Name))
			if !object.Status.GetCondition("Succeeded").IsTrue() {
				m.why[object.Name] = fixture.Why(object)
			}
		}
	case *pipelinev1.TaskRun:
		task := object.Labels["tekton.dev/pipelineRun"] + "/" + object.Labels["tekton.dev/pipelineTask"]
		first(began(task))
		if object.IsDone() {
			first(ended(task))
		}
	case *pipelinev1beta1.CustomRun:
		for _, condition := range object.Status.Conditions {
			if condition.Reason == "AwaitingApproval" {
				first(waiting(object.Labels["tekton.dev/pipelineRun"]))
			}
			if condition.Reason == "Approved" {
				first(passed(object.Labels["tekton.dev/pipelineRun"]))
			}
		}
	}
	close(m.more)
	m.more = make(chan struct{})
}

// await returns when something happened first. A run that ends before it is an
// error.
func (m *moments) await(ctx context.Context, run, what string, deadline time.Duration) (time.Time, error) {
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	for {
		m.mu.Lock()
		at, found := m.seen[what]
		_, over := m.seen[ended(run)]
		why, more, err := m.why[run], m.more, m.err
		m.mu.Unlock()
		switch {
		case found:
			return at, nil
		case err != nil:
			return at, fmt.Errorf("waiting for %q: %w", what, err)
		case over:
			return at, fmt.Errorf("waiting for %q: the run ended first: %s", what, why)
		}
		select {
		case <-more:
		case <-timer.C:
			return at, fmt.Errorf("waiting for %q: gave up after %s", what, deadline)
		case <-ctx.Done():
			return at, ctx.Err()
		}
	}
}

// failure is why a run ended badly, empty if it did not.
func (m *moments) failure(run string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.why[run]
}
