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
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/readiness/readinesstest"
)

// comparable are the checks of a verdict, without the policy's own word.
func comparable(v readiness.Verdict) []readiness.Check {
	out := slices.DeleteFunc(slices.Clone(v.Checks), func(c readiness.Check) bool { return c.Check == readiness.CheckPolicy })
	slices.SortStableFunc(out, func(a, b readiness.Check) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

// A checks file and its translation come to the same verdict, check by check:
// outcome, reason, rule, evidence and words.
func TestTranslationDecidesAsTheFile(t *testing.T) {
	g := readinesstest.Generator{Rand: rand.New(rand.NewPCG(3, 14))}
	const files, inputs = 100, 20
	outcomes := map[readiness.Outcome]int{}
	ready := 0
	for range files {
		data := g.File()
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
			in := g.Input()
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
