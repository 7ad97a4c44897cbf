// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"cmp"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// law is what evidence is judged by: which rule each is under, and what must
// not be missing.
type law struct {
	// section of the checks file, nil for default mode and under Rego.
	section *checks.Section
	file    *checks.File
	target  checks.Environment
	// rego: a policy's decision takes the place of default mode.
	rego bool
	// required evidence types by asset type, and whose they are.
	required   map[evidence.AssetType][]string
	requiredBy string
	demanded   map[string][]Demand
}

// ruleDefault is where the rules of default mode are from.
const ruleDefault = "default mode"

func newLaw(in Input) law {
	l := law{target: in.Target, rego: in.Decision != nil, demanded: map[string][]Demand{}}
	if !l.rego {
		if l.section = in.Checks.Section(in.Phase); l.section != nil {
			l.file = in.Checks
		}
	}
	required := in.Required
	l.requiredBy = cmp.Or(in.RequiredBy, "policy") + ", requiredChecks"
	if required == nil && l.section == nil && !l.rego {
		required, l.requiredBy = BuiltinRequired(), "built-in"
	}
	l.required = requiredByType(required)
	for _, d := range in.Demanded {
		l.demanded[d.AssetID] = append(l.demanded[d.AssetID], d)
	}
	return l
}

func requiredByType(required []v1alpha1.RequiredChecks) map[evidence.AssetType][]string {
	out := map[evidence.AssetType][]string{}
	for _, r := range required {
		out[evidence.AssetType(r.AssetType)] = append(out[evidence.AssetType(r.AssetType)], r.EvidenceTypes...)
	}
	for assetType, types := range out {
		slices.Sort(types)
		out[assetType] = slices.Compact(types)
	}
	return out
}

// subject is an asset as an entry reaches it.
type subject struct {
	*evidence.AssetState
	// mustHave: the asset is what the entry deploys, or the commit of it, so
	// evidence of it may be missing. Of any other asset only what exists counts.
	mustHave bool
}

// term is a rule that evidence falls under.
type term struct{ rule, from string }

// of is the rule that existing evidence falls under.
func (l law) of(s subject, typeID, tool string, source checks.Environment) term {
	if s.Type == evidence.AssetPipelineRun {
		return term{RuleListed, ""}
	}
	if t, ok := l.policy(s, typeID); ok {
		return t
	}
	if l.rego {
		return term{RuleListed, ""}
	}
	if l.section == nil {
		return term{RuleExisting, ruleDefault}
	}
	best := term{rule: RuleListed}
	for _, r := range l.section.Rules {
		if r.EvidenceType != typeID || !l.appliesTo(r, s.Type) || !r.Covers(source) {
			continue
		}
		level := r.LevelOf(tool)
		if level == "" {
			continue
		}
		rule := ruleOf(level)
		if best.from == "" || stricter(rule, best.rule) {
			best = term{rule, l.file.Where(r.Position)}
		}
	}
	return best
}

// policy is the rule of the policy that evidence falls under.
func (l law) policy(s subject, typeID string) (term, bool) {
	for _, d := range l.demanded[s.ID] {
		if d.TypeID == typeID {
			return term{RuleRequired, d.By}, true
		}
	}
	if s.mustHave && slices.Contains(l.required[s.Type], typeID) {
		return term{RuleRequired, l.requiredBy}, true
	}
	return term{}, false
}

func (l law) appliesTo(r checks.Rule, assetType evidence.AssetType) bool {
	target := l.target
	if target.Name == "" && len(r.Targets) > 0 {
		// Nobody said where to: then every rule holds.
		target = r.Targets[0]
	}
	return r.AppliesTo(assetType, target)
}

// want is evidence that must, or should, not be missing.
type want struct {
	typeID, tool string
	sources      []checks.Environment
	// met reports whether existing evidence is what is wanted.
	met func(typeID, tool string, source checks.Environment) bool
	term
}

// wants of an asset.
func (l law) wants(s subject) []want {
	if s.Type == evidence.AssetPipelineRun {
		return nil
	}
	var out []want
	ofPolicy := func(typeID, by string) {
		out = append(out, want{
			typeID: typeID, tool: checks.Any, term: term{RuleRequired, by},
			met: func(t, _ string, _ checks.Environment) bool { return t == typeID },
		})
	}
	for _, d := range l.demanded[s.ID] {
		ofPolicy(d.TypeID, d.By)
	}
	if !s.mustHave {
		return out
	}
	for _, typeID := range l.required[s.Type] {
		ofPolicy(typeID, l.requiredBy)
	}
	if l.section == nil {
		return out
	}
	for _, r := range l.section.Rules {
		if !l.appliesTo(r, s.Type) {
			continue
		}
		for _, tool := range r.Tools {
			if tool.Level == checks.Ignored {
				continue
			}
			out = append(out, want{
				typeID: r.EvidenceType, tool: tool.Name, sources: r.Sources, term: term{ruleOf(tool.Level), l.file.Where(r.Position)},
				met: func(t, by string, source checks.Environment) bool {
					return t == r.EvidenceType && (tool.Name == checks.Any || tool.Name == by) && r.Covers(source) && r.LevelOf(by) == tool.Level
				},
			})
		}
	}
	return out
}

// gates reports whether any rule that can block might be about an asset: of
// unknown type, about any; with an empty evidence type, of any.
func (l law) gates(s subject, typeID string) bool {
	if l.section == nil {
		return true
	}
	if slices.ContainsFunc(l.demanded[s.ID], func(d Demand) bool { return typeID == "" || d.TypeID == typeID }) {
		return true
	}
	return slices.ContainsFunc(l.section.Rules, func(r checks.Rule) bool {
		if typeID != "" && r.EvidenceType != typeID {
			return false
		}
		if r.AssetType == evidence.AssetPipelineRun || !blocksAtAll(r) {
			return false
		}
		assetType := s.Type
		if assetType == evidence.AssetUnknown {
			assetType = r.AssetType
		}
		return l.appliesTo(r, assetType)
	})
}

func blocksAtAll(r checks.Rule) bool {
	return slices.ContainsFunc(r.Tools, func(t checks.Tool) bool {
		return t.Level == checks.Required || t.Level == checks.RequiredIfPresent
	})
}

// needsCommit reports whether code must be known: a rule asks something of
// commits, and an image whose commit nobody knows would slip past it.
func (l law) needsCommit() bool {
	if len(l.required[evidence.AssetCommit]) > 0 {
		return true
	}
	return l.section != nil && slices.ContainsFunc(l.section.Rules, func(r checks.Rule) bool {
		return r.AssetType == evidence.AssetCommit && l.appliesTo(r, evidence.AssetCommit) && blocksAtAll(r)
	})
}

// ruleOf names the rule of a level.
func ruleOf(level checks.Level) string {
	switch level {
	case checks.Required:
		return RuleRequired
	case checks.RequiredIfPresent:
		return RuleRequiredIfPresent
	case checks.Recommended:
		return RuleRecommended
	}
	return RuleListed
}

// strictness of rules about evidence; the strictest of several counts.
var strictness = []string{RuleRequired, RuleExisting, RuleRequiredIfPresent, RuleRecommended, RuleListed}

func stricter(a, b string) bool { return slices.Index(strictness, a) < slices.Index(strictness, b) }

// environments lists environments, any of which is meant; empty for every one.
func environments(list []checks.Environment) string {
	if slices.Contains(list, checks.Environment{Name: checks.Any}) {
		return ""
	}
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.String()
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// evidencePath is where the locker keeps an evidence; empty if nothing is known.
func evidencePath(in Input, id string) string {
	if in.Evidence == nil || !evidence.ValidID(id) {
		return ""
	}
	return in.Evidence.EvidencePath(id)
}
