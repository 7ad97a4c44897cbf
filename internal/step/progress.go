// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// Progress tells on a terminal what a step does and how long it took. Whatever
// it prints is made safe to show first. It is safe for concurrent use.
type Progress struct {
	mu  sync.Mutex
	out io.Writer
	now func() time.Time
}

// NewProgress writes to out.
func NewProgress(out io.Writer, now func() time.Time) *Progress {
	return &Progress{out: out, now: now}
}

// Say prints one line.
func (p *Progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range plaintext.Lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintln(p.out, line)
	}
}

// Begin announces some work. The function returned tells its outcome and how
// long it took; a nil error with no outcome says "done".
func (p *Progress) Begin(format string, args ...any) func(outcome string, err error) {
	what := fmt.Sprintf(format, args...)
	start := p.now()
	return func(outcome string, err error) {
		switch {
		case err != nil:
			outcome = "failed"
		case outcome == "":
			outcome = "done"
		}
		p.Say("%s: %s (%.1f s)", what, outcome, p.now().Sub(start).Seconds())
	}
}

// Print lets f write, undisturbed by others, what is safe to show already.
func (p *Progress) Print(f func(io.Writer) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return f(p.out)
}
