// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

func TestOutcomeOf(t *testing.T) {
	ends := []TaskEnd{TaskNone, TaskUnfinished, TaskSucceeded, TaskFailed, ""}
	want := map[[2]TaskEnd]v1alpha1.Outcome{
		{TaskSucceeded, TaskSucceeded}: v1alpha1.OutcomeDeployed,
		{TaskSucceeded, TaskFailed}:    v1alpha1.OutcomeNotAccepted,
		{TaskSucceeded, TaskNone}:      v1alpha1.OutcomeNotAccepted,
	}
	for _, acceptance := range ends {
		want[[2]TaskEnd{TaskNone, acceptance}] = v1alpha1.OutcomeNotStarted
		want[[2]TaskEnd{TaskFailed, acceptance}] = v1alpha1.OutcomeDeployFailed
	}
	for _, deploy := range ends {
		for _, acceptance := range ends {
			got := OutcomeOf(Ends{Deploy: deploy, AcceptanceTest: acceptance})
			if want := want[[2]TaskEnd{deploy, acceptance}]; got != want {
				t.Errorf("deploy %q, acceptance test %q: outcome %q, want %q", deploy, acceptance, got, want)
			}
		}
	}
}

func TestRollbackOf(t *testing.T) {
	for end, want := range map[TaskEnd]v1alpha1.RollbackOutcome{
		TaskNone:       v1alpha1.RollbackNotRun,
		TaskSucceeded:  v1alpha1.RollbackSucceeded,
		TaskFailed:     v1alpha1.RollbackFailed,
		TaskUnfinished: "",
		"":             "",
	} {
		if got := RollbackOf(Ends{Rollback: end}); got != want {
			t.Errorf("rollback %q: %q, want %q", end, got, want)
		}
	}
}

func TestCloseCategory(t *testing.T) {
	ready, blocked := &v1alpha1.ReadinessVerdict{Ready: true}, &v1alpha1.ReadinessVerdict{}
	for name, tc := range map[string]struct {
		outcome v1alpha1.Outcome
		closure *v1alpha1.ReadinessVerdict
		want    v1alpha1.CloseCategory
	}{
		"deployed and ready":                    {v1alpha1.OutcomeDeployed, ready, v1alpha1.CategorySuccessful},
		"deployed and not ready":                {v1alpha1.OutcomeDeployed, blocked, v1alpha1.CategorySuccessfulWithIssues},
		"deployed and nobody said":              {v1alpha1.OutcomeDeployed, nil, v1alpha1.CategorySuccessfulWithIssues},
		"deploy failed, however ready":          {v1alpha1.OutcomeDeployFailed, ready, v1alpha1.CategoryUnsuccessful},
		"not accepted, however ready":           {v1alpha1.OutcomeNotAccepted, ready, v1alpha1.CategoryUnsuccessful},
		"never started":                         {v1alpha1.OutcomeNotStarted, ready, ""},
		"unknown outcomes do not close a thing": {"", ready, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := CloseCategory(tc.outcome, tc.closure); got != tc.want {
				t.Errorf("category %q, want %q", got, tc.want)
			}
		})
	}
}

func TestSelectPolicy(t *testing.T) {
	policy := func(name string, selector *metav1.LabelSelector) *v1alpha1.ChangePolicy {
		return &v1alpha1.ChangePolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ChangePolicySpec{NamespaceSelector: selector}}
	}
	all := policy("all", &metav1.LabelSelector{})
	prod := policy("prod", &metav1.LabelSelector{MatchLabels: map[string]string{"stage": "prod"}})
	none := policy("none", nil)
	broken := policy("broken", &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "stage", Operator: "Sounds"}}})

	for name, tc := range map[string]struct {
		policies []*v1alpha1.ChangePolicy
		labels   map[string]string
		want     string
		err      string
	}{
		"no policy":             {err: "not exactly one ChangePolicy selects the namespace: none selects namespace ns; an administrator must create one or label the namespace"},
		"one that selects":      {policies: []*v1alpha1.ChangePolicy{prod}, labels: map[string]string{"stage": "prod"}, want: "prod"},
		"one that does not":     {policies: []*v1alpha1.ChangePolicy{prod}, labels: map[string]string{"stage": "test"}, err: "not exactly one ChangePolicy selects the namespace: none selects namespace ns; an administrator must create one or label the namespace"},
		"an empty selector":     {policies: []*v1alpha1.ChangePolicy{all}, want: "all"},
		"an absent selector":    {policies: []*v1alpha1.ChangePolicy{none, all}, want: "all"},
		"a selector that fails": {policies: []*v1alpha1.ChangePolicy{broken, all}, want: "all"},
		"two that select":       {policies: []*v1alpha1.ChangePolicy{prod, all}, labels: map[string]string{"stage": "prod"}, err: "not exactly one ChangePolicy selects the namespace: all, prod all select namespace ns; an administrator must leave one"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := SelectPolicy(tc.policies, "ns", tc.labels)
			switch {
			case tc.err != "":
				if !errors.Is(err, ErrPolicyMissing) || err.Error() != tc.err || got != nil {
					t.Errorf("got %v, %v, want error %q", got, err, tc.err)
				}
			case err != nil || got.Name != tc.want:
				t.Errorf("got %v, %v, want policy %s", got, err, tc.want)
			}
		})
	}
}

func TestUnderPrefix(t *testing.T) {
	const digest = "@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for name, tc := range map[string]struct {
		reference string
		prefixes  []string
		want      bool
	}{
		"the prefix itself":               {"registry.example/team" + digest, []string{"registry.example/team"}, true},
		"below the prefix":                {"registry.example/team/app/x1" + digest, []string{"registry.example/team"}, true},
		"only the same beginning":         {"registry.example/team2" + digest, []string{"registry.example/team"}, false},
		"above the prefix":                {"registry.example/team" + digest, []string{"registry.example/team/app"}, false},
		"a whole registry":                {"registry.example:5000/x1/y1" + digest, []string{"registry.example:5000"}, true},
		"another port":                    {"registry.example:5001/x1" + digest, []string{"registry.example:5000"}, false},
		"a registry as another's prefix":  {"registry.example.evil.example/x1" + digest, []string{"registry.example"}, false},
		"a slash at the end":              {"registry.example/team/app" + digest, []string{"registry.example/team/"}, true},
		"any of several":                  {"registry.example/ops" + digest, []string{"registry.example/team", "registry.example/ops"}, true},
		"no prefix allows nothing":        {"registry.example/team" + digest, nil, false},
		"an empty prefix allows nothing":  {"registry.example/team" + digest, []string{"", "/"}, false},
		"no path tricks":                  {"registry.example/team/../ops" + digest, []string{"registry.example/team"}, false},
		"no dots alone":                   {"registry.example/team/./app" + digest, []string{"registry.example/team"}, false},
		"no user in front of the host":    {"registry.example@evil.example/team" + digest, []string{"registry.example"}, false},
		"a tag is not a digest":           {"registry.example/team:latest", []string{"registry.example/team"}, false},
		"a tag besides the digest":        {"registry.example/team:latest" + digest, []string{"registry.example/team"}, false},
		"no registry means none, not one": {"team/app" + digest, []string{"index.docker.io"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := UnderPrefix(tc.reference, tc.prefixes); got != tc.want {
				t.Errorf("UnderPrefix(%q, %q) = %v, want %v", tc.reference, tc.prefixes, got, tc.want)
			}
		})
	}
}
