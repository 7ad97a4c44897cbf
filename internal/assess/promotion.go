// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/promotion"
)

// Promotion is what the promotion pull request and the run's parameters say of a
// change.
type Promotion struct {
	PR     v1alpha1.PromotionPR `json:"pullRequest"`
	Fields v1alpha1.Fields      `json:"fields"`
	// Duration of the planned window.
	Duration time.Duration `json:"duration"`
	// Contained are the pull requests that the change brings to the target; More
	// is true if there were others.
	Contained []forge.PullRequest `json:"contained"`
	More      bool                `json:"more,omitempty"`
}

// GatherPromotion finds the promotion pull request of an inventory's commit, and
// judges its fields and the run's. Every fault is told at once.
func GatherPromotion(ctx context.Context, p *Params, i *Inventory, openForge func() (forge.Forge, error), c *Clients) (*Promotion, error) {
	done := c.Progress.Begin("Promotion pull request")
	found, err := findPromotion(ctx, p, i, openForge)
	if err != nil {
		done("", err)
		if errors.Is(err, promotion.ErrNoPromotion) {
			return nil, step.Invalid(err.Error())
		}
		return nil, err
	}
	pr := found.PromotionPR()
	done(fmt.Sprintf("#%d %s", pr.Number, pr.URL), nil)
	if found.CommitsAfter > 0 {
		c.Progress.Say("  warning: %d commits reached branch %s after it without a pull request", found.CommitsAfter, p.TargetEnvironment)
	}

	fields, problems := promotion.Validate(promotion.Parse(found.PR.Body), promotion.Params{
		EnvironmentPurpose: p.EnvironmentPurpose,
		EnvironmentDetail:  p.EnvironmentDetail,
		OutageDuration:     p.OutageDuration,
		ChangeDuration:     p.ChangeRequestDuration,
		Link:               pr.URL,
	})
	if len(problems) > 0 {
		lines := make([]string, len(problems))
		for n, problem := range problems {
			lines[n] = problem.String()
		}
		return nil, step.Invalid(lines...)
	}
	duration, err := promotion.ParseChangeDuration(p.ChangeRequestDuration)
	if err != nil {
		return nil, step.Invalid(err.Error())
	}
	for n := range found.Contained {
		// Bodies are long and anybody's; the description needs title and author.
		found.Contained[n].Body = ""
	}
	return &Promotion{PR: pr, Fields: fields, Duration: duration, Contained: found.Contained, More: found.More}, nil
}

func findPromotion(ctx context.Context, p *Params, i *Inventory, openForge func() (forge.Forge, error)) (*promotion.Found, error) {
	f, err := openForge()
	if err != nil {
		return nil, err
	}
	query := promotion.Query{Branch: p.TargetEnvironment, Commit: i.Range.To, History: i.history}
	if i.concluded != nil {
		query.Concluded = i.concluded
	}
	return promotion.Find(ctx, f, query)
}
