// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// maxQuestions bounds a verdict. Evidence of one commit is asked about for each
// entry that was built from it, so that a few thousand records come to millions
// of questions.
const maxQuestions = 200_000

// questions lists everything that a verdict must answer.
func questions(in Input) []question {
	a := &asking{in: in, law: newLaw(in), facts: map[factsKey]facts{}}
	entries := len(in.Deleted)
	if in.Evidence != nil {
		for _, component := range in.Evidence.Components {
			if !isChange(component) {
				entries++
			}
			if len(a.out) >= maxQuestions {
				a.ask(question{
					Check: Check{Entry: component.Entry, Check: CheckRecord, Rule: RuleIntegrity, Result: string(evidence.ResultUnknown)},
					problem: &evidence.Problem{Reason: evidence.ReasonTooMany, Entry: component.Entry,
						Message: fmt.Sprintf("there are more than %d checks; this entry was not judged", maxQuestions)},
				})
				continue
			}
			a.entry(component)
		}
	}
	for _, entry := range in.Deleted {
		a.ask(question{Check: Check{Entry: entry, Check: CheckDeletion, Rule: RuleListed, Result: string(evidence.ResultSuccess)}, deletion: true})
	}
	a.strayRows()
	if entries == 0 {
		a.ask(question{
			Check:   Check{Check: CheckIdentity, Rule: RuleIdentity, Result: ResultMissing},
			problem: &evidence.Problem{Reason: evidence.ReasonNotIdentified, Message: "there is no entry to judge"},
		})
	}
	a.decision()
	return a.out
}

// isChange tells the component of the change as a whole from those of entries.
func isChange(component evidence.ComponentAssets) bool {
	return slices.ContainsFunc(component.Assets, func(link evidence.Link) bool { return link.Via == evidence.ViaChange })
}

// asking is the state of listing questions.
type asking struct {
	in  Input
	law law
	// facts of assets: they are shared between entries, and what counts of their
	// evidence is worked out once.
	facts map[factsKey]facts
	// told are the rows of a policy's table that became questions.
	told map[int]bool
	out  []question
}

func (a *asking) ask(q question) { a.out = append(a.out, q) }

// factsKey: where evidence comes from depends on the run that built the entry.
type factsKey struct{ asset, run string }

// facts is what counts of one asset's evidence.
type facts struct {
	current  []sourced
	problems []evidence.Problem
	unsigned []evidence.Problem
}

// sourced is evidence that counts, with where it comes from; the source is
// empty where nobody asks for it.
type sourced struct {
	evidence.Current
	source checks.Environment
}

func (a *asking) factsOf(s subject, component evidence.Component) facts {
	key := factsKey{asset: s.ID}
	apart := a.law.section != nil || a.law.rego
	if apart {
		key.run = component.PipelineRunID
	}
	if f, ok := a.facts[key]; ok {
		return f
	}
	groups := map[checks.Environment][]*evidence.Evidence{{}: s.Evidences}
	if apart {
		groups = bySource(s.Evidences, component)
	}
	f := facts{problems: slices.Clone(s.Problems)}
	for source, group := range groups {
		current, problems := evidence.Newest(group, a.in.Now)
		for _, c := range current {
			f.current = append(f.current, sourced{c, source})
		}
		for _, p := range problems {
			if p.Reason == evidence.ReasonUnsigned {
				f.unsigned = append(f.unsigned, p)
			} else {
				f.problems = append(f.problems, p)
			}
		}
	}
	slices.SortFunc(f.current, func(x, y sourced) int {
		return cmp.Or(cmp.Compare(x.TypeID, y.TypeID), cmp.Compare(x.Tool(), y.Tool()), cmp.Compare(x.source.String(), y.source.String()))
	})
	byEvidence := func(x, y evidence.Problem) int { return cmp.Compare(x.EvidenceID, y.EvidenceID) }
	slices.SortStableFunc(f.unsigned, byEvidence)
	slices.SortStableFunc(f.problems[len(s.Problems):], byEvidence)
	a.facts[key] = f
	return f
}

func (a *asking) entry(component evidence.ComponentAssets) {
	first := len(a.out)
	if len(component.Assets) == 0 && len(component.Problems) == 0 {
		component.Problems = []evidence.Problem{{Reason: evidence.ReasonNotIdentified, Message: "nothing is known of what the entry deploys"}}
	}
	for _, problem := range component.Problems {
		a.ask(question{
			Check:   Check{Entry: component.Entry, Asset: component.Provenance, Check: CheckIdentity, Rule: RuleIdentity, Result: ResultMissing},
			problem: &problem,
		})
	}
	commits := 0
	var image *subject
	for _, s := range subjects(a.in.Evidence, component) {
		if s.Type == evidence.AssetCommit {
			commits++
		}
		if s.Type == evidence.AssetImage && s.mustHave && image == nil {
			image = &s
		}
		a.asset(component.Component, s)
	}
	asked := slices.ContainsFunc(a.out[first:], func(q question) bool { return q.Check.Check == CheckIdentity })
	if image != nil && commits == 0 && len(component.Problems) == 0 && a.law.needsCommit() && !asked {
		a.ask(commitUnknown(Check{Entry: component.Entry, Asset: cmp.Or(image.String, image.ID), AssetID: image.ID, AssetType: image.Type}))
	}
	if len(a.out) == first && !isChange(component) {
		a.ask(unasked(component.Entry))
	}
}

// unasked shows an entry of which no rule asks anything, so that this is seen.
func unasked(entry string) question {
	return question{Check: Check{Entry: entry, Check: CheckIdentity, Rule: RuleListed, Result: string(evidence.ResultSuccess)}, unasked: true}
}

// commitUnknown is the question about an image whose commit nobody knows.
func commitUnknown(about Check) question {
	about.Check, about.Rule, about.Result = CheckIdentity, RuleIdentity, ResultMissing
	return question{Check: about, problem: &evidence.Problem{
		Reason:  evidence.ReasonNotIdentified,
		Message: "neither the entry nor the image's record says which commit the image was built from",
	}}
}

// subjects are the assets of an entry. What must not be missing is asked of the
// artifact and the commit that the entry names; where it names no commit, the
// commits that its artifact leads to stand in. The asset of the change as a
// whole is asked for what is demanded of it, and no more.
func subjects(c *evidence.Collection, component evidence.ComponentAssets) []subject {
	stateOf := func(id string) *evidence.AssetState {
		if state := c.Assets[id]; state != nil {
			return state
		}
		return &evidence.AssetState{URI: evidence.URI{Type: evidence.AssetUnknown, ID: id}, Problems: []evidence.Problem{{
			Reason: evidence.ReasonAssetMissing, AssetID: id, Message: "nothing was read about this asset",
		}}}
	}
	hasCommit := slices.ContainsFunc(component.Assets, func(link evidence.Link) bool {
		return link.Via == evidence.ViaEntry && stateOf(link.ID).Type == evidence.AssetCommit
	})
	out := make([]subject, len(component.Assets))
	for i, link := range component.Assets {
		state := stateOf(link.ID)
		standsIn := state.Type == evidence.AssetCommit && !hasCommit && link.Via != evidence.ViaChange
		out[i] = subject{AssetState: state, mustHave: link.Via == evidence.ViaEntry || standsIn}
	}
	return out
}

// asset asks everything about one asset of an entry.
func (a *asking) asset(component evidence.Component, s subject) {
	f := a.factsOf(s, component)
	about := Check{Entry: component.Entry, Asset: cmp.Or(s.String, s.ID), AssetID: s.ID, AssetType: s.Type}
	var out []question
	for _, problem := range f.problems {
		check := about
		check.Check, check.Rule, check.Result = cmp.Or(problem.TypeID, CheckRecord), RuleIntegrity, string(evidence.ResultUnknown)
		check.Evidence, check.EvidencePath = problem.EvidenceID, evidencePath(a.in, problem.EvidenceID)
		out = append(out, question{Check: check, problem: &problem, unneeded: !s.mustHave && !a.law.gates(s, problem.TypeID)})
	}
	byKey := map[questionKey]question{}
	for _, c := range f.current {
		check := about
		check.Check, check.Tool, check.Source, check.Result = string(c.TypeID), c.Tool(), c.source.String(), string(c.Result())
		check.Evidence, check.Date, check.SignedBy = string(c.ID), string(c.Date), c.Signature.Signer
		check.EvidencePath = evidencePath(a.in, check.Evidence)
		t := a.law.of(s, check.Check, check.Tool, c.source)
		check.Rule, check.RuleSource = t.rule, t.from
		keep(byKey, question{Check: check, evidence: c.Evidence})
	}
	for _, w := range a.law.wants(s) {
		if slices.ContainsFunc(f.current, func(c sourced) bool { return w.met(string(c.TypeID), c.Tool(), c.source) }) {
			continue
		}
		check := about
		check.Check, check.Tool, check.Source, check.Result = w.typeID, orEmpty(w.tool), environments(w.sources), ResultMissing
		check.Rule, check.RuleSource = w.rule, w.from
		keep(byKey, question{Check: check, missing: true})
	}
	// Last, so that a row never takes the place of what the policy requires.
	for _, q := range a.rows(component.Entry, about, s, f.current) {
		keep(byKey, q)
	}
	used := map[string]bool{}
	for _, q := range byKey {
		i := slices.IndexFunc(f.unsigned, func(p evidence.Problem) bool { return p.TypeID == q.Check.Check })
		switch {
		case i >= 0 && q.missing:
			p := f.unsigned[i]
			q.unsigned = &p
			q.Evidence, q.EvidencePath = p.EvidenceID, evidencePath(a.in, p.EvidenceID)
			used[p.EvidenceID] = true
		case i >= 0 && q.evidence != nil && q.Result == string(evidence.ResultPending) && q.Rule != RuleListed:
			q.unsigned = outcomeOf(q.evidence, f.unsigned, s.Evidences)
		case q.missing:
			q.others = slices.DeleteFunc(slices.Clone(f.current), func(c sourced) bool { return string(c.TypeID) != q.Check.Check })
		}
		out = append(out, q)
	}
	for _, p := range f.unsigned {
		if used[p.EvidenceID] {
			continue
		}
		check := about
		check.Check, check.Rule, check.Result = p.TypeID, RuleListed, ResultMissing
		check.Evidence, check.EvidencePath = p.EvidenceID, evidencePath(a.in, p.EvidenceID)
		out = append(out, question{Check: check, unsigned: &p})
	}
	slices.SortStableFunc(out, func(a, b question) int {
		return cmp.Or(cmp.Compare(a.Check.Check, b.Check.Check), cmp.Compare(a.Tool, b.Tool), cmp.Compare(a.Source, b.Source),
			cmp.Compare(a.Evidence, b.Evidence), cmp.Compare(a.Result, b.Result), cmp.Compare(a.Rule, b.Rule))
	})
	a.out = append(a.out, out...)
}

// outcomeOf finds the unsigned success that a pending came to; nil if it came to
// none.
func outcomeOf(pending *evidence.Evidence, unsigned []evidence.Problem, all []*evidence.Evidence) *evidence.Problem {
	begun, err := pending.Time()
	if err != nil {
		return nil
	}
	for _, p := range unsigned {
		for _, e := range all {
			if string(e.ID) != p.EvidenceID || e.TypeID != pending.TypeID || e.Tool() != pending.Tool() {
				continue
			}
			if at, err := e.Time(); err == nil && !at.Before(begun) {
				return &p
			}
		}
	}
	return nil
}

// orEmpty: of missing evidence any tool is no tool.
func orEmpty(tool string) string {
	if tool == checks.Any {
		return ""
	}
	return tool
}

// questionKey: two rules that ask the same thing of an asset ask it once.
type questionKey struct {
	check, tool, source string
	missing             bool
}

// keep keeps the question whose rule is the strictest; of equal ones the first.
func keep(byKey map[questionKey]question, q question) {
	key := questionKey{q.Check.Check, q.Tool, q.Source, q.Result == ResultMissing}
	if other, twice := byKey[key]; twice && !stricter(q.Rule, other.Rule) {
		// What no rule names gives way to a rule that says so itself.
		if other.Rule != RuleListed || other.RuleSource != "" {
			return
		}
	}
	byKey[key] = q
}
