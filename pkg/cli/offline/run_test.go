// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package offline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

func TestComponentsAreThoseOfARun(t *testing.T) {
	entries := []inventory.Entry{
		{Name: "a", Type: "image", Artifact: "x@sha256:" + hello.digest, CommitSHA: hello.commit, RepositoryURL: "https://forge.example/a", PipelineRunID: "r"},
		{Name: "b", Type: "image", Artifact: "x", Provenance: "y@sha256:" + hello.digest},
	}
	if d := cmp.Diff(assess.Components(entries), components(entries)); d != "" {
		t.Errorf("-run +offline: %s", d)
	}
}
