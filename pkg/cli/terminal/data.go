// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// JSON writes a value for programs. The output parses to exactly the value,
// yet holds no character that a terminal would obey: encoding/json leaves
// bidirectional and C1 controls as they are, here they are \u escapes.
func JSON(value any) ([]byte, error) {
	data, err := encode(value)
	if err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return escapeQuoted(data, func(r rune) string {
		high, low := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}), nil
}

func encode(value any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return b.String(), err
}

// YAML writes a value for people and programs, by its JSON field names and in
// their order. Like [JSON], it parses to exactly the value and is harmless to
// look at.
func YAML(value any) ([]byte, error) {
	data, err := encode(value)
	if err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	// JSON is YAML, except for its surrogate pairs: read back as a tree, the
	// order of fields is kept.
	wide := func(r rune) string { return fmt.Sprintf(`\U%08x`, r) }
	var tree yaml.Node
	if err := yaml.Unmarshal(escapeQuoted(data, wide), &tree); err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	restyle(&tree)
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(&tree); err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	return escapeQuoted(b.String(), wide), nil
}

// restyle turns JSON's style into YAML's. Only double-quoted scalars can carry
// escapes, so text that needs them stays double-quoted.
func restyle(node *yaml.Node) {
	node.Style = 0
	if node.Kind == yaml.ScalarNode && node.Tag == "!!str" {
		switch {
		case strings.ContainsFunc(node.Value, func(r rune) bool { return r == unicode.ReplacementChar || !shown(r) }):
			node.Style = yaml.DoubleQuotedStyle
		case strings.Contains(node.Value, "\n"):
			node.Style = yaml.LiteralStyle
		case !plain(node.Value):
			node.Style = yaml.DoubleQuotedStyle
		}
	}
	for _, child := range node.Content {
		restyle(child)
	}
}

// plain tells whether text without quotes is text to every reader of YAML.
// Readers of its version 1.1 take more words for booleans, and more that begins
// with a digit for numbers, than the encoder quotes by itself.
func plain(text string) bool {
	switch strings.ToLower(text) {
	case "", "y", "n", "yes", "no", "on", "off":
		return false
	}
	return unicode.IsLetter(rune(text[0]))
}

// shown tells whether a character needs no escape.
func shown(r rune) bool { return r == '\n' || plaintext.Visible(r) }

// escapeQuoted escapes what is not visible. In JSON, and in the YAML that
// restyle allows, such characters stand in double quotes only. JSON and YAML
// differ in how they write characters beyond 16 bits.
func escapeQuoted(text string, wide func(rune) string) []byte {
	var b bytes.Buffer
	for _, r := range text {
		switch {
		case shown(r):
			b.WriteRune(r)
		case r >= 0x10000:
			b.WriteString(wide(r))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}
