// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/rego"
)

// Rules are what evidence is judged by: the administrator's policy, and what the
// configuration repository adds to it.
type Rules struct {
	Policy *v1alpha1.ChangePolicy
	// Checks is the checks file; nil if there is none.
	Checks *checks.File
	// Rego is the policy in Rego that decides in place of Checks; nil if none.
	Rego *rego.Policy
}

// Gating is the configuration repository's part of the rules, as files. It
// travels in the bundle of a change, so that the end of a run is judged by what
// its beginning was judged by.
type Gating struct {
	// Checks is the checks file, nil if there is none.
	Checks *GatingFile `json:"checks,omitempty"`
	// Rego are the modules of the policy in Rego, by path.
	Rego []GatingFile `json:"rego,omitempty"`
}

// GatingFile is a file of the configuration repository.
type GatingFile struct {
	Path    string `json:"path"`
	Content []byte `json:"content"`
}

// Empty reports whether the configuration repository has no rules of its own.
func (g Gating) Empty() bool { return g.Checks == nil && len(g.Rego) == 0 }

// Parse reads the files into rules; problems of both kinds are told at once.
func (g Gating) Parse(policy *v1alpha1.ChangePolicy) (Rules, error) {
	rules := Rules{Policy: policy}
	var checksErr, regoErr error
	if g.Checks != nil {
		rules.Checks, checksErr = checks.Parse(g.Checks.Path, g.Checks.Content)
	}
	if len(g.Rego) > 0 {
		modules := make(map[string][]byte, len(g.Rego))
		for _, m := range g.Rego {
			modules[m.Path] = m.Content
		}
		rules.Rego, regoErr = rego.Load(modules)
	}
	return rules, step.Join(invalid(checksErr), invalid(regoErr))
}

// invalid makes the faults of a file faults of the run, one by one.
func invalid(err error) error {
	var file *checks.InvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &file):
		problems := make([]string, len(file.Problems))
		for i, p := range file.Problems {
			problems[i] = fmt.Sprintf("checks file %s:%v", file.File, p)
		}
		return step.Invalid(problems...)
	}
	return step.Invalid(strings.Split(err.Error(), "\n")...)
}

// ParseGating reads gating.json.
func ParseGating(content []byte) (Gating, error) {
	var g Gating
	if err := json.Unmarshal(content, &g); err != nil {
		return g, fmt.Errorf("read %s: %w", FileGating, err)
	}
	return g, nil
}

// gating finds the rules of a configuration repository: the checks file at the
// path that was given, else the one that is looked up for the target; and the
// policy in Rego, a file or all .rego files of a folder.
func (c *Config) gating(p *Params) (Gating, error) {
	var (
		g        Gating
		problems []string
	)
	where := fmt.Sprintf("configuration repository %s at %.12s", c.URL, c.Commit)
	if given := clean(p.EvidenceChecksConfigPath); given != "" {
		content, err := c.file(given)
		if err != nil {
			problems = append(problems, fmt.Sprintf("parameter evidence-checks-config-path is %.120q: %s in %s", p.EvidenceChecksConfigPath, missing(err), where))
		} else {
			g.Checks = &GatingFile{Path: given, Content: content}
		}
	} else {
		for _, name := range checks.Names(p.Region, p.TargetEnvironment) {
			content, err := c.file(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			// One that cannot be used is a fault: the next one could ask for less.
			if err != nil {
				problems = append(problems, fmt.Sprintf("checks file %s: %v, in %s", name, err, where))
			}
			g.Checks = &GatingFile{Path: name, Content: content}
			break
		}
	}
	if given := clean(p.PolicyPath); given != "" {
		for _, m := range c.Members {
			in := strings.HasPrefix(m.Path, given+"/") && path.Ext(m.Path) == ".rego" && !strings.HasSuffix(m.Path, "_test.rego")
			if m.Link == "" && (m.Path == given || in) {
				g.Rego = append(g.Rego, GatingFile{Path: m.Path, Content: m.Content})
			}
		}
		if len(g.Rego) == 0 {
			problems = append(problems, fmt.Sprintf("parameter policy-path is %.120q: no such file, and no folder with .rego files, in %s", p.PolicyPath, where))
		}
		slices.SortFunc(g.Rego, func(a, b GatingFile) int { return strings.Compare(a.Path, b.Path) })
	}
	return g, step.Invalid(problems...)
}

// clean is a path as git has it.
func clean(given string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(given), "./"), "/")
}
