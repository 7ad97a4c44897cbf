// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files and the generated documents")

// golden compares with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with go test ./pkg/promotion -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; write it with go test ./pkg/promotion -update):\n%s", path, diff)
	}
}

func TestRiskTableIsDocumented(t *testing.T) {
	golden(t, "../../docs/reference/risk.md", `# Risk

The risk of a change follows from three fields of its promotion pull request:
customer impact, deployment impact and priority. A change whose risk is above
the policy's `+"`riskLimit`"+` is not approved automatically, however good its evidence.

`+RiskTable()+`
A `+"`<risk>`"+` tag in the pull request raises the risk above the table, and never lowers
it. The change request keeps the risk and, in `+"`spec.fields.riskReason`"+`, how it came about.

This page is generated from the table in pkg/promotion/risk.go by
`+"`go test ./pkg/promotion -update`"+`.
`)
}

func TestTemplatesAreGenerated(t *testing.T) {
	for _, name := range TemplateFiles {
		golden(t, filepath.Join("../../templates", name), Template())
	}
}

func TestRiskIsDefinedEverywhereAndMonotonic(t *testing.T) {
	risk := func(c, d, p int) int {
		customers := []v1alpha1.CustomerImpact{"no_impact", "low", "moderate", "high", "critical"}
		got, reason := Risk(customers[c], DeploymentImpacts[d], riskColumns[p], "")
		if strings.Contains(reason, "no row") || !strings.HasPrefix(reason, string(got)) {
			t.Errorf("%s, %s, %s: %s", customers[c], DeploymentImpacts[d], riskColumns[p], reason)
		}
		return severity(got)
	}
	for c := range 5 {
		for d := range 2 {
			for p := range 5 {
				here := risk(c, d, p)
				if c < 4 && risk(c+1, d, p) < here || d < 1 && risk(c, d+1, p) < here || p < 4 && risk(c, d, p+1) < here {
					t.Errorf("risk falls after row %d, %d, column %d", c, d, p)
				}
			}
		}
	}
}

func TestRiskOverride(t *testing.T) {
	type outcome struct {
		Risk   v1alpha1.Risk
		Reason string
	}
	for name, c := range map[string]struct {
		override v1alpha1.Risk
		want     outcome
	}{
		"none":                 {"", outcome{"moderate", "moderate: customer impact moderate, deployment impact small, priority low"}},
		"the same":             {"moderate", outcome{"moderate", "moderate: customer impact moderate, deployment impact small, priority low"}},
		"a greater one raises": {"high", outcome{"high", "high: raised by <risk> in the pull request; the table gives moderate: customer impact moderate, deployment impact small, priority low"}},
		"a lesser one does not lower": {"low", outcome{"moderate",
			"moderate: customer impact moderate, deployment impact small, priority low; <risk>low</risk> in the pull request does not lower it"}},
	} {
		t.Run(name, func(t *testing.T) {
			risk, reason := Risk("moderate", "small", "low", c.override)
			if diff := cmp.Diff(c.want, outcome{risk, reason}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got, _ := Risk("unheard", "small", "low", "low"); got != v1alpha1.RiskCritical {
		t.Errorf("an unknown impact gives %s", got)
	}
}
