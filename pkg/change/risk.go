// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"slices"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// risks from least to greatest.
var risks = []v1alpha1.Risk{
	v1alpha1.RiskLow,
	v1alpha1.RiskModerate,
	v1alpha1.RiskHigh,
	v1alpha1.RiskCritical,
}

// RiskWithin tells whether a risk is at most the limit. An unknown risk is within
// no limit, and no risk is within an unknown limit.
func RiskWithin(risk, limit v1alpha1.Risk) bool {
	r, l := slices.Index(risks, risk), slices.Index(risks, limit)
	return r >= 0 && l >= 0 && r <= l
}
