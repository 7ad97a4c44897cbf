// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command promotion reads the promotion pull request of what would be deployed,
// for Tasks of one's own.
package main

import (
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
		Use:   "promotion",
		Short: "Read the fields of a change from its promotion pull request",
		Long: `Finds the pull request that put into the target's branch what step inventory found, reads the
change's fields from its body and from the flags, and writes promotion.json into the folder.

Exit codes: 0 done, 1 something could not be reached, 2 a field is wrong or missing; every fault is
listed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := secrets.Use(&params); err != nil {
				return err
			}
			clients, err := assess.NewClients(cmd.OutOrStdout(), false)
			if err != nil {
				return err
			}
			found, err := assess.PromotionStep(cmd.Context(), &params, dir, clients)
			if err != nil {
				return err
			}
			return results.Write(map[string]string{"pull-request": found.PR.URL, "risk": string(found.Fields.Risk)})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	params.PromotionFlags(flags)
	flags.StringVar(&dir, "dir", ".", "folder that step inventory wrote to")
	step.AddWorkspace(flags, &secrets.Forge, "forge-read", "key token and optionally username and ca.crt, to read repositories and pull requests")
	step.AddResults(flags, &results, "pull-request", "risk")
	step.Main(cmd)
}
