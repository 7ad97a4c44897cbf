// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command readiness judges the evidence of what would be deployed, for Tasks of
// one's own.
package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
)

func main() {
	var (
		question     assess.Question
		locker       step.Workspace
		results      step.Results
		dir, summary string
		namespace    string
		all          bool
	)
	cmd := &cobra.Command{
		Use:   "readiness",
		Short: "Judge the evidence of what would be deployed",
		Long: `Reads the evidence of what step inventory found, decides DEPLOYMENT_READY, prints every check with
its reason, and writes the summary and readiness.json into the folder. Which checks are required is
the word of the ChangePolicy that selects the namespace.

A verdict that is not ready is no error: exit codes are 0 done, 1 something could not be reached,
2 a parameter is wrong or no policy applies.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := step.UseLockerSecret(locker); err != nil {
				return err
			}
			clients, err := assess.NewClients(cmd.OutOrStdout(), true)
			if err != nil {
				return err
			}
			policy, err := assess.GatherPolicy(cmd.Context(), clients.Cluster, namespace)
			if err != nil {
				return err
			}
			question.Required, question.Now = policy.Spec.RequiredChecks, clients.Now()
			answer, err := assess.ReadinessStep(cmd.Context(), question, dir, all, summary, clients)
			if err != nil {
				return err
			}
			return results.Write(map[string]string{"deployment-ready": strconv.FormatBool(answer.Verdict.Ready)})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&question.LockerURL, "locker-url", "", "evidence locker: s3://bucket?region=…&endpoint=…, or file:///folder")
	flags.StringVar(&question.Run, "pipeline-run-name", "", "name of the PipelineRun, for the summary")
	flags.StringVar(&namespace, "namespace", "", "namespace whose policy applies")
	flags.BoolVar(&all, "all", false, "judge all entries of the target, and not the delta only")
	flags.StringVar(&summary, "summary", assess.FileDeltaSummary, "file name of the summary")
	flags.StringVar(&dir, "dir", ".", "folder that step inventory wrote to")
	step.AddWorkspace(flags, &locker, "locker", "the AWS tools' files credentials and config")
	step.AddResults(flags, &results, "deployment-ready")
	step.Main(cmd)
}
