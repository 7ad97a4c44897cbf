// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command sbom writes the bills of materials of a change, for Tasks of one's own.
package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/closing"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
)

func main() {
	cmd := &cobra.Command{
		Use:   "sbom",
		Short: "Write the bills of materials of a change",
		Long: `Works on the folder that step inventory wrote to.

Exit codes: 0 done, 1 something could not be reached, 2 a parameter is wrong.`,
	}
	cmd.AddCommand(deployment(), merge())
	step.Main(cmd)
}

func deployment() *cobra.Command {
	var dir, region string
	cmd := &cobra.Command{
		Use:   "deployment-bom",
		Short: "Write deployment-bom.json: what is deployed and deleted",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			saved, err := assess.LoadInventory(dir)
			if err != nil {
				return err
			}
			target := v1alpha1.Target{Environment: saved.Range.Branch, Region: region}
			content, err := assess.DeploymentBOM(saved, target, now())
			if err != nil {
				return err
			}
			return assess.SaveFile(dir, assess.FileDeploymentBOM, content)
		},
	}
	cmd.Flags().StringVar(&region, "region", "", "region of the environment; empty if it has only one")
	cmd.Flags().StringVar(&dir, "dir", ".", "folder that step inventory wrote to")
	return cmd
}

func merge() *cobra.Command {
	var (
		dir, region, lockerURL string
		workspace              step.Workspace
	)
	cmd := &cobra.Command{
		Use:   "merge",
		Short: "Write merged-sbom.json: the bills of materials of all entries as one",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := step.UseLockerSecret(workspace); err != nil {
				return err
			}
			saved, err := assess.LoadInventory(dir)
			if err != nil {
				return err
			}
			locker, err := evidence.Open(cmd.Context(), lockerURL)
			if err != nil {
				return err
			}
			defer locker.Close()
			collection, err := locker.Read(cmd.Context(), assess.Components(saved.Entries))
			if err != nil {
				return err
			}
			change := &v1alpha1.ChangeRequest{}
			change.Spec.Target = v1alpha1.Target{Environment: saved.Range.Branch, Region: region}
			change.Spec.Inventory = saved.Range
			merged, err := closing.MergeSBOMs(cmd.Context(), locker, collection, closing.TargetOf(change, now()), step.NewProgress(cmd.OutOrStdout(), time.Now))
			if err != nil {
				return err
			}
			return assess.SaveFile(dir, closing.FileMergedSBOM, merged)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&lockerURL, "locker-url", "", "evidence locker: s3://bucket?region=…&endpoint=…, or file:///folder")
	flags.StringVar(&region, "region", "", "region of the environment; empty if it has only one")
	flags.StringVar(&dir, "dir", ".", "folder that step inventory wrote to")
	step.AddWorkspace(flags, &workspace, "locker", "the AWS tools' files credentials and config")
	return cmd
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
