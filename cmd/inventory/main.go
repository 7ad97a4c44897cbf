// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command inventory finds out what would be deployed, for Tasks of one's own.
package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
)

func main() {
	var (
		params  assess.Params
		secrets assess.Secrets
		results step.Results
		dir     string
	)
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "Find out what would be deployed",
		Long: `Reads the target's branch of the inventory and compares it with what the target concluded last.
Writes into a folder: delta.json, deletions.json and entries.json (arrays of entry names),
inventory/ and deleted/ (the entries), and inventory.json for the steps that follow.

Exit codes: 0 done, 1 something could not be reached, 2 a parameter or an entry is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := secrets.Use(&params); err != nil {
				return err
			}
			clients, err := assess.NewClients(cmd.OutOrStdout(), false)
			if err != nil {
				return err
			}
			found, err := assess.InventoryStep(cmd.Context(), &params, dir, clients)
			if err != nil {
				return err
			}
			return results.Write(map[string]string{"proceed": strconv.FormatBool(!found.Empty()), "commit": found.Range.To})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	params.InventoryFlags(flags)
	flags.StringVar(&dir, "dir", ".", "folder to write to")
	step.AddWorkspace(flags, &secrets.Forge, "forge-read", "key token and optionally username and ca.crt, to read repositories")
	step.AddResults(flags, &results, "proceed", "commit")
	step.Main(cmd)
}
