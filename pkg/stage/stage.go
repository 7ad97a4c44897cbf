// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package stage is about the user's own part of a run: the scripts that deploy,
// test and roll back.
//
// They are named in a stage file, .pipeline-config.yaml, at the root of the
// configuration repository:
//
//	version: '1'
//
//	deploy:
//	  image: registry.example/tools/kubectl:1.34
//	  script: |
//	    #!/bin/sh
//	    set -e
//	    scripts/deploy.sh "$DEPLOYMENT_DELTA_PATH"
//
// Parse reads one, strictly: what is misspelt would otherwise be skipped in
// silence. Exec runs a script inside whatever image the user chose, without a
// shell of our own in between.
package stage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FileName is where the stage file lies in the configuration repository, unless
// the run says otherwise.
const FileName = ".pipeline-config.yaml"

// Version is the only version of the stage file there is.
const Version = "1"

// The stages of a run, which are also the keys of the stage file.
const (
	Deploy         = "deploy"
	AcceptanceTest = "acceptance-test"
	Rollback       = "rollback"
)

// Names are the stages in the order of a run.
var Names = []string{Deploy, AcceptanceTest, Rollback}

// fixedStages are stages that stage files of this format may name elsewhere,
// and that cannot be replaced here: Countersign does their work itself. A
// script under such a key would never run, so it is an error and not ignored.
var fixedStages = []string{"start", "setup", "verify-peer-review", "verify-artifact", "change-request", "finish"}

// The limits of a stage file. The script becomes one file; the whole file is
// part of the bundle.
const (
	maxFile  = 1 << 20
	maxImage = 1024
)

// File is a stage file that was read without a problem.
type File struct {
	stages map[string]Stage
}

// Stage is one stage as the user wrote it.
type Stage struct {
	// Name is one of Names.
	Name string
	// Image is the reference of the container image that the script runs in, as
	// the kubelet takes it.
	Image string
	// Script is the program's text. Its first line may name an interpreter.
	Script string
	// Line of the stage in its file.
	Line int
}

// ScriptDigest is the SHA-256 of the script, as sha256:<hex>.
func (s Stage) ScriptDigest() string {
	sum := sha256.Sum256([]byte(s.Script))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Stage returns the stage of that name, and whether the file has it.
func (f *File) Stage(name string) (Stage, bool) {
	s, found := f.stages[name]
	return s, found
}

// Parse reads a stage file. The name is for messages. The error lists every
// problem with its line and column and what is allowed there.
func Parse(name string, data []byte) (*File, error) {
	p := parser{name: name, file: &File{stages: map[string]Stage{}}}
	p.parse(data)
	if err := errors.Join(p.problems...); err != nil {
		return nil, err
	}
	return p.file, nil
}

// parser collects problems as it walks the file.
type parser struct {
	name     string
	file     *File
	problems []error
}

func (p *parser) problem(node *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("%s:%d:%d: %s", p.name, node.Line, node.Column, fmt.Sprintf(format, args...)))
}

func (p *parser) parse(data []byte) {
	if len(data) > maxFile {
		p.problems = append(p.problems, fmt.Errorf("%s: larger than %d bytes", p.name, maxFile))
		return
	}
	var document, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		p.problems = append(p.problems, fmt.Errorf("%s: %w", p.name, err))
		return
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		p.problem(&second, "a second document begins here, and would not be read")
	}
	if len(document.Content) == 0 {
		p.problems = append(p.problems, fmt.Errorf("%s: the file is empty: want version: '%s' and the stages %s", p.name, Version, list(Names)))
		return
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		p.problem(root, "want one key per stage: %s", list(Names))
		return
	}
	version := false
	p.each(root, func(key, value *yaml.Node) {
		switch {
		case key.Value == "version":
			version = true
			if value.Kind != yaml.ScalarNode || value.Value != Version {
				p.problem(value, "version is %q, want '%s'", value.Value, Version)
			}
		case slices.Contains(Names, key.Value):
			p.stage(key, value)
		case slices.Contains(fixedStages, key.Value):
			p.problem(key, "stage %q cannot be replaced: want %s", key.Value, list(Names))
		default:
			p.problem(key, "unknown stage %q: want %s", key.Value, list(Names))
		}
	})
	if !version {
		p.problem(root, "version is missing: want version: '%s'", Version)
	}
}

func (p *parser) stage(name, value *yaml.Node) {
	s := Stage{Name: name.Value, Line: name.Line}
	if value.Kind != yaml.MappingNode {
		p.problem(value, "stage %q: want the keys image and script", s.Name)
		return
	}
	p.each(value, func(key, value *yaml.Node) {
		switch key.Value {
		case "image":
			s.Image = p.text(s.Name, key.Value, value)
			p.image(s, value)
		case "script":
			s.Script = p.text(s.Name, key.Value, value)
			p.script(s, value)
		default:
			p.problem(key, "stage %q: unknown key %q: want image, script", s.Name, key.Value)
		}
	})
	for _, key := range []string{"image", "script"} {
		if !has(value, key) {
			p.problem(name, "stage %q: %s is missing", s.Name, key)
		}
	}
	p.file.stages[s.Name] = s
}

// image accepts any reference without space: what is in it is for the kubelet
// to judge. A "$(" would be taken for a variable by Tekton.
func (p *parser) image(s Stage, node *yaml.Node) {
	switch {
	case node.Kind != yaml.ScalarNode:
	case s.Image == "":
		p.problem(node, "stage %q: image is empty", s.Name)
	case len(s.Image) > maxImage || strings.ContainsFunc(s.Image, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || strings.Contains(s.Image, "$("):
		p.problem(node, "stage %q: image %.80q is not the reference of an image", s.Name, s.Image)
	}
}

func (p *parser) script(s Stage, node *yaml.Node) {
	switch {
	case node.Kind != yaml.ScalarNode:
	case strings.TrimSpace(s.Script) == "":
		p.problem(node, "stage %q: script is empty", s.Name)
	case strings.ContainsRune(s.Script, 0):
		p.problem(node, "stage %q: script holds a NUL character", s.Name)
	}
}

func (p *parser) text(stage, key string, node *yaml.Node) string {
	if node.Kind != yaml.ScalarNode {
		p.problem(node, "stage %q: %s: want text", stage, key)
		return ""
	}
	if node.Tag == "!!null" {
		return ""
	}
	return node.Value
}

// each calls f for every key of a mapping. A key that occurs twice, an alias
// and a merge are problems: of two values, one would be lost.
func (p *parser) each(mapping *yaml.Node, f func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if line, twice := seen[key.Value]; twice {
			p.problem(key, "key %q occurs twice, first in line %d", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		f(key, value)
	}
}

func has(mapping *yaml.Node, key string) bool {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return true
		}
	}
	return false
}

func list(names []string) string {
	return strings.Join(names, ", ")
}
