// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package readinesstest makes checks files and evidence at random, for tests
// that compare verdicts.
package readinesstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

// Now is the time of every verdict.
var Now = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)

// Generator makes checks files and evidence that meet often: few types, few
// tools, few places.
type Generator struct{ *rand.Rand }

func pick[T any](g Generator, from ...T) T { return from[g.IntN(len(from))] }

func (g Generator) some(n int, from ...string) []string {
	out := slices.Clone(from)
	g.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(n, len(out))]
}

var (
	// EvidenceTypes are those that files and evidence name.
	EvidenceTypes = []string{"acme.a", "acme.b", "acme.c"}
	tools         = []string{"one", "two", `th"ree":"`}
	sources       = []checks.Environment{{Name: checks.CIPipeline}, {Name: "stage"}, {Name: "stage", Region: "us"}, {Name: "prod", Region: "eu"}}
	targets       = []checks.Environment{{Name: "prod"}, {Name: "prod", Region: "eu"}, {Name: "stage"}, {}}
)

// File is a checks file of either version, as JSON.
func (g Generator) File() []byte {
	type object = map[string]any
	version2 := g.IntN(4) > 0
	environments := func(from ...checks.Environment) []object {
		var out []object
		for _, i := range g.Perm(len(from))[:1+g.IntN(2)] {
			e := object{"name": from[i].Name}
			if from[i].Region != "" {
				e["region"] = from[i].Region
			}
			out = append(out, e)
		}
		return out
	}
	section := func() []object {
		out := []object{}
		if version2 {
			for _, typeID := range g.some(g.IntN(4), EvidenceTypes...) {
				var rules []object
				for range 1 + g.IntN(3) {
					rule := object{"asset_type": pick(g, "image", "commit", "artifact", "*")}
					if g.IntN(2) == 0 {
						rule["source_environments"] = environments(sources[0], sources[1], sources[2], checks.Environment{Name: checks.Any})
					}
					if g.IntN(2) == 0 {
						rule["target_environments"] = environments(targets[0], targets[1], targets[2], checks.Environment{Name: checks.Any})
					}
					for i, tool := range g.some(1+g.IntN(3), append(tools, checks.Any)...) {
						level := pick(g, "required", "required_if_present", "recommended")
						item := object{"name": "tool", "values": []string{tool}, "description": fmt.Sprint(i)}
						list, _ := rule[level].([]object)
						rule[level] = append(list, item)
					}
					rules = append(rules, rule)
				}
				out = append(out, object{"evidence_type_id": typeID, "rules": rules})
			}
			return out
		}
		for _, assetType := range g.some(g.IntN(4), "image", "commit", "artifact", "*") {
			var evidences []object
			for _, typeID := range g.some(1+g.IntN(3), EvidenceTypes...) {
				rules := object{"required": []object{}, "optional": []object{}, "ignore": []object{}}
				for _, tool := range g.some(1+g.IntN(3), append(tools, checks.Any)...) {
					level := pick(g, "required", "optional", "ignore")
					rules[level] = append(rules[level].([]object), object{"tool": tool})
				}
				evidences = append(evidences, object{"evidence_type_id": typeID, "rules": rules})
			}
			out = append(out, object{"asset_type": assetType, "evidences": evidences})
		}
		return out
	}
	file := object{"pre-deployment": section(), "post-deployment": section()}
	if version2 {
		file["version"] = "2.0"
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		panic(err)
	}
	return data
}

func uri(s string) evidence.URI {
	u, err := evidence.ParseURI(s)
	if err != nil {
		panic(err)
	}
	return u
}

// Input is some entries with their evidence, holes in what they deploy
// included.
func (g Generator) Input() readiness.Input {
	c := &evidence.Collection{Assets: map[string]*evidence.AssetState{}}
	hex := func() string { return fmt.Sprintf("%02x", g.IntN(4)) }
	kinds := map[string]func() evidence.URI{
		"image":    func() evidence.URI { return uri("docker://r.example/i@sha256:" + strings.Repeat(hex(), 32)) },
		"commit":   func() evidence.URI { return uri("https://f.example/r.git#" + strings.Repeat(hex(), 20)) },
		"artifact": func() evidence.URI { return uri("https://f.example/chart-" + hex()) },
		"run":      func() evidence.URI { return uri("pipelinerun://ci/" + hex()) },
	}
	add := func(ca *evidence.ComponentAssets, u evidence.URI, via string) {
		if slices.ContainsFunc(ca.Assets, func(l evidence.Link) bool { return l.ID == u.ID }) {
			return
		}
		ca.Assets = append(ca.Assets, evidence.Link{ID: u.ID, Via: via})
		if c.Assets[u.ID] == nil {
			c.Assets[u.ID] = &evidence.AssetState{URI: u, Record: &evidence.Asset{}, Evidences: g.evidences(u)}
		}
	}
	for i := range 1 + g.IntN(2) {
		ca := evidence.ComponentAssets{Component: evidence.Component{Entry: fmt.Sprintf("entry-%d", i), PipelineRunID: pick(g, "", "run-1", "run-2")}}
		if g.IntN(3) > 0 {
			add(&ca, kinds["image"](), evidence.ViaEntry)
		}
		if g.IntN(3) > 0 {
			add(&ca, kinds["commit"](), evidence.ViaEntry)
		}
		if g.IntN(4) == 0 || len(ca.Assets) == 0 {
			add(&ca, kinds["artifact"](), evidence.ViaEntry)
		}
		if g.IntN(3) == 0 {
			add(&ca, kinds[pick(g, "commit", "image", "run", "artifact")](), pick(g, evidence.ViaRelated, evidence.ViaParent))
		}
		if g.IntN(10) == 0 {
			ca.Problems = []evidence.Problem{{Reason: evidence.ReasonNotIdentified, Entry: ca.Entry, Message: "m"}}
		}
		c.Components = append(c.Components, ca)
	}
	if g.IntN(4) == 0 {
		u := kinds["commit"]()
		c.AddChange(u)
	}
	in := readiness.Input{
		Evidence: c, Phase: pick(g, "", checks.PreDeployment, checks.PostDeployment), Now: Now,
		Source: pick(g, sources...), Target: pick(g, targets...),
	}
	if g.IntN(4) == 0 {
		in.Required = []v1alpha1.RequiredChecks{{AssetType: pick(g, "image", "commit"), EvidenceTypes: g.some(2, EvidenceTypes...)}}
		in.RequiredBy = "ChangePolicy test"
	}
	for _, id := range slices.Sorted(maps.Keys(c.Assets)) {
		if g.IntN(6) == 0 {
			in.Demanded = append(in.Demanded, readiness.Demand{AssetID: id, TypeID: pick(g, EvidenceTypes...), By: "ChangePolicy test, signatures"})
		}
		// A hole in what other assets lead to is the one thing that the two see
		// differently: a policy cannot say that it does not need it.
		reached := slices.ContainsFunc(c.Components, func(ca evidence.ComponentAssets) bool {
			return slices.ContainsFunc(ca.Assets, func(l evidence.Link) bool { return l.ID == id && l.Via != evidence.ViaEntry })
		})
		if !reached && g.IntN(12) == 0 {
			c.Assets[id].Problems = append(c.Assets[id].Problems, evidence.Problem{Reason: evidence.ReasonEvidenceMissing, AssetID: id, Message: "m"})
		}
	}
	return in
}

func (g Generator) evidences(u evidence.URI) []*evidence.Evidence {
	var out []*evidence.Evidence
	for range g.IntN(7) {
		e := g.Evidence(u, Date(1+g.IntN(2)), pick(g, evidence.ResultSuccess, evidence.ResultSuccess, evidence.ResultSuccess, evidence.ResultFailure, evidence.ResultPending))
		if g.IntN(20) == 0 {
			e.Details.Result = "passed"
		}
		if e.Result() == evidence.ResultSuccess && g.IntN(8) == 0 {
			e.Signature = evidence.Signature{Status: evidence.SignatureInvalid, Problem: "it is not signed"}
		}
		if !slices.ContainsFunc(out, func(other *evidence.Evidence) bool { return other.ID == e.ID }) {
			out = append(out, e)
		}
	}
	return out
}

// Date is midnight of a day of January 2026; Now is the third.
func Date(day int) string { return fmt.Sprintf("2026-01-%02dT00:00:00Z", day) }

// Evidence is one evidence of some type, by some tool and from some place, with
// the date and result that are given.
func (g Generator) Evidence(u evidence.URI, date string, result evidence.Result) *evidence.Evidence {
	e := evidence.Evidence{
		TypeID: evidence.Text(pick(g, EvidenceTypes...)), Date: evidence.Text(date),
		Details: evidence.Details{Result: evidence.Text(result), Tool: evidence.Text(pick(g, append(tools, "", checks.Any, "other")...))},
		Assets:  []evidence.AssetRef{{URI: evidence.Text(u.String)}},
	}
	where := pick(g, sources...)
	if where.Name != checks.CIPipeline {
		e.Details.Extra = map[string]any{"environment": where.Name}
		if where.Region != "" {
			e.Details.Extra["region"] = where.Region
		}
	}
	if where.Name != checks.CIPipeline || g.IntN(2) == 0 {
		e.Origin.PipelineRunID = evidence.Text(pick(g, "run-1", "run-9"))
	}
	complete, err := evidence.Complete(e)
	if err != nil {
		panic(err)
	}
	return complete
}
