// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbomtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"sync"

	"github.com/countersign-dev/countersign/pkg/sbom/internal/schema"
)

// definitions are the schema as plain JSON.
var definitions = sync.OnceValue(func() map[string]any {
	data, err := schema.Files.ReadFile(schema.CycloneDX)
	if err != nil {
		panic(err)
	}
	var parsed map[string]any
	if err := json.Unmarshal(data, &parsed); err != nil {
		panic(err)
	}
	return parsed
})

// Random is a CycloneDX document with any members that the schema has. faults,
// from 0 to 1, is how often a value is something else than the schema allows, a
// member is missing, or there is one too many. Names are few, so that references
// lead somewhere, and lead nowhere, and are used twice.
func Random(r *rand.Rand, faults float64) []byte {
	g := &generator{r: r, faults: faults, budget: 400}
	document, ok := g.value(definitions(), 0).(map[string]any)
	if !ok {
		document = map[string]any{}
	}
	document["bomFormat"], document["specVersion"], document["version"] = "CycloneDX", "1.6", 1
	delete(document, "$schema")
	data, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	return data
}

type generator struct {
	r      *rand.Rand
	faults float64
	// budget is how many values may still be made.
	budget int
}

func (g *generator) value(s map[string]any, depth int) any {
	g.budget--
	if g.r.Float64() < g.faults {
		return g.junk()
	}
	if ref, ok := s["$ref"].(string); ok {
		switch {
		case strings.HasPrefix(ref, "spdx."):
			return pick(g.r, []string{"MIT", "Apache-2.0", "GPL-2.0-only"})
		case strings.HasPrefix(ref, "jsf-"):
			return map[string]any{"algorithm": "ES256", "value": "c2lnbmVk"}
		case strings.HasSuffix(ref, "/refType"), strings.HasSuffix(ref, "/refLinkType"):
			return fmt.Sprintf("r%d", g.r.Intn(30))
		}
		all := definitions()["definitions"].(map[string]any)
		return g.value(all[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any), depth)
	}
	for _, alternatives := range []string{"anyOf", "oneOf"} {
		list, ok := s[alternatives].([]any)
		if !ok {
			continue
		}
		chosen := pick(g.r, list).(map[string]any)
		if _, isChoice := chosen["required"]; !isChoice || s["properties"] == nil {
			return g.value(chosen, depth)
		}
		return g.object(s, append(names(s["required"]), names(chosen["required"])...), list, depth)
	}
	if list, ok := s["enum"].([]any); ok {
		return pick(g.r, list)
	}
	switch s["type"] {
	case "string":
		return g.text(s)
	case "boolean":
		return g.r.Intn(2) == 0
	case "integer":
		return 1 + g.r.Intn(6)
	case "number":
		return float64(g.r.Intn(11)) / 10
	case "array":
		items, ok := s["items"].(map[string]any)
		if !ok {
			items = s["items"].([]any)[0].(map[string]any)
			return []any{g.value(items, depth+1)}
		}
		list := []any{}
		for range g.r.Intn(4) {
			if g.budget > 0 {
				list = append(list, g.value(items, depth+1))
			}
		}
		return list
	}
	return g.object(s, names(s["required"]), nil, depth)
}

// object makes the members that are needed, and some of the others, but none of
// an alternative that was not chosen.
func (g *generator) object(s map[string]any, needed []string, choices []any, depth int) any {
	object := map[string]any{}
	excluded := map[string]bool{}
	for _, choice := range choices {
		for _, name := range names(choice.(map[string]any)["required"]) {
			excluded[name] = g.r.Float64() >= g.faults
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(needed, name) {
			if g.r.Float64() >= g.faults {
				object[name] = g.value(properties[name].(map[string]any), depth+1)
			}
			continue
		}
		likely := 0.3
		if depth == 0 {
			likely = 0.9
		}
		if !excluded[name] && g.budget > 0 && depth < 12 && g.r.Float64() < likely {
			object[name] = g.value(properties[name].(map[string]any), depth+1)
		}
	}
	if g.r.Float64() < g.faults {
		object[pick(g.r, []string{"unknown", "", "Name", "\u202e"})] = g.junk()
	}
	return object
}

func (g *generator) text(s map[string]any) string {
	switch s["format"] {
	case "iri-reference":
		return pick(g.r, []string{"https://forge.example/a b?q=ü#f", "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#part", "../relative", "mailto:a@b.example", ""})
	case "date-time":
		return pick(g.r, []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+02:00"})
	case "idn-email":
		return "someone@mail.example"
	}
	pattern, _ := s["pattern"].(string)
	switch {
	case strings.HasPrefix(pattern, "^urn:uuid"):
		return "urn:uuid:f08a6ccd-4dce-4759-bd84-c626675d60a7"
	case strings.HasPrefix(pattern, "^urn:cdx"):
		return "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#part"
	case strings.Contains(pattern, "a-fA-F0-9"):
		return strings.Repeat(pick(g.r, []string{"aB", "00", "12"}), 32)
	case strings.HasPrefix(pattern, "^[-+a-z0-9.]+/"):
		return "text/plain"
	case strings.HasPrefix(pattern, "^([a-z]{2})"):
		return "en-GB"
	case strings.HasPrefix(pattern, "^CRE"):
		return "CRE:12-34"
	}
	return pick(g.r, []string{"text", "pkg:npm/a@1", "pkg:npm/b@2", "1.0", "ü\u2028\"\\\n", "", "r1", strings.Repeat("long ", 60)})
}

func (g *generator) junk() any {
	return pick(g.r, []any{
		nil, true, -1, 1e300, 0.5, "junk", "", "urn:cdx:x", "2026-13-01T00:00:00Z", "%zz[]", "r1", []any{}, []any{nil, []any{1}, "r2"},
		map[string]any{}, map[string]any{"bom-ref": "r3", "ref": "r4", "name": 7, "components": []any{map[string]any{"bom-ref": "r5"}}},
	})
}

func names(list any) []string {
	var all []string
	items, _ := list.([]any)
	for _, item := range items {
		all = append(all, item.(string))
	}
	return all
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.Intn(len(list))] }
