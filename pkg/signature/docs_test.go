// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign-dev/countersign/pkg/attestation"
)

// TestReasonsAreDocumented finds every reason, and every predicate type, on its
// page.
func TestReasonsAreDocumented(t *testing.T) {
	for source, page := range map[string]string{
		"result.go":               "../../docs/reference/signatures.md",
		"../attestation/judge.go": "../../docs/reference/attestations.md",
	} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") || len(spec.Values) != 1 {
				return true
			}
			reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found++
			if !strings.Contains(string(text), "| `"+reason+"` |") {
				t.Errorf("%s does not list %s", page, reason)
			}
			return true
		})
		if found < 10 {
			t.Errorf("%s has %d reasons", source, found)
		}
		if strings.HasSuffix(page, "attestations.md") {
			for _, predicateType := range attestation.Known() {
				if !strings.Contains(string(text), "`"+predicateType+"`") {
					t.Errorf("%s does not list %s", page, predicateType)
				}
			}
		}
	}
}
