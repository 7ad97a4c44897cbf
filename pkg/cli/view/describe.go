// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
)

// Describe draws one change in full: where it stands, what to do next, and then
// everything that the record holds, in the order of its life.
func Describe(w io.Writer, style terminal.Style, d Detail) error {
	p := &page{style: style}
	p.head(d)
	p.next(d)
	p.readiness(d.Change)
	p.approval(d)
	p.fields(d.Change)
	p.content(d.Change)
	p.attachments(d.Change)
	p.runs(d.Change)
	p.history(d.Change)
	if len(d.Notes) > 0 {
		p.heading("Not shown")
		for _, note := range d.Notes {
			p.line("  ", plaintext.Line(note))
		}
	}
	return p.writeTo(w)
}

// stateWords say what a state means.
var stateWords = map[v1alpha1.ChangeState]string{
	v1alpha1.StateNew:       "stored, not looked at yet",
	v1alpha1.StateAssess:    "record and attachments are being put in place",
	v1alpha1.StateAuthorize: "in place, waiting for approval",
	v1alpha1.StateScheduled: "approved, not begun",
	v1alpha1.StateImplement: "a run is deploying it",
	v1alpha1.StateReview:    "deployed or tried, left open for people to look at",
	v1alpha1.StateClosed:    "over",
	v1alpha1.StateCanceled:  "given up before it was deployed",
}

func (p *page) head(d Detail) {
	change, status := d.Change, &d.Change.Status
	p.line("", p.style.Bold(plaintext.Line(change.Name)), "  ", plaintext.Line(change.Spec.Summary))
	p.line("")

	at := state(change)
	text := string(at)
	if words, known := stateWords[at]; known {
		text += ": " + words
	}
	p.field("", "State", plaintext.Line(text))
	p.field("", "Approval", p.approvalSummary(change))
	p.field("", "Ready", p.readySummary(change))
	p.field("", "Close category", category(p.style, status.CloseCategory))
	p.field("", "Target", p.targetLine(change))
	p.field("", "Risk", p.riskLine(change))
	p.field("", "Planned", fmt.Sprintf("%s to %s, outage %s",
		clock(change.Spec.PlannedStart.Time), clock(change.Spec.PlannedEnd.Time), outage(change)))
	p.field("", "Namespace", plaintext.Line(change.Namespace))
	p.field("", "Opened", fmt.Sprintf("%s, %s ago, by PipelineRun %s",
		clock(change.CreationTimestamp.Time), ago(d.Now, change.CreationTimestamp.Time), orNone(change.Spec.Run.Name)))
	p.field("", "Backend", backend(status.Backend))
	p.field("", "Content hash", orNone(change.Spec.ContentHash))
	for _, condition := range status.Conditions {
		if condition.Type == v1alpha1.ConditionSubmitted && condition.Status == metav1.ConditionFalse {
			p.text("", "Not submitted", condition.Reason+": "+condition.Message, 8)
		}
	}
}

func (p *page) approvalSummary(change *v1alpha1.ChangeRequest) string {
	approval := change.Status.Approval
	text := approvalWord(p.style, approval.State)
	switch {
	case approval.Automatic:
		text += ", automatically"
	case approval.Required > 0:
		text += fmt.Sprintf(", %d of %d approvals", approvals(approval.Decisions), approval.Required)
	}
	return text
}

// approvals counts the people who approve.
func approvals(decisions []v1alpha1.DecisionStatus) int {
	people := map[string]bool{}
	for _, decision := range decisions {
		if decision.Decision == v1alpha1.DecisionApprove {
			people[decision.User] = true
		}
	}
	return len(people)
}

func (p *page) readySummary(change *v1alpha1.ChangeRequest) string {
	verdict := change.Spec.Readiness
	return fmt.Sprintf("%s, %d checks passed, %d block", yesNo(p.style, verdict.Ready), verdict.Passed, verdict.Blocked)
}

func (p *page) targetLine(change *v1alpha1.ChangeRequest) string {
	fields := change.Spec.Fields
	return fmt.Sprintf("%s (%s: %s)", target(change.Spec.Target),
		orNone(string(fields.EnvironmentPurpose)), orNone(fields.EnvironmentDetail))
}

func (p *page) riskLine(change *v1alpha1.ChangeRequest) string {
	fields := change.Spec.Fields
	risk, reason := orNone(string(fields.Risk)), plaintext.Line(fields.RiskReason)
	if reason == "" || strings.HasPrefix(reason, risk+":") {
		return cmp.Or(reason, risk)
	}
	return risk + ": " + reason
}

func outage(change *v1alpha1.ChangeRequest) string {
	if d := change.Spec.Fields.OutageDuration.Duration; d != 0 {
		return d.String()
	}
	return "none"
}

func backend(status v1alpha1.BackendStatus) string {
	if status.Type == "" {
		return none
	}
	text := plaintext.Line(status.Type)
	if status.ID != "" {
		text += ", record " + plaintext.Line(status.ID)
	}
	if status.URL != "" {
		text += ", " + plaintext.Line(status.URL)
	}
	return text
}

func (p *page) next(d Detail) {
	steps := NextSteps(d)
	if len(steps) == 0 {
		return
	}
	p.heading("Next")
	for _, step := range steps {
		for _, line := range plaintext.Wrap(plaintext.Line(step.Text), 96) {
			p.line("  ", line)
		}
		for _, line := range plaintext.Lines(step.Command) {
			if line != "" {
				p.line("    ", p.style.Command(line))
			}
		}
	}
}

func (p *page) approval(d Detail) {
	approval := d.Change.Status.Approval
	p.heading("Approval")
	p.field("  ", "State", p.approvalSummary(d.Change))
	for i, reason := range approval.Reasons {
		label := ""
		if i == 0 {
			label = "Because"
		}
		p.text("  ", label, reason, 8)
	}
	for _, decision := range approval.Decisions {
		p.decision(decision.Decision, decision.User, decision.Time.Time, decision.Comment, "")
	}
	for _, uncounted := range notCounted(d) {
		p.decision(uncounted.approval.Spec.Decision, uncounted.approval.Spec.Approver.Username,
			uncounted.approval.CreationTimestamp.Time, uncounted.approval.Spec.Comment, uncounted.because)
	}
	// A gate is a task of a Pipeline, and nothing guards the namespace.
	p.field("  ", "Enforcement", p.style.Faint("recorded, not enforced: who may start PipelineRuns here can leave the gate out"))
}

func (p *page) decision(decision v1alpha1.Decision, user string, at time.Time, comment, uncounted string) {
	word := p.style.Good("Approved")
	if decision == v1alpha1.DecisionReject {
		word = p.style.Bad("Rejected")
	}
	p.field("  ", word, fmt.Sprintf("by %s, %s", orNone(user), clock(at)))
	if comment != "" {
		p.text("    ", "Comment", comment, 20)
	}
	if uncounted != "" {
		p.field("    ", "Not counted", p.style.Warn(plaintext.Line(uncounted)))
	}
}

type uncounted struct {
	approval *v1alpha1.ChangeApproval
	because  string
}

// notCounted finds the decisions that do not count, with the reason that the
// record's history has for each, and those that the controller has yet to look
// at.
func notCounted(d Detail) []uncounted {
	settled := map[string]string{}
	for _, decision := range d.Change.Status.Approval.Decisions {
		settled[decision.Approval] = ""
	}
	for _, event := range d.Change.Status.History {
		if event.Event == v1alpha1.EventDecisionNotCounted {
			settled[event.Subject] = strings.TrimPrefix(event.Message, "not counted: ")
		}
	}
	var found []uncounted
	for i := range d.Approvals {
		because, known := settled[d.Approvals[i].Name]
		switch {
		case !known && change.Over(d.Change.Status.State):
			because = "the change was over"
		case !known && change.Undecidable(&d.Change.Status) != "":
			because = "not looked at: " + change.Undecidable(&d.Change.Status)
		case !known:
			because = "not looked at yet; while a run deploys the change, decisions are put off"
		case because == "":
			continue
		}
		found = append(found, uncounted{&d.Approvals[i], because})
	}
	return found
}

func (p *page) fields(change *v1alpha1.ChangeRequest) {
	fields := change.Spec.Fields
	p.heading("Fields")
	p.field("  ", "Priority", orNone(string(fields.Priority)))
	p.field("  ", "Assignee", orNone(fields.Assignee))
	p.field("  ", "Impact", fmt.Sprintf("on customers %s, on the deployment %s",
		orNone(string(fields.CustomerImpact)), orNone(string(fields.DeploymentImpact))))
	if fields.Impact != "" {
		p.text("  ", "", fields.Impact, 20)
	}
	p.text("  ", "Purpose", fields.Purpose, 20)
	p.text("  ", "Backout plan", fields.BackoutPlan, 20)
	p.text("  ", "Description", fields.Description, 40)
}

func (p *page) content(change *v1alpha1.ChangeRequest) {
	spec := change.Spec
	p.heading("Content")
	pr := spec.PromotionPR
	p.field("  ", "Promotion PR", fmt.Sprintf("#%d by %s: %s", pr.Number, orNone(pr.Author), orNone(pr.Title)))
	p.field("  ", "", orNone(pr.URL), "merged as "+orNone(pr.MergeCommit))
	p.field("  ", "Inventory", orNone(spec.Inventory.URL)+", branch "+orNone(spec.Inventory.Branch))
	from := plaintext.Line(spec.Inventory.From)
	if from == "" {
		from = "nothing: this target's first deployment"
	}
	p.field("  ", "", "from "+from, "to   "+orNone(spec.Inventory.To))
	if spec.Inventory.Redeploy {
		p.field("  ", "", "everything is deployed again, changed or not")
	}
	p.field("  ", "Bundle", orNone(spec.Bundle))

	for _, stage := range spec.Stages {
		text := "Task " + orNone(stage.Task)
		if stage.Image != "" {
			text += ", image " + plaintext.Line(stage.Image)
		}
		p.field("  ", plaintext.Line(stage.Name), text)
		if stage.ScriptDigest != "" {
			p.field("  ", "", "script "+plaintext.Line(stage.ScriptDigest))
		}
	}

	p.heading(fmt.Sprintf("Subjects (%d)", spec.SubjectsTotal))
	const shown = 50
	var table terminal.Table
	for i, subject := range spec.Subjects {
		if i == shown {
			break
		}
		artifact := orNone(subject.Artifact)
		if digest := plaintext.Line(subject.Digest); digest != "" && !strings.HasSuffix(artifact, digest) {
			artifact += " " + digest
		}
		table.Rows = append(table.Rows, []string{
			plaintext.Line(subject.Action), plaintext.Line(subject.Name), orNone(subject.Version), artifact,
		})
	}
	_ = table.Write(&p.out, "  ")
	if rest := spec.SubjectsTotal - len(table.Rows); rest > 0 {
		p.line("  ", p.style.Faint(fmt.Sprintf("… %d more: see -o yaml, and the Deployment BOM for all of them", rest)))
	}
}

func (p *page) runs(change *v1alpha1.ChangeRequest) {
	if len(change.Status.Runs) == 0 {
		return
	}
	p.heading("Runs")
	table := terminal.Table{Header: []string{"PIPELINERUN", "PART", "GATE", "OUTCOME", "ROLLBACK", "CATEGORY"}}
	for _, run := range change.Status.Runs {
		part := "created the change"
		if run.Adopted {
			part = "took the change up"
		}
		table.Rows = append(table.Rows, []string{
			plaintext.Line(run.Name), part, orNone(run.Gate), orNone(string(run.Outcome)),
			orNone(string(run.Rollback)), category(p.style, run.CloseCategory),
		})
	}
	_ = table.Write(&p.out, "  ")
}

// history draws the change's events along a line, each with the time since the
// one before it.
func (p *page) history(change *v1alpha1.ChangeRequest) {
	if len(change.Status.History) == 0 {
		return
	}
	p.heading("History")
	var last time.Time
	for i, event := range change.Status.History {
		at := clock(event.Time.Time)
		if i > 0 && !last.IsZero() {
			at = sinceBefore(event.Time.Sub(last))
		}
		last = event.Time.Time
		at = strings.Repeat(" ", max(0, len("2006-01-02 15:04:05 UTC")-terminal.Width(at))) + at
		p.line("  ", p.style.Faint(at), "  ● ", p.style.Bold(orNone(event.Event)), "  ", orNone(event.Actor))
		bar := "│"
		if i == len(change.Status.History)-1 {
			bar = " "
		}
		const margin = "                           "
		for _, line := range plaintext.Wrap(plaintext.Line(event.Message), 72) {
			if line != "" {
				p.line(margin, bar, "   ", line)
			}
		}
	}
}

func sinceBefore(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	return "+" + d.Round(time.Second).String()
}

// condition of a change, nil if it has none of that type.
func condition(change *v1alpha1.ChangeRequest, of string) *metav1.Condition {
	return meta.FindStatusCondition(change.Status.Conditions, of)
}

// Standing draws where a change stands now and what to do next.
func Standing(w io.Writer, style terminal.Style, d Detail) error {
	p := &page{style: style}
	p.field("", "State", plaintext.Line(string(state(d.Change))))
	p.field("", "Approval", p.approvalSummary(d.Change))
	p.next(d)
	return p.writeTo(w)
}
