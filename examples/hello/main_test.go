// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHandler(t *testing.T) {
	for name, test := range map[string]struct {
		path   string
		status int
		body   string
	}{
		"the root greets and names the version": {"/", http.StatusOK, "hello from version 1.2.0\n"},
		"the version stands alone for scripts":  {"/version", http.StatusOK, "1.2.0\n"},
		"there is nothing else":                 {"/else", http.StatusNotFound, "404 page not found\n"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := httptest.NewRecorder()
			handler("1.2.0").ServeHTTP(answer, httptest.NewRequest(http.MethodGet, test.path, nil))
			if answer.Code != test.status {
				t.Errorf("status %d, want %d", answer.Code, test.status)
			}
			if diff := cmp.Diff(test.body, answer.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}
