// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"strings"

	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

const (
	low  = v1alpha1.RiskLow
	mod  = v1alpha1.RiskModerate
	high = v1alpha1.RiskHigh
	crit = v1alpha1.RiskCritical
)

// riskColumns are the priorities in the order of the table's columns. A more
// urgent change leaves less time to prepare, so risk never falls to the right.
var riskColumns = []v1alpha1.Priority{
	v1alpha1.PriorityPlanning, v1alpha1.PriorityLow, v1alpha1.PriorityModerate, v1alpha1.PriorityHigh, v1alpha1.PriorityCritical,
}

// riskTable is the whole of how risk is derived. Risk never falls downwards
// within one deployment impact, nor from small to large.
var riskTable = []struct {
	customer   v1alpha1.CustomerImpact
	deployment v1alpha1.DeploymentImpact
	risks      [5]v1alpha1.Risk
}{
	//                                                                              planning, low, moderate, high, critical
	{v1alpha1.CustomerImpactNone, v1alpha1.DeploymentImpactSmall, [5]v1alpha1.Risk{low, low, low, low, mod}},
	{v1alpha1.CustomerImpactNone, v1alpha1.DeploymentImpactLarge, [5]v1alpha1.Risk{low, low, mod, mod, high}},
	{v1alpha1.CustomerImpactLow, v1alpha1.DeploymentImpactSmall, [5]v1alpha1.Risk{low, low, low, mod, mod}},
	{v1alpha1.CustomerImpactLow, v1alpha1.DeploymentImpactLarge, [5]v1alpha1.Risk{low, mod, mod, mod, high}},
	{v1alpha1.CustomerImpactModerate, v1alpha1.DeploymentImpactSmall, [5]v1alpha1.Risk{mod, mod, mod, mod, high}},
	{v1alpha1.CustomerImpactModerate, v1alpha1.DeploymentImpactLarge, [5]v1alpha1.Risk{mod, mod, high, high, high}},
	{v1alpha1.CustomerImpactHigh, v1alpha1.DeploymentImpactSmall, [5]v1alpha1.Risk{high, high, high, high, high}},
	{v1alpha1.CustomerImpactHigh, v1alpha1.DeploymentImpactLarge, [5]v1alpha1.Risk{high, high, high, crit, crit}},
	{v1alpha1.CustomerImpactCritical, v1alpha1.DeploymentImpactSmall, [5]v1alpha1.Risk{high, high, high, crit, crit}},
	{v1alpha1.CustomerImpactCritical, v1alpha1.DeploymentImpactLarge, [5]v1alpha1.Risk{crit, crit, crit, crit, crit}},
}

// severity orders the risks; an unknown one counts as the greatest.
func severity(r v1alpha1.Risk) int {
	switch r {
	case low:
		return 0
	case mod:
		return 1
	case high:
		return 2
	default:
		return 3
	}
}

// Risk derives a change's risk from the table and says why. An override, the
// <risk> tag of the pull request, raises it and never lowers it; it is empty
// where there is none. Values outside of the API's enums give the greatest risk.
func Risk(customer v1alpha1.CustomerImpact, deployment v1alpha1.DeploymentImpact, priority v1alpha1.Priority, override v1alpha1.Risk) (v1alpha1.Risk, string) {
	derived := crit
	reason := "no row of the risk table matches, so the greatest risk is assumed"
	for _, row := range riskTable {
		if row.customer != customer || row.deployment != deployment {
			continue
		}
		for i, column := range riskColumns {
			if column == priority {
				derived = row.risks[i]
				reason = fmt.Sprintf("%s: customer impact %s, deployment impact %s, priority %s", derived, customer, deployment, priority)
			}
		}
	}
	switch {
	case override == "" || override == derived:
		return derived, reason
	case severity(override) > severity(derived):
		return override, fmt.Sprintf("%s: raised by <risk> in the pull request; the table gives %s", override, reason)
	default:
		return derived, fmt.Sprintf("%s; <risk>%s</risk> in the pull request does not lower it", reason, override)
	}
}

// RiskTable renders the table in Markdown, for the documentation.
func RiskTable() string {
	var out strings.Builder
	out.WriteString("| customer impact | deployment impact |")
	for _, column := range riskColumns {
		fmt.Fprintf(&out, " priority %s |", column)
	}
	out.WriteString("\n|" + strings.Repeat(" --- |", 2+len(riskColumns)) + "\n")
	for _, row := range riskTable {
		fmt.Fprintf(&out, "| %s | %s |", row.customer, row.deployment)
		for _, r := range row.risks {
			fmt.Fprintf(&out, " %s |", r)
		}
		out.WriteString("\n")
	}
	return out.String()
}
