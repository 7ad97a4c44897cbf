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
// What is asked, and how strictly, comes from one of three:
//
//   - default mode: the required checks of the policy, or the built-in ones; and
//     whatever evidence exists must be good;
//   - a checks file (package checks), which names types of evidence and how
//     strictly each is taken;
//   - a Rego policy (package rego), whose [Decision] is handed in.
//
// Whichever it is, an entry must say what it is, the locker's records must be
// whole, and what the policy requires or demands of single assets holds.
//
// The verdict is false unless every question was answered well. It is judged
// before a deployment over the entries that change, and after it over all
// entries of the target.
package readiness

import (
	"cmp"
	"crypto/sha256"
	"fmt"
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
	// RequiredBy names the policy that Required is from, such as "ChangePolicy
	// production".
	RequiredBy string
	// Checks is the checks file; nil is default mode, in which any evidence that
	// exists must be good.
	Checks *checks.File
	// Phase of the checks file that is judged; empty is PreDeployment.
	Phase checks.Phase
	// Source is the environment that the change is promoted from, which is told
	// and shown; Target the one that it is deployed to, which a file's rules may
	// name. Without a target every rule holds.
	Source, Target checks.Environment
	// Decision of a Rego policy, which takes the place of the file's rules.
	Decision *Decision
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
	// By names whose demand it is, such as "ChangePolicy
	// production, signatures".
	By string
}

// Verdict is DEPLOYMENT_READY with every check it rests on.
type Verdict struct {
	Ready       bool      `json:"ready"`
	EvaluatedAt time.Time `json:"evaluated_at"`
	// Basis is what was judged by.
	Basis Basis `json:"basis"`
	// Passed counts the checks that succeeded. One that passes because its rule
	// lets it be missing or pending is not counted.
	Passed  int `json:"passed"`
	Blocked int `json:"blocked"`
	Warned  int `json:"warned"`
	// Checks in the order of the entries; of each entry, its own checks, then
	// those of its assets as it reaches them.
	Checks []Check `json:"checks"`
}

// Modes of a verdict.
const (
	ModeDefault = "default"
	ModeChecks  = "checks-file"
	ModeRego    = "rego"
)

// Basis is what a verdict was judged by.
type Basis struct {
	// Mode is one of the Mode constants.
	Mode string `json:"mode"`
	// Phase that was judged.
	Phase  checks.Phase        `json:"phase"`
	Source *checks.Environment `json:"source,omitempty"`
	Target *checks.Environment `json:"target,omitempty"`
	// Files that hold the rules.
	Files []BasisFile `json:"files,omitempty"`
}

// BasisFile is a file of rules.
type BasisFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// NewBasisFile names a file by its content.
func NewBasisFile(name string, content []byte) BasisFile {
	return BasisFile{Name: name, SHA256: fmt.Sprintf("%x", sha256.Sum256(content))}
}

func basisOf(in Input) Basis {
	b := Basis{Mode: ModeDefault, Phase: cmp.Or(in.Phase, checks.PreDeployment)}
	if in.Source.Name != "" {
		b.Source = &in.Source
	}
	if in.Target.Name != "" {
		b.Target = &in.Target
	}
	switch {
	case in.Decision != nil:
		b.Mode, b.Files = ModeRego, in.Decision.Files
	case in.Checks.Section(in.Phase) != nil:
		b.Mode, b.Files = ModeChecks, []BasisFile{NewBasisFile(in.Checks.Name, in.Checks.Raw)}
	}
	return b
}

// Evaluate reaches the verdict. It is a function of its input alone.
func Evaluate(in Input) Verdict {
	v := Verdict{EvaluatedAt: in.Now.UTC().Truncate(time.Second), Basis: basisOf(in), Checks: []Check{}}
	for _, q := range questions(in) {
		check := judge(q)
		switch {
		case check.Outcome == Pass && check.Result == string(evidence.ResultSuccess):
			v.Passed++
		case check.Outcome == Block:
			v.Blocked++
		case check.Outcome == Warn:
			v.Warned++
		}
		v.Checks = append(v.Checks, check)
	}
	v.Ready = v.Blocked == 0
	return v
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
