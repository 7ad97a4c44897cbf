// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"knative.dev/pkg/apis"

	"github.com/countersign-dev/countersign/pkg/apis/countersign"
)

var _ apis.Validatable = (*ChangeRequest)(nil)

// maxOutage bounds a planned outage: a longer one is a slip of the keyboard.
const maxOutage = 366 * 24 * time.Hour

// Validate checks a change request as it is stored for the first time, and that
// nothing of it changes after that. All problems are reported at once.
//
// Whether its bundle and attachments lie where the policy allows them is the
// controller's to check, because policies change and change requests do not.
func (c *ChangeRequest) Validate(ctx context.Context) *apis.FieldError {
	if apis.IsInUpdate(ctx) {
		return c.validateUpdate(ctx)
	}
	var errs *apis.FieldError
	if problems := validation.IsDNS1123Label(c.Name); len(problems) > 0 || len(c.Name) > maxNameBytes {
		errs = errs.Also(apis.ErrInvalidValue(clip(c.Name), "metadata.name", fmt.Sprintf("the name is the change request id and a label: want at most %d lower-case letters, digits and '-'", maxNameBytes)))
	}
	return errs.Also(checkOwners(nil, c.OwnerReferences)).Also(c.Spec.validate().ViaField("spec"))
}

func (c *ChangeRequest) validateUpdate(ctx context.Context) *apis.FieldError {
	old, ok := apis.GetBaseline(ctx).(*ChangeRequest)
	if !ok || old == nil {
		return nil
	}
	errs := checkOwners(old.OwnerReferences, c.OwnerReferences)
	if old.Annotations[countersign.AnnotationCreator] != c.Annotations[countersign.AnnotationCreator] {
		errs = errs.Also(apis.ErrGeneric("who created a change request never changes", "metadata.annotations."+countersign.AnnotationCreator))
	}
	return errs
}

// checkOwners lets no owner be added: with its owner the garbage collector would
// delete the record, open or not. A PipelineRun that is tidied away is such an
// owner, and one that never existed is too.
func checkOwners(old, now []metav1.OwnerReference) *apis.FieldError {
	for _, owner := range now {
		if !slices.ContainsFunc(old, func(o metav1.OwnerReference) bool { return o.UID == owner.UID }) {
			return apis.ErrGeneric("a record has no owner that it would be deleted with", "metadata.ownerReferences")
		}
	}
	return nil
}

// SupportedSubResources keeps the controller's status updates away from the
// webhook: they have nothing to validate, and must not depend on it.
func (c *ChangeRequest) SupportedSubResources() []string {
	return []string{""}
}

func (s *ChangeRequestSpec) validate() *apis.FieldError {
	errs := checkSize(s)
	errs = errs.Also(checkLine(s.Summary, "summary", true))
	errs = errs.Also(s.Target.validate().ViaField("target"))
	errs = errs.Also(s.Fields.validate().ViaField("fields"))
	errs = errs.Also(s.validateWindow())
	errs = errs.Also(s.Readiness.validate().ViaField("readiness"))
	errs = errs.Also(s.PromotionPR.validate().ViaField("promotionPR"))
	errs = errs.Also(s.Inventory.validate().ViaField("inventory"))
	errs = errs.Also(validateStages(s.Stages).ViaField("stages"))
	errs = errs.Also(validateSubjects(s.Subjects).ViaField("subjects"))
	if s.SubjectsTotal < len(s.Subjects) {
		errs = errs.Also(apis.ErrInvalidValue(s.SubjectsTotal, "subjectsTotal", fmt.Sprintf("%d subjects are listed", len(s.Subjects))))
	}
	_, problem := checkReference(s.Bundle, "bundle")
	errs = errs.Also(problem)
	errs = errs.Also(validateAttachments(s.Attachments).ViaField("attachments"))
	errs = errs.Also(s.Run.validate().ViaField("run"))
	if want := ContentHash(s); s.ContentHash != want {
		errs = errs.Also(apis.ErrInvalidValue(clip(s.ContentHash), "contentHash", "the content's hash is "+want+": leave the field empty to have it computed"))
	}
	return errs
}

func (s *ChangeRequestSpec) validateWindow() *apis.FieldError {
	var errs *apis.FieldError
	if s.PlannedStart.IsZero() {
		errs = errs.Also(apis.ErrMissingField("plannedStart"))
	}
	if s.PlannedEnd.IsZero() {
		errs = errs.Also(apis.ErrMissingField("plannedEnd"))
	}
	if errs == nil && s.PlannedEnd.Before(&s.PlannedStart) {
		errs = apis.ErrGeneric("the planned end is before the planned start", "plannedEnd")
	}
	return errs
}

func (t *Target) validate() *apis.FieldError {
	return checkLabel(t.Environment, "environment", true).
		Also(checkLabel(t.Region, "region", false))
}

func (f *Fields) validate() *apis.FieldError {
	errs := oneOf(f.Priority, "priority", PriorityCritical, PriorityHigh, PriorityModerate, PriorityLow, PriorityPlanning)
	errs = errs.Also(oneOf(f.CustomerImpact, "customerImpact", CustomerImpactCritical, CustomerImpactHigh, CustomerImpactModerate, CustomerImpactLow, CustomerImpactNone))
	errs = errs.Also(oneOf(f.DeploymentImpact, "deploymentImpact", DeploymentImpactSmall, DeploymentImpactLarge))
	errs = errs.Also(oneOf(f.EnvironmentPurpose, "environmentPurpose", EnvironmentProduction, EnvironmentPreProduction))
	errs = errs.Also(oneOf(f.Risk, "risk", RiskLow, RiskModerate, RiskHigh, RiskCritical))
	errs = errs.Also(checkAssignee(f.Assignee))
	errs = errs.Also(checkText(f.Description, "description"))
	errs = errs.Also(checkText(f.Purpose, "purpose"))
	errs = errs.Also(checkText(f.Impact, "impact"))
	errs = errs.Also(checkText(f.BackoutPlan, "backoutPlan"))
	if f.EnvironmentDetail == "" {
		errs = errs.Also(apis.ErrMissingField("environmentDetail"))
	}
	errs = errs.Also(checkText(f.EnvironmentDetail, "environmentDetail"))
	errs = errs.Also(checkText(f.RiskReason, "riskReason"))
	if d := f.OutageDuration.Duration; d < 0 || d > maxOutage {
		errs = errs.Also(apis.ErrOutOfBoundsValue(d.String(), "0s", maxOutage.String(), "outageDuration"))
	}
	return errs
}

func checkAssignee(value string) *apis.FieldError {
	if err := checkLine(value, "assignee", true); err != nil {
		return err
	}
	address, err := mail.ParseAddress(value)
	if err != nil || address.Address != value {
		return apis.ErrInvalidValue(clip(value), "assignee", "want an email address")
	}
	return nil
}

func (r *ReadinessVerdict) validate() *apis.FieldError {
	var errs *apis.FieldError
	if r.EvaluatedAt.IsZero() {
		errs = errs.Also(apis.ErrMissingField("evaluatedAt"))
	}
	if r.Passed < 0 {
		errs = errs.Also(apis.ErrInvalidValue(r.Passed, "passed", "want a count"))
	}
	if r.Blocked < len(r.Blocking) {
		errs = errs.Also(apis.ErrInvalidValue(r.Blocked, "blocked", fmt.Sprintf("%d blocking checks are listed", len(r.Blocking))))
	}
	if r.Ready && (r.Blocked > 0 || len(r.Blocking) > 0) {
		errs = errs.Also(apis.ErrGeneric("is true although checks block", "ready"))
	}
	return errs
}

func (p *PromotionPR) validate() *apis.FieldError {
	var errs *apis.FieldError
	if p.Number < 0 {
		errs = errs.Also(apis.ErrInvalidValue(p.Number, "number", "want the number of a pull request"))
	}
	errs = errs.Also(checkURL(p.URL, "url", false, "https", "http"))
	errs = errs.Also(checkLine(p.Title, "title", false))
	errs = errs.Also(checkLine(p.Author, "author", false))
	return errs.Also(checkCommit(p.MergeCommit, "mergeCommit", false))
}

func (i *InventoryRange) validate() *apis.FieldError {
	errs := checkURL(i.URL, "url", true, "https", "http", "ssh", "git", "file")
	errs = errs.Also(checkBranch(i.Branch, "branch"))
	errs = errs.Also(checkCommit(i.From, "from", false))
	return errs.Also(checkCommit(i.To, "to", true))
}

func validateStages(stages []Stage) *apis.FieldError {
	var errs *apis.FieldError
	seen := map[string]bool{}
	for i, stage := range stages {
		problem := oneOf(stage.Name, "name", "deploy", "acceptance-test", "rollback")
		if seen[stage.Name] {
			problem = problem.Also(apis.ErrGeneric("stage "+clip(stage.Name)+" is listed twice", "name"))
		}
		seen[stage.Name] = true
		problem = problem.Also(checkLine(stage.Task, "task", false))
		if stage.Image != "" {
			problem = problem.Also(checkToken(stage.Image, "image"))
		}
		problem = problem.Also(checkDigest(stage.ScriptDigest, "scriptDigest", false))
		errs = errs.Also(problem.ViaIndex(i))
	}
	return errs
}

func validateSubjects(subjects []Subject) *apis.FieldError {
	var errs *apis.FieldError
	seen := make(map[string]bool, len(subjects))
	for i, subject := range subjects {
		problem := checkPath(subject.Name, "name")
		if seen[subject.Name] {
			problem = problem.Also(apis.ErrGeneric("subject "+clip(subject.Name)+" is listed twice", "name"))
		}
		seen[subject.Name] = true
		problem = problem.Also(oneOf(subject.Action, "action", "deploy", "delete"))
		problem = problem.Also(checkLine(subject.Version, "version", false))
		problem = problem.Also(checkLine(subject.Artifact, "artifact", false))
		problem = problem.Also(checkDigest(subject.Digest, "digest", false))
		errs = errs.Also(problem.ViaIndex(i))
	}
	return errs
}

func validateAttachments(attachments []Attachment) *apis.FieldError {
	var errs *apis.FieldError
	seen := make(map[string]bool, len(attachments))
	for i, attachment := range attachments {
		problem := checkLine(attachment.Name, "name", true)
		if seen[attachment.Name] {
			problem = problem.Also(apis.ErrGeneric("attachment "+clip(attachment.Name)+" is listed twice", "name"))
		}
		seen[attachment.Name] = true
		problem = problem.Also(checkPath(attachment.FileName, "fileName"))
		problem = problem.Also(checkLine(attachment.MediaType, "mediaType", true))
		if attachment.Size < 0 {
			problem = problem.Also(apis.ErrInvalidValue(attachment.Size, "size", "want a number of bytes"))
		}
		problem = problem.Also(checkDigest(attachment.Digest, "digest", true))
		digest, referenceProblem := checkReference(attachment.Reference, "reference")
		problem = problem.Also(referenceProblem)
		if referenceProblem == nil && digest != attachment.Digest {
			problem = problem.Also(apis.ErrInvalidValue(digest, "reference", "the attachment's digest is "+clip(attachment.Digest)))
		}
		errs = errs.Also(problem.ViaIndex(i))
	}
	return errs
}

func (r *RunRef) validate() *apis.FieldError {
	var errs *apis.FieldError
	if r.Name == "" {
		errs = errs.Also(apis.ErrMissingField("name"))
	} else if problems := validation.IsDNS1123Subdomain(r.Name); len(problems) > 0 {
		errs = errs.Also(apis.ErrInvalidValue(clip(r.Name), "name", "want the name of a PipelineRun"))
	}
	if r.UID == "" {
		errs = errs.Also(apis.ErrMissingField("uid"))
	} else if len(validation.IsValidLabelValue(string(r.UID))) > 0 {
		errs = errs.Also(apis.ErrInvalidValue(clip(string(r.UID)), "uid", "want the UID of a PipelineRun"))
	}
	return errs
}
