// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package checks reads checks files: which evidence a deployment needs, and how
// strictly.
//
// A checks file lies in the configuration repository, is JSON, and comes in two
// publicly documented versions. [Find] looks one up for a target, [Parse] reads
// one. A parsed [File] has one [Section] per [Phase], before and after the
// deployment, and each section is a flat list of rules. The versions differ in
// how a file is written, not in what it comes to.
//
// A [Rule] is about one type of evidence of one type of asset. Its questions:
//
//   - is it about this deployment? ([Rule.AppliesTo] a type of asset and a
//     target environment);
//   - is it about this evidence? ([Rule.Covers] the environment that the
//     evidence comes from);
//   - how strictly does it take evidence of this tool? ([Rule.LevelOf]).
//
// Package readiness asks them and decides. A rule that is written wrong would
// ask for less than its author meant, so the parser takes nothing that it does
// not know: every unknown key, misspelt word, wrong type and duplicate is a
// [Problem] with line and column, and all of them are reported at once.
package checks

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Phase is when a section of a checks file is judged.
type Phase string

// The phases, as a file names them.
const (
	// PreDeployment rules gate the deployment.
	PreDeployment Phase = "pre-deployment"
	// PostDeployment rules judge the run at its end.
	PostDeployment Phase = "post-deployment"
)

// Level is how strictly evidence is taken.
type Level string

// The levels, the strictest first.
const (
	// Required: there must be evidence, and it must be a success.
	Required Level = "required"
	// RequiredIfPresent: evidence that exists must not be a failure.
	RequiredIfPresent Level = "required_if_present"
	// Recommended: anything but a success is a warning.
	Recommended Level = "recommended"
	// Ignored: evidence is listed only. Version 1 of the file has it.
	Ignored Level = "ignore"
)

var byStrictness = []Level{Required, RequiredIfPresent, Recommended, Ignored}

// Strictest is the strictest of some levels, empty if there are none.
func Strictest(levels ...Level) Level {
	for _, level := range byStrictness {
		if slices.Contains(levels, level) {
			return level
		}
	}
	return ""
}

// Any stands for every asset type, environment or tool.
const Any = "*"

// CIPipeline is the environment that evidence of the building side comes from.
const CIPipeline = "ci-pipeline"

// Environment is where evidence was collected, or what is deployed to.
type Environment struct {
	// Name such as prod, CIPipeline, or Any in a rule.
	Name string `json:"name"`
	// Region inside it; in a rule, empty means every region.
	Region string `json:"region,omitempty"`
}

// String is name or name:region.
func (e Environment) String() string {
	if e.Region == "" {
		return e.Name
	}
	return e.Name + ":" + e.Region
}

// Matches reports whether an environment as a rule names it covers where.
func (e Environment) Matches(where Environment) bool {
	return (e.Name == Any || e.Name == where.Name) && (e.Region == "" || e.Region == where.Region)
}

// Position is a place in a file, both counted from 1, columns in characters.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Tool is one tool that a rule names, with the level it is taken at.
type Tool struct {
	// Name, or Any.
	Name  string
	Level Level
	Position
}

// Rule is about one type of evidence of one type of asset.
type Rule struct {
	// EvidenceType is an evidence type id, such as com.ibm.unit_tests.
	EvidenceType string
	// AssetType is one of the types of package evidence, or Any. A file's
	// "repo" is a commit and its "generic" a pipeline run.
	AssetType evidence.AssetType
	// Sources are the environments whose evidence counts, each as good as the
	// other; empty means every one.
	Sources []Environment
	// Targets are the environments that the rule gates; empty means every one.
	Targets []Environment
	// Tools, each at one level; there is at least one.
	Tools []Tool
	// Position of the rule in its file.
	Position
}

// AppliesTo reports whether the rule is about assets of a type, deployed to a
// target. Records of pipeline runs are only what rules that name them apply to:
// Any means every type that can be deployed.
func (r Rule) AppliesTo(assetType evidence.AssetType, target Environment) bool {
	switch {
	case r.AssetType == assetType:
	case r.AssetType == Any && assetType != evidence.AssetPipelineRun:
	default:
		return false
	}
	return matchesAny(r.Targets, target)
}

// Covers reports whether the rule is about evidence from an environment.
func (r Rule) Covers(source Environment) bool { return matchesAny(r.Sources, source) }

func matchesAny(environments []Environment, where Environment) bool {
	return len(environments) == 0 || slices.ContainsFunc(environments, func(e Environment) bool { return e.Matches(where) })
}

// LevelOf is how strictly the rule takes a tool's evidence: at the level that
// names the tool, else at the strictest that has Any, else not at all, which is
// the empty level.
func (r Rule) LevelOf(tool string) Level {
	var wild []Level
	for _, t := range r.Tools {
		if t.Name == tool && t.Name != Any {
			return t.Level
		}
		if t.Name == Any {
			wild = append(wild, t.Level)
		}
	}
	return Strictest(wild...)
}

// Section is the rules of one phase.
type Section struct {
	// Rules in the order of the file.
	Rules []Rule
}

// File is a checks file.
type File struct {
	// Name it was read under.
	Name string
	// Version is "2.0" or "1".
	Version string
	// Pre and Post are nil where the file has no such section; the phase is then
	// judged as if there were no file.
	Pre, Post *Section
	// Raw is the file as it was read.
	Raw []byte
}

// Section is the file's section for a phase, nil if it has none or if there is
// no file. The empty phase is PreDeployment.
func (f *File) Section(phase Phase) *Section {
	switch {
	case f == nil:
		return nil
	case phase == PostDeployment:
		return f.Post
	}
	return f.Pre
}

// Where names a place in the file for people: name:line:column.
func (f *File) Where(p Position) string {
	return fmt.Sprintf("%s:%d:%d", f.Name, p.Line, p.Column)
}

// compare orders positions as they are read.
func (p Position) compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Line, other.Line), cmp.Compare(p.Column, other.Column))
}
