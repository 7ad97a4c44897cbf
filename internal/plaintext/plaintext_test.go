// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const hostile = "a\r\n\x1b[31mred\x1b[0m\a\u202eright\u2066\u200b\u009b2J\ufeff\U000e0041 \xff\u3164\ufe0f"

func TestLine(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing stays nothing":                     {"", ""},
		"every alphabet is kept":                    {"Größe – 大きさ 🚀 e\u0301", "Größe – 大きさ 🚀 e\u0301"},
		"markup is somebody else's business":        {"`$(id)` <b> \\n", "`$(id)` <b> \\n"},
		"line breaks and tabs become spaces":        {"one\r\ntwo\rthree\nfour\tfive", "one two three four five"},
		"spaces of other scripts become spaces":     {"a\u00a0b\u3000c", "a b c"},
		"spaces at both ends are dropped":           {"\n\u00a0\t a  b \r\n", "a  b"},
		"line breaks that nobody types become text": {"a\u2028b\u2029\u0085", `a\u2028b\u2029\u0085`},
		"escape sequences become text":              {"\x1b]0;title\a\x00\x7f", `\x1b]0;title\x07\x00\x7f`},
		"bidirectional controls become text":        {"a\u202eb\u2066\u200f", `a\u202eb\u2066\u200f`},
		"characters without width become text":      {"zero\u200bwidth\ufeff\u00ad", `zero\u200bwidth\ufeff\u00ad`},
		"printable blanks become text":              {"\u3164a\ufe0f\u2800", `\u3164a\ufe0f\u2800`},
		"C1 controls become text":                   {"a\u009b2J", `a\u009b2J`},
		"characters beyond 16 bits become text":     {"a\U000e0041", `a\U000e0041`},
		"private use becomes text":                  {"\ue000", `\ue000`},
		"bytes that are not UTF-8 become text":      {"a\xff\xc3", `a\xff\xc3`},
		"the replacement character stays":           {"a\ufffdb", "a\ufffdb"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Line(c.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestClip(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		most int
		want string
	}{
		"what fits is kept":                     {"12345678901234567890", 20, "12345678901234567890"},
		"the ellipsis counts":                   {"123456789012345678901", 20, "12345678901234567…"},
		"a character is not cut in two":         {"大きさ大きさ", 11, "大き…"},
		"an escape is not cut in two":           {"a\x1b\x1b\x1b", 10, `a\x1b…`},
		"spaces that are dropped do not count":  {"   abc   ", 3, "abc"},
		"no space stands before the ellipsis":   {"abc      defg", 8, "abc…"},
		"an escape that fits is no reason":      {"\u202e", 6, `\u202e`},
		"no room for more than the ellipsis":    {"abcd", 3, "…"},
		"no room for the ellipsis":              {"abcd", 2, ""},
		"no room at all":                        {"abcd", 0, ""},
		"less than none":                        {"abcd", -1, ""},
		"nothing needs no room":                 {" \n", 0, ""},
		"a text of escapes is cut, not refused": {strings.Repeat("\u202e", 1000), 12, `\u202e…`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Clip(c.in, c.most)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTextAndLines(t *testing.T) {
	const in = "\none\r\n\ttwo\x1b[2J\n\nthree\u2028four  \rfive\u00a0\n\n"
	if diff := cmp.Diff("\none\n\ttwo\\x1b[2J\n\nthree\\u2028four   five \n\n", Text(in)); diff != "" {
		t.Errorf("Text (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one", ` two\x1b[2J`, "", `three\u2028four   five`}, Lines(in)); diff != "" {
		t.Errorf("Lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{""}, Lines("\n")); diff != "" {
		t.Errorf("Lines of nothing (-want +got):\n%s", diff)
	}
}

func FuzzLine(f *testing.F) {
	f.Add(hostile, 20)
	f.Add("\t\u3000 x", 0)
	f.Fuzz(func(t *testing.T, text string, most int) {
		visible := func(name, got, besides string) {
			t.Helper()
			for _, r := range got {
				if !Visible(r) && !strings.ContainsRune(besides, r) {
					t.Errorf("%s(%q) lets %U through", name, text, r)
				}
			}
			if !utf8.ValidString(got) {
				t.Errorf("%s(%q) = %q is not UTF-8", name, text, got)
			}
		}
		line := Line(text)
		visible("Line", line, "")
		if strings.TrimSpace(line) != line {
			t.Errorf("Line(%q) = %q begins or ends with a space", text, line)
		}
		if again := Line(line); again != line {
			t.Errorf("Line(%q) = %q, and of that %q", text, line, again)
		}
		clipped := Clip(text, most)
		visible("Clip", clipped, "")
		switch {
		case len(clipped) > max(most, 0):
			t.Errorf("Clip(%q, %d) has %d bytes", text, most, len(clipped))
		case clipped != line && len(line) <= most:
			t.Errorf("Clip(%q, %d) = %q cuts what fits", text, most, clipped)
		case clipped != line && !strings.HasPrefix(line, strings.TrimSuffix(clipped, ellipsis)):
			t.Errorf("Clip(%q, %d) = %q is no beginning of %q", text, most, clipped, line)
		case Clip(clipped, most) != clipped:
			t.Errorf("Clip(%q, %d) changes its own output %q", text, most, clipped)
		}
		visible("Text", Text(text), "\n\t")
		if again := Text(Text(text)); again != Text(text) {
			t.Errorf("Text(%q) = %q, and of that %q", text, Text(text), again)
		}
		for _, line := range Lines(text) {
			visible("Lines", line, "")
		}
	})
}
