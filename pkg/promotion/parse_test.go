// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want map[Tag]string
	}{
		"one tag":                              {"<priority>High</priority>", map[Tag]string{TagPriority: "High"}},
		"text around tags means nothing":       {"priority: Low\n<priority>High</priority>\nbye <b>x</b> a<b", map[Tag]string{TagPriority: "High"}},
		"any case and white space":             {"< PRIORITY >\r\n  High\r\n</ Priority >", map[Tag]string{TagPriority: "High"}},
		"separators in a tag's name":           {"<customer-impact>Low</customer_impact>", map[Tag]string{TagCustomerImpact: "Low"}},
		"a value of several lines":             {"<purpose>a\r\n\rb\n</purpose>", map[Tag]string{TagPurpose: "a\n\nb"}},
		"comments are taken out":               {"<purpose>a<!-- b\n--> c</purpose><!-- <priority>High</priority> -->", map[Tag]string{TagPurpose: "a c"}},
		"comments may split a tag":             {"<prio<!-- x -->rity>High</priority>", map[Tag]string{TagPriority: "High"}},
		"the placeholder is nothing":           {"<purpose> _PROVIDE INFORMATION_ </purpose><impact>_provide information_ more</impact>", map[Tag]string{TagPurpose: "", TagImpact: "more"}},
		"the placeholder as editors escape it": {`<purpose>\_PROVIDE INFORMATION\_</purpose>`, map[Tag]string{TagPurpose: ""}},
		"other HTML is part of the value":      {"<impact>a <b>c</b> < 3 > 2</impact>", map[Tag]string{TagImpact: "a <b>c</b> < 3 > 2"}},
		"shell text stays text":                {"<impact>$(params.x) `id`; ${HOME} $(rm -rf /)</impact>", map[Tag]string{TagImpact: "$(params.x) `id`; ${HOME} $(rm -rf /)"}},
		"a tag with attributes is none":        {`<priority class="x">High</priority class="x">`, map[Tag]string{}},
		"nothing":                              {"", map[Tag]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			raw := Parse(c.body)
			if len(raw.Problems) != 0 {
				t.Errorf("problems: %v", raw.Problems)
			}
			if diff := cmp.Diff(c.want, raw.Values); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseProblems(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"a tag that is not closed":    {"<priority>High", []string{`<priority>: found "no closing tag </priority>"; expected exactly one <priority>…</priority>`}},
		"a tag closed by another":     {"<priority>High</purpose>", []string{`<priority>: found "</purpose> before the closing tag </priority>"; expected exactly one <priority>…</priority>`}},
		"a tag that another one ends": {"<priority>High\n<purpose>x</purpose>", []string{`<priority>: found "no closing tag </priority> before <purpose>"; expected exactly one <priority>…</priority>`}},
		"a closing tag alone":         {"High</priority>", []string{`<priority>: found "the closing tag </priority> without an opening one"; expected exactly one <priority>…</priority>`}},
		"a tag twice":                 {"<risk>low</risk><risk>high</risk>", []string{`<risk>: found "the tag more than once"; expected exactly one <risk>…</risk>`}},
		"a comment without an end":    {"<risk>low</risk><!-- <priority>", []string{`body: found "a comment <!-- without its end"; expected every comment ends with -->`}},
		"a body that is too long":     {strings.Repeat("x", MaxBody+1), []string{`body: found "262145 bytes"; expected at most 262144 bytes`}},
		"several faults, each of its own": {"<risk><risk>low</risk></priority>", []string{
			`<risk>: found "no closing tag </risk> before <risk>"; expected exactly one <risk>…</risk>`,
			`<risk>: found "the tag more than once"; expected exactly one <risk>…</risk>`,
			`<priority>: found "the closing tag </priority> without an opening one"; expected exactly one <priority>…</priority>`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range Parse(c.body).Problems {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := Parse("<risk>low</risk><risk>high</risk>").Values[TagRisk]; got != "low" {
		t.Errorf("of a tag that is there twice, %q counts", got)
	}
}

// TestParseIsQuick: the worst bodies of the greatest size take no longer than
// any other; a quadratic parser would need minutes.
func TestParseIsQuick(t *testing.T) {
	for _, unit := range []string{"<", "<!--", "<!-- -->", "<priority>", "</priority>", "<priority", "< ", "_PROVIDE INFORMATION_", "|", "<priority>|</priority>", "\r"} {
		body := "<purpose>" + strings.Repeat(unit, (MaxBody-20)/len(unit)) + "</purpose>"
		start := time.Now()
		raw := Parse(body)
		_, problems := Validate(raw, Params{})
		_ = fmt.Sprint(problems)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%q repeated took %s", unit, took)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Template())
	f.Add("<priority>High</priority><assignedto>a@example.com</assignedto>")
	f.Add("<a<!--<priority>-->\r\n</ PRIORITY><risk>\u202e</risk>_PROVIDE INFORMATION_")
	f.Add("<purpose>`$(params.x)`\x00\xff</purpose></purpose><!--")
	f.Fuzz(func(t *testing.T, body string) {
		raw := Parse(body)
		for tag, value := range raw.Values {
			if strings.TrimSpace(value) != value || len(value) > len(body) {
				t.Errorf("%s: %q", tag, value)
			}
		}
		fields, problems := Validate(raw, Params{EnvironmentPurpose: "production", EnvironmentDetail: "x", OutageDuration: "none", ChangeDuration: "30"})
		if len(problems) == 0 && (fields.Priority == "" || fields.Assignee == "" || fields.BackoutPlan == "" || fields.Risk == "") {
			t.Errorf("accepted without required fields: %+v", fields)
		}
		for _, shown := range []string{fmt.Sprint(problems), Describe(Description{Text: fields.Description}), fields.Purpose, fields.Impact} {
			if !utf8.ValidString(shown) || strings.ContainsAny(shown, "\x00\x1b\r\u202e") {
				t.Errorf("not safe to show: %q", shown)
			}
		}
	})
}
