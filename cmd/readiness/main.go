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
	_ "github.com/countersign-dev/countersign/pkg/signature/kms"
)

func main() {
	var (
		params       assess.Params
		secrets      assess.Secrets
		results      step.Results
		dir, summary string
		all          bool
	)
	cmd := &cobra.Command{
		Use:   "readiness",
		Short: "Judge the evidence of what would be deployed",
		Long: `Reads the evidence of what step inventory found, verifies the signatures, attestations and reviews
that the policy demands, decides DEPLOYMENT_READY, prints every check with its reason, and writes the
summary and readiness.json into the folder. The rules are those of the ChangePolicy that selects the
namespace, and of the checks file or policy in Rego of the configuration repository.

A verdict that is not ready is no error: exit codes are 0 done, 1 something could not be reached,
2 a parameter or a rule is wrong or no policy applies.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := secrets.Use(&params); err != nil {
				return err
			}
			clients, err := assess.NewClients(cmd.OutOrStdout(), true)
			if err != nil {
				return err
			}
			answer, err := assess.ReadinessStep(cmd.Context(), &params, dir, all, summary, clients)
			if err != nil {
				return err
			}
			return results.Write(map[string]string{"deployment-ready": strconv.FormatBool(answer.Verdict.Ready)})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&params.LockerURL, "locker-url", "", "evidence locker: s3://, gs:// or azblob://bucket?…, or file:///folder")
	flags.StringVar(&params.SourceEnvironment, "source-environment", "master", "environment that entries are promoted from")
	flags.StringVar(&params.Region, "region", "", "region of the environment; empty if it has only one")
	params.RuleFlags(flags)
	flags.StringVar(&params.Run.Name, "pipeline-run-name", "", "name of the PipelineRun, for the summary")
	flags.StringVar(&params.Namespace, "namespace", "", "namespace whose policy applies")
	flags.BoolVar(&all, "all", false, "judge all entries of the target after the deployment, and not the delta before it")
	flags.StringVar(&summary, "summary", assess.FileDeltaSummary, "file name of the summary; the same in Markdown lies beside it")
	flags.StringVar(&dir, "dir", ".", "folder that step inventory wrote to")
	step.AddWorkspace(flags, &secrets.Forge, "forge-read", "key token and optionally username and ca.crt, to read repositories and reviews")
	step.AddWorkspace(flags, &secrets.Locker, "locker", "the AWS tools' files credentials and config")
	step.AddWorkspace(flags, &secrets.Registry, "registry", "Docker's config.json")
	step.AddResults(flags, &results, "deployment-ready")
	step.Main(cmd)
}
