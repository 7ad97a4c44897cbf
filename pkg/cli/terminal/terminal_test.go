// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

const hostile = "a\x1b[31mred\x1b[0m\a\u202eright\u2066\u200b\u009b2J\ufeff\U000e0041 \xff\u3164\u00a0\ufe0f"

func TestColoursCanBeOff(t *testing.T) {
	if got := (Style{}).Bad("no"); got != "no" {
		t.Errorf("without colour: got %q", got)
	}
	if got := (Style{Color: true}).Bad("no"); got != "\x1b[31mno\x1b[0m" {
		t.Errorf("with colour: got %q", got)
	}
}

func TestTableLinesUp(t *testing.T) {
	style := Style{Color: true}
	var b strings.Builder
	err := Table{
		Header: []string{"NAME", "STATE", "AGE"},
		Rows: [][]string{
			{"大きさ", style.Good("ok"), "1h"},
			{"ab", "longer", "2h"},
			{"e\u0301", "", "3h"},
		},
	}.Write(&b, " ")
	if err != nil {
		t.Fatal(err)
	}
	want := " NAME     STATE    AGE\n" +
		" 大きさ   \x1b[32mok\x1b[0m       1h\n" +
		" ab       longer   2h\n" +
		" e\u0301                 3h\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type record struct {
	Zeta  string            `json:"zeta"`
	Alpha string            `json:"alpha"`
	Text  string            `json:"text"`
	Words map[string]string `json:"words"`
	Num   int               `json:"num"`
}

func TestDataIsHarmlessAndParses(t *testing.T) {
	want := record{
		Zeta:  strings.ToValidUTF8(hostile, ""),
		Alpha: "true",
		Text:  "line one\n  line two: #3\n",
		Words: map[string]string{"\u202ekey": "@x", "n": "0123", "nul": "null", "lines": "a\u202e\nb\n"},
		Num:   3,
	}
	for name, c := range map[string]struct {
		write func(any) ([]byte, error)
		read  func([]byte, any) error
	}{
		"JSON": {JSON, json.Unmarshal},
		"YAML": {YAML, func(data []byte, v any) error { return yaml.Unmarshal(data, v) }},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := c.write(want)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range string(data) {
				if r != '\n' && !plaintext.Visible(r) {
					t.Errorf("output holds %U", r)
				}
			}
			var got record
			if err := c.read(data, &got); err != nil {
				t.Fatalf("%v in\n%s", err, data)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", data, diff)
			}
		})
	}
}
