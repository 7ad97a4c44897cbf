// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command run-stage runs a script of the user's in an image of the user's.
//
// It is two steps of one Task: prepare fetches what the script works on and
// copies this very program beside it; exec, in the user's image, is that copy. So
// it must need nothing of an image: no C library, no certificates, no shell.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/runstage"
	"github.com/countersign-dev/countersign/internal/step"
)

func main() {
	cmd := &cobra.Command{
		Use:   "run-stage",
		Short: "Run a stage's script in the user's image",
	}
	cmd.AddCommand(prepare(), execute())
	step.Main(cmd)
}

func prepare() *cobra.Command {
	var (
		stage    runstage.Stage
		dir      string
		registry step.Workspace
	)
	cmd := &cobra.Command{
		Use:   "prepare",
		Short: "Fetch the bundle, write the script and copy this program",
		Long: `Fetches a change's bundle by digest, and lays out a folder from which "run-stage exec" runs the
stage's script. Exit codes: 0 done, 1 the bundle cannot be fetched or written, 2 a parameter is
wrong, 3 the bundle has no such stage.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := step.UseRegistrySecret(registry); err != nil {
				return err
			}
			return errors.Join(runstage.Prepare(cmd.Context(), stage, dir), copySelf(filepath.Join(dir, runstage.Program)))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&stage.Name, "stage", "", "deploy, acceptance-test or rollback")
	flags.StringVar(&stage.Image, "image", "", "image that the Task runs the script in; must be the stage file's")
	flags.StringVar(&stage.Bundle, "bundle", "", "bundle of the change: repository@sha256:…")
	flags.StringVar(&stage.ChangeRequest, "change-request-id", "", "name of the change request")
	flags.StringVar(&stage.DeploymentReady, "deployment-ready", "", "true or false")
	flags.StringVar(&stage.TargetEnvironment, "target-environment", "", "environment that is deployed to")
	flags.StringVar(&stage.Region, "region", "", "its region; empty if it has only one")
	flags.StringVar(&stage.PipelineName, "pipeline-name", "", "name of the Pipeline")
	flags.StringVar(&dir, "dir", "", "writable folder that both steps share")
	step.AddWorkspace(flags, &registry, "registry", "Docker's config.json")
	return cmd
}

func execute() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "exec",
		Short: "Run the script that was prepared",
		Long: `Runs the script in the configuration repository's folder, with the stage's environment on top of
the image's own. A first line with #! names the interpreter; without one it is /bin/sh -e.
Ends with the script's own exit code; 128 plus the number of the signal that ended it; 126 or 127
if it could not be started. Signals are passed on.`,
		Args: cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			// Signals belong to the script: this program ends when it has ended.
			code, err := runstage.Exec(context.Background(), dir, os.Environ(), os.Stdout, os.Stderr)
			if err != nil {
				fmt.Fprintln(os.Stderr, "error: "+err.Error())
			}
			os.Exit(code)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder that prepare laid out")
	return cmd
}

// copySelf copies the running program to where the user's image can run it.
func copySelf(to string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	from, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	defer from.Close()
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	_, err = io.Copy(file, from)
	if err := errors.Join(err, file.Chmod(0o755), file.Close()); err != nil {
		return fmt.Errorf("copy this program to %s: %w", to, err)
	}
	return nil
}
