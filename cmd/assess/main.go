// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command assess is the first task of a run: it finds out what would be
// deployed, judges its evidence, and opens the change request.
package main

import (
	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
	_ "github.com/countersign-dev/countersign/pkg/signature/kms"
)

func main() {
	var (
		params  assess.Params
		secrets assess.Secrets
		results step.Results
	)
	cmd := &cobra.Command{
		Use:   "assess",
		Short: "Assess a deployment and open its change request",
		Long: `Reads what the target's branch of the inventory holds that was not deployed yet, the promotion
pull request that put it there, the configuration repository and the evidence locker; decides
DEPLOYMENT_READY; stores all files as a bundle and creates the ChangeRequest.

With --change-request-id nothing is collected: the change request of an earlier run is taken up,
if what it would deploy has not changed since.

Exit codes: 0 done, also if there is nothing to deploy; 1 something could not be reached;
2 a parameter, the pull request, an entry or the stage file is wrong, and every fault is listed;
3 refused: the change request given may not be taken up. Nothing is created but at 0.

Without a pod it uses the cluster of KUBECONFIG, the AWS and Docker credentials of your home.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := secrets.Use(&params); err != nil {
				return err
			}
			clients, err := assess.NewClients(cmd.OutOrStdout(), true)
			if err != nil {
				return err
			}
			outcome, err := assess.Run(cmd.Context(), &params, clients)
			if err != nil {
				return err
			}
			return results.Write(outcome.Results())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	params.InventoryFlags(flags)
	params.PromotionFlags(flags)
	params.ConfigFlags(flags)
	flags.StringVar(&params.LockerURL, "locker-url", "", "evidence locker: s3://, gs:// or azblob://bucket?…, or file:///folder")
	flags.StringVar(&params.ChangeRequestID, "change-request-id", assess.NoChangeRequest, "change request of an earlier run to take up; notAvailable opens one")
	params.RunFlags(flags)
	params.CommonFlags(flags)
	step.AddWorkspace(flags, &secrets.Forge, "forge-read", "key token and optionally username and ca.crt, to read repositories and pull requests")
	step.AddWorkspace(flags, &secrets.Locker, "locker", "the AWS tools' files credentials and config")
	step.AddWorkspace(flags, &secrets.Registry, "registry", "Docker's config.json")
	step.AddResults(flags, &results, assess.ResultNames...)
	step.Main(cmd)
}
