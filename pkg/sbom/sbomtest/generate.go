// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbomtest

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
)

// Generate writes a CycloneDX 1.5 document as build tools make it: indented, a
// root, components with purl, hashes, licences, external references and
// properties, and a graph in which each component depends on three others. Every
// third component is in all documents, with the same content.
func Generate(w io.Writer, number, components int) error {
	type m = map[string]any
	r := rand.New(rand.NewSource(int64(number)))
	licences := []string{"MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "MPL-2.0"}
	purl := func(i int) string {
		owner := number + 1
		if i%3 == 0 {
			owner = 0
		}
		return fmt.Sprintf("pkg:npm/%%40scope-%d/package-%d-%d@%d.%d.%d", i%40, owner, i, i%7, i%11, i%13)
	}
	list := make([]m, 0, components)
	graph := []m{{"ref": fmt.Sprint("app-", number), "dependsOn": []string{purl(0), purl(1 % components)}}}
	for i := range components {
		owner := number + 1
		if i%3 == 0 {
			owner = 0
		}
		name := fmt.Sprintf("package-%d-%d", owner, i)
		list = append(list, m{
			"bom-ref": purl(i), "type": "library", "group": fmt.Sprintf("@scope-%d", i%40), "name": name,
			"version": fmt.Sprintf("%d.%d.%d", i%7, i%11, i%13), "purl": purl(i),
			"hashes":             []m{{"alg": "SHA-256", "content": fmt.Sprintf("%032x%032x", owner, i)}},
			"licenses":           []m{{"license": m{"id": licences[i%len(licences)]}}},
			"externalReferences": []m{{"type": "vcs", "url": "https://forge.example/scope/" + name + ".git"}},
			"properties":         []m{{"name": "build:path", "value": "node_modules/" + name}},
		})
		to := map[string]bool{}
		for range 3 {
			to[purl(r.Intn(components))] = true
		}
		delete(to, purl(i))
		dependsOn := []string{}
		for ref := range to {
			dependsOn = append(dependsOn, ref)
		}
		graph = append(graph, m{"ref": purl(i), "dependsOn": dependsOn})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(m{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"serialNumber": fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012x", number),
		"metadata": m{
			"timestamp": "2026-01-02T03:04:05Z",
			"component": m{"bom-ref": fmt.Sprint("app-", number), "type": "application", "name": fmt.Sprint("app-", number), "version": "1.0.0"},
		},
		"components": list, "dependencies": graph,
	})
}
