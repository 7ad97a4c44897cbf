// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package summary

import (
	"io"
	"testing"

	"github.com/countersign-dev/countersign/pkg/readiness"
)

func FuzzParse(f *testing.F) {
	for _, v := range []readiness.Verdict{
		{Ready: true, Checks: []readiness.Check{{Check: "a", Outcome: readiness.Pass}}},
		{Blocked: 1, Checks: []readiness.Check{{Entry: "e", Asset: "x", Check: "a", Outcome: readiness.Block, Message: "m", Unblock: "u"}}},
	} {
		content, err := readiness.Summary{Readiness: v}.JSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte(`{"readiness":{"ready":true,"checks":[{"outcome":"block"}]}}`))
	f.Add([]byte(`{"readiness":null}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		v, err := Parse(content)
		if err != nil {
			return
		}
		for _, c := range v.Checks {
			if v.Ready && c.Outcome == readiness.Block {
				t.Error("ready, though a check blocks")
			}
		}
		if err := v.WriteTable(io.Discard, readiness.TableOptions{}); err != nil {
			t.Error(err)
		}
	})
}
