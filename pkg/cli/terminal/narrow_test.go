// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

func TestNarrow(t *testing.T) {
	row := func(line string) bool { return strings.HasPrefix(line, "  ok") || strings.HasPrefix(line, "  no") }
	for sentence, tc := range map[string]struct {
		text    string
		columns int
		want    string
	}{
		"what fits stays": {"a    b\n", 6, "a    b\n"},
		"rows lose blank columns and still line up": {
			"title\n  ok  a         x      good\n  no  大きさ    xyz    bad\n", 24,
			"title\n  ok  a       x    good\n  no  大きさ  xyz  bad\n",
		},
		"a line goes on below its beginning": {
			"    why it blocks and what to do\n", 20,
			"    why it blocks\n      and what to do\n",
		},
		"a word is broken":           {"    " + strings.Repeat("x", 20) + "\n", 20, "    " + strings.Repeat("x", 14) + "\n      " + strings.Repeat("x", 6) + "\n"},
		"a heading loses its middle": {"  image a" + strings.Repeat("x", 30) + "b\n", 20, "  image axx…xxxxxxxb\n"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if d := cmp.Diff(tc.want, Narrow(tc.text, tc.columns, row)); d != "" {
				t.Errorf("-want +got: %s", d)
			}
		})
	}
}

func FuzzNarrow(f *testing.F) {
	f.Add("  ok  a   b\n  no  c   d\n", 20)
	f.Add("  ok 大きさ\u0301   b", 10)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		columns = 10 + columns&0x7f
		text = strings.Join(plaintext.Lines(text), "\n")
		for line := range strings.Lines(Narrow(text, columns, func(line string) bool { return strings.HasPrefix(line, "  ok") })) {
			if plaintext.Columns(strings.TrimSuffix(line, "\n")) > columns {
				t.Errorf("wider than %d: %q", columns, line)
			}
		}
	})
}
