// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"
)

var _ apis.Validatable = (*ChangePolicy)(nil)

// maxGateTimeout bounds how long a gate waits where a run does not say: a run
// that waits for a month was forgotten.
const maxGateTimeout = 31 * 24 * time.Hour

// evidenceTypePattern is the form of an evidence type id, such as
// com.ibm.unit_tests.
var evidenceTypePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// Validate checks a policy, new or edited.
func (p *ChangePolicy) Validate(context.Context) *apis.FieldError {
	return p.Spec.validate().ViaField("spec")
}

// SupportedSubResources names the object itself: policies have no subresources.
func (p *ChangePolicy) SupportedSubResources() []string {
	return []string{""}
}

func (s *ChangePolicySpec) validate() *apis.FieldError {
	var errs *apis.FieldError
	if s.NamespaceSelector == nil {
		errs = errs.Also(apis.ErrGeneric("is missing: the policy would be for no namespace. Use {} to select all", "namespaceSelector"))
	} else if _, err := metav1.LabelSelectorAsSelector(s.NamespaceSelector); err != nil {
		errs = errs.Also(apis.ErrGeneric(fmt.Sprintf("cannot be used: %v", err), "namespaceSelector"))
	}
	errs = errs.Also(oneOf(s.Backend.Type, "type", DefaultBackend).ViaField("backend"))
	if n := s.Approval.Required; n < 1 || n > 20 {
		errs = errs.Also(apis.ErrOutOfBoundsValue(n, 1, 20, "required").ViaField("approval"))
	}
	errs = errs.Also(oneOf(s.Approval.RiskLimit, "riskLimit", RiskLow, RiskModerate, RiskHigh, RiskCritical).ViaField("approval"))
	errs = errs.Also(oneOf(s.Gate.Mode, "mode", GateWait, GateStop).ViaField("gate"))
	if d := s.Gate.Timeout.Duration; d <= 0 || d > maxGateTimeout {
		errs = errs.Also(apis.ErrOutOfBoundsValue(d.String(), "1s", maxGateTimeout.String(), "timeout").ViaField("gate"))
	}
	for i, prefix := range s.Bundles.RepositoryPrefixes {
		errs = errs.Also(checkRepositoryPrefix(prefix).ViaFieldIndex("repositoryPrefixes", i).ViaField("bundles"))
	}
	return errs.Also(validateRequiredChecks(s.RequiredChecks).ViaField("requiredChecks")).Also(s.validateTrust())
}

// checkRepositoryPrefix checks a registry with any number of path elements after
// it: registry.example, registry.example/team.
func checkRepositoryPrefix(prefix string) *apis.FieldError {
	const form = "want a registry, or a registry and path elements, such as registry.example/team"
	if err := checkToken(prefix, apis.CurrentField); err != nil {
		return err
	}
	if strings.HasSuffix(prefix, "/") || strings.Contains(prefix, "//") || strings.ContainsAny(prefix, "@*") {
		return apis.ErrInvalidValue(clip(prefix), apis.CurrentField, form)
	}
	registry, path, hasPath := strings.Cut(prefix, "/")
	if _, err := name.NewRegistry(registry, name.StrictValidation); err != nil {
		return apis.ErrInvalidValue(clip(prefix), apis.CurrentField, form)
	}
	if !hasPath {
		return nil
	}
	if !repositoryPattern.MatchString(path) {
		return apis.ErrInvalidValue(clip(prefix), apis.CurrentField, form)
	}
	return nil
}

func validateRequiredChecks(checks []RequiredChecks) *apis.FieldError {
	var errs *apis.FieldError
	seen := map[string]bool{}
	for i, check := range checks {
		problem := oneOf(check.AssetType, "assetType", "commit", "image", "artifact")
		if seen[check.AssetType] {
			problem = problem.Also(apis.ErrGeneric("asset type "+clip(check.AssetType)+" is listed twice", "assetType"))
		}
		seen[check.AssetType] = true
		types := map[string]bool{}
		for j, evidenceType := range check.EvidenceTypes {
			switch {
			case !evidenceTypePattern.MatchString(evidenceType):
				problem = problem.Also(apis.ErrInvalidArrayValue(clip(evidenceType), "evidenceTypes", j))
			case types[evidenceType]:
				problem = problem.Also(apis.ErrGeneric("evidence type "+evidenceType+" is listed twice", fmt.Sprintf("evidenceTypes[%d]", j)))
			}
			types[evidenceType] = true
		}
		errs = errs.Also(problem.ViaIndex(i))
	}
	return errs
}
