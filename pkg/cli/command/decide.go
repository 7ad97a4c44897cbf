// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	"github.com/countersign-dev/countersign/pkg/cli/view"
)

// verdict is one of the two commands that decide.
type verdict struct {
	decision v1alpha1.Decision
	// verb and done name it in sentences: "approve", "approved".
	verb, done string
}

var (
	approval  = verdict{v1alpha1.DecisionApprove, "approve", "approved"}
	rejection = verdict{v1alpha1.DecisionReject, "reject", "rejected"}
)

// maxComment is the API's limit on a comment, in bytes.
const maxComment = 4096

func (a *app) approve() *cobra.Command {
	return a.decide(approval, "Approve a change request", `Approve a change request.

Shows what the approval is for and asks before it writes. Where nobody can be
asked, because the input is not a terminal, --yes is needed. The approval binds
the content hash that is shown; with --content-hash you name the content that
you reviewed, and anything else is refused.

Kubernetes records who you are. You need the RBAC verb "approve" on the change
request, and "create" on changeapprovals.`, false)
}

func (a *app) reject() *cobra.Command {
	return a.decide(rejection, "Reject a change request", `Reject a change request, saying why with -m.

One rejection ends the change: it cannot be approved afterwards, and its run
stops without deploying. Otherwise as for tkn change approve.`, true)
}

// request is what the flags of a deciding command say.
type request struct {
	comment     string
	contentHash string
	yes         bool
	wait        time.Duration
}

func (a *app) decide(v verdict, short, long string, commentRequired bool) *cobra.Command {
	var r request
	cmd := &cobra.Command{
		Use:               v.verb + " ID",
		Short:             short,
		Long:              long,
		Example:           fmt.Sprintf("  tkn change %s chg-4k2m7xqpav -m 'looked at the failing scan with the team'", v.verb),
		Args:              oneID,
		ValidArgsFunction: a.ids,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.comment = strings.TrimSpace(r.comment)
			switch length := len(r.comment); {
			case commentRequired && r.comment == "":
				return usagef("a rejection needs a reason: say why with -m")
			case length > maxComment:
				return usagef("the comment has %d bytes: at most %d are kept", length, maxComment)
			case !a.Interactive && !r.yes:
				return usagef("nobody can be asked to confirm, as the input is not a terminal: look at the change with tkn change describe, then add --yes")
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			return a.decideOn(cmd.Context(), server, args[0], v, r)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&r.comment, "message", "m", "", "why: kept in the record")
	flags.StringVar(&r.contentHash, "content-hash", "", "refuse if the change's content hash is not this one")
	flags.BoolVarP(&r.yes, "yes", "y", false, "do not ask")
	flags.DurationVar(&r.wait, "wait", 10*time.Second, "how long to wait for the decision to be counted")
	return cmd
}

func (a *app) decideOn(ctx context.Context, server *Server, id string, v verdict, r request) error {
	record, err := server.change(ctx, id)
	if err != nil {
		return err
	}
	user := server.user(ctx)
	if err := refusal(record, v, user, r.contentHash); err != nil {
		return err
	}
	if err := server.authorise(ctx, id, v, user); err != nil {
		return err
	}
	if err := view.Review(a.Out, a.Style, record, warnings(record, v)); err != nil {
		return err
	}
	if !r.yes {
		if err := a.confirm(fmt.Sprintf("%s%s this as %s?", strings.ToUpper(v.verb[:1]), v.verb[1:], user)); err != nil {
			return err
		}
	}
	written, err := server.Changes.CountersignV1alpha1().ChangeApprovals(server.Namespace).Create(ctx, &v1alpha1.ChangeApproval{
		ObjectMeta: metav1.ObjectMeta{GenerateName: id + "-" + v.verb + "-", Namespace: server.Namespace},
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: id,
			ContentHash:   record.Spec.ContentHash,
			Decision:      v.decision,
			Comment:       r.comment,
		},
	}, metav1.CreateOptions{FieldManager: "tkn-change"})
	if err != nil {
		return failed(fmt.Sprintf("recording that change request %s is %s", id, v.done), err)
	}
	if _, err := fmt.Fprintf(a.Out, "Recorded as changeapproval %s\n", plaintext.Line(written.Name)); err != nil {
		return err
	}
	return a.report(ctx, server, id, written.Name, r.wait)
}

// refusal says why nothing can be decided on a change, nil if something can. A
// decision that the controller would not count is not worth recording: the rules
// are asked beforehand.
func refusal(record *v1alpha1.ChangeRequest, v verdict, user, contentHash string) error {
	hash, status := record.Spec.ContentHash, record.Status
	switch {
	case hash == "":
		return refusedf("change request %s has no content hash, so a decision would bind nothing: see whether the webhook of Countersign runs", record.Name)
	case contentHash != "" && contentHash != hash:
		return refusedf("change request %s has content hash %s, but you reviewed %s: review what it says now", record.Name, hash, contentHash)
	case status.Approval.State == v1alpha1.ApprovalRejected:
		return refusedf("change request %s was rejected, and stays so: a new run opens a new change request", record.Name)
	case change.Over(status.State):
		return refusedf("change request %s is %s: there is nothing left to %s", record.Name, status.State, v.verb)
	}
	for _, run := range status.Runs {
		if run.Outcome != "" && run.Outcome != v1alpha1.OutcomeNotStarted {
			return refusedf("your decision on change request %s would not count: run %s has deployed it (%s), so it comes too late", record.Name, run.Name, run.Outcome)
		}
	}
	tally := change.CountDecisions(status.Approval.Decisions, []*v1alpha1.ChangeApproval{{
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: record.Name, ContentHash: hash, Decision: v.decision,
			Approver: v1alpha1.Approver{Username: user},
		},
	}}, max(status.Approval.Required, 1), hash)
	for _, uncounted := range tally.NotCounted {
		return refusedf("your decision on change request %s would not count: %s", record.Name, uncounted.Reason)
	}
	if v.decision == v1alpha1.DecisionApprove && status.Approval.State == v1alpha1.ApprovalApproved {
		return refusedf("change request %s is approved already: there is nothing left to approve", record.Name)
	}
	return nil
}

// warnings are what somebody should know before deciding.
func warnings(record *v1alpha1.ChangeRequest, v verdict) []string {
	if v.decision != v1alpha1.DecisionReject {
		return nil
	}
	switch status := record.Status; {
	case status.State == v1alpha1.StateImplement:
		return []string{"a run is deploying the change now: your decision is put off until it has ended, and comes too late if it deployed. To stop the run, cancel it"}
	case status.Approval.State == v1alpha1.ApprovalApproved:
		return []string{"the change is approved; your rejection ends that"}
	}
	return nil
}

// user returns the name that the server knows the caller by. Servers that do
// not tell leave it at "you".
func (s *Server) user(ctx context.Context) string {
	review, err := s.Kube.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || review.Status.UserInfo.Username == "" {
		return "you"
	}
	return review.Status.UserInfo.Username
}

// authorise asks the server whether it would let the caller decide, so that the
// refusal names what is missing. Admission asks again, and its answer counts.
func (s *Server) authorise(ctx context.Context, id string, v verdict, user string) error {
	var missing []string
	for _, needed := range []authorizationv1.ResourceAttributes{
		{Verb: "approve", Resource: "changerequests", Name: id},
		{Verb: "create", Resource: "changeapprovals"},
	} {
		needed.Namespace = s.Namespace
		needed.Group = v1alpha1.SchemeGroupVersion.Group
		review, err := s.Kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &needed},
		}, metav1.CreateOptions{})
		if err != nil {
			return failed("asking the server what you may do", err)
		}
		if !review.Status.Allowed {
			missing = append(missing, fmt.Sprintf("the verb %q on %s.%s", needed.Verb, needed.Resource, needed.Group))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return refusedf("%s may not %s change requests in namespace %s, for want of %s: ask who administers the namespace to bind ClusterRole countersign-approver there",
		user, v.verb, s.Namespace, strings.Join(missing, " and "))
}

// confirm asks a question that only "y" or "yes" answers with yes.
func (a *app) confirm(question string) error {
	if _, err := fmt.Fprintf(a.Out, "%s [y/N] ", plaintext.Line(question)); err != nil {
		return err
	}
	answer, err := bufio.NewReader(io.LimitReader(a.In, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading your answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return refusedf("you did not say yes: nothing was decided")
}

// report waits until the controller has counted a decision, and says what the
// change became.
func (a *app) report(ctx context.Context, server *Server, id, approval string, wait time.Duration) error {
	const interval = 250 * time.Millisecond
	for waited := time.Duration(0); waited < wait; waited += interval {
		record, err := server.change(ctx, id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(record.Status.Approval.Decisions, func(d v1alpha1.DecisionStatus) bool { return d.Approval == approval }) {
			return view.Standing(a.Out, a.Style, server.detail(ctx, record, a.Now()))
		}
		for _, event := range record.Status.History {
			if event.Event == v1alpha1.EventDecisionNotCounted && event.Subject == approval {
				return refusedf("your decision on change request %s is recorded, but it was %s", id, event.Message)
			}
		}
		if err := a.Sleep(ctx, interval); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.Out, "It was not counted yet: tkn change describe %s -n %s shows when it is, or why it is not\n",
		view.Shell(id), view.Shell(server.Namespace))
	return err
}
