// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package readiness decides whether what is to be deployed is ready: the
// verdict DEPLOYMENT_READY, with a reason for every check.
//
// [Evaluate] is a pure function of the evidence that package evidence gathered.
// It asks one question per check of each asset of each entry, and puts every
// question to the list of rules in rules.go; that list is the documentation of
// what blocks. All questions are answered, so that a person sees everything
// that is in the way at once.
//
// The verdict is false unless every question was answered well. It is judged
// before a deployment over the entries that change, and after it over all
// entries of the target.
package readiness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// BuiltinRequired is the evidence that assets must have where the policy does
// not say: for the commit that an entry was built from, and for its image.
func BuiltinRequired() []v1alpha1.RequiredChecks {
	return []v1alpha1.RequiredChecks{
		{AssetType: string(evidence.AssetCommit), EvidenceTypes: []string{
			evidence.TypeUnitTests,
			evidence.TypeCodeVulnerabilityScan,
			evidence.TypeStaticScan,
			evidence.TypeDetectSecrets,
			evidence.TypeCodeBOM,
		}},
		{AssetType: string(evidence.AssetImage), EvidenceTypes: []string{
			evidence.TypeImageVulnerabilityScan,
			evidence.TypeImageSigning,
		}},
	}
}

// Input is what a verdict is reached on.
type Input struct {
	// Evidence of the entries that are to be deployed.
	Evidence *evidence.Collection
	// Deleted names the entries that are to be deleted; they need no evidence.
	Deleted []string
	// Required are the policy's required checks; they hold whatever a checks
	// file says. Nil: BuiltinRequired where there is no checks file, none where
	// there is one. An asset type that they do not name needs no evidence.
	Required []v1alpha1.RequiredChecks
	// RequiredBy names the policy that Required is from.
	RequiredBy string
	// Checks is the checks file; nil is default mode, in which any evidence that
	// exists must be good.
	Checks *checks.File
	// Phase of the checks file that is judged; empty is PreDeployment.
	Phase checks.Phase
	// Source is the environment that the change is promoted from, Target the one
	// that it is deployed to. Rules of the file may name targets.
	Source, Target checks.Environment
	// Demanded is what single assets must have, whatever a file says.
	Demanded []Demand
	// Now is the time of the verdict.
	Now time.Time
}

// Demand makes one type of evidence required of one asset.
type Demand struct {
	// AssetID is the asset's id in the locker.
	AssetID string
	// TypeID is the evidence type.
	TypeID string
	// By names whose demand it is, such as "policy prod, signatures".
	By string
}

// Outcome is what one check means for the verdict.
type Outcome string

// The outcomes.
const (
	// Pass: the check is good.
	Pass Outcome = "pass"
	// Block: the check makes the verdict false.
	Block Outcome = "block"
	// Warn: not good, and still no reason to block.
	Warn Outcome = "warn"
	// Info: shown, without bearing on the verdict.
	Info Outcome = "info"
)

// ResultMissing is the result of a check that there is no evidence of. It and
// the results of package evidence are what Check.Result can be.
const ResultMissing = "missing"

// Check is the verdict on one check of one asset of one entry.
type Check struct {
	// Entry is the inventory entry, empty for a check of the whole.
	Entry string `json:"entry"`
	// Asset is the URI of what was checked, or its id where the URI is unknown.
	Asset     string             `json:"asset"`
	AssetType evidence.AssetType `json:"asset_type"`
	// Check is the evidence type id, or one of the Check constants.
	Check string `json:"check"`
	// Tool that made the evidence.
	Tool string `json:"tool,omitempty"`
	// Rule that the check falls under: see the Rule constants.
	Rule string `json:"rule"`
	// Result is success, failure, pending, unknown or missing.
	Result string `json:"result"`
	// Outcome is what it means for the verdict.
	Outcome Outcome `json:"outcome"`
	// Reason is a constant: see the Reason constants.
	Reason Reason `json:"reason"`
	// Message says the reason in words.
	Message string `json:"message"`
	// Unblock says what would make a blocking check pass.
	Unblock string `json:"unblock,omitempty"`
	// Evidence is the id of the evidence that decided.
	Evidence string `json:"evidence,omitempty"`
	// Date of that evidence, as recorded.
	Date string `json:"date,omitempty"`
}

// Names of checks that are not evidence types.
const (
	// CheckIdentity: the entry says which artifact and commit it is.
	CheckIdentity = "entry-identity"
	// CheckRecord: the locker's records about an asset can be relied on.
	CheckRecord = "locker-record"
	// CheckDeletion: the entry is deleted.
	CheckDeletion = "deletion"
)

// Names of the rules that checks fall under.
const (
	// RuleRequired: the evidence must exist and be a success.
	RuleRequired = "required"
	// RuleExisting: evidence that exists must be a success.
	RuleExisting = "existing"
	// RuleIdentity: an entry must say what it is.
	RuleIdentity = "identity"
	// RuleIntegrity: the locker's records must be whole.
	RuleIntegrity = "integrity"
	// RuleListed: shown only.
	RuleListed = "listed"
)

// Verdict is DEPLOYMENT_READY with every check it rests on.
type Verdict struct {
	Ready       bool      `json:"ready"`
	EvaluatedAt time.Time `json:"evaluated_at"`
	Passed      int       `json:"passed"`
	Blocked     int       `json:"blocked"`
	// Checks in the order of the entries; of each entry, its own checks, then
	// those of its assets as it reaches them.
	Checks []Check `json:"checks"`
}

// Evaluate reaches the verdict. It is a function of its input alone.
func Evaluate(in Input) Verdict {
	if in.Required == nil {
		in.Required = BuiltinRequired()
	}
	v := Verdict{EvaluatedAt: in.Now.UTC().Truncate(time.Second), Checks: []Check{}}
	for _, q := range questions(in) {
		check := judge(q)
		switch check.Outcome {
		case Pass:
			v.Passed++
		case Block:
			v.Blocked++
		}
		v.Checks = append(v.Checks, check)
	}
	v.Ready = v.Blocked == 0
	return v
}

// questions lists everything that a verdict must answer.
func questions(in Input) []question {
	var out []question
	if in.Evidence != nil {
		// Assets are shared between entries; what counts of their evidence is
		// worked out once.
		cache := map[string]assetFacts{}
		for _, component := range in.Evidence.Components {
			out = append(out, entryQuestions(in, component, cache)...)
		}
	}
	for _, entry := range in.Deleted {
		out = append(out, question{Check: Check{Entry: entry, Check: CheckDeletion, Rule: RuleListed, Result: string(evidence.ResultSuccess)}, deletion: true})
	}
	if len(out) == 0 {
		out = append(out, question{
			Check:   Check{Check: CheckIdentity, Rule: RuleIdentity, Result: ResultMissing},
			problem: &evidence.Problem{Reason: evidence.ReasonNotIdentified, Message: "there is no entry to judge"},
		})
	}
	return out
}

// assetFacts is what counts of one asset's evidence.
type assetFacts struct {
	current  []evidence.Current
	problems []evidence.Problem
}

func factsOf(asset *evidence.AssetState, now time.Time) assetFacts {
	current, problems := evidence.Newest(asset.Evidences, now)
	return assetFacts{current: current, problems: slices.Concat(asset.Problems, problems)}
}

func entryQuestions(in Input, component evidence.ComponentAssets, cache map[string]assetFacts) []question {
	var out []question
	for _, problem := range component.Problems {
		out = append(out, question{
			Check:   Check{Entry: component.Entry, Asset: component.Provenance, Check: CheckIdentity, Rule: RuleIdentity, Result: ResultMissing},
			problem: &problem,
		})
	}

	// The required set is for the artifact and the commit that the entry names.
	// Where it names no commit, the commits that its artifact leads to stand in.
	hasCommit := slices.ContainsFunc(component.Assets, func(link evidence.Link) bool {
		return link.Via == evidence.ViaEntry && in.Evidence.Assets[link.ID].Type == evidence.AssetCommit
	})
	commits, images := 0, 0
	for _, link := range component.Assets {
		asset := in.Evidence.Assets[link.ID]
		facts, ok := cache[link.ID]
		if !ok {
			facts = factsOf(asset, in.Now)
			cache[link.ID] = facts
		}
		var required []string
		switch {
		case asset.Type == evidence.AssetCommit:
			commits++
			if link.Via == evidence.ViaEntry || !hasCommit {
				required = requiredFor(in.Required, asset.Type)
			}
		case link.Via == evidence.ViaEntry:
			if asset.Type == evidence.AssetImage {
				images++
			}
			required = requiredFor(in.Required, asset.Type)
		}
		out = append(out, assetQuestions(component.Entry, asset, facts, required)...)
	}

	// An image whose commit nobody knows would slip past every check of code.
	if images > 0 && commits == 0 && len(component.Problems) == 0 && len(requiredFor(in.Required, evidence.AssetCommit)) > 0 {
		out = append(out, question{
			Check: Check{Entry: component.Entry, Asset: component.Provenance, AssetType: evidence.AssetImage, Check: CheckIdentity, Rule: RuleIdentity, Result: ResultMissing},
			problem: &evidence.Problem{
				Reason:  evidence.ReasonNotIdentified,
				Message: "neither the entry nor the image's record says which commit the image was built from",
			},
		})
	}
	return out
}

func assetQuestions(entry string, asset *evidence.AssetState, facts assetFacts, required []string) []question {
	var out []question
	name := cmp.Or(asset.String, asset.ID)
	for _, problem := range facts.problems {
		out = append(out, question{
			Check: Check{
				Entry: entry, Asset: name, AssetType: asset.Type,
				Check: cmp.Or(problem.TypeID, CheckRecord), Rule: RuleIntegrity,
				Result: string(evidence.ResultUnknown), Evidence: problem.EvidenceID,
			},
			problem: &problem,
		})
	}
	present := map[string]bool{}
	for _, current := range facts.current {
		typeID := string(current.TypeID)
		present[typeID] = true
		rule := RuleExisting
		if slices.Contains(required, typeID) {
			rule = RuleRequired
		}
		if asset.Type == evidence.AssetPipelineRun {
			rule = RuleListed
		}
		out = append(out, question{
			Check: Check{
				Entry: entry, Asset: name, AssetType: asset.Type, Check: typeID, Tool: current.Tool(),
				Rule: rule, Result: string(current.Result()), Evidence: string(current.ID), Date: string(current.Date),
			},
			evidence: current.Evidence,
		})
	}
	for _, typeID := range required {
		if !present[typeID] {
			out = append(out, question{
				Check:   Check{Entry: entry, Asset: name, AssetType: asset.Type, Check: typeID, Rule: RuleRequired, Result: ResultMissing},
				missing: true,
			})
		}
	}
	slices.SortStableFunc(out, func(a, b question) int {
		return cmp.Or(cmp.Compare(a.Check.Check, b.Check.Check), cmp.Compare(a.Tool, b.Tool), cmp.Compare(a.Evidence, b.Evidence))
	})
	return out
}

func requiredFor(required []v1alpha1.RequiredChecks, assetType evidence.AssetType) []string {
	var out []string
	for _, r := range required {
		if r.AssetType == string(assetType) {
			out = append(out, r.EvidenceTypes...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// maxBlocking is how many blocking checks the API keeps; the summaries have
// all of them.
const maxBlocking = 100

// maxAPIText bounds each text that a locker's writer chose, so that a verdict
// of 100 checks fits into one object of the API.
const maxAPIText = 1024

// API is the verdict as change requests and conclusions keep it.
func (v Verdict) API() v1alpha1.ReadinessVerdict {
	out := v1alpha1.ReadinessVerdict{
		Ready:       v.Ready,
		EvaluatedAt: metav1.NewTime(v.EvaluatedAt),
		Passed:      v.Passed,
		Blocked:     v.Blocked,
	}
	for _, c := range v.Checks {
		if c.Outcome != Block {
			continue
		}
		if len(out.Blocking) == maxBlocking {
			break
		}
		reason := c.Message
		if c.Unblock != "" {
			reason = fmt.Sprintf("%s; to unblock: %s", c.Message, c.Unblock)
		}
		out.Blocking = append(out.Blocking, v1alpha1.CheckResult{
			Asset:    plaintext.Clip(c.Asset, maxAPIText),
			Entry:    plaintext.Clip(c.Entry, maxAPIText),
			Check:    plaintext.Clip(c.Check, maxAPIText),
			Tool:     plaintext.Clip(c.Tool, maxAPIText),
			Rule:     c.Rule,
			Result:   c.Result,
			Reason:   plaintext.Clip(reason, maxAPIText),
			Evidence: plaintext.Clip(c.Evidence, maxAPIText),
		})
	}
	return out
}
