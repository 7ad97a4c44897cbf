// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package summary

import (
	"io"
	"strings"
	"testing"

	"github.com/countersign-dev/countersign/pkg/readiness"
)

func TestAVerdictMustNotContradictItself(t *testing.T) {
	for sentence, tc := range map[string]struct {
		content string
		want    string
	}{
		"ready, and nothing blocks":      {`{"readiness":{"ready":true,"checks":[{"outcome":"pass"},{"outcome":"warn"},{"outcome":"info"}]}}`, ""},
		"not ready, and one blocks":      {`{"readiness":{"ready":false,"blocked":1,"checks":[{"outcome":"block"}]}}`, ""},
		"ready, though one blocks":       {`{"readiness":{"ready":true,"blocked":1,"checks":[{"outcome":"block"}]}}`, "contradicts itself"},
		"not ready, though none blocks":  {`{"readiness":{"ready":false,"checks":[{"outcome":"pass"}]}}`, "contradicts itself"},
		"another number than there are":  {`{"readiness":{"ready":false,"blocked":2,"checks":[{"outcome":"block"}]}}`, "contradicts itself"},
		"an outcome that nobody knows":   {`{"readiness":{"ready":true,"checks":[{"outcome":""}]}}`, "none of pass, block, warn and info"},
		"an evidence summary of a build": {`{"version":"2.0","evidences":[]}`, "no verdict"},
		"no document":                    {``, "reading the summary"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := Parse([]byte(tc.content))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

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
