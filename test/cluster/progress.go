// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// progress tells a person what is going on, one line each, with the time since
// the start.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newProgress(out io.Writer) *progress { return &progress{out: out, start: time.Now()} }

func (p *progress) say(part, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%7.1fs  %-20s %s\n", time.Since(p.start).Seconds(), part, fmt.Sprintf(format, args...))
}

// during reports now and then that something long is still going on.
func (p *progress) during(ctx context.Context, part, what string, do func() error) error {
	begin := time.Now()
	p.say(part, "%s", what)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				p.say(part, "still %s, %s so far", what, time.Since(begin).Round(time.Second))
			}
		}
	}()
	if err := do(); err != nil {
		return err
	}
	p.say(part, "done %s, %s", what, time.Since(begin).Round(100*time.Millisecond))
	return nil
}
