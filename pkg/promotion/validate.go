// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/plaintext"
	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// MaxText is the longest free text of one field, in bytes.
const MaxText = 16 << 10

// MaxDetail is the longest target-environment-detail, in bytes.
const MaxDetail = 1024

// maxAddress is the longest email address (RFC 5321).
const maxAddress = 254

// Params are the run's parameters that say something of the change, as strings.
type Params struct {
	// EnvironmentPurpose is target-environment-purpose: production or pre_prod.
	EnvironmentPurpose string
	// EnvironmentDetail is target-environment-detail.
	EnvironmentDetail string
	// OutageDuration is outage-duration; see ParseOutageDuration.
	OutageDuration string
	// ChangeDuration is change-request-duration; see ParseChangeDuration. It is
	// no field of the change, but checked here so that all faults come at once.
	ChangeDuration string
	// Link is the pull request's page, for the problems.
	Link string
}

// Validate judges a body and the run's parameters, and returns either the
// change's fields or every problem. Values of enums match in any case, with
// spaces or hyphens for underscores, and with Markdown emphasis around them. The
// template's placeholder and an untouched list of alternatives count as missing.
func Validate(raw Raw, params Params) (v1alpha1.Fields, []Problem) {
	v := &validator{raw: raw, link: params.Link}
	for _, p := range raw.Problems {
		p.Link = params.Link
		v.problems = append(v.problems, p)
	}
	// Of a body that was not read, saying what it lacks would mislead.
	v.unread = slices.ContainsFunc(raw.Problems, func(p Problem) bool { return p.Field == "body" && len(raw.Values) == 0 })

	fields := v1alpha1.Fields{
		Priority:         enum(v, TagPriority, true, Priorities),
		Assignee:         v.assignee(),
		CustomerImpact:   enum(v, TagCustomerImpact, true, CustomerImpacts),
		DeploymentImpact: enum(v, TagDeploymentImpact, true, DeploymentImpacts),
		Description:      v.text(TagDescription, false),
		Purpose:          v.text(TagPurpose, false),
		Impact:           v.text(TagImpact, false),
		BackoutPlan:      v.text(TagBackoutPlan, true),
	}
	override := enum(v, TagRisk, false, Risks)
	fields.EnvironmentPurpose = v.purpose(params.EnvironmentPurpose)
	fields.EnvironmentDetail = v.detail(params.EnvironmentDetail)
	if d, err := ParseOutageDuration(params.OutageDuration); err != nil {
		v.parameter("outage-duration", params.OutageDuration, outageForm)
	} else {
		fields.OutageDuration = metav1.Duration{Duration: d}
	}
	if _, err := ParseChangeDuration(params.ChangeDuration); err != nil {
		v.parameter("change-request-duration", params.ChangeDuration, changeForm)
	}
	if len(v.problems) > 0 {
		return v1alpha1.Fields{}, v.problems
	}
	fields.Risk, fields.RiskReason = Risk(fields.CustomerImpact, fields.DeploymentImpact, fields.Priority, override)
	return fields, nil
}

// The values of the enums, in the order in which the template and messages name
// them.
var (
	Priorities = []v1alpha1.Priority{
		v1alpha1.PriorityCritical, v1alpha1.PriorityHigh, v1alpha1.PriorityModerate, v1alpha1.PriorityLow, v1alpha1.PriorityPlanning,
	}
	CustomerImpacts = []v1alpha1.CustomerImpact{
		v1alpha1.CustomerImpactCritical, v1alpha1.CustomerImpactHigh, v1alpha1.CustomerImpactModerate, v1alpha1.CustomerImpactLow, v1alpha1.CustomerImpactNone,
	}
	DeploymentImpacts = []v1alpha1.DeploymentImpact{v1alpha1.DeploymentImpactSmall, v1alpha1.DeploymentImpactLarge}
	Risks             = []v1alpha1.Risk{v1alpha1.RiskLow, v1alpha1.RiskModerate, v1alpha1.RiskHigh, v1alpha1.RiskCritical}
	Purposes          = []v1alpha1.EnvironmentPurpose{v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentPreProduction}
)

type validator struct {
	raw      Raw
	link     string
	unread   bool
	problems []Problem
}

func (v *validator) tag(tag Tag, found, allowed string) {
	if found == "" && v.unread {
		return
	}
	v.problems = append(v.problems, Problem{Field: tag.String(), Found: found, Allowed: allowed, Link: v.link})
}

func (v *validator) parameter(name, found, allowed string) {
	v.problems = append(v.problems, Problem{Field: "parameter " + name, Found: found, Allowed: allowed})
}

// enum reads one of several values.
func enum[T ~string](v *validator, tag Tag, required bool, allowed []T) T {
	value := v.raw.Values[tag]
	found, ok := match(value, allowed)
	switch {
	case ok:
		return found
	case value == "" || untouched(value, allowed):
		if required {
			v.tag(tag, "", "one of "+list(allowed))
		}
	default:
		v.tag(tag, value, "one of "+list(allowed))
	}
	return ""
}

// match finds the value that a person meant.
func match[T ~string](value string, allowed []T) (T, bool) {
	plain := strings.Trim(value, "*_` \t\n")
	plain = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(plain))
	for _, a := range allowed {
		if plain == string(a) {
			return a, true
		}
	}
	return "", false
}

// untouched tells the template's list of all alternatives.
func untouched[T ~string](value string, allowed []T) bool {
	parts := strings.Split(value, "|")
	if len(parts) != len(allowed) {
		return false
	}
	rest := slices.Clone(allowed)
	for _, part := range parts {
		found, ok := match(part, rest)
		if !ok {
			return false
		}
		rest = slices.DeleteFunc(rest, func(a T) bool { return a == found })
	}
	return true
}

func list[T ~string](values []T) string {
	names := make([]string, len(values))
	for i, value := range values {
		names[i] = string(value)
	}
	return strings.Join(names, ", ")
}

// assignee reads a bare email address.
func (v *validator) assignee() string {
	value := v.raw.Values[TagAssignedTo]
	if !isAddress(value) {
		v.tag(TagAssignedTo, value, "one email address, such as name@example.com")
		return ""
	}
	return value
}

func isAddress(s string) bool {
	if len(s) > maxAddress || strings.ContainsAny(s, "\"<>()[],;:\\ ") || plaintext.Line(s) != s {
		return false
	}
	address, err := mail.ParseAddress(s)
	return err == nil && address.Address == s
}

// text reads free text. What is invisible in it is made visible for good, so
// that the record shows to everyone what it says.
func (v *validator) text(tag Tag, required bool) string {
	value := v.raw.Values[tag]
	switch {
	case len(value) > MaxText:
		v.tag(tag, fmt.Sprintf("%d bytes", len(value)), fmt.Sprintf("at most %d bytes", MaxText))
		return ""
	case value == "" && required:
		v.tag(tag, "", "a text")
	}
	return plaintext.Text(value)
}

func (v *validator) purpose(value string) v1alpha1.EnvironmentPurpose {
	found, ok := match(value, Purposes)
	if !ok {
		v.parameter("target-environment-purpose", value, "one of "+list(Purposes))
	}
	return found
}

func (v *validator) detail(value string) string {
	value = withoutPlaceholder(value)
	switch {
	case value == "":
		v.parameter("target-environment-detail", "", "a text")
	case len(value) > MaxDetail:
		v.parameter("target-environment-detail", fmt.Sprintf("%d bytes", len(value)), fmt.Sprintf("at most %d bytes", MaxDetail))
		return ""
	}
	return plaintext.Text(value)
}
