// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChecks(t *testing.T) {
	const good = `{"version":"2.0",
 "pre-deployment":[{"evidence_type_id":"com.ibm.unit_tests","rules":[{"asset_type":"commit","target_environments":[{"name":"prod","region":"eu"}],
  "required":[{"name":"tool","values":["go-test"]}]}]}],
 "post-deployment":[]}`
	for sentence, tc := range map[string]struct {
		file string
		args []string
		code int
		want []string
	}{
		"a good file is listed":       {good, nil, 0, []string{"pre-deployment   com.ibm.unit_tests   commit   go-test   required   *         prod:eu   3"}},
		"a good file is translated":   {good, []string{"-o", "rego"}, 0, []string{"package one_pipeline.config", "com.ibm.unit_tests"}},
		"a misspelt level is told":    {strings.Replace(good, `"required"`, `"requird"`, 1), nil, ExitUsage, []string{"checks.json:3:3", "requird"}},
		"a missing section is told":   {`{"version":"2.0","pre-deployment":[]}`, nil, 0, []string{"post-deployment: no such section"}},
		"an output nobody knows":      {good, []string{"-o", "xml"}, ExitUsage, []string{"xml"}},
		"half a file is not Rego":     {`{"version":"2.0","pre-deployment":[]}`, []string{"-o", "rego"}, ExitUsage, []string{"translating"}},
		"what is not a file of rules": {"<html>", nil, ExitUsage, []string{"not JSON"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "checks.json")
			if err := os.WriteFile(path, []byte(tc.file), 0o600); err != nil {
				t.Fatal(err)
			}
			f := newWorld()
			code := f.run(append([]string{"checks", path}, tc.args...)...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			for _, want := range tc.want {
				if all := f.out.String() + f.err.String(); !strings.Contains(all, want) {
					t.Errorf("%q is not in:\n%s", want, all)
				}
			}
		})
	}
}
