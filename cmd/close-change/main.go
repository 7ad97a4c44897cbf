// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command close-change is the last task of a run: it hands in how the run ended
// and moves the inventory's tags.
package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/closing"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/step/credential"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
	_ "github.com/countersign-dev/countersign/pkg/signature/kms"
)

func main() {
	var (
		params                  closing.Params
		forge, locker, registry step.Workspace
	)
	cmd := &cobra.Command{
		Use:   "close-change",
		Short: "Conclude a run's change request",
		Long: `Finds the change request that the PipelineRun opened or took up; waits for its rollback to end; if
anything was deployed, judges the evidence of all entries of the target and attaches the Closing
Summary and the Merged SBOM; hands in the ChangeConclusion, waits until it is recorded, and, if the
record says that the deployment succeeded, moves the inventory's tags.

It can be run again, and by itself for a run whose finally tasks never ran.

Exit codes: 0 concluded, however the deployment ended, or nothing to conclude; 1 something could not
be reached or is not recorded yet; 2 a parameter is wrong; 3 refused.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if params.GitAuth, err = credential.Git(forge); err != nil {
				return err
			}
			if err := step.Join(step.UseLockerSecret(locker), step.UseRegistrySecret(registry)); err != nil {
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
	flags.StringVar(&params.LockerURL, "locker-url", "", "evidence locker: s3://, gs:// or azblob://bucket?…, or file:///folder")
	flags.StringVar(&params.BundleRepository, "bundle-repository", "", "OCI repository for the closing artefacts, as registry/repository")
	flags.DurationVar(&params.RollbackWait, "rollback-wait", 30*time.Minute, "longest wait for a rollback; less if the time for finally is shorter")
	flags.DurationVar(&params.RecordWait, "record-wait", 2*time.Minute, "longest wait for the controller to record the conclusion")
	step.AddWorkspace(flags, &forge, "forge-write", "key token, which may push tags to the inventory, and optionally username and ca.crt")
	step.AddWorkspace(flags, &locker, "locker", "the AWS tools' files credentials and config")
	step.AddWorkspace(flags, &registry, "registry", "Docker's config.json")
	step.Main(cmd)
}
