// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"fmt"
	"math/rand"
	"regexp"
	"testing"

	"github.com/countersign-dev/countersign/pkg/sbom/sbomtest"
)

// Documents with every member of the schema, with and without faults in them:
// whatever they have, they are taken, and what comes out is valid.
func TestMergeOfAnythingIsValid(t *testing.T) {
	for _, faults := range []float64{0, 0.02, 0.2} {
		for seed := range int64(80) {
			r := rand.New(rand.NewSource(seed))
			var inputs []Input
			most := 0
			for i := range 1 + r.Intn(3) {
				data := sbomtest.Random(r, faults)
				inputs = append(inputs, Input{Name: fmt.Sprint("input-", i), BOM: data})
			}
			out, merged := merge(t, inputs...)
			if len(merged.Unreadable) > 0 {
				t.Fatalf("seed %d, faults %g: %v\n%s", seed, faults, merged.Unreadable, inputs[0].BOM)
			}
			for i := range inputs {
				_, alone := merge(t, inputs[i])
				most = max(most, alone.Components)
			}
			if merged.Components < most {
				t.Errorf("seed %d, faults %g: %d components, fewer than the %d of one input", seed, faults, merged.Components, most)
			}
			r.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
			if again, _ := merge(t, inputs...); !bytes.Equal(out, again) {
				t.Errorf("seed %d, faults %g: the order of the inputs changed the document", seed, faults)
			}
			_, once := merge(t, Input{Name: "merged", BOM: out})
			if once.Components != merged.Components+1 {
				t.Errorf("seed %d, faults %g: %d components, merged again %d", seed, faults, merged.Components, once.Components)
			}
		}
	}
}

// What has no fault loses nothing but what the merge says that it drops.
func TestMergeOfFaultlessDocumentsKeepsTheirContent(t *testing.T) {
	dropped := regexp.MustCompile(`^input: \d+ × (signatures|formulation|declarations|definitions|metadata\.[a-z]+)$`)
	tried := 0
	for seed := range int64(1000) {
		data := sbomtest.Random(rand.New(rand.NewSource(seed)), 0)
		if sbomtest.Check(data) != nil {
			continue // it has a name twice, or a reference that leads nowhere
		}
		tried++
		out, _ := merge(t, Input{Name: "input", BOM: data})
		for _, p := range *decoded(t, out).Metadata.Properties {
			if p.Name != propertyPrefix+"input" && !dropped.MatchString(p.Value) {
				t.Errorf("seed %d: %s: %s\n%s", seed, p.Name, p.Value, data)
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d documents were tried", tried)
	}
}
