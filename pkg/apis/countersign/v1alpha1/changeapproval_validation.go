// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"knative.dev/pkg/apis"
)

var _ apis.Validatable = (*ChangeApproval)(nil)

// maxCommentBytes is what a decision's comment may take.
const maxCommentBytes = 4096

// Validate checks a decision. Whether its author may decide is checked by the
// ValidatingAdmissionPolicy that config/ installs, which can ask the API server's
// own authoriser; whether it counts is the controller's to say.
func (a *ChangeApproval) Validate(ctx context.Context) *apis.FieldError {
	if apis.IsInUpdate(ctx) {
		return nil // the schema's rule keeps the spec as it is
	}
	return a.Spec.validate(ctx).ViaField("spec")
}

// SupportedSubResources names the object itself: decisions have no subresources.
func (a *ChangeApproval) SupportedSubResources() []string {
	return []string{""}
}

func (s *ChangeApprovalSpec) validate(ctx context.Context) *apis.FieldError {
	var errs *apis.FieldError
	if s.ChangeRequest == "" {
		errs = errs.Also(apis.ErrMissingField("changeRequest"))
	} else if len(validation.IsDNS1123Label(s.ChangeRequest)) > 0 {
		errs = errs.Also(apis.ErrInvalidValue(clip(s.ChangeRequest), "changeRequest", "want the name of a change request"))
	}
	errs = errs.Also(checkDigest(s.ContentHash, "contentHash", true))
	errs = errs.Also(oneOf(s.Decision, "decision", DecisionApprove, DecisionReject))
	if len(s.Comment) > maxCommentBytes {
		errs = errs.Also(tooLong(s.Comment, "comment", maxCommentBytes))
	}
	if s.Decision == DecisionReject && strings.TrimSpace(s.Comment) == "" {
		errs = errs.Also(apis.ErrGeneric("a rejection needs a comment that says why", "comment"))
	}
	user := apis.GetUserInfo(ctx)
	if user == nil || user.Username == "" || s.Approver.Username != user.Username {
		errs = errs.Also(apis.ErrGeneric("the approver is stamped from the authenticated request", "approver"))
	}
	return errs
}
