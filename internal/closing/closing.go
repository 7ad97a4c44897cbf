// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

// Statuses that Tekton gives to the tasks of a run, as $(tasks.<name>.status).
const (
	StatusSucceeded = "Succeeded"
	StatusFailed    = "Failed"
	StatusNone      = "None"
)

// Params are the parameters of close-change.
type Params struct {
	Run       v1alpha1.RunRef
	Namespace string
	// ChangeRequestID is the run's parameter: a change request that it was given.
	ChangeRequestID string
	// DeployStatus is $(tasks.deploy.status); artefacts are made if it ran.
	DeployStatus     string
	LockerURL        string
	BundleRepository string
	// RollbackWait bounds the wait for a rollback, RecordWait that for the
	// controller.
	RollbackWait, RecordWait time.Duration
	// ArtefactsDir is a folder with artefacts that other steps made; empty to have
	// them made from the evidence locker.
	ArtefactsDir string
	// GitAuth may push tags to the inventory.
	GitAuth inventory.Auth
}

// deployRan tells whether anything may have been deployed.
func (p *Params) deployRan() bool {
	return p.DeployStatus == StatusSucceeded || p.DeployStatus == StatusFailed
}

func (p *Params) check() error {
	var problems []string
	if p.Run.Name == "" || p.Run.UID == "" || p.Namespace == "" {
		problems = append(problems, "parameters pipeline-run-name, pipeline-run-uid and the namespace are needed")
	}
	if !slices.Contains([]string{StatusSucceeded, StatusFailed, StatusNone}, p.DeployStatus) {
		problems = append(problems, fmt.Sprintf("parameter deploy-status is %.40q, want Succeeded, Failed or None, as $(tasks.deploy.status) has it", p.DeployStatus))
	}
	if p.deployRan() && p.ArtefactsDir == "" && p.LockerURL == "" {
		problems = append(problems, "parameter locker-url is empty, want s3://bucket?… or file:///folder")
	}
	if p.deployRan() && p.BundleRepository == "" {
		problems = append(problems, "parameter bundle-repository is empty, want registry/repository")
	}
	return step.Invalid(problems...)
}

// ConclusionName is the name of what a run hands in for a change request. It
// follows from both, so that a run that is tried again finds what it made.
func ConclusionName(changeRequest string, run types.UID) string {
	sum := sha256.Sum256([]byte(run))
	return changeRequest + "-" + hex.EncodeToString(sum[:])[:8]
}

// Run concludes. The error says what could not be done; the change then stays
// open and the same can be tried again.
func Run(ctx context.Context, p *Params, c *assess.Clients) error {
	if err := p.check(); err != nil {
		return err
	}
	cr, err := find(ctx, p, c)
	if err != nil {
		return err
	}
	if cr == nil {
		c.Progress.Say("No change request was opened or taken up by PipelineRun %s: there is nothing to conclude.", p.Run.Name)
		return nil
	}
	run, err := waitForRollback(ctx, p, c)
	if err != nil {
		return err
	}
	conclusion, err := handIn(ctx, p, cr, c)
	if err != nil {
		return err
	}
	if conclusion, err = waitForRecord(ctx, p, conclusion, c); err != nil {
		return err
	}
	tagErr := moveTags(ctx, p, cr, conclusion, c)
	return errors.Join(tell(ctx, p, cr, run, conclusion, c), tagErr)
}

// find looks for the change request of the run: the one that it opened, or the
// one that it was given and took up. None is no error.
func find(ctx context.Context, p *Params, c *assess.Clients) (*v1alpha1.ChangeRequest, error) {
	api := c.Cluster.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace)
	list, err := api.List(ctx, metav1.ListOptions{LabelSelector: countersign.LabelPipelineRunUID + "=" + string(p.Run.UID)})
	if err != nil {
		return nil, fmt.Errorf("find the change request of PipelineRun %s: %w", p.Run.Name, err)
	}
	for i := range list.Items {
		// A label is anybody's word; the spec never changes.
		if list.Items[i].Spec.Run.UID == p.Run.UID {
			return &list.Items[i], nil
		}
	}
	params := assess.Params{ChangeRequestID: p.ChangeRequestID}
	id, supplied := params.Supplied()
	if !supplied {
		return nil, nil
	}
	cr, err := api.Get(ctx, id, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read change request %s: %w", id, err)
	}
	if change.FindRun(&cr.Status, p.Run.UID) == nil {
		return nil, nil
	}
	return cr, nil
}

// waitForRollback waits until the run's rollback has ended or will not be, since
// what is stored now should tell of it.
func waitForRollback(ctx context.Context, p *Params, c *assess.Clients) (*tektonv1.PipelineRun, error) {
	var (
		run      *tektonv1.PipelineRun
		end      change.TaskEnd
		deadline time.Time
		told     bool
	)
	ask := func(ctx context.Context) (settled bool, err error) {
		if run, err = pipelineRun(ctx, p, c); err != nil || run == nil {
			end = change.TaskNone
			return err == nil, err
		}
		if deadline.IsZero() {
			deadline = waitUntil(run, c.Now(), p.RollbackWait)
		}
		// A run that has ended will begin no rollback any more.
		if end, err = rollbackSettled(ctx, c.Cluster, run); err != nil || end != change.TaskUnfinished || run.IsDone() {
			return err == nil, err
		}
		if !told {
			told = true
			c.Progress.Say("Rollback: waiting for it to end")
		}
		return !c.Now().Before(deadline), nil
	}
	// The deadline is known after the first answer, and watched by ask itself.
	if _, err := poll(ctx, c.Now().Add(p.RollbackWait), c.Now, ask); err != nil {
		return nil, err
	}
	switch end {
	case change.TaskUnfinished:
		c.Progress.Say("Rollback: UNFINISHED when the time for closing ran out; the record will be amended")
	case change.TaskFailed:
		c.Progress.Say("Rollback: FAILED. The target may be in neither the old nor the new state.")
	case change.TaskSucceeded:
		c.Progress.Say("Rollback: succeeded")
	}
	return run, nil
}

// pipelineRun is the run, nil if it is gone: close-change may be run long after.
func pipelineRun(ctx context.Context, p *Params, c *assess.Clients) (*tektonv1.PipelineRun, error) {
	run, err := c.Cluster.Tekton.TektonV1().PipelineRuns(p.Namespace).Get(ctx, p.Run.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read PipelineRun %s: %w", p.Run.Name, err)
	case run.UID != p.Run.UID:
		return nil, nil
	}
	return run, nil
}

// handIn stores the conclusion, with the closing artefacts if anything was
// deployed. One that an earlier attempt stored counts.
func handIn(ctx context.Context, p *Params, cr *v1alpha1.ChangeRequest, c *assess.Clients) (*v1alpha1.ChangeConclusion, error) {
	api := c.Cluster.Countersign.CountersignV1alpha1().ChangeConclusions(p.Namespace)
	name := ConclusionName(cr.Name, p.Run.UID)
	stored, err := ours(api.Get(ctx, name, metav1.GetOptions{}))(p, cr)
	if stored != nil || err != nil {
		return stored, err
	}
	spec := v1alpha1.ChangeConclusionSpec{ChangeRequest: cr.Name, Run: p.Run}
	if p.deployRan() {
		artefacts, err := artefactsOf(ctx, p, cr, c)
		if err != nil {
			return nil, fmt.Errorf("closing artefacts of change request %s: %w; the change stays open: run Task close-change again for it", cr.Name, err)
		}
		spec.Readiness, spec.Bundle, spec.Attachments = artefacts.Readiness, artefacts.Bundle, artefacts.Attachments
	}
	done := c.Progress.Begin("Conclusion %s", name)
	created, err := api.Create(ctx, &v1alpha1.ChangeConclusion{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: p.Namespace, Labels: labels(p, cr)},
		Spec:       spec,
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		created, err = ours(api.Get(ctx, name, metav1.GetOptions{}))(p, cr)
	}
	done("handed in", err)
	if err != nil {
		return nil, fmt.Errorf("create ChangeConclusion %s in namespace %s: %w", name, p.Namespace, err)
	}
	return created, nil
}

// ours accepts a stored conclusion that is this run's, and none.
func ours(found *v1alpha1.ChangeConclusion, err error) func(*Params, *v1alpha1.ChangeRequest) (*v1alpha1.ChangeConclusion, error) {
	return func(p *Params, cr *v1alpha1.ChangeRequest) (*v1alpha1.ChangeConclusion, error) {
		switch {
		case apierrors.IsNotFound(err):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("read ChangeConclusion %s: %w", ConclusionName(cr.Name, p.Run.UID), err)
		case found.Spec.Run.UID != p.Run.UID || found.Spec.ChangeRequest != cr.Name:
			return nil, step.Refused(fmt.Sprintf("ChangeConclusion %s exists and is about change request %s and PipelineRun %s: delete it if nobody needs it", found.Name, found.Spec.ChangeRequest, found.Spec.Run.Name))
		}
		return found, nil
	}
}

func labels(p *Params, cr *v1alpha1.ChangeRequest) map[string]string {
	l := map[string]string{
		countersign.LabelChangeRequest:  cr.Name,
		countersign.LabelPipelineRunUID: string(p.Run.UID),
	}
	for _, key := range []string{countersign.LabelTargetEnvironment, countersign.LabelTargetRegion} {
		if value, found := cr.Labels[key]; found {
			l[key] = value
		}
	}
	if len(p.Run.Name) <= 63 {
		l[countersign.LabelPipelineRun] = p.Run.Name
	}
	return l
}

// waitForRecord waits until the controller has made the conclusion part of the
// change request.
func waitForRecord(ctx context.Context, p *Params, conclusion *v1alpha1.ChangeConclusion, c *assess.Clients) (*v1alpha1.ChangeConclusion, error) {
	api := c.Cluster.Countersign.CountersignV1alpha1().ChangeConclusions(p.Namespace)
	done := c.Progress.Begin("Record")
	recorded, err := poll(ctx, c.Now().Add(p.RecordWait), c.Now, func(ctx context.Context) (bool, error) {
		if conclusion.Status.Recorded {
			return true, nil
		}
		found, err := api.Get(ctx, conclusion.Name, metav1.GetOptions{})
		if err != nil {
			return false, fmt.Errorf("read ChangeConclusion %s: %w", conclusion.Name, err)
		}
		conclusion = found
		return found.Status.Recorded, nil
	})
	if err == nil && !recorded {
		why := conclusion.Status.Message
		if why == "" {
			why = "the controller has not answered: see its log"
		}
		err = fmt.Errorf("the conclusion of change request %s was handed in and is not recorded after %s: %s; the controller goes on trying, and Task close-change can be run again to move the inventory's tags", conclusion.Spec.ChangeRequest, p.RecordWait, why)
	}
	done(string(conclusion.Status.Outcome), err)
	return conclusion, err
}
