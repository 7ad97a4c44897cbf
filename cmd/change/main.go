// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command change opens and concludes change requests, for Tasks of one's own.
package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/closing"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/step/credential"
)

func main() {
	cmd := &cobra.Command{
		Use:   "change",
		Short: "Open and conclude change requests",
		Long: `Works on the folder that the steps inventory, promotion, readiness and sbom wrote to.

Exit codes: 0 done, 1 something could not be reached, 2 a parameter or file is wrong, 3 refused.`,
	}
	cmd.AddCommand(create(), conclude())
	step.Main(cmd)
}

func create() *cobra.Command {
	var (
		params  assess.Params
		secrets assess.Secrets
		results step.Results
		dir     string
	)
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Store the bundle and open the change request",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := secrets.Use(&params); err != nil {
				return err
			}
			clients, err := assess.NewClients(cmd.OutOrStdout(), true)
			if err != nil {
				return err
			}
			cr, err := assess.CreateStep(cmd.Context(), &params, dir, clients)
			if err != nil {
				return err
			}
			return results.Write(map[string]string{"change-request-id": cr.Name, "bundle": cr.Spec.Bundle})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&params.Region, "region", "", "region of the environment; empty if it has only one")
	params.ConfigFlags(flags)
	params.RunFlags(flags)
	params.CommonFlags(flags)
	flags.StringVar(&dir, "dir", ".", "folder with what the other steps wrote")
	step.AddWorkspace(flags, &secrets.Forge, "forge-read", "key token and optionally username and ca.crt, to read the configuration repository")
	step.AddWorkspace(flags, &secrets.Registry, "registry", "Docker's config.json")
	step.AddResults(flags, &results, "change-request-id", "bundle")
	return cmd
}

func conclude() *cobra.Command {
	var (
		params          closing.Params
		forge, registry step.Workspace
	)
	cmd := &cobra.Command{
		Use:   "conclude",
		Short: "Hand in how the run ended, and move the inventory's tags",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if params.GitAuth, err = credential.Git(forge); err != nil {
				return err
			}
			if err := step.UseRegistrySecret(registry); err != nil {
				return err
			}
			clients, err := assess.NewClients(cmd.OutOrStdout(), true)
			if err != nil {
				return err
			}
			return closing.Run(cmd.Context(), &params, clients)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&params.Run.Name, "pipeline-run-name", "", "name of the PipelineRun")
	flags.StringVar((*string)(&params.Run.UID), "pipeline-run-uid", "", "UID of the PipelineRun")
	flags.StringVar(&params.Namespace, "namespace", "", "its namespace")
	flags.StringVar(&params.ChangeRequestID, "change-request-id", assess.NoChangeRequest, "the run's parameter: the change request that it was given, or notAvailable")
	flags.StringVar(&params.DeployStatus, "deploy-status", closing.StatusNone, "$(tasks.deploy.status): Succeeded, Failed or None")
	flags.StringVar(&params.BundleRepository, "bundle-repository", "", "OCI repository for the closing artefacts, as registry/repository")
	flags.DurationVar(&params.RollbackWait, "rollback-wait", 30*time.Minute, "longest wait for a rollback; less if the time for finally is shorter")
	flags.DurationVar(&params.RecordWait, "record-wait", 2*time.Minute, "longest wait for the controller to record the conclusion")
	flags.StringVar(&params.ArtefactsDir, "dir", ".", "folder with readiness.json, closing-summary.json and merged-sbom.json")
	step.AddWorkspace(flags, &forge, "forge-write", "key token, which may push tags to the inventory, and optionally username and ca.crt")
	step.AddWorkspace(flags, &registry, "registry", "Docker's config.json")
	return cmd
}
