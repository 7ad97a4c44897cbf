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

func TestOpenEnds(t *testing.T) {
	usual, demanding, unchanged := scenario{}, scenario{demands: demanding}, scenario{nothingNew: true}
	for name, test := range map[string]struct {
		scenario           scenario
		deployed, promoted string
		open               bool
	}{
		"a usual story promotes on top of whatever is there":          {usual, "a", "b", false},
		"a story of reviews begins where everything is deployed":      {demanding, "a", "b", true},
		"before the first deployment earlier promotions do not count": {demanding, "", "b", false},
		"nothing lies between":                                 {demanding, "b", "b", false},
		"nothing can be unchanged before anything is deployed": {unchanged, "", "b", true},
		"nothing is unchanged while a promotion waits":         {unchanged, "a", "b", true},
		"nothing changed":                                      {unchanged, "b", "b", false},
	} {
		t.Run(name, func(t *testing.T) {
			if why := openEnds(test.scenario, test.deployed, test.promoted); (why != "") != test.open {
				t.Errorf("openEnds says %q, want something: %v", why, test.open)
			}
		})
	}
}
