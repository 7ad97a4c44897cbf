// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package rego

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/checks"
)

// evaluator is the part of a translation that is the same for every file.
//
//go:embed evaluator.rego
var evaluator string

// Translate makes a policy of a checks file: a starting point for rules that a
// checks file cannot express. It comes to the same verdict as the file, check by
// check. Both sections must be there: where a file lacks one, default mode holds,
// which a policy has not.
func Translate(file *checks.File) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Translated from %s, version %s.\n#\n", plaintext.Clip(file.Name, 200), file.Version)
	out.WriteString("# Each rule is about one type of evidence of one type of asset. Empty sources or\n" +
		"# targets are all of them; \"*\" stands for any. Under tools is the level that a\n" +
		"# tool's evidence is taken at.\n")
	fmt.Fprintf(&out, "package %s\n", Package)
	for _, phase := range []checks.Phase{checks.PreDeployment, checks.PostDeployment} {
		section := file.Section(phase)
		if section == nil {
			return nil, fmt.Errorf("translating checks file %s: it has no section %s, for which default mode holds; a Rego policy has no default mode: add the section", file.Name, phase)
		}
		fmt.Fprintf(&out, "\n%s := [\n", strings.ReplaceAll(string(phase), "-", "_"))
		for _, r := range section.Rules {
			if err := writeRule(&out, file, r); err != nil {
				return nil, fmt.Errorf("translating checks file %s: %w", file.Name, err)
			}
		}
		out.WriteString("]\n")
	}
	out.WriteString("\n" + evaluator)
	return out.Bytes(), nil
}

func writeRule(out *bytes.Buffer, file *checks.File, r checks.Rule) error {
	environments := func(list []checks.Environment) []any {
		items := []any{}
		for _, e := range list {
			items = append(items, map[string]string{"name": e.Name, "region": e.Region})
		}
		return items
	}
	tools := map[string]checks.Level{}
	for _, t := range r.Tools {
		tools[t.Name] = t.Level
	}
	values := []struct {
		key   string
		value any
	}{
		{"evidence_type_id", r.EvidenceType}, {"asset_type", string(r.AssetType)}, {"sources", environments(r.Sources)},
		{"targets", environments(r.Targets)}, {"tools", tools}, {"at", file.Where(r.Position)},
	}
	lines := make([]string, len(values))
	for i, v := range values {
		var encoded bytes.Buffer
		e := json.NewEncoder(&encoded)
		e.SetEscapeHTML(false)
		if err := e.Encode(v.value); err != nil {
			return err
		}
		text := strings.TrimSpace(encoded.String())
		text = strings.NewReplacer(`":"`, `": "`, `","`, `", "`, `"},{"`, `"}, {"`).Replace(text)
		if !json.Valid([]byte(text)) || !sameJSON(encoded.Bytes(), []byte(text)) {
			// A value holds what looks like JSON; it stays as it is.
			text = strings.TrimSpace(encoded.String())
		}
		lines[i] = fmt.Sprintf("\t\t%q: %s,\n", v.key, text)
	}
	out.WriteString("\t{\n" + strings.Join(lines, "") + "\t},\n")
	return nil
}

func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && slices.Equal(x.Bytes(), y.Bytes())
}
