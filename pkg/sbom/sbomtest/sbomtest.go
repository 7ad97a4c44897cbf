// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package sbomtest checks bills of materials, and makes some to try things with.
// It shares no code with what it checks: it validates against the official schema
// with a validator of its own, and looks for names in the plain JSON.
package sbomtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/countersign-dev/countersign/pkg/sbom/internal/schema"
)

// base is where the schema says it is.
const base = "http://cyclonedx.org/schema/"

var validator = sync.OnceValue(func() *jsonschema.Schema {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "idn-email", Validate: func(v any) error {
		s, ok := v.(string)
		if !ok {
			return nil
		}
		_, err := mail.ParseAddress(s)
		return err
	}})
	for file, url := range map[string]string{
		schema.CycloneDX: base + "bom-1.6.schema.json", schema.SPDX: base + schema.SPDX, schema.JSF: base + schema.JSF,
	} {
		data, err := schema.Files.ReadFile(file)
		if err != nil {
			panic(err)
		}
		parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			panic(err)
		}
		// The files say that they are elsewhere than where the first looks for
		// them.
		if file != schema.CycloneDX {
			delete(parsed.(map[string]any), "$id")
		}
		if err := c.AddResource(url, parsed); err != nil {
			panic(err)
		}
	}
	return c.MustCompile(base + "bom-1.6.schema.json")
})

// Validate checks a document against the official JSON schema of CycloneDX 1.6,
// formats included.
func Validate(document []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	err = validator().Validate(value)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%d parts do not fit the schema, such as: %s", len(leaves(invalid)), leaves(invalid)[0])
	}
	return err
}

func leaves(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		return []string{fmt.Sprintf("/%s: %v", strings.Join(e.InstanceLocation, "/"), e.Error())}
	}
	var all []string
	for _, cause := range e.Causes {
		all = append(all, leaves(cause)...)
	}
	return all
}

// Names are what is wrong with the names of a document's elements.
type Names struct {
	// Dangling references, to what is not there.
	Dangling []string
	// Repeated names, of more than one thing.
	Repeated []string
	// RepeatedDependencies are names with more than one entry in the dependency
	// graph.
	RepeatedDependencies []string
}

// None reports whether nothing is wrong.
func (n Names) None() bool {
	return len(n.Dangling)+len(n.Repeated)+len(n.RepeatedDependencies) == 0
}

// uses are the members whose strings name elements.
var uses = map[string]bool{
	"ref": true, "dependsOn": true, "provides": true, "assemblies": true, "subjects": true,
	"dependencies": true, "vulnerabilities": true, "tools": true, // where they are lists of strings
	"cryptoRefArray": true, "algorithms": true, "algorithmRef": true, "signatureAlgorithmRef": true, "subjectPublicKeyRef": true,
	"encr": true, "prf": true, "integ": true, "ke": true, "auth": true,
}

// CheckNames looks at all names in a document.
func CheckNames(document []byte) (Names, error) {
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return Names{}, err
	}
	var found Names
	defined := map[string]bool{}
	walk(value, func(member string, child any) {
		if name, ok := child.(string); ok && member == "bom-ref" {
			if defined[name] {
				found.Repeated = append(found.Repeated, name)
			}
			defined[name] = true
		}
	})
	check := func(v any) {
		if name, ok := v.(string); ok && !defined[name] && !strings.HasPrefix(name, "urn:cdx:") {
			found.Dangling = append(found.Dangling, name)
		}
	}
	walk(value, func(member string, child any) {
		if !uses[member] {
			return
		}
		check(child)
		if list, ok := child.([]any); ok {
			for _, item := range list {
				check(item)
			}
		}
	})
	entries := map[string]bool{}
	top, _ := value.(map[string]any)
	list, _ := top["dependencies"].([]any)
	for _, item := range list {
		entry, _ := item.(map[string]any)
		ref, _ := entry["ref"].(string)
		if entries[ref] {
			found.RepeatedDependencies = append(found.RepeatedDependencies, ref)
		}
		entries[ref] = true
	}
	slices.Sort(found.Dangling)
	slices.Sort(found.Repeated)
	return found, nil
}

func walk(v any, visit func(member string, child any)) {
	switch v := v.(type) {
	case map[string]any:
		for member, child := range v {
			visit(member, child)
			walk(child, visit)
		}
	case []any:
		for _, child := range v {
			walk(child, visit)
		}
	}
}

// Check reports all that is wrong with a document, as one error.
func Check(document []byte) error {
	names, err := CheckNames(document)
	if err != nil {
		return err
	}
	var problems []error
	for what, list := range map[string][]string{
		"references that lead nowhere":  names.Dangling,
		"names of several things":       names.Repeated,
		"repeated dependencies entries": names.RepeatedDependencies,
	} {
		if len(list) > 0 {
			problems = append(problems, fmt.Errorf("%d %s, such as %q", len(list), what, list[0]))
		}
	}
	return errors.Join(append(problems, Validate(document))...)
}
