// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	"github.com/countersign-dev/countersign/pkg/cli/view"
)

func (a *app) describe() *cobra.Command {
	var (
		out  output
		last bool
	)
	cmd := &cobra.Command{
		Use:     "describe ID",
		Aliases: []string{"desc"},
		Short:   "Show one change request in full, and what to do next",
		Long: `Show one change request in full: where it stands and what to do next, every
check that blocks it and what would unblock it, who decided and why, what is
deployed, its attachments, its runs and its history.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if last {
				return noArgs(cmd, args)
			}
			return oneID(cmd, args)
		},
		ValidArgsFunction: a.ids,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			server, err := a.connect()
			if err != nil {
				return err
			}
			var id string
			if !last {
				id = args[0]
			} else if id, err = server.newest(ctx); err != nil {
				return err
			}
			record, err := server.change(ctx, id)
			if err != nil {
				return err
			}
			switch out {
			case outputJSON, outputYAML:
				forPrograms(record)
				return out.data(a.Out, record)
			case outputName:
				return name(a.Out, "changerequest", record.Name)
			}
			return view.Describe(a.Out, a.Style, server.detail(ctx, record, a.Now()))
		},
	}
	out.addTo(cmd, outputJSON, outputYAML, outputName)
	cmd.Flags().BoolVarP(&last, "last", "L", false, "the newest change request of the namespace")
	return cmd
}

// change reads a change request.
func (s *Server) change(ctx context.Context, id string) (*v1alpha1.ChangeRequest, error) {
	record, err := s.Changes.CountersignV1alpha1().ChangeRequests(s.Namespace).Get(ctx, id, metav1.GetOptions{})
	if err != nil {
		return nil, failed(fmt.Sprintf("reading change request %s in namespace %s", id, s.Namespace), err)
	}
	return record, nil
}

// newest returns the id of the newest change request.
func (s *Server) newest(ctx context.Context) (string, error) {
	list, err := s.Changes.CountersignV1alpha1().ChangeRequests(s.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", failed("listing the change requests of namespace "+s.Namespace, err)
	}
	changes := view.Filter{}.Apply(list.Items)
	if len(changes) == 0 {
		return "", notFoundf("there is no change request in namespace %s", s.Namespace)
	}
	return changes[0].Name, nil
}

// detail gathers what belongs to a change. What cannot be read is noted rather
// than an error: the record itself says most.
func (s *Server) detail(ctx context.Context, record *v1alpha1.ChangeRequest, now time.Time) view.Detail {
	d := view.Detail{Change: record, Now: now}
	approvals, err := s.Changes.CountersignV1alpha1().ChangeApprovals(s.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: countersign.LabelChangeRequest + "=" + record.Name,
	})
	if err != nil {
		d.Notes = append(d.Notes, fmt.Sprintf("decisions that were not counted: %v", err))
	} else {
		for _, approval := range approvals.Items {
			if approval.Spec.ChangeRequest == record.Name {
				d.Approvals = append(d.Approvals, approval)
			}
		}
	}
	stopped, certain := view.Stopped(record)
	if !certain && record.Status.State == v1alpha1.StateImplement && record.Status.Implementing != nil {
		stopped = *record.Status.Implementing // unless it still runs
	}
	if stopped.Name == "" {
		return d
	}
	switch run, err := s.Tekton.TektonV1().PipelineRuns(s.Namespace).Get(ctx, stopped.Name, metav1.GetOptions{}); {
	case apierrors.IsNotFound(err) || err == nil && run.UID != stopped.UID:
		d.Notes = append(d.Notes, fmt.Sprintf("the command that resumes PipelineRun %s, which is gone: start its pipeline again with the same parameters and change-request-id=%s", stopped.Name, record.Name))
	case err != nil:
		d.Notes = append(d.Notes, fmt.Sprintf("the command that resumes PipelineRun %s: %v", stopped.Name, err))
	case certain || run.IsDone():
		d.Resume = change.ResumeCommand(run, record.Name)
	}
	return d
}
