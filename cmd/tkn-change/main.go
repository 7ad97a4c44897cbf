// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command tkn-change is the plugin "tkn change": it lists and describes the
// change requests of Tekton deployments, explains verdicts, records approvals and
// rejections, and downloads attachments. tkn finds it on the PATH or in its plugins folder; it
// works without tkn as well.
//
// Exit codes: 0 done; 1 error; 2 wrong usage; 3 not found; 4 refused; 5 not ready.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"golang.org/x/term"

	"github.com/countersign-dev/countersign/internal/version"
	"github.com/countersign-dev/countersign/pkg/cli/command"
	"github.com/countersign-dev/countersign/pkg/cli/download"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
	_ "github.com/countersign-dev/countersign/pkg/signature/kms"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, command.Env{
		In:          os.Stdin,
		Out:         os.Stdout,
		Err:         os.Stderr,
		Interactive: term.IsTerminal(int(os.Stdin.Fd())),
		Style:       terminal.Style{Color: colour()},
		Columns:     columns(),
		Now:         time.Now,
		Sleep:       sleep,
		Connect:     command.Connect,
		Registry:    download.Registry{Keychain: authn.DefaultKeychain},
		Version:     version.String(),
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// colour is on for terminals that can, unless NO_COLOR is set to anything
// (no-color.org).
func colour() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(os.Stdout.Fd()))
}

// columns of the terminal, 0 if the output is none.
func columns() int {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return width
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
