// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// maxResults bounds all results of a step together, in bytes. Tekton carries
// them in the container's termination message, 4096 bytes with everything else
// in it; more loses all of them.
const maxResults = 2048

// Results writes Tekton results. It knows the file of each by name, from flags
// such as --result proceed=$(results.proceed.path). Without files, outside of
// Tekton, it writes nothing.
type Results map[string]string

// Write writes every result of the step: exactly those that it has files for.
// A result that nobody writes would make Tekton skip what refers to it.
func (r Results) Write(values map[string]string) error {
	if len(r) == 0 {
		return nil
	}
	var problems []string
	total := 0
	for _, name := range slices.Sorted(maps.Keys(r)) {
		value, found := values[name]
		if !found {
			problems = append(problems, fmt.Sprintf("result %s has no value", name))
		}
		total += len(name) + len(value)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, found := r[name]; !found {
			problems = append(problems, fmt.Sprintf("result %s has no file: give --result %s=<path>", name, name))
		}
	}
	if total > maxResults {
		problems = append(problems, fmt.Sprintf("the results have %d bytes, more than the %d that Tekton can carry: use shorter image references and a shorter bundle repository", total, maxResults))
	}
	if len(problems) > 0 {
		return fmt.Errorf("write results: %s", strings.Join(problems, "; "))
	}
	for name, path := range r {
		if err := os.WriteFile(path, []byte(values[name]), 0o644); err != nil { //nolint:gosec // Tekton's sidecar may read it as another user
			return fmt.Errorf("write result %s: %w", name, err)
		}
	}
	return nil
}
