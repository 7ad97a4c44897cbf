// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"
	"testing"
)

func TestFindScenario(t *testing.T) {
	names := map[string]bool{}
	for _, s := range scenarios {
		if names[s.name] {
			t.Errorf("there are two scenarios %q", s.name)
		}
		names[s.name] = true
		if found, err := findScenario(s.name); err != nil || found.name != s.name {
			t.Errorf("findScenario(%q) is %q, %v", s.name, found.name, err)
		}
		if s.story == "" || s.expect == "" {
			t.Errorf("scenario %q does not say what it tells, or what to look for", s.name)
		}
	}
	_, err := findScenario("no-such-story")
	var advice *advised
	if !errors.As(err, &advice) || !strings.Contains(advice.advice, "SCENARIO=ready") {
		t.Errorf("an unknown scenario gives %v, want advice that lists the known ones", err)
	}
}
