// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// Main runs a step's command and ends the process with the step's exit code.
// SIGTERM and SIGINT end the command's context.
func Main(cmd *cobra.Command) {
	os.Exit(run(cmd))
}

func run(cmd *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.CompletionOptions.DisableDefaultCmd = true
	// What pflag complains about is what was asked for, not something broken.
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Invalid(err.Error()) })
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	fmt.Fprintln(os.Stderr)
	for _, line := range plaintext.Lines("error: " + err.Error()) {
		fmt.Fprintln(os.Stderr, line)
	}
	return ExitCode(err)
}
