// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// initialRule is one thing that a change needs to be approved without a person.
// It returns the reason to note, and whether the change has it.
type initialRule func(readiness v1alpha1.ReadinessVerdict, outage time.Duration, risk, limit v1alpha1.Risk) (string, bool)

// initialRules are all of them; a change must meet every one.
var initialRules = []initialRule{
	// Every check passed when the change was opened.
	func(readiness v1alpha1.ReadinessVerdict, _ time.Duration, _, _ v1alpha1.Risk) (string, bool) {
		if readiness.Ready {
			return fmt.Sprintf("deployment ready: %d checks passed", readiness.Passed), true
		}
		return fmt.Sprintf("deployment not ready: %d of %d checks block", readiness.Blocked, readiness.Blocked+readiness.Passed), false
	},
	// Nobody is cut off.
	func(_ v1alpha1.ReadinessVerdict, outage time.Duration, _, _ v1alpha1.Risk) (string, bool) {
		if outage == 0 {
			return "no outage planned", true
		}
		return fmt.Sprintf("an outage of %s is planned", outage), false
	},
	// The policy trusts readiness up to a risk, and no further.
	func(_ v1alpha1.ReadinessVerdict, _ time.Duration, risk, limit v1alpha1.Risk) (string, bool) {
		if RiskWithin(risk, limit) {
			return fmt.Sprintf("risk %s is within the policy's limit %s", risk, limit), true
		}
		return fmt.Sprintf("risk %s is above the policy's limit %s", risk, limit), false
	},
}

// InitialApproval says whether a change is approved as soon as it is opened, with
// the reasons: why it is, or everything that it lacks.
func InitialApproval(readiness v1alpha1.ReadinessVerdict, outage time.Duration, risk, limit v1alpha1.Risk) (bool, []string) {
	var met, unmet []string
	for _, rule := range initialRules {
		if reason, ok := rule(readiness, outage, risk, limit); ok {
			met = append(met, reason)
		} else {
			unmet = append(unmet, reason)
		}
	}
	if len(unmet) > 0 {
		return false, unmet
	}
	return true, met
}

// Tally is the count of people's decisions on a change.
type Tally struct {
	// Approved: as many people as needed approved, and nobody rejected.
	Approved bool
	// Rejected: one person rejected.
	Rejected bool
	// Counted decisions, oldest first.
	Counted []v1alpha1.DecisionStatus
	// NotCounted are decisions that do not count, with the reason of each.
	NotCounted []Uncounted
}

// Uncounted is a decision that does not count.
type Uncounted struct {
	Approval *v1alpha1.ChangeApproval
	Reason   string
}

// CountDecisions counts people's decisions on one content of a change.
//
//   - A decision on another content does not count.
//   - Machines do not decide: ServiceAccounts and the cluster's own components do
//     not count as people.
//   - Each person counts once, however often they approve.
//   - One rejection ends it, also that of a person who approved before.
//
// Decisions in counted were counted earlier and stay so: deleting a
// ChangeApproval does not rewrite a record. Once enough people approved, further
// approvals are not needed and not counted; a rejection still is.
func CountDecisions(counted []v1alpha1.DecisionStatus, approvals []*v1alpha1.ChangeApproval, required int, contentHash string) Tally {
	tally := Tally{Counted: slices.Clone(counted)}
	people := map[string]bool{}
	for _, decision := range counted {
		if decision.Decision == v1alpha1.DecisionReject {
			tally.Rejected = true
		} else {
			people[decision.User] = true
		}
	}

	for _, approval := range oldestFirst(approvals) {
		if slices.ContainsFunc(counted, func(decision v1alpha1.DecisionStatus) bool { return isOf(decision, approval) }) {
			continue
		}
		if reason := whyNotCounted(approval, contentHash, tally.Rejected, people, required); reason != "" {
			tally.NotCounted = append(tally.NotCounted, Uncounted{Approval: approval, Reason: reason})
			continue
		}
		if approval.Spec.Decision == v1alpha1.DecisionReject {
			tally.Rejected = true
		} else {
			people[approval.Spec.Approver.Username] = true
		}
		tally.Counted = append(tally.Counted, v1alpha1.DecisionStatus{
			Approval: approval.Name,
			User:     approval.Spec.Approver.Username,
			Decision: approval.Spec.Decision,
			Comment:  approval.Spec.Comment,
			Time:     approval.CreationTimestamp,
		})
	}
	// A requirement below one would let a change through that nobody approved.
	tally.Approved = !tally.Rejected && required >= 1 && len(people) >= required
	return tally
}

// isOf tells whether a decision was counted from an approval. The name alone does
// not say so: who may delete a ChangeApproval can have another one, of somebody
// else, created under its name.
func isOf(decision v1alpha1.DecisionStatus, approval *v1alpha1.ChangeApproval) bool {
	return decision.Approval == approval.Name && decision.User == approval.Spec.Approver.Username &&
		decision.Decision == approval.Spec.Decision && decision.Time.Equal(&approval.CreationTimestamp)
}

func whyNotCounted(approval *v1alpha1.ChangeApproval, contentHash string, rejected bool, people map[string]bool, required int) string {
	user := approval.Spec.Approver.Username
	switch decision := approval.Spec.Decision; {
	case user == "":
		return "it names no approver"
	case isMachine(user):
		return "only people decide, and " + user + " is none"
	case approval.Spec.ContentHash != contentHash:
		return "it is about another content: " + approval.Spec.ContentHash
	case rejected:
		return "the change is rejected already"
	case decision == v1alpha1.DecisionReject:
		return ""
	case decision != v1alpha1.DecisionApprove:
		return fmt.Sprintf("its decision %q is unknown", decision)
	case people[user]:
		return user + " has approved already"
	case len(people) >= required:
		return "enough people have approved already"
	}
	return ""
}

// machines are the prefixes of names that Kubernetes gives to what is no person.
// system:admin, which some distributions give to their administrator, is one.
var machines = []string{
	"system:serviceaccount:",
	"system:node:",
	"system:bootstrap:",
	"system:kube-",
	"system:anonymous",
	"system:apiserver",
	"system:unsecured",
}

func isMachine(user string) bool {
	return slices.ContainsFunc(machines, func(prefix string) bool { return strings.HasPrefix(user, prefix) })
}

func oldestFirst(approvals []*v1alpha1.ChangeApproval) []*v1alpha1.ChangeApproval {
	sorted := slices.Clone(approvals)
	slices.SortFunc(sorted, func(a, b *v1alpha1.ChangeApproval) int {
		return cmp.Or(
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			strings.Compare(a.Name, b.Name),
		)
	})
	return sorted
}
