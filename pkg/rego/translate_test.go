// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package rego

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

var now = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)

// generator makes checks files and evidence that meet often: few types, few
// tools, few places.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

func (g generator) some(n int, from ...string) []string {
	out := slices.Clone(from)
	g.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(n, len(out))]
}

var (
	evidenceTypes = []string{"acme.a", "acme.b", "acme.c"}
	tools         = []string{"one", "two", `th"ree":"`}
	sources       = []checks.Environment{{Name: checks.CIPipeline}, {Name: "stage"}, {Name: "stage", Region: "us"}, {Name: "prod", Region: "eu"}}
	targets       = []checks.Environment{{Name: "prod"}, {Name: "prod", Region: "eu"}, {Name: "stage"}, {}}
)

// file is a checks file of either version, as JSON.
func (g generator) file() []byte {
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
			for _, typeID := range g.some(g.IntN(4), evidenceTypes...) {
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
			for _, typeID := range g.some(1+g.IntN(3), evidenceTypes...) {
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

// input is some entries with their evidence, holes in what they deploy
// included.
func (g generator) input() readiness.Input {
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
		if g.IntN(4) == 0 {
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
		Evidence: c, Phase: pick(g, "", checks.PreDeployment, checks.PostDeployment), Now: now,
		Source: pick(g, sources...), Target: pick(g, targets...),
	}
	if g.IntN(4) == 0 {
		in.Required = []v1alpha1.RequiredChecks{{AssetType: pick(g, "image", "commit"), EvidenceTypes: g.some(2, evidenceTypes...)}}
		in.RequiredBy = "ChangePolicy test"
	}
	for _, id := range slices.Sorted(func(yield func(string) bool) {
		for id := range c.Assets {
			if !yield(id) {
				return
			}
		}
	}) {
		if g.IntN(6) == 0 {
			in.Demanded = append(in.Demanded, readiness.Demand{AssetID: id, TypeID: pick(g, evidenceTypes...), By: "ChangePolicy test, signatures"})
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

func (g generator) evidences(u evidence.URI) []*evidence.Evidence {
	var out []*evidence.Evidence
	for range g.IntN(7) {
		e := evidence.Evidence{
			TypeID: evidence.Text(pick(g, evidenceTypes...)), Date: evidence.Text(fmt.Sprintf("2026-01-0%dT00:00:00Z", 1+g.IntN(2))),
			Details: evidence.Details{
				Result: evidence.Text(pick(g, "success", "success", "success", "failure", "pending")),
				Tool:   evidence.Text(pick(g, append(tools, "", checks.Any, "other")...)),
			},
			Assets: []evidence.AssetRef{{URI: evidence.Text(u.String)}},
		}
		switch where := pick(g, sources...); {
		case where.Name != checks.CIPipeline:
			e.Details.Extra = map[string]any{"environment": where.Name}
			if where.Region != "" {
				e.Details.Extra["region"] = where.Region
			}
			fallthrough
		case g.IntN(2) == 0:
			e.Origin.PipelineRunID = evidence.Text(pick(g, "run-1", "run-9"))
		}
		complete, err := evidence.Complete(e)
		if err != nil {
			panic(err)
		}
		if g.IntN(20) == 0 {
			complete.Details.Result = "passed"
		}
		if complete.Result() == evidence.ResultSuccess && g.IntN(8) == 0 {
			complete.Signature = evidence.Signature{Status: evidence.SignatureInvalid, Problem: "it is not signed"}
		}
		if !slices.ContainsFunc(out, func(other *evidence.Evidence) bool { return other.ID == complete.ID }) {
			out = append(out, complete)
		}
	}
	return out
}

// comparable are the checks of a verdict, without the policy's own word.
func comparable(v readiness.Verdict) []readiness.Check {
	out := slices.DeleteFunc(slices.Clone(v.Checks), func(c readiness.Check) bool { return c.Check == readiness.CheckPolicy })
	slices.SortStableFunc(out, func(a, b readiness.Check) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

// A checks file and its translation come to the same verdict, check by check:
// outcome, reason, rule, evidence and words.
func TestTranslationDecidesAsTheFile(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 14))}
	const files, inputs = 150, 20
	outcomes := map[readiness.Outcome]int{}
	ready := 0
	for range files {
		data := g.file()
		file, err := checks.Parse("validation.json", data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		text, err := Translate(file)
		if err != nil {
			t.Fatal(err)
		}
		policy, err := Load(map[string][]byte{"translated.rego": text})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for range inputs {
			in := g.input()
			byRego := Evaluate(context.Background(), policy, in)
			in.Checks = file
			byFile := readiness.Evaluate(in)
			if diff := gocmp.Diff(comparable(byFile), comparable(byRego)); diff != "" || byFile.Ready != byRego.Ready {
				described, _ := json.MarshalIndent(readiness.Describe(in), "", " ")
				t.Fatalf("file: ready=%t, Rego: ready=%t, %s (-file +Rego):\n%s\n%s\n%s", byFile.Ready, byRego.Ready,
					byRego.Checks[len(byRego.Checks)-1].Message, diff, data, described)
			}
			for _, c := range byFile.Checks {
				outcomes[c.Outcome]++
			}
			if byFile.Ready {
				ready++
			}
		}
	}
	t.Logf("%d cases, %d of them ready; checks: %v", files*inputs, ready, outcomes)
	if ready < files || outcomes[readiness.Warn] < files || outcomes[readiness.Block] < files || outcomes[readiness.Info] < files {
		t.Error("the cases are too much alike to prove anything")
	}
}
