// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestColumnsAndPad(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "大きさ": 6, "e\u0301": 1, "ﾊ": 1, "Ａ": 2, "…": 1} {
		if got := Columns(text); got != want {
			t.Errorf("Columns(%q) = %d, want %d", text, got, want)
		}
		if got := Pad(text, 7); Columns(got) != 7 || !strings.HasPrefix(got, text) {
			t.Errorf("Pad(%q, 7) = %q", text, got)
		}
	}
	if got := Pad("abc", 2); got != "abc" {
		t.Errorf("Pad cut its text: %q", got)
	}
}

func TestCutAndFit(t *testing.T) {
	for name, c := range map[string]struct {
		in       string
		columns  int
		cut, fit string
	}{
		"what fits is kept":                 {"abcdef", 6, "abcdef", "abcdef"},
		"one column shows that more was":    {"abcdefg", 6, "abcde…", "abc…fg"},
		"a wide character is not cut":       {"大きさ大きさ", 6, "大き…", "大…さ"},
		"a mark stays with its character":   {"abcde\u0301fg", 6, "abcde\u0301…", "abc…fg"},
		"too narrow for both ends":          {"abcdef", 4, "abc…", "...."},
		"room for the ellipsis only":        {"abcdef", 1, "…", "."},
		"no room":                           {"abcdef", 0, "", ""},
		"less than none":                    {"abcdef", -1, "", ""},
		"nothing needs no room":             {"", 0, "", ""},
		"both ends tell more than a middle": {"docker://registry/app@sha256:0123456789", 20, "docker://registry/a…", "docker://r…123456789"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff([]string{c.cut, c.fit}, []string{Cut(c.in, c.columns), Fit(c.in, c.columns)}); diff != "" {
				t.Errorf("Cut and Fit (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrapAndBreak(t *testing.T) {
	for name, c := range map[string]struct {
		in           string
		columns      int
		wrap, breaks []string
	}{
		"nothing is one line":     {"", 9, []string{""}, []string{""}},
		"lines end between words": {" the  quick fox ", 9, []string{"the quick", "fox"}, []string{"the quick", "fox"}},
		"a long word":             {"the brownfoxjumps over", 9, []string{"the", "brownfoxjumps", "over"}, []string{"the", "brownfoxj", "umps over"}},
		"a word of several lines": {"abcdefgh", 3, []string{"abcdefgh"}, []string{"abc", "def", "gh"}},
		"wide characters":         {"大きさ", 4, []string{"大きさ"}, []string{"大き", "さ"}},
		"wider than the line":     {"大き", 1, []string{"大き"}, []string{"大", "き"}},
		"no room":                 {"ab", 0, []string{"ab"}, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.wrap, Wrap(c.in, c.columns)); diff != "" {
				t.Errorf("Wrap (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.breaks, Break(c.in, c.columns)); diff != "" {
				t.Errorf("Break (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzColumns(f *testing.F) {
	f.Add("registry.example/acme/shop@sha256:0123456789", 20)
	f.Add("宽宽宽\u0301 \u0301 x", 3)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		if columns < 0 || columns > 200 {
			t.Skip()
		}
		text = Clip(text, 4000)
		for name, got := range map[string]string{"Cut": Cut(text, columns), "Fit": Fit(text, columns)} {
			if Columns(got) > columns {
				t.Errorf("%s(%q, %d) = %q has %d columns", name, text, columns, got, Columns(got))
			}
		}
		words := strings.Join(strings.Fields(text), " ")
		if got := strings.Join(Wrap(text, columns), " "); got != words {
			t.Errorf("Wrap(%q, %d) = %q changes words", text, columns, got)
		}
		var letters string
		for _, line := range Break(text, columns) {
			letters += line
			if Columns(line) > max(columns, 2) {
				t.Errorf("Break(%q, %d): %q", text, columns, line)
			}
		}
		if strings.ReplaceAll(letters, " ", "") != strings.ReplaceAll(words, " ", "") {
			t.Errorf("Break(%q, %d) = %q loses text", text, columns, letters)
		}
	})
}
