// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	"github.com/countersign-dev/countersign/pkg/stage"
)

// reuse takes up a change request that an earlier run opened. Nothing is
// collected or created: what was assessed then is what is deployed, as long as it
// still is what would be assessed now.
func reuse(ctx context.Context, p *Params, id string, c *Clients) (*v1alpha1.ChangeRequest, error) {
	if err := step.Join(p.CheckRun(), p.CheckInventory(), p.checkRollback()); err != nil {
		return nil, err
	}
	found, err := c.Cluster.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace).Get(ctx, id, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, step.Refused(fmt.Sprintf("there is no change request %s in namespace %s: leave parameter change-request-id out to open one", id, p.Namespace))
	}
	if err != nil {
		return nil, fmt.Errorf("read change request %s in namespace %s: %w%s", id, p.Namespace, err, permission(err, "get changerequests.countersign.dev"))
	}
	repo, err := Clone(ctx, p, c.Progress)
	if err != nil {
		return nil, err
	}
	last, err := Last(repo, p.Target())
	if err != nil {
		return nil, err
	}
	reasons := Differences(found, p.Target(), v1alpha1.InventoryRange{
		URL: p.InventoryURL, Branch: p.TargetEnvironment, From: last, To: repo.Head(),
	})
	return found, step.Refused(append(reasons, taskDifferences(found, p.tasks())...)...)
}

// taskDifferences lists why a change request cannot be taken up by a run whose
// stages are run by the given Tasks; none if it can. Approval was given to these
// Tasks as much as to the bundle, and parameters of the run choose them.
func taskDifferences(cr *v1alpha1.ChangeRequest, now []v1alpha1.Stage) []string {
	task := func(stages []v1alpha1.Stage, name string) string {
		for _, s := range stages {
			if s.Name == name {
				return "runs stage " + name + " with Task " + s.Task
			}
		}
		return "has no stage " + name
	}
	var reasons []string
	for _, name := range []string{stage.Deploy, stage.AcceptanceTest, stage.Rollback} {
		if was, is := task(cr.Spec.Stages, name), task(now, name); was != is {
			reasons = append(reasons, fmt.Sprintf("change request %s %s, this run %s: give it the parameters that the change request was opened with", cr.Name, was, is))
		}
	}
	return reasons
}

// Differences lists why a change request cannot be taken up for a target whose
// inventory now is as given; none if it can.
func Differences(cr *v1alpha1.ChangeRequest, target v1alpha1.Target, now v1alpha1.InventoryRange) []string {
	var reasons []string
	refuse := func(format string, args ...any) {
		reasons = append(reasons, fmt.Sprintf("change request %s ", cr.Name)+fmt.Sprintf(format, args...))
	}
	switch {
	case len(cr.Status.Runs) == 0:
		refuse("was never opened by a run: only those that a run of this Pipeline opened can be taken up")
	case cr.Status.Approval.State == v1alpha1.ApprovalRejected:
		refuse("was rejected: start a run without change-request-id to open a new one")
	case change.Over(cr.Status.State):
		refuse("is over (%s): start a run without change-request-id to open a new one", cr.Status.State)
	}
	spec := cr.Spec.Inventory
	if cr.Spec.Target != target {
		refuse("is for target %s, this run deploys to %s", TargetName(cr.Spec.Target), TargetName(target))
	}
	if spec.URL != now.URL {
		refuse("is for inventory %s, this run was given %s", spec.URL, now.URL)
	}
	if spec.To != now.To {
		refuse("is for inventory commit %.12s, branch %s is at %.12s now: what would be deployed has changed since", spec.To, now.Branch, now.To)
	}
	if spec.From != now.From {
		refuse("was computed from %s as last deployed, the target has %s now: another run was concluded in between", commit(spec.From), commit(now.From))
	}
	return reasons
}

func commit(sha string) string {
	if sha == "" {
		return "nothing"
	}
	return fmt.Sprintf("%.12s", sha)
}
