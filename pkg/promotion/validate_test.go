// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

var goodParams = Params{
	EnvironmentPurpose: "production", EnvironmentDetail: "Production in Frankfurt",
	OutageDuration: "0 00:00:00", ChangeDuration: "30", Link: "https://forge.example/pulls/7",
}

func goodValues() map[Tag]string {
	return map[Tag]string{
		TagPriority: "High", TagAssignedTo: "ada@example.com", TagCustomerImpact: "No_Impact",
		TagDeploymentImpact: "Small", TagBackoutPlan: DefaultBackoutPlan, TagRisk: "",
	}
}

func TestValidateAccepts(t *testing.T) {
	values := goodValues()
	values[TagDescription] = "two\nlines"
	values[TagPriority] = " **moderate** "
	values[TagCustomerImpact] = "no impact"
	params := goodParams
	params.EnvironmentPurpose = "Pre-Prod"
	params.OutageDuration = "1 02:03:04"
	got, problems := Validate(Parse(Fill(values)), params)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := v1alpha1.Fields{
		Priority: "moderate", Assignee: "ada@example.com", CustomerImpact: "no_impact", DeploymentImpact: "small",
		Description: "two\nlines", BackoutPlan: DefaultBackoutPlan, EnvironmentPurpose: "pre_prod",
		EnvironmentDetail: "Production in Frankfurt",
		OutageDuration:    metav1.Duration{Duration: 26*time.Hour + 3*time.Minute + 4*time.Second},
		Risk:              "low", RiskReason: "low: customer impact no_impact, deployment impact small, priority moderate",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestValidateTellsEveryFaultAtOnce(t *testing.T) {
	body := "<priority>urgent\u202e\x1b[2J</priority><assignedto>Ada</assignedto><customerimpact>Critical | High | Moderate | Low | No_Impact</customerimpact>" +
		"<backoutplan>_PROVIDE INFORMATION_</backoutplan><risk>none"
	_, problems := Validate(Parse(body), Params{EnvironmentPurpose: "prod", EnvironmentDetail: " ", OutageDuration: "1h", ChangeDuration: "", Link: goodParams.Link})
	want := []string{
		`<risk>: found "no closing tag </risk>"; expected exactly one <risk>…</risk> (https://forge.example/pulls/7)`,
		`<priority>: found "urgent\u202e\x1b[2J"; expected one of critical, high, moderate, low, planning (https://forge.example/pulls/7)`,
		`<assignedto>: found "Ada"; expected one email address, such as name@example.com (https://forge.example/pulls/7)`,
		`<customerimpact>: nothing found; expected one of critical, high, moderate, low, no_impact (https://forge.example/pulls/7)`,
		`<deploymentimpact>: nothing found; expected one of small, large (https://forge.example/pulls/7)`,
		`<backoutplan>: nothing found; expected a text (https://forge.example/pulls/7)`,
		`<risk>: found "none"; expected one of low, moderate, high, critical (https://forge.example/pulls/7)`,
		`parameter target-environment-purpose: found "prod"; expected one of production, pre_prod`,
		`parameter target-environment-detail: nothing found; expected a text`,
		`parameter outage-duration: found "1h"; expected "d HH:mm:ss", such as "0 01:30:00", or "none"`,
		`parameter change-request-duration: nothing found; expected a whole number of minutes from 1 to 43200, such as "30"`,
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestValidateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		tag   Tag
		value string
		found string
	}{
		"two priorities":                 {TagPriority, "High | Low", "High | Low"},
		"one alternative twice":          {TagDeploymentImpact, "Small | Small", "Small | Small"},
		"an untouched list":              {TagPriority, "critical|high|moderate|low|planning", ""},
		"an untouched list out of order": {TagDeploymentImpact, "Large | Small", ""},
		"a priority with a homoglyph":    {TagPriority, "hіgh", "hіgh"},
		"a name with an address":         {TagAssignedTo, "Ada <ada@example.com>", "Ada <ada@example.com>"},
		"two addresses":                  {TagAssignedTo, "a@example.com, b@example.com", "a@example.com, b@example.com"},
		"an address without a host":      {TagAssignedTo, "ada@", "ada@"},
		"an address with a bidi control": {TagAssignedTo, "ada\u202e@example.com", "ada\u202e@example.com"},
		"an address with a line break":   {TagAssignedTo, "ada@example.com\nbcc:x@example.com", "ada@example.com\nbcc:x@example.com"},
		"an address of many bytes":       {TagAssignedTo, strings.Repeat("a", 300) + "@example.com", strings.Repeat("a", 300) + "@example.com"},
		"an empty backout plan":          {TagBackoutPlan, " ", ""},
		"a description of many bytes":    {TagDescription, strings.Repeat("x", MaxText+1), "16385 bytes"},
		"a risk of its own making":       {TagRisk, "negligible", "negligible"},
	} {
		t.Run(name, func(t *testing.T) {
			values := goodValues()
			values[c.tag] = c.value
			_, problems := Validate(Parse(Fill(values)), goodParams)
			if len(problems) != 1 || problems[0].Field != c.tag.String() || problems[0].Found != c.found {
				t.Errorf("want one problem of %s with %q, got %v", c.tag, c.found, problems)
			}
		})
	}
}

func TestValidateOfABodyThatIsTooLongNamesThatAlone(t *testing.T) {
	_, problems := Validate(Parse(strings.Repeat("x", 1<<20)), goodParams)
	if len(problems) != 1 || problems[0].Field != "body" || problems[0].Link != goodParams.Link {
		t.Errorf("got %v", problems)
	}
}

func TestValidateMakesTheInvisibleVisible(t *testing.T) {
	values := goodValues()
	values[TagBackoutPlan] = "roll\u202eback\n\x1b[31m$(params.x) `id`"
	fields, problems := Validate(Parse(Fill(values)), goodParams)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	if want := "roll\\u202eback\n\\x1b[31m$(params.x) `id`"; fields.BackoutPlan != want {
		t.Errorf("want %q, got %q", want, fields.BackoutPlan)
	}
}

func TestUntouchedTemplateLacksExactlyWhatIsRequired(t *testing.T) {
	_, problems := Validate(Parse(Template()), goodParams)
	var fields []string
	for _, p := range problems {
		fields = append(fields, p.Field)
		if p.Found != "" {
			t.Errorf("%s: %q counts as an answer", p.Field, p.Found)
		}
	}
	want := []string{"<priority>", "<assignedto>", "<customerimpact>", "<deploymentimpact>"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseOutageDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"none": 0, "None": 0, "0 00:00:00": 0, "0 01:30:00": 90 * time.Minute, " 2 00:00:01 ": 48*time.Hour + time.Second,
		"365 00:00:00": 365 * 24 * time.Hour,
	} {
		if got, err := ParseOutageDuration(s); err != nil || got != want {
			t.Errorf("%q: want %s, got %s, %v", s, want, got, err)
		}
	}
	for _, s := range []string{"", "0", "1h", "00:00:00", "0 24:00:00", "0 00:60:00", "0 00:00:60", "-1 00:00:00", "366 00:00:00", "365 00:00:01", "0 0:0:0", "0 00:00:00\nx", "9999999999 00:00:00", "none\x00"} {
		if got, err := ParseOutageDuration(s); err == nil {
			t.Errorf("%q: got %s", s, got)
		}
	}
}

func TestParseChangeDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{"30": 30 * time.Minute, " 1 ": time.Minute, "43200": MaxChange} {
		if got, err := ParseChangeDuration(s); err != nil || got != want {
			t.Errorf("%q: want %s, got %s, %v", s, want, got, err)
		}
	}
	for _, s := range []string{"", "0", "-5", "1.5", "30m", "43201", "99999999999999999999", "0x10"} {
		if got, err := ParseChangeDuration(s); err == nil {
			t.Errorf("%q: got %s", s, got)
		}
	}
}
