// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// ActorController is the actor of events that the controller itself brings about.
const ActorController = "countersign"

const (
	// maxHistory is where events that others can cause at will stop being kept, so
	// that nobody can fill a record until it cannot be stored.
	maxHistory = 1000
	// maxRuns is how many runs may take up one change.
	maxRuns = 100
	// maxMessageBytes bounds an event's message; the whole comment of a decision is
	// in the ChangeApproval.
	maxMessageBytes = 512
	// maxReasonBytes bounds the message of a condition, and what a message of a
	// custom task repeats of others' text.
	maxReasonBytes = 4 * maxMessageBytes
)

// Input is everything that the next status of a change request depends on.
type Input struct {
	Now metav1.Time
	// Change as it is stored, with the status of before.
	Change *v1alpha1.ChangeRequest
	// Policy of its namespace; nil if there is none, and then PolicyProblem says why.
	Policy        *v1alpha1.ChangePolicy
	PolicyProblem string
	// Submission is what came of putting the record in place in this pass; nil if
	// that was not tried.
	Submission *Submission
	// Approvals of the change.
	Approvals []*v1alpha1.ChangeApproval
	// Opens are the runs whose OpenChange names the change and waits.
	Opens []v1alpha1.RunRef
	// Gates are the ApproveChange of the change.
	Gates []Gate
	// Ended holds the UIDs of the runs in status.runs that have ended or are gone.
	Ended map[types.UID]bool
	// Conclusions of the change. One whose status has an outcome was checked.
	Conclusions []*v1alpha1.ChangeConclusion
}

// Submission is what came of putting the record in place.
type Submission struct {
	// Done: the backend has the record, and every attachment was found.
	Done bool
	// Reason and Message say why not.
	Reason, Message string
	// Backend's account of the record.
	Backend v1alpha1.BackendStatus
}

// Gate is one ApproveChange.
type Gate struct {
	Run v1alpha1.RunRef
	// Asks: it waits, is not cancelled, and its parameters are sound.
	Asks bool
	// Ask and Terms as the gate itself sees them.
	Ask   Ask
	Terms Terms
	// Reason with which it ended, empty while it has not.
	Reason string
	// Message with which it ended.
	Message string
}

// Decide derives the next status of a change request. It is the only place that
// moves a change from one state to another. Given the same input it gives the same
// status, so a controller that was killed before it could store a status derives
// it again, and nothing happens twice: an event of the history is told apart by
// what happened to whom, and is never added a second time.
func Decide(in Input) v1alpha1.ChangeRequestStatus {
	r := &record{Input: in, status: *in.Change.Status.DeepCopy()}
	r.status.ObservedGeneration = in.Change.Generation
	for _, rule := range []func(*record){
		(*record).begin,
		(*record).judge,
		(*record).takeUp,
		(*record).submit,
		(*record).noteGates,
		(*record).withdraw,
		(*record).conclude,
		(*record).countDecisions,
		(*record).explain,
		(*record).implement,
		(*record).move,
	} {
		rule(r)
	}
	return r.status
}

// record is a change request on its way from one status to the next.
type record struct {
	Input
	status v1alpha1.ChangeRequestStatus
}

// begin: the change request was stored.
func (r *record) begin() {
	if r.status.State != "" {
		return
	}
	r.status.State = v1alpha1.StateNew
	r.status.Approval.State = v1alpha1.ApprovalNotRequested
	actor := r.Change.Annotations[countersign.AnnotationCreator]
	if actor == "" {
		actor = runActor(r.Change.Spec.Run)
	}
	r.noteAt(r.Change.CreationTimestamp, v1alpha1.EventCreated, "", actor, r.Change.Spec.Summary)
	r.condition(v1alpha1.ConditionSubmitted, metav1.ConditionFalse, v1alpha1.SubmittedReasonPending, "nothing was tried yet")
	r.condition(v1alpha1.ConditionApproved, metav1.ConditionUnknown, "NotRequested", "")
}

// judge: the initial approval, once, under the policy that is there first.
func (r *record) judge() {
	approval := &r.status.Approval
	if r.Policy == nil || Over(r.status.State) {
		return
	}
	if approval.State != v1alpha1.ApprovalApproved && approval.State != v1alpha1.ApprovalRejected {
		approval.Required = max(1, r.Policy.Spec.Approval.Required)
	}
	if approval.State != v1alpha1.ApprovalNotRequested || len(approval.Reasons) > 0 {
		return
	}
	fields := r.Change.Spec.Fields
	approved, reasons := InitialApproval(r.Change.Spec.Readiness, fields.OutageDuration.Duration, fields.Risk, r.Policy.Spec.Approval.RiskLimit)
	approval.Reasons = reasons
	if approved {
		approval.Automatic = true
		r.approve(ActorController, "approved automatically: "+strings.Join(reasons, "; "))
	}
}

// takeUp: runs whose OpenChange names the change get a part in it. The run that
// the change names as its own comes first; others only after it, and only while
// the change is open.
func (r *record) takeUp() {
	for _, own := range []bool{true, false} {
		for _, run := range r.Opens {
			if (run.UID == r.Change.Spec.Run.UID) != own || FindRun(&r.status, run.UID) != nil || len(r.status.Runs) >= maxRuns {
				continue
			}
			switch {
			case Over(r.status.State) || r.status.Approval.State == v1alpha1.ApprovalRejected:
			case own && len(r.status.Runs) == 0:
				r.status.Runs = append(r.status.Runs, v1alpha1.RunStatus{RunRef: run})
				r.note(v1alpha1.EventOpened, string(run.UID), runActor(run), "run "+run.Name+" opened the change request")
			case !own && len(r.status.Runs) > 0:
				r.status.Runs = append(r.status.Runs, v1alpha1.RunStatus{RunRef: run, Adopted: true})
				r.note(v1alpha1.EventAdopted, string(run.UID), runActor(run), "run "+run.Name+" took up the change request")
			}
		}
	}
}

// submit: the backend has the record, or why it does not.
func (r *record) submit() {
	if r.submitted() || Over(r.status.State) {
		return
	}
	switch {
	case r.Policy == nil:
		r.condition(v1alpha1.ConditionSubmitted, metav1.ConditionFalse, v1alpha1.SubmittedReasonPolicyMissing, r.PolicyProblem)
	case r.Submission == nil:
	case !r.Submission.Done:
		r.condition(v1alpha1.ConditionSubmitted, metav1.ConditionFalse, r.Submission.Reason, r.Submission.Message)
	default:
		r.status.Backend = r.Submission.Backend
		r.condition(v1alpha1.ConditionSubmitted, metav1.ConditionTrue, v1alpha1.SubmittedReasonDone, "the record is in place, and every attachment was found")
		r.note(v1alpha1.EventSubmitted, "", ActorController, "the record is in place in backend "+r.Submission.Backend.Type)
	}
	if r.submitted() && r.status.Approval.State == v1alpha1.ApprovalNotRequested {
		r.status.Approval.State = v1alpha1.ApprovalRequested
		why := strings.Join(r.status.Approval.Reasons, "; ")
		r.condition(v1alpha1.ConditionApproved, metav1.ConditionUnknown, "Requested", why)
		r.note(v1alpha1.EventApprovalRequested, "", ActorController, "not approved automatically: "+why)
	}
}

// noteGates: how gates ended that did not let their run through.
func (r *record) noteGates() {
	for _, gate := range r.Gates {
		run := FindRun(&r.status, gate.Run.UID)
		if run == nil || gate.Reason == "" || run.Gate == v1alpha1.ReasonApproved {
			continue
		}
		// A run may have several gates: one that let it through outweighs any other,
		// since from then on the run may be deploying.
		if run.Gate == "" || gate.Reason == v1alpha1.ReasonApproved {
			run.Gate = gate.Reason
		}
		if gate.Reason != v1alpha1.ReasonApproved {
			r.note(v1alpha1.EventGateEnded, string(run.UID), runActor(run.RunRef), gate.Reason+": "+gate.Message)
		}
	}
}

// withdraw: a gate may be cancelled in the moment in which the record lets its run
// through; then it never did.
func (r *record) withdraw() {
	current := r.status.Implementing
	if current == nil {
		return
	}
	if run := FindRun(&r.status, current.UID); run != nil && run.Gate != "" && run.Gate != v1alpha1.ReasonApproved && run.Outcome == "" {
		r.status.Implementing = nil
	}
}

// conclude: what runs handed in at their end becomes part of the record, once it
// was checked and the run's own record told how the deployment ended. Of several
// conclusions of one run the oldest counts.
func (r *record) conclude() {
	conclusions := slices.Clone(r.Conclusions)
	slices.SortFunc(conclusions, func(a, b *v1alpha1.ChangeConclusion) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	for _, conclusion := range conclusions {
		run := FindRun(&r.status, conclusion.Spec.Run.UID)
		if run == nil || conclusion.Status.Outcome == "" || (run.Conclusion != "" && run.Conclusion != conclusion.Name) {
			continue
		}
		if run.Conclusion == "" {
			r.include(run, conclusion)
		}
		// A rollback may end after its run's conclusion was recorded.
		if rollback := conclusion.Status.Rollback; run.Rollback == "" && rollback != "" {
			run.Rollback = rollback
			if rollback != v1alpha1.RollbackNotRun {
				r.note(v1alpha1.EventRolledBack, string(run.UID), runActor(run.RunRef), "inline rollback: "+string(rollback))
			}
		}
	}
}

// include makes a conclusion part of the record.
func (r *record) include(run *v1alpha1.RunStatus, conclusion *v1alpha1.ChangeConclusion) {
	run.Conclusion = conclusion.Name
	run.Outcome = conclusion.Status.Outcome
	run.CloseCategory = CloseCategory(run.Outcome, conclusion.Spec.Readiness)
	r.attach(conclusion.Spec.Attachments)

	message := "run " + run.Name + ": " + string(run.Outcome)
	if run.CloseCategory != "" {
		message += ", " + string(run.CloseCategory)
		// What closed a change also said how.
		if !Over(r.status.State) {
			r.status.CloseCategory = run.CloseCategory
		}
	}
	r.condition(v1alpha1.ConditionConcluded, metav1.ConditionTrue, string(run.Outcome), message)
	r.note(v1alpha1.EventConcluded, conclusion.Name, runActor(run.RunRef), message)
}

// countDecisions: what people say. While a run that was let through may be at it, a
// decision is put off. Once a run was let through, approvals come too late, and a
// rejection cannot give up what may have been deployed; but it keeps every further
// run from deploying the change again.
func (r *record) countDecisions() {
	if Over(r.status.State) || r.Policy == nil || r.busy() || (r.begun() && !r.rejectionStands()) {
		return
	}
	if r.tried() && (r.deployed() || !r.rejectionStands()) {
		r.ignoreDecisions("it came after the change had been deployed")
		return
	}
	approval := &r.status.Approval
	tally := CountDecisions(approval.Decisions, r.Approvals, approval.Required, r.Change.Spec.ContentHash)
	for _, decision := range tally.Counted[len(approval.Decisions):] {
		if approval.State == v1alpha1.ApprovalApproved && decision.Decision == v1alpha1.DecisionApprove {
			r.uncounted(decision.Approval, decision.User, "the change is approved already")
			continue
		}
		approval.Decisions = append(approval.Decisions, decision)
		word := "approved"
		if decision.Decision == v1alpha1.DecisionReject {
			word = "rejected"
		}
		r.noteDecision(decision, word+comment(decision.Comment))
	}
	for _, not := range tally.NotCounted {
		r.uncounted(not.Approval.Name, not.Approval.Spec.Approver.Username, not.Reason)
	}
	switch {
	case tally.Rejected && approval.State != v1alpha1.ApprovalRejected:
		approval.State = v1alpha1.ApprovalRejected
		last := approval.Decisions[len(approval.Decisions)-1]
		r.condition(v1alpha1.ConditionApproved, metav1.ConditionFalse, v1alpha1.ReasonRejected, last.User+" rejected"+comment(last.Comment))
		r.noteAt(last.Time, v1alpha1.EventRejected, "", last.User, "the change may not be deployed"+comment(last.Comment))
	case tally.Approved && approval.State == v1alpha1.ApprovalRequested:
		last := approval.Decisions[len(approval.Decisions)-1]
		people := make([]string, 0, len(approval.Decisions))
		for _, decision := range approval.Decisions {
			people = append(people, plaintext.Line(decision.User))
		}
		approval.Reasons = []string{"approved by " + strings.Join(people, ", ")}
		r.approve(last.User, approval.Reasons[0])
	}
}

// explain: without a policy nobody's decision is looked at, and whoever waits for
// one should know why.
func (r *record) explain() {
	if r.status.Approval.State != v1alpha1.ApprovalRequested || Over(r.status.State) {
		return
	}
	if r.Policy == nil {
		r.condition(v1alpha1.ConditionApproved, metav1.ConditionUnknown, v1alpha1.ReasonPolicyMissing, r.PolicyProblem)
		return
	}
	r.condition(v1alpha1.ConditionApproved, metav1.ConditionUnknown, "Requested", strings.Join(r.status.Approval.Reasons, "; "))
}

// implement: an approved change is begun for the first run whose gate asks, unless
// another run that has not ended is at it.
func (r *record) implement() {
	if r.Policy == nil || !r.submitted() || Over(r.status.State) || r.closedBy() != nil {
		return
	}
	for _, gate := range r.Gates {
		current := r.status.Implementing
		if !gate.Asks || (current != nil && (current.UID == gate.Run.UID || r.busy())) {
			continue
		}
		change := *r.Change
		change.Status = r.status
		if !MayImplement(GateInput{Now: r.Now.Time, Ask: gate.Ask, Terms: gate.Terms, Run: gate.Run, Change: &change}) {
			continue
		}
		run := gate.Run
		r.status.Implementing = &run
		r.note(v1alpha1.EventImplementing, string(run.UID), runActor(run), "run "+run.Name+" implements the change")
	}
}

// begun: a run was let through, and nobody knows yet what it did.
func (r *record) begun() bool {
	current := r.status.Implementing
	if current == nil {
		return false
	}
	run := FindRun(&r.status, current.UID)
	return run == nil || run.Outcome == ""
}

// rejectionStands: a rejection that counts is stored, looked at before or not.
func (r *record) rejectionStands() bool {
	approval := r.status.Approval
	return CountDecisions(approval.Decisions, r.Approvals, approval.Required, r.Change.Spec.ContentHash).Rejected
}

// deployed: some run deployed the change well.
func (r *record) deployed() bool {
	return slices.ContainsFunc(r.status.Runs, func(run v1alpha1.RunStatus) bool { return run.Outcome == v1alpha1.OutcomeDeployed })
}

// busy: a run was let through and may still be at it.
func (r *record) busy() bool {
	return r.begun() && !r.Ended[r.status.Implementing.UID]
}

// tried: some run deployed the change, well or badly.
func (r *record) tried() bool {
	return slices.ContainsFunc(r.status.Runs, func(run v1alpha1.RunStatus) bool {
		return run.Outcome != "" && run.Outcome != v1alpha1.OutcomeNotStarted
	})
}

// closedBy is the run whose end closes the change: the one that opened it, if it
// deployed it. A change that a run was given the id of is left open.
func (r *record) closedBy() *v1alpha1.RunStatus {
	for i := range r.status.Runs {
		if run := &r.status.Runs[i]; !run.Adopted && run.Outcome == v1alpha1.OutcomeDeployed {
			return run
		}
	}
	return nil
}

func (r *record) submitted() bool {
	return meta.IsStatusConditionTrue(r.status.Conditions, v1alpha1.ConditionSubmitted)
}

func (r *record) approve(actor, message string) {
	r.status.Approval.State = v1alpha1.ApprovalApproved
	r.condition(v1alpha1.ConditionApproved, metav1.ConditionTrue, v1alpha1.ReasonApproved, message)
	r.note(v1alpha1.EventApproved, "", actor, message)
}

func (r *record) ignoreDecisions(reason string) {
	for _, approval := range oldestFirst(r.Approvals) {
		if !slices.ContainsFunc(r.status.Approval.Decisions, func(d v1alpha1.DecisionStatus) bool { return d.Approval == approval.Name }) {
			r.uncounted(approval.Name, approval.Spec.Approver.Username, reason)
		}
	}
}

// noteDecision adds that a decision was counted. Where the name of its approval
// was used before, the time tells the two apart.
func (r *record) noteDecision(decision v1alpha1.DecisionStatus, message string) {
	subject := decision.Approval
	if slices.ContainsFunc(r.status.History, func(e v1alpha1.HistoryEvent) bool {
		return e.Event == v1alpha1.EventDecided && e.Subject == subject && !e.Time.Equal(&decision.Time)
	}) {
		subject += "@" + decision.Time.UTC().Format(time.RFC3339)
	}
	r.noteAt(decision.Time, v1alpha1.EventDecided, subject, decision.User, message)
}

func (r *record) uncounted(approval, user, reason string) {
	if len(r.status.History) < maxHistory {
		r.note(v1alpha1.EventDecisionNotCounted, approval, user, "not counted: "+reason)
	}
}

// attach adds closing artefacts. A later run's document of the same name does not
// replace an earlier one: the record keeps both.
func (r *record) attach(attachments []v1alpha1.Attachment) {
	for _, attachment := range attachments {
		if !slices.Contains(r.status.Attachments, attachment) {
			r.status.Attachments = append(r.status.Attachments, attachment)
		}
	}
}

// note adds an event that happens now, unless it is there already.
func (r *record) note(event, subject, actor, message string) {
	r.noteAt(r.Now, event, subject, actor, message)
}

// noteAt is the only place that adds to the history, and condition the only one
// that sets a condition: what people and servers say becomes harmless there.
func (r *record) noteAt(at metav1.Time, event, subject, actor, message string) {
	if slices.ContainsFunc(r.status.History, func(e v1alpha1.HistoryEvent) bool { return e.Event == event && e.Subject == subject }) {
		return
	}
	r.status.History = append(r.status.History, v1alpha1.HistoryEvent{
		Time: at, Actor: plaintext.Clip(actor, maxMessageBytes), Event: event, Subject: subject, Message: plaintext.Clip(message, maxMessageBytes),
	})
}

func (r *record) condition(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&r.status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: plaintext.Clip(message, maxReasonBytes),
		ObservedGeneration: r.Change.Generation, LastTransitionTime: r.Now,
	})
}

func runActor(run v1alpha1.RunRef) string {
	return "pipelinerun/" + run.Name
}

// comment is what a person says to a decision, as the end of a sentence.
func comment(text string) string {
	if text = plaintext.Clip(text, maxReasonBytes); text == "" {
		return ""
	}
	return ": " + text
}
