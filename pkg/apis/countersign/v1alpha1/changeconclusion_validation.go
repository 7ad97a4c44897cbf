// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"

	"k8s.io/apimachinery/pkg/util/validation"
	"knative.dev/pkg/apis"
)

var _ apis.Validatable = (*ChangeConclusion)(nil)

// Validate checks what a run hands in. Whether the run has a part in the change
// is the controller's to check.
func (c *ChangeConclusion) Validate(ctx context.Context) *apis.FieldError {
	if apis.IsInUpdate(ctx) {
		return nil // the schema's rule keeps the spec as it is
	}
	return c.Spec.validate().ViaField("spec")
}

// SupportedSubResources keeps the controller's status updates away from the
// webhook: they have nothing to validate, and must not depend on it.
func (c *ChangeConclusion) SupportedSubResources() []string {
	return []string{""}
}

func (s *ChangeConclusionSpec) validate() *apis.FieldError {
	errs := checkSize(s)
	if s.ChangeRequest == "" {
		errs = errs.Also(apis.ErrMissingField("changeRequest"))
	} else if len(validation.IsDNS1123Label(s.ChangeRequest)) > 0 {
		errs = errs.Also(apis.ErrInvalidValue(clip(s.ChangeRequest), "changeRequest", "want the name of a change request"))
	}
	errs = errs.Also(s.Run.validate().ViaField("run"))
	if s.Readiness != nil {
		errs = errs.Also(s.Readiness.validate().ViaField("readiness"))
	}
	if s.Bundle != "" {
		_, problem := checkReference(s.Bundle, "bundle")
		errs = errs.Also(problem)
	} else if len(s.Attachments) > 0 {
		errs = errs.Also(apis.ErrMissingField("bundle"))
	}
	return errs.Also(validateAttachments(s.Attachments).ViaField("attachments"))
}
