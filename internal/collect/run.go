// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Clients is what Run needs of the world.
type Clients struct {
	Progress *step.Progress
	Now      func() time.Time
	// Signer signs the record; nil leaves it unsigned.
	Signer func(ctx context.Context, record []byte) (envelope []byte, err error)
}

// Recorded is what was written.
type Recorded struct {
	ID     string
	Result evidence.Result
}

// Results are the Tekton results of the Task.
func (r Recorded) Results() map[string]string {
	return map[string]string{"evidence-id": r.ID, "result": string(r.Result)}
}

// Run records one result. A result of failure is no error.
func Run(ctx context.Context, p *Params, c Clients) (Recorded, error) {
	now := c.Now()
	asked, faults := p.Check()
	facts, more, err := gather(p, asked)
	if err != nil {
		return Recorded{}, step.Join(err, step.Invalid(faults...))
	}
	draft, last := decide(p, asked, facts, now)
	if faults = append(append(faults, more...), last...); len(faults) > 0 {
		return Recorded{}, step.Invalid(faults...)
	}
	for _, note := range draft.Notes {
		c.Progress.Say("%s", note)
	}
	done := c.Progress.Begin("Record %s by %s as %s, about %s", p.TypeID, p.Tool, draft.Outcome.Result, asked.asset.String)
	e, err := write(ctx, p.LockerURL, draft, now, c)
	if err != nil {
		done("", err)
		return Recorded{}, err
	}
	done("evidence "+string(e.ID), nil)
	if draft.Outcome.Result == evidence.ResultPending {
		c.Progress.Say("It blocks deployments of this asset until its outcome is recorded.")
	}
	return Recorded{ID: string(e.ID), Result: draft.Outcome.Result}, nil
}

func write(ctx context.Context, lockerURL string, d *Draft, now time.Time, c Clients) (_ *evidence.Evidence, err error) {
	var options []evidence.Option
	if c.Signer != nil {
		options = append(options, evidence.WithRecordSigner(c.Signer))
	}
	locker, err := evidence.Open(ctx, lockerURL, options...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closing := locker.Close(); err == nil && closing != nil {
			err = fmt.Errorf("closing the evidence locker: %w", closing)
		}
	}()
	if d.Outcome.Result == evidence.ResultPending {
		return locker.Begin(ctx, d.Check, now)
	}
	return locker.Conclude(ctx, d.Check, d.Outcome, now)
}
