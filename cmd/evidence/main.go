// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command evidence records the result of a check in an evidence locker: the
// step of Task collect-evidence.
package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/collect"
	"github.com/countersign-dev/countersign/internal/step"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
	_ "github.com/countersign-dev/countersign/pkg/signature/kms"
)

func main() {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Write evidence of checks",
		Long: `Writes evidence to an evidence locker.

Exit codes: 0 done, 1 something could not be read or written, 2 a parameter or file is wrong.`,
	}
	cmd.AddCommand(record())
	step.Main(cmd)
}

func record() *cobra.Command {
	var (
		params  collect.Params
		locker  step.Workspace
		results step.Results
	)
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Record that a check is pending, or what it came to",
		Long: `Records the result of one check of one asset, with attachments, issues and findings: first as
pending, before the check runs, then its outcome. A pending blocks deployments of the asset.

A result of failure is no error. Exit codes are 0 recorded, 1 something could not be read or
written, 2 a parameter or file is wrong; every fault is listed, and nothing is recorded then.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := step.UseLockerSecret(locker); err != nil {
				return err
			}
			recorded, err := collect.Run(cmd.Context(), &params, collect.Clients{
				Progress: step.NewProgress(cmd.OutOrStdout(), time.Now), Now: time.Now,
			})
			if err != nil {
				return err
			}
			return results.Write(recorded.Results())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	params.Flags(flags)
	step.AddWorkspace(flags, &locker, "locker", "the credentials of the locker's storage")
	step.AddResults(flags, &results, "evidence-id", "result")
	return cmd
}
