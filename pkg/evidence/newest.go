// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// FutureSkew is how far clocks may differ: evidence dated later than this after
// now is refused.
const FutureSkew = 5 * time.Minute

// Current is the evidence that counts for one check of one asset by one tool.
type Current struct {
	*Evidence
	// Superseded is how many others it stands for.
	Superseded int
}

// Newest picks, of the evidence about one asset, what counts for each check and
// tool:
//
//   - the newest by date;
//   - of equal dates the worst, except that a result supersedes a pending: a
//     check is first recorded as pending, then as its result;
//   - but a pending never supersedes a failure: starting a check again does not
//     make its failure go away.
//
// An unknown result ranks as a failure. Evidence without a readable date, or
// from the future, counts for nothing and is returned as a problem.
//
// Where signatures are demanded, a success without a valid one counts for
// nothing either: it supersedes nothing. It is returned as a problem (Unsigned)
// where it would have made a difference, which is where without it there is no
// success: a signed success stands, whatever unsigned ones lie beside it.
//
// Beside what this run verified itself, no other success counts.
//
// The result is sorted by check and tool.
func Newest(evidences []*Evidence, now time.Time) ([]Current, []Problem) {
	type key struct{ typeID, tool string }
	type dated struct {
		*Evidence
		at time.Time
	}
	groups := map[key][]dated{}
	var problems []Problem
	for _, e := range evidences {
		at, err := e.Time()
		problem := Problem{EvidenceID: string(e.ID), TypeID: string(e.TypeID)}
		switch {
		case err != nil:
			problem.Reason = ReasonDateUnreadable
			problem.Message = fmt.Sprintf("evidence %s: %v", e.ID, err)
		case at.After(now.Add(FutureSkew)):
			problem.Reason = ReasonFromFuture
			problem.Message = fmt.Sprintf("evidence %s is dated %s, later than now (%s)", e.ID, at.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
		default:
			k := key{string(e.TypeID), e.Tool()}
			groups[k] = append(groups[k], dated{e, at})
			continue
		}
		problems = append(problems, problem)
	}

	// severity orders evidence of one date: the greatest counts.
	severity := func(e *Evidence) int {
		return slices.Index([]Result{ResultPending, ResultSuccess, ResultFailure, ResultUnknown}, e.Result())
	}
	current := make([]Current, 0, len(groups))
	for _, group := range groups {
		slices.SortFunc(group, func(a, b dated) int {
			return cmp.Or(b.at.Compare(a.at), cmp.Compare(severity(b.Evidence), severity(a.Evidence)), cmp.Compare(a.ID, b.ID))
		})
		var unsigned *Evidence
		group = slices.DeleteFunc(group, func(d dated) bool {
			without := d.Result() == ResultSuccess && d.Signature.Status == SignatureInvalid
			if without && unsigned == nil {
				unsigned = d.Evidence
			}
			return without
		})
		if unsigned != nil && (len(group) == 0 || group[0].Result() != ResultSuccess) {
			problems = append(problems, Problem{
				Reason: ReasonUnsigned, EvidenceID: string(unsigned.ID), TypeID: string(unsigned.TypeID),
				Message: fmt.Sprintf("evidence %s says success, but does not count: %s", unsigned.ID, unsigned.Signature.Problem),
			})
		}
		if slices.ContainsFunc(group, func(d dated) bool { return d.Verified }) {
			group = slices.DeleteFunc(group, func(d dated) bool { return !d.Verified && d.Result() == ResultSuccess })
		}
		if len(group) == 0 {
			continue
		}
		newest := group[0]
		if newest.Result() == ResultPending {
			i := slices.IndexFunc(group, func(d dated) bool { return d.Result() != ResultPending })
			if i >= 0 && group[i].Result() != ResultSuccess {
				newest = group[i]
			}
		}
		current = append(current, Current{Evidence: newest.Evidence, Superseded: len(group) - 1})
	}
	slices.SortFunc(current, func(a, b Current) int {
		return cmp.Or(cmp.Compare(a.TypeID, b.TypeID), cmp.Compare(a.Tool(), b.Tool()))
	})
	slices.SortFunc(problems, func(a, b Problem) int { return cmp.Compare(a.EvidenceID, b.EvidenceID) })
	return current, problems
}
