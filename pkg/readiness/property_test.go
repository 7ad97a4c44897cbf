// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/readiness/readinesstest"
)

// At an equal or later date than all there is, more bad evidence never makes a
// verdict good, and more good evidence never makes one bad.
func TestMoreEvidenceMovesAVerdictOneWay(t *testing.T) {
	for name, byFile := range map[string]bool{"default mode": false, "checks file": true} {
		t.Run(name, func(t *testing.T) {
			g := readinesstest.Generator{Rand: rand.New(rand.NewPCG(2, 71))}
			var good, bad, turnedBad, turnedGood int
			for range 5_000 {
				in := g.Input()
				if byFile {
					file, err := checks.Parse("validation.json", g.File())
					if err != nil {
						t.Fatal(err)
					}
					in.Checks = file
				} else if in.Required == nil {
					in.Required = []v1alpha1.RequiredChecks{{AssetType: "image", EvidenceTypes: readinesstest.EvidenceTypes[:1]}}
				}
				ids := slices.Sorted(maps.Keys(in.Evidence.Assets))
				if len(ids) == 0 {
					continue
				}
				asset := in.Evidence.Assets[ids[g.IntN(len(ids))]]
				// The newest of what there is, or now.
				date := readinesstest.Date(2 + g.IntN(2))
				result := []evidence.Result{evidence.ResultSuccess, evidence.ResultFailure, evidence.ResultPending, "passed"}[g.IntN(4)]
				added := g.Evidence(asset.URI, date, evidence.ResultFailure)
				added.Details.Result = evidence.Text(result)

				before := readiness.Evaluate(in)
				kept := asset.Evidences
				asset.Evidences = append(slices.Clone(kept), added)
				after := readiness.Evaluate(in)
				isGood := result == evidence.ResultSuccess
				if isGood && before.Ready && !after.Ready || !isGood && !before.Ready && after.Ready {
					asset.Evidences = kept
					described, _ := json.MarshalIndent(readiness.Describe(in), "", " ")
					t.Fatalf("evidence %s of type %s by %q dated %s makes ready=%t of ready=%t\n%s",
						result, added.TypeID, added.Tool(), date, after.Ready, before.Ready, described)
				}
				switch {
				case before.Ready && !after.Ready:
					turnedBad++
				case !before.Ready && after.Ready:
					turnedGood++
				}
				if before.Ready {
					good++
				} else {
					bad++
				}
			}
			t.Logf("%d verdicts were ready, %d not; %d turned bad, %d good", good, bad, turnedBad, turnedGood)
			if min(good, bad, turnedBad, turnedGood) < 5 {
				t.Error("the cases are too much alike to prove anything")
			}
		})
	}
}
