// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"context"
	"fmt"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

// moveTags marks in the inventory what the target concluded: the tag of the
// target moves to the change's commit, and a tag with the change's id is set. It
// does so only if the record says that the deployment succeeded, and only from
// where the change was computed.
func moveTags(ctx context.Context, p *Params, cr *v1alpha1.ChangeRequest, conclusion *v1alpha1.ChangeConclusion, c *assess.Clients) error {
	if conclusion.Status.Outcome != v1alpha1.OutcomeDeployed {
		return nil
	}
	latest := inventory.TagName(cr.Spec.Target)
	done := c.Progress.Begin("Inventory tag %s", latest)
	repo, err := clone(ctx, p, cr)
	if err == nil {
		err = repo.PushTags(ctx,
			inventory.TagUpdate{Name: latest, New: cr.Spec.Inventory.To, Old: cr.Spec.Inventory.From},
			inventory.TagUpdate{Name: cr.Name, New: cr.Spec.Inventory.To})
	}
	done(fmt.Sprintf("names %.12s", cr.Spec.Inventory.To), err)
	if err != nil {
		return fmt.Errorf("the deployment was concluded, but the inventory does not say so: tag %s: %w", latest, err)
	}
	return nil
}

// tell prints how the change ended, for the person who reads the run's log.
func tell(ctx context.Context, p *Params, cr *v1alpha1.ChangeRequest, run *tektonv1.PipelineRun, conclusion *v1alpha1.ChangeConclusion, c *assess.Clients) error {
	now, err := c.Cluster.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace).Get(ctx, cr.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read change request %s: %w", cr.Name, err)
	}
	c.Progress.Say("")
	c.Progress.Say("%s", Account(now, run, conclusion))
	return nil
}

// Account is the end of a change in words.
func Account(cr *v1alpha1.ChangeRequest, run *tektonv1.PipelineRun, conclusion *v1alpha1.ChangeConclusion) string {
	s := conclusion.Status
	text := fmt.Sprintf("Change request   %s\nTarget           %s\nOutcome          %s\n", cr.Name, assess.TargetName(cr.Spec.Target), s.Outcome)
	if s.Rollback != "" && s.Rollback != v1alpha1.RollbackNotRun {
		text += fmt.Sprintf("Rollback         %s\n", s.Rollback)
	}
	if s.CloseCategory != "" {
		text += fmt.Sprintf("Close category   %s\n", s.CloseCategory)
	}
	text += fmt.Sprintf("State            %s\nApproval         %s\n", cr.Status.State, cr.Status.Approval.State)
	for _, a := range conclusion.Spec.Attachments {
		text += fmt.Sprintf("%-16s %s\n", a.Name, a.Reference)
	}
	switch {
	case change.Over(cr.Status.State):
	case s.Outcome == v1alpha1.OutcomeNotStarted:
		text += fmt.Sprintf("\nNothing was deployed and the change request stays open. To go on once it is approved:\n\n  tkn change approve %s -n %s\n", cr.Name, cr.Namespace)
		if run != nil {
			text += "  " + change.ResumeCommand(run, cr.Name) + "\n"
		}
	default:
		text += "\nThe change request stays open for people to look at.\n"
	}
	return text
}
