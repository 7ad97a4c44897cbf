// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"
)

var _ apis.Defaultable = (*ChangePolicy)(nil)

// Defaults of a ChangePolicy.
const (
	DefaultBackend           = "cluster"
	DefaultApprovalsRequired = 1
	DefaultRiskLimit         = RiskModerate
	DefaultGateMode          = GateWait
	DefaultGateTimeout       = time.Hour
	DefaultReviewApprovals   = 1
)

// SetDefaults fills in what the administrator left open. The schema's own
// defaults do not reach into a section that is left out as a whole.
func (p *ChangePolicy) SetDefaults(context.Context) {
	if p.Spec.Backend.Type == "" {
		p.Spec.Backend.Type = DefaultBackend
	}
	if p.Spec.Approval.Required == 0 {
		p.Spec.Approval.Required = DefaultApprovalsRequired
	}
	if p.Spec.Approval.RiskLimit == "" {
		p.Spec.Approval.RiskLimit = DefaultRiskLimit
	}
	if p.Spec.Gate.Mode == "" {
		p.Spec.Gate.Mode = DefaultGateMode
	}
	if p.Spec.Gate.Timeout == (metav1.Duration{}) {
		p.Spec.Gate.Timeout = metav1.Duration{Duration: DefaultGateTimeout}
	}
	if review := p.Spec.PeerReview; review != nil && review.Approvals == 0 {
		review.Approvals = DefaultReviewApprovals
	}
}
