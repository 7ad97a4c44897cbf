// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRedraw(t *testing.T) {
	for name, test := range map[string]struct {
		old, lines []string
		want       string
	}{
		"the same block draws nothing, so that nothing flickers": {
			[]string{"a", "b"}, []string{"a", "b"}, "",
		},
		"the first block is written below what was there": {
			nil, []string{"a", "b"}, "a\x1b[K\r\nb\x1b[K\r\n",
		},
		"only the changed line is written again": {
			[]string{"a", "b", "c"}, []string{"a", "B", "c"}, "\r\x1b[3A\r\nB\x1b[K\r\n\r\n",
		},
		"a longer block keeps what was there": {
			[]string{"a"}, []string{"a", "b"}, "\r\x1b[1A\r\nb\x1b[K\r\n",
		},
		"a shorter block leaves nothing behind": {
			[]string{"a", "b"}, []string{"a"}, "\r\x1b[2A\r\n\x1b[J",
		},
		"an empty block takes the old one away": {
			[]string{"a", "b"}, nil, "\r\x1b[2A\x1b[J",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, redraw(test.old, test.lines)); diff != "" {
				t.Errorf("redraw (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCutLine(t *testing.T) {
	for name, test := range map[string]struct {
		line  string
		width int
		want  string
	}{
		"a short line stays":            {"abc", 5, "abc"},
		"a line that just fits stays":   {"abcde", 5, "abcde"},
		"a long line ends with a mark":  {"abcdef", 5, "abcd…" + plain},
		"colours take no width":         {green + "abcde" + plain, 5, green + "abcde" + plain},
		"a colour does not run on":      {green + "abcdef" + plain, 5, green + "abcd…" + plain},
		"characters count, not bytes":   {"äöüßé", 5, "äöüßé"},
		"an empty line stays":           {"", 5, ""},
		"a colour after the end stays":  {"abcde" + plain, 5, "abcde" + plain},
		"many bytes are cut as letters": {"äöüßéñ", 5, "äöüß…" + plain},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, cutLine(test.line, test.width)); diff != "" {
				t.Errorf("cutLine (-want +got):\n%s", diff)
			}
		})
	}
}
