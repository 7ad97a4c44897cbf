// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbomtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Large is what is wrong with a document that is too large to be in memory whole.
type Large struct {
	// Components is how many there are in its list.
	Components int
	// Invalid are parts that do not fit the schema; Example is one.
	Invalid int
	Example string
	// Names of elements.
	Dangling, Repeated, RepeatedDependencies int
}

// Problems says what is wrong, for people.
func (l Large) Problems() []string {
	var all []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{l.Invalid, "parts that do not fit the schema"},
		{l.Dangling, "references that lead nowhere"},
		{l.Repeated, "names of several things"},
		{l.RepeatedDependencies, "repeated `ref`s in `dependencies`"},
	} {
		if p.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return all
}

// batch is how many elements of a list are validated together.
const batch = 200

// CheckLarge checks what Check does, a piece at a time: the elements of each list
// of the document are validated in documents of their own, and that lists have
// nothing twice is checked apart.
func CheckLarge(r io.Reader) (Large, error) {
	var found Large
	defined, entries := map[string]bool{}, map[string]bool{}
	var usedNames []string
	names := func(v any) {
		walk(v, func(member string, child any) {
			name, isString := child.(string)
			if member == "bom-ref" && isString {
				if defined[name] {
					found.Repeated++
				}
				defined[name] = true
			}
			if !uses[member] {
				return
			}
			if isString {
				usedNames = append(usedNames, name)
			}
			list, _ := child.([]any)
			for _, item := range list {
				if name, ok := item.(string); ok {
					usedNames = append(usedNames, name)
				}
			}
		})
	}
	validate := func(member string, value []byte) error {
		document := fmt.Appendf(nil, `{"bomFormat":"CycloneDX","specVersion":"1.6",%q:%s}`, member, value)
		if err := Validate(document); err != nil {
			found.Invalid++
			if found.Example == "" {
				found.Example = err.Error()
			}
		}
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		names(map[string]any{member: v})
		return nil
	}

	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return found, fmt.Errorf("no JSON object: %v, %w", t, err)
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return found, err
		}
		member := t.(string)
		switch member {
		case "components", "dependencies", "vulnerabilities", "services", "compositions", "annotations":
		default:
			var value json.RawMessage
			if err := dec.Decode(&value); err != nil {
				return found, err
			}
			if err := validate(member, value); err != nil {
				return found, err
			}
			continue
		}
		if _, err := dec.Token(); err != nil {
			return found, err
		}
		seen := map[[32]byte]bool{}
		var elements [][]byte
		flush := func() error {
			if len(elements) == 0 {
				return nil
			}
			list := append(append([]byte{'['}, bytes.Join(elements, []byte{','})...), ']')
			elements = elements[:0]
			return validate(member, list)
		}
		for dec.More() {
			var element json.RawMessage
			if err := dec.Decode(&element); err != nil {
				return found, err
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, element); err != nil {
				return found, err
			}
			sum := sha256.Sum256(compact.Bytes())
			if seen[sum] {
				found.Invalid++
				found.Example = "two elements of " + member + " are the same"
			}
			seen[sum] = true
			if member == "components" {
				found.Components++
			}
			if member == "dependencies" {
				var entry struct {
					Ref string `json:"ref"`
				}
				if err := json.Unmarshal(element, &entry); err != nil {
					return found, err
				}
				if entries[entry.Ref] {
					found.RepeatedDependencies++
				}
				entries[entry.Ref] = true
			}
			if elements = append(elements, compact.Bytes()); len(elements) == batch {
				if err := flush(); err != nil {
					return found, err
				}
			}
		}
		if err := flush(); err != nil {
			return found, err
		}
		if _, err := dec.Token(); err != nil {
			return found, err
		}
	}
	for _, name := range usedNames {
		if !defined[name] && !strings.HasPrefix(name, "urn:cdx:") {
			found.Dangling++
		}
	}
	return found, nil
}
