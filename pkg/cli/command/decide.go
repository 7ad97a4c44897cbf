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

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
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

// maxComment is the API's limit on a comment, in characters.
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
			switch length := len([]rune(r.comment)); {
			case commentRequired && r.comment == "":
				return usagef("a rejection needs a reason: say why with -m")
			case length > maxComment:
				return usagef("the comment has %d characters: at most %d are kept", length, maxComment)
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
	change, err := server.change(ctx, id)
	if err != nil {
		return err
	}
	user := server.user(ctx)
	if err := refusal(change, v, r.contentHash); err != nil {
		return err
	}
	if err := server.authorise(ctx, id, v, user); err != nil {
		return err
	}
	if err := view.Review(a.Out, a.Style, change, warnings(change, v, user)); err != nil {
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
			ContentHash:   change.Spec.ContentHash,
			Decision:      v.decision,
			Comment:       r.comment,
		},
	}, metav1.CreateOptions{FieldManager: "tkn-change"})
	if err != nil {
		return failed(fmt.Sprintf("recording that change request %s is %s", id, v.done), err)
	}
	fmt.Fprintf(a.Out, "Recorded as changeapproval %s\n", terminal.Line(written.Name))
	return a.report(ctx, server, id, written.Name, r.wait)
}

// refusal says why nothing can be decided on a change, nil if something can.
func refusal(change *v1alpha1.ChangeRequest, v verdict, contentHash string) error {
	hash, state := change.Spec.ContentHash, change.Status.State
	switch {
	case hash == "":
		return refusedf("change request %s has no content hash, so nothing would be bound by a decision: see whether the webhook of Countersign runs", change.Name)
	case contentHash != "" && contentHash != hash:
		return refusedf("change request %s has content hash %s, but you reviewed %s: review what it says now", change.Name, hash, contentHash)
	case state == v1alpha1.StateClosed, state == v1alpha1.StateCanceled, state == v1alpha1.StateReview:
		return refusedf("change request %s is in state %s: there is nothing left to %s", change.Name, state, v.verb)
	case change.Status.Approval.State == v1alpha1.ApprovalRejected:
		return refusedf("change request %s was rejected, and stays so: a new run opens a new change request", change.Name)
	}
	return nil
}

// warnings are what somebody should know before deciding.
func warnings(change *v1alpha1.ChangeRequest, v verdict, user string) []string {
	var found []string
	status := change.Status
	if status.Approval.State == v1alpha1.ApprovalApproved {
		how := "by as many people as it needs"
		if status.Approval.Automatic {
			how = "automatically"
		}
		found = append(found, fmt.Sprintf("the change is approved already, %s; another decision may not change that", how))
	}
	if status.State == v1alpha1.StateImplement && v.decision == v1alpha1.DecisionReject {
		found = append(found, "a run is deploying the change now: to stop it, cancel the run")
	}
	if slices.ContainsFunc(status.Approval.Decisions, func(d v1alpha1.DecisionStatus) bool { return d.User == user }) {
		found = append(found, "you decided on this change before; a person counts once")
	}
	return found
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
	return refusedf("%s may not %s change requests in namespace %s, for want of %s: ask who administers the namespace for a role with it",
		user, v.verb, s.Namespace, strings.Join(missing, " and "))
}

// confirm asks a question that only "y" or "yes" answers with yes.
func (a *app) confirm(question string) error {
	fmt.Fprintf(a.Out, "%s [y/N] ", terminal.Line(question))
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
		change, err := server.change(ctx, id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(change.Status.Approval.Decisions, func(d v1alpha1.DecisionStatus) bool { return d.Approval == approval }) {
			return view.Standing(a.Out, a.Style, server.detail(ctx, change, a.Now()))
		}
		if err := a.Sleep(ctx, interval); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.Out, "It was not counted yet: tkn change describe %s -n %s shows when it is, or why it is not\n",
		view.Shell(id), view.Shell(server.Namespace))
	return err
}
