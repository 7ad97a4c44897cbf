// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Clients is what Run needs of the world.
type Clients struct {
	Progress *step.Progress
	Now      func() time.Time
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
	signer, keyErr := p.Key.signer(ctx)
	facts, more, err := gather(p, asked)
	if err != nil {
		return Recorded{}, step.Join(err, keyErr, step.Invalid(faults...))
	}
	draft, last := decide(p, asked, facts, now)
	if err := step.Join(keyErr, step.Invalid(slices.Concat(faults, more, last)...)); err != nil {
		return Recorded{}, err
	}
	for _, note := range draft.Notes {
		c.Progress.Say("%s", note)
	}
	done := c.Progress.Begin("Record %s by %s as %s, about %s", p.TypeID, p.Tool, draft.Outcome.Result, asked.asset.String)
	e, err := write(ctx, p.LockerURL, draft, now, signer)
	if err != nil {
		done("", err)
		return Recorded{}, err
	}
	outcome := "evidence " + string(e.ID)
	if signer != nil {
		outcome += ", signed"
	}
	done(outcome, nil)
	if draft.Outcome.Result == evidence.ResultPending {
		c.Progress.Say("It blocks deployments of this asset until its outcome is recorded.")
	}
	return Recorded{ID: string(e.ID), Result: draft.Outcome.Result}, nil
}

func write(ctx context.Context, lockerURL string, d *Draft, now time.Time, signer evidence.RecordSigner) (_ *evidence.Evidence, err error) {
	var options []evidence.Option
	if signer != nil {
		options = append(options, evidence.WithRecordSigner(signer))
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
