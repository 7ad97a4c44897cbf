// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Outcome is what one check means for the verdict.
type Outcome string

// The outcomes.
const (
	// Pass: the check is good, or its rule lets it be as it is.
	Pass Outcome = "pass"
	// Block: the check makes the verdict false.
	Block Outcome = "block"
	// Warn: the check is not good, and its rule only recommends it.
	Warn Outcome = "warn"
	// Info: shown, without bearing on the verdict.
	Info Outcome = "info"
)

// ResultMissing is the result of a check that there is no evidence of. It and
// the results of package evidence are what Check.Result can be.
const ResultMissing = "missing"

// Check is the verdict on one check of one asset of one entry: what a person is
// told about it. Its JSON form is part of the Delta Summary and the Closing
// Summary.
type Check struct {
	// Entry is the inventory entry, empty for a check of the whole.
	Entry string `json:"entry"`
	// Asset is the URI of what was checked, or its id where the URI is unknown.
	Asset string `json:"asset"`
	// AssetID is the asset's id in the locker.
	AssetID   string             `json:"asset_id,omitempty"`
	AssetType evidence.AssetType `json:"asset_type"`
	// Check is the evidence type id, or one of the Check constants.
	Check string `json:"check"`
	// Tool that made the evidence; of missing evidence, the tool that the rule
	// names, empty for any.
	Tool string `json:"tool,omitempty"`
	// Source is the environment, as name or name:region, that the evidence comes
	// from; of missing evidence, those that it may come from. Empty where no rule
	// asks for it.
	Source string `json:"source,omitempty"`
	// Rule that the check falls under: see the Rule constants.
	Rule string `json:"rule"`
	// RuleSource is where the rule is from: a place in the checks file, the
	// policy, the built-in set.
	RuleSource string `json:"rule_source,omitempty"`
	// Result is success, failure, pending, unknown or missing.
	Result string `json:"result"`
	// Outcome is what it means for the verdict.
	Outcome Outcome `json:"outcome"`
	// Reason is a constant: see the Reason constants.
	Reason Reason `json:"reason"`
	// Message says the reason in words.
	Message string `json:"message"`
	// Unblock says what would make a blocking or warning check pass.
	Unblock string `json:"unblock,omitempty"`
	// Evidence is the id of the evidence that decided.
	Evidence string `json:"evidence,omitempty"`
	// EvidencePath is where the locker keeps it.
	EvidencePath string `json:"evidence_path,omitempty"`
	// Date of that evidence, as recorded.
	Date string `json:"date,omitempty"`
	// SignedBy is whose signature the evidence carries, where one is demanded.
	SignedBy string `json:"signed_by,omitempty"`
}

// Names of checks that are not evidence types.
const (
	// CheckIdentity: the entry says which artifact and commit it is.
	CheckIdentity = "entry-identity"
	// CheckRecord: the locker's records about an asset can be relied on.
	CheckRecord = "locker-record"
	// CheckDeletion: the entry is deleted.
	CheckDeletion = "deletion"
	// CheckPolicy: the Rego policy allows the deployment.
	CheckPolicy = "rego-policy"
)

// Names of the rules that checks fall under.
const (
	// RuleRequired: the evidence must exist and be a success.
	RuleRequired = "required"
	// RuleRequiredIfPresent: evidence that exists must not be a failure.
	RuleRequiredIfPresent = "required_if_present"
	// RuleRecommended: anything but a success is a warning.
	RuleRecommended = "recommended"
	// RuleExisting: evidence that exists must be a success: default mode.
	RuleExisting = "existing"
	// RuleIdentity: an entry must say what it is.
	RuleIdentity = "identity"
	// RuleIntegrity: the locker's records must be whole.
	RuleIntegrity = "integrity"
	// RuleListed: shown only.
	RuleListed = "listed"
	// RuleRego: a Rego policy must allow the deployment.
	RuleRego = "rego"
)
