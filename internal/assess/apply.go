// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
)

// Apply pushes the bundle of a draft and creates the change request. If the run
// has created it already, in an attempt that was cut short, that one counts.
func Apply(ctx context.Context, p *Params, d *Draft, c *Clients) (*v1alpha1.ChangeRequest, error) {
	done := c.Progress.Begin("Bundle")
	pushed, err := bundle.Push(ctx, p.BundleRepository, d.Items, c.Bundle...)
	if err != nil {
		done("", err)
		return nil, err
	}
	done(pushed.Reference, nil)
	spec := d.Spec.DeepCopy()
	spec.Bundle = pushed.Reference
	spec.Attachments = Attachments(d.Attached, pushed.Layers)

	name := Name(p.Run, p.Target())
	done = c.Progress.Begin("Change request %s", name)
	created, err := c.Cluster.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace).Create(ctx, &v1alpha1.ChangeRequest{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: p.Namespace, Labels: labels(p, name)},
		Spec:       *spec,
	}, metav1.CreateOptions{})
	switch {
	case apierrors.IsAlreadyExists(err):
		created, err = own(ctx, p, c)
		if err == nil && created == nil {
			err = fmt.Errorf("change request %s went away while it was created: run again", name)
		}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		err = step.Invalid(fmt.Sprintf("change request %s was not accepted: %v", name, err))
	case err != nil:
		err = fmt.Errorf("create change request %s in namespace %s: %w%s", name, p.Namespace, err, permission(err, "create changerequests.countersign.dev"))
	}
	done("created", err)
	return created, err
}

func labels(p *Params, name string) map[string]string {
	l := map[string]string{
		countersign.LabelChangeRequest:     name,
		countersign.LabelPipelineRunUID:    string(p.Run.UID),
		countersign.LabelTargetEnvironment: p.TargetEnvironment,
	}
	// Names of PipelineRuns may be longer than a label's value.
	if checkLabel(p.Run.Name) == nil {
		l[countersign.LabelPipelineRun] = p.Run.Name
	}
	if p.Region != "" {
		l[countersign.LabelTargetRegion] = p.Region
	}
	return l
}

// own finds the change request that this run has created; nil if it has none.
// One of that name which is another's is a refusal.
func own(ctx context.Context, p *Params, c *Clients) (*v1alpha1.ChangeRequest, error) {
	name := Name(p.Run, p.Target())
	found, err := c.Cluster.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read change request %s in namespace %s: %w%s", name, p.Namespace, err, permission(err, "get changerequests.countersign.dev"))
	case found.Spec.Run.UID != p.Run.UID:
		return nil, step.Refused(fmt.Sprintf("change request %s exists and belongs to PipelineRun %s with another UID: start a new run", name, found.Spec.Run.Name))
	}
	return found, nil
}
