// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"knative.dev/pkg/apis"
	"sigs.k8s.io/yaml"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/rego"
)

// Bounds of what rules are read from.
const (
	maxRules     = 4 << 20
	maxRegoFiles = 200
)

// rules are what evidence is judged by; each may be nil.
type rules struct {
	policy *v1alpha1.ChangePolicy
	checks *checks.File
	rego   *rego.Policy
}

// readRules reads all that was named. What is wrong with any of it is told at
// once.
func readRules(q Question) (rules, error) {
	var (
		r    rules
		errs [3]error
	)
	if q.Policy != "" {
		r.policy, errs[0] = readPolicy(q.Policy)
	}
	switch {
	case q.Checks != "":
		r.checks, errs[1] = checks.Load(readPath, q.Checks)
	case q.Config != "":
		r.checks, errs[1] = findChecks(q)
	}
	if q.Rego != "" {
		r.rego, errs[2] = readRego(q.Rego)
	}
	return r, errors.Join(errs[:]...)
}

// readPath reads a file that a person named on their own machine.
func readPath(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxRules+1))
	if err == nil && len(content) > maxRules {
		err = fmt.Errorf("it has more than the %d bytes allowed", maxRules)
	}
	return content, err
}

// readPolicy reads a manifest as the API server would take it.
func readPolicy(name string) (*v1alpha1.ChangePolicy, error) {
	wrap := func(err error) error { return fmt.Errorf("reading policy %s: %w", name, err) }
	content, err := readPath(name)
	if err != nil {
		return nil, wrap(err)
	}
	var policy v1alpha1.ChangePolicy
	if err := yaml.UnmarshalStrict(content, &policy); err != nil {
		return nil, wrap(err)
	}
	if policy.Kind != "ChangePolicy" {
		return nil, wrap(fmt.Errorf("its kind is %.80q, want ChangePolicy", policy.Kind))
	}
	ctx := apis.WithinCreate(context.Background())
	policy.SetDefaults(ctx)
	if err := policy.Validate(ctx); err != nil {
		return nil, wrap(err)
	}
	return &policy, nil
}

// findChecks looks for the checks file of the target in the configuration.
func findChecks(q Question) (*checks.File, error) {
	root, err := os.OpenRoot(q.Config)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", q.Config, err)
	}
	defer root.Close()
	read := func(name string) ([]byte, error) { return readFile(root.FS(), name, maxRules) }
	return checks.Find(read, q.Target.Region, q.Target.Environment)
}

// readRego reads a policy: a file, or all .rego files of a folder.
func readRego(name string) (*rego.Policy, error) {
	wrap := func(err error) error { return fmt.Errorf("reading the Rego policy %s: %w", name, err) }
	info, err := os.Stat(name)
	if err != nil {
		return nil, wrap(err)
	}
	modules := map[string][]byte{}
	if !info.IsDir() {
		content, err := readPath(name)
		if err != nil {
			return nil, wrap(err)
		}
		modules[filepath.Base(name)] = content
	} else {
		root, err := os.OpenRoot(name)
		if err != nil {
			return nil, wrap(err)
		}
		defer root.Close()
		err = fs.WalkDir(root.FS(), ".", func(path string, file fs.DirEntry, err error) error {
			// A policy's own tests are no part of it, as in a run.
			if err != nil || file.IsDir() || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
				return err
			}
			if len(modules) == maxRegoFiles {
				return fmt.Errorf("more than %d .rego files", maxRegoFiles)
			}
			modules[path], err = readFile(root.FS(), path, maxRules)
			return err
		})
		if err != nil {
			return nil, wrap(err)
		}
		if len(modules) == 0 {
			return nil, wrap(errors.New("the folder holds no .rego file"))
		}
	}
	return rego.Load(modules)
}
