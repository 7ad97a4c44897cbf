// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// At an equal or later date, adding bad evidence never makes a check good, and
// adding good evidence never makes one bad.
func TestNewestIsMonotonic(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	words := []string{"success", "failure", "pending", "passed", ""}
	signatures := []SignatureStatus{SignatureNotDemanded, SignatureValid, SignatureInvalid}
	isGood := func(evidences []*Evidence) bool {
		current, problems := Newest(evidences, now)
		return len(problems) == 0 && len(current) == 1 && current[0].Result() == ResultSuccess
	}
	for seed := range uint64(20_000) {
		random := rand.New(rand.NewPCG(seed, 1))
		make1 := func(minute int, word string) *Evidence {
			return &Evidence{
				ID: Text(fmt.Sprintf("%08x", random.Uint32())), TypeID: TypeUnitTests,
				Date:    Text(now.Add(time.Duration(minute-10) * time.Minute).Format(time.RFC3339)),
				Details: Details{Result: Text(word), Tool: "go"},
			}
		}
		var evidences []*Evidence
		latest := 0
		for range 1 + random.IntN(6) {
			minute := random.IntN(5)
			latest = max(latest, minute)
			e := make1(minute, words[random.IntN(len(words))])
			e.Signature.Status = signatures[random.IntN(len(signatures))]
			evidences = append(evidences, e)
		}
		before := isGood(evidences)
		added := make1(latest+random.IntN(3), words[random.IntN(len(words))])
		addedIsGood := added.Result() == ResultSuccess
		if added.Signature.Status = signatures[random.IntN(len(signatures))]; added.Signature.Status == SignatureInvalid {
			// An unsigned success is not good evidence, but does no harm to a
			// signed one either.
			if before && !isGood(append(evidences, added)) && addedIsGood {
				t.Fatalf("seed %d: an unsigned success made a good check bad", seed)
			}
			addedIsGood = false
		}
		after := isGood(append(evidences, added))
		if !before && after && !addedIsGood {
			t.Fatalf("seed %d: adding %q made a bad check good", seed, added.Details.Result)
		}
		if before && !after && addedIsGood {
			t.Fatalf("seed %d: adding %q made a good check bad", seed, added.Details.Result)
		}
	}
}
