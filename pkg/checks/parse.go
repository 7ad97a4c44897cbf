// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package checks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// MaxBytes is how large a checks file may be.
const MaxBytes = 1 << 20

// maxProblems is how many problems are reported of one file.
const maxProblems = 100

// Problem is something wrong with a checks file.
type Problem struct {
	Position
	// Message is safe to print; what the file says is quoted in it.
	Message string
}

// String is line:column: message.
func (p Problem) String() string { return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message) }

// InvalidError is the error of a checks file that cannot be used.
type InvalidError struct {
	// File is its name.
	File string
	// Problems, in the order of the file; at least one.
	Problems []Problem
}

// Error lists the problems, one a line, each with the file's name.
func (e *InvalidError) Error() string {
	var out strings.Builder
	fmt.Fprintf(&out, "checks file %s cannot be used:", e.File)
	for _, p := range e.Problems {
		fmt.Fprintf(&out, "\n%s:%v", e.File, p)
	}
	return out.String()
}

// Parse reads a checks file of either version; name is what errors and verdicts
// call it. The error is an *InvalidError with every problem of the file.
func Parse(name string, data []byte) (*File, error) {
	name = plaintext.Clip(name, 500)
	if len(data) > MaxBytes {
		return nil, &InvalidError{File: name, Problems: []Problem{{
			Position: Position{1, 1}, Message: fmt.Sprintf("the file has %d bytes; at most %d are read", len(data), MaxBytes),
		}}}
	}
	document, err := read(data)
	if err != nil {
		problem := Problem{Position: Position{1, 1}, Message: "this is not JSON: " + err.Error()}
		var syntax *syntaxError
		if errors.As(err, &syntax) {
			problem = syntax.Problem
		}
		return nil, &InvalidError{File: name, Problems: []Problem{problem}}
	}
	p := &parser{file: &File{Name: name, Raw: slices.Clone(data)}}
	p.document(document)
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int { return a.compare(b.Position) })
		if more := len(p.problems) - maxProblems; more > 0 {
			p.problems = append(p.problems[:maxProblems:maxProblems], Problem{
				Position: p.problems[maxProblems].Position, Message: fmt.Sprintf("and %d more problems from here on", more),
			})
		}
		return nil, &InvalidError{File: name, Problems: p.problems}
	}
	return p.file, nil
}

type parser struct {
	file     *File
	problems []Problem
}

func (p *parser) problem(at Position, format string, args ...any) {
	p.problems = append(p.problems, Problem{Position: at, Message: fmt.Sprintf(format, args...)})
}

// Versions, and the words that a file may say them in. A file without one is of
// version 1, which came before there was a version to state.
const (
	version1 = "1"
	version2 = "2.0"
)

var versions = map[string]string{"2.0": version2, "2": version2, "1": version1, "1.0": version1}

func (p *parser) document(v value) {
	fields, ok := p.object(v, "a checks file", "version", string(PreDeployment), string(PostDeployment))
	if !ok {
		return
	}
	p.file.Version = version1
	if version, ok := fields["version"]; ok {
		said, ok := p.text(version, "version")
		if !ok {
			return
		}
		if p.file.Version = versions[said]; p.file.Version == "" {
			p.problem(version.at, `version %.80q is unknown: this program reads "2.0" and "1"`, said)
			return
		}
	}
	if _, stated := fields["version"]; !stated && looksLike2(fields) {
		p.problem(v.at, `version is missing: these sections are written as in version "2.0"`)
		p.file.Version = version2
	}
	p.file.Pre = p.section(fields, PreDeployment)
	p.file.Post = p.section(fields, PostDeployment)
	if p.file.Pre == nil && p.file.Post == nil && len(p.problems) == 0 {
		p.problem(v.at, "the file has neither %s nor %s: it demands nothing; without a file, the built-in required set holds", PreDeployment, PostDeployment)
	}
}

// looksLike2 reports whether a section lists evidence types and not, as version
// 1 has it, asset types.
func looksLike2(fields map[string]value) bool {
	for _, phase := range []Phase{PreDeployment, PostDeployment} {
		for _, item := range fields[string(phase)].items {
			if slices.ContainsFunc(item.members, func(m member) bool { return m.key == "evidence_type_id" }) {
				return true
			}
		}
	}
	return false
}

func (p *parser) section(fields map[string]value, phase Phase) *Section {
	v, ok := fields[string(phase)]
	if !ok {
		return nil
	}
	items, ok := p.list(v, string(phase))
	if !ok {
		return nil
	}
	s := &Section{Rules: []Rule{}}
	if p.file.Version == version2 {
		p.section2(s, items)
	} else {
		p.section1(s, items)
	}
	return s
}

// section2 is a list of {evidence_type_id, rules: [rule]}.
func (p *parser) section2(s *Section, items []value) {
	first := map[string]Position{}
	for _, item := range items {
		fields, ok := p.object(item, "an item of a section of version 2.0", "evidence_type_id", "rules")
		if !ok {
			continue
		}
		typeID := p.evidenceType(item, fields, first)
		rules, ok := p.needList(item, fields, "rules")
		if !ok {
			continue
		}
		if len(rules) == 0 {
			p.problem(fields["rules"].at, "rules is empty: write a rule, or take the evidence type out")
		}
		for _, r := range rules {
			p.rule2(s, typeID, r)
		}
	}
}

// levels2 are the keys of a rule of version 2.0 that hold tools.
var levels2 = []Level{Required, RequiredIfPresent, Recommended}

func (p *parser) rule2(s *Section, typeID string, v value) {
	fields, ok := p.object(v, "a rule", "asset_type", "source_environments", "target_environments",
		string(Required), string(RequiredIfPresent), string(Recommended))
	if !ok {
		return
	}
	rule := Rule{EvidenceType: typeID, Position: v.at}
	rule.AssetType = p.assetType(v, fields)
	rule.Sources = p.environments(fields, "source_environments")
	rule.Targets = p.environments(fields, "target_environments")
	problems := len(p.problems)
	for _, level := range levels2 {
		items, ok := fields[string(level)]
		if !ok {
			continue
		}
		list, ok := p.list(items, string(level))
		if !ok {
			continue
		}
		for _, item := range list {
			p.tools2(&rule, level, item)
		}
	}
	p.finish(s, rule, problems, v.at, "required, required_if_present or recommended")
}

// tools2 reads {name: "tool", values: ["…"], description}.
func (p *parser) tools2(rule *Rule, level Level, v value) {
	fields, ok := p.object(v, "an item of "+string(level), "name", "values", "description")
	if !ok {
		return
	}
	if name, ok := p.needText(v, fields, "name"); ok && name != "tool" {
		p.problem(fields["name"].at, `name %.80q is unknown: evidence is told apart by "tool"`, name)
	}
	if description, ok := fields["description"]; ok {
		p.text(description, "description")
	}
	values, ok := p.needList(v, fields, "values")
	if !ok {
		return
	}
	if len(values) == 0 {
		p.problem(fields["values"].at, `values is empty: name tools, or "*" for any`)
	}
	for _, item := range values {
		p.tool(rule, level, item, "values")
	}
}

// section1 is a list of {asset_type, evidences: [{evidence_type_id, rules}]}.
func (p *parser) section1(s *Section, items []value) {
	firstAsset := map[evidence.AssetType]Position{}
	for _, item := range items {
		fields, ok := p.object(item, "an item of a section of version 1", "asset_type", "evidences")
		if !ok {
			continue
		}
		assetType := p.assetType(item, fields)
		if first, twice := firstAsset[assetType]; twice && assetType != "" {
			p.problem(fields["asset_type"].at, "asset_type %q appears twice: first at %d:%d", fields["asset_type"].text, first.Line, first.Column)
		} else {
			firstAsset[assetType] = fields["asset_type"].at
		}
		evidences, ok := p.needList(item, fields, "evidences")
		if !ok {
			continue
		}
		if len(evidences) == 0 {
			p.problem(fields["evidences"].at, "evidences is empty: name evidence types, or take the asset type out")
		}
		first := map[string]Position{}
		for _, e := range evidences {
			p.rule1(s, assetType, e, first)
		}
	}
}

// levels1 are the levels of version 1. Its optional is required_if_present.
var levels1 = []struct {
	key string
	Level
}{{"required", Required}, {"optional", RequiredIfPresent}, {"ignore", Ignored}}

func (p *parser) rule1(s *Section, assetType evidence.AssetType, v value, first map[string]Position) {
	fields, ok := p.object(v, "an item of evidences", "evidence_type_id", "rules")
	if !ok {
		return
	}
	rule := Rule{EvidenceType: p.evidenceType(v, fields, first), AssetType: assetType, Position: v.at}
	rules, ok := p.need(v, fields, "rules")
	if !ok {
		return
	}
	levels, ok := p.object(rules, "rules", "required", "optional", "ignore")
	if !ok {
		return
	}
	problems := len(p.problems)
	for _, level := range levels1 {
		items, ok := levels[level.key]
		if !ok {
			continue
		}
		list, ok := p.list(items, level.key)
		if !ok {
			continue
		}
		for _, item := range list {
			if fields, ok := p.object(item, "an item of "+level.key, "tool"); ok {
				if tool, ok := p.need(item, fields, "tool"); ok {
					p.tool(&rule, level.Level, tool, "tool")
				}
			}
		}
	}
	p.finish(s, rule, problems, rules.at, "required, optional or ignore")
}

// finish checks a rule as a whole and keeps it.
func (p *parser) finish(s *Section, rule Rule, problems int, at Position, levels string) {
	switch {
	case len(p.problems) > problems:
		// What is wrong inside it has been said.
	case len(rule.Tools) == 0:
		p.problem(at, `the rule demands nothing: name tools, or "*", under %s`, levels)
	case rule.AssetType == evidence.AssetPipelineRun && rule.hasLevel(Required):
		p.problem(at, "required cannot hold for generic assets: records of a pipeline run are listed and never gate; say %s", strings.Replace(levels, "required, ", "", 1))
	}
	s.Rules = append(s.Rules, rule)
}

func (r Rule) hasLevel(level Level) bool {
	return slices.ContainsFunc(r.Tools, func(t Tool) bool { return t.Level == level })
}

// tool adds one tool to a rule.
func (p *parser) tool(rule *Rule, level Level, v value, what string) {
	name, ok := p.text(v, what)
	if !ok {
		return
	}
	if name == "" || len(name) > maxName {
		p.problem(v.at, `a tool's name has 1 to %d bytes; "*" is any tool`, maxName)
		return
	}
	for _, other := range rule.Tools {
		if other.Name != name {
			continue
		}
		if other.Level == level {
			p.problem(v.at, "tool %.80q appears twice: first at %d:%d", name, other.Line, other.Column)
		} else {
			p.problem(v.at, "tool %.80q is at two levels: first %s at %d:%d", name, other.Level, other.Line, other.Column)
		}
		return
	}
	rule.Tools = append(rule.Tools, Tool{Name: name, Level: level, Position: v.at})
}
