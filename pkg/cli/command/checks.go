// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
	"github.com/countersign-dev/countersign/pkg/rego"
)

// maxChecksFile bounds what is read as a checks file.
const maxChecksFile = 4 << 20

// outputRego is a policy in Rego.
const outputRego output = "rego"

func (a *app) checks() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "checks FILE",
		Short: "Check a checks file, list its rules, or translate it to Rego",
		Long: `Check a checks file: every problem is told, with line and column. One without
problems is listed, rule by rule; with -o rego it is translated to a policy in Rego
that decides the same.`,
		Example: `  tkn change checks prod.validation.json
  tkn change checks prod.validation.json -o rego > policy.rego`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s wants one checks file", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := checks.Load(readBounded, args[0])
			if err != nil {
				return usage(err)
			}
			if out != outputRego {
				return a.listChecks(file)
			}
			policy, err := rego.Translate(file)
			if err != nil {
				return usage(err)
			}
			_, err = a.Out.Write(policy)
			return err
		},
	}
	out.addTo(cmd, outputTable, outputRego)
	return cmd
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxChecksFile {
		return nil, errors.New("it is larger than 4 MiB")
	}
	return os.ReadFile(path)
}

func (a *app) listChecks(file *checks.File) error {
	table := terminal.Table{Header: []string{"PHASE", "CHECK", "ASSET", "TOOL", "LEVEL", "SOURCES", "TARGETS", "LINE"}}
	for _, phase := range []checks.Phase{checks.PreDeployment, checks.PostDeployment} {
		section := file.Section(phase)
		if section == nil {
			fmt.Fprintf(a.Err, "%s: no such section; judged as without a file\n", phase)
			continue
		}
		for _, rule := range section.Rules {
			for _, tool := range rule.Tools {
				table.Rows = append(table.Rows, []string{
					string(phase), plaintext.Line(rule.EvidenceType), string(rule.AssetType), plaintext.Line(tool.Name), string(tool.Level),
					environments(rule.Sources), environments(rule.Targets), strconv.Itoa(tool.Line),
				})
			}
		}
	}
	return table.Write(a.Out, "")
}

// environments lists what a rule names; none is all.
func environments(list []checks.Environment) string {
	if len(list) == 0 {
		return checks.Any
	}
	text := ""
	for i, e := range list {
		if i > 0 {
			text += " "
		}
		text += plaintext.Line(e.String())
	}
	return text
}
