// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package command is the commands of the tkn plugin: list, describe, explain,
// approve, reject, attachments.
//
// A command gathers from the server, leaves drawing to package view, and writes
// at most one object. Everything that it touches comes with [Env], so that
// tests run it against a fake server at a fixed time. [Run] turns its error
// into one of the documented exit codes.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	tekton "github.com/tektoncd/pipeline/pkg/client/clientset/versioned"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/cli/download"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
	countersign "github.com/countersign-dev/countersign/pkg/client/clientset/versioned"
)

// Env is the world that a command runs in.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	// Interactive is true if a person can answer questions on In.
	Interactive bool
	// Style is what Out can show, before --no-color.
	Style terminal.Style
	// Columns is how wide the terminal is that Out is; 0 if it is none.
	Columns int
	// Now is the clock, Sleep waits between two looks at the server.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// Connect reaches the server that the flags name.
	Connect func(Flags) (*Server, error)
	// Registry is how attachments are fetched.
	Registry download.Registry
	// Version of this program.
	Version string
}

// Flags are the flags that tkn has, too, and that every command takes.
type Flags struct {
	Kubeconfig, Context, Namespace string
	NoColor                        bool
}

// Server is a cluster, as far as the commands use it.
type Server struct {
	// Namespace to work in, from the flags or the kubeconfig.
	Namespace string
	Changes   countersign.Interface
	Kube      kubernetes.Interface
	Tekton    tekton.Interface
}

// The exit codes.
const (
	// ExitOK: done, or nothing to do.
	ExitOK = 0
	// ExitError: something failed that may work another time, such as the
	// network, or that somebody must mend.
	ExitError = 1
	// ExitUsage: the command line is wrong.
	ExitUsage = 2
	// ExitNotFound: there is no such change request or attachment.
	ExitNotFound = 3
	// ExitRefused: the change's state, its content, the server's rules or your
	// own "no" forbid it. Nothing was decided.
	ExitRefused = 4
	// ExitNotReady: the verdict that was asked for is not ready. All was said.
	ExitNotReady = 5
)

type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

func usage(err error) error { return coded{err, ExitUsage} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

func notFoundf(format string, args ...any) error {
	return coded{fmt.Errorf(format, args...), ExitNotFound}
}

func refusedf(format string, args ...any) error {
	return coded{fmt.Errorf(format, args...), ExitRefused}
}

// failed says what the server's refusal of an action means, and gives it its
// exit code.
func failed(doing string, err error) error {
	wrapped := fmt.Errorf("%s: %w", doing, err)
	switch {
	case apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse):
		return fmt.Errorf("%w: is Countersign installed on this cluster?", wrapped)
	case apierrors.IsNotFound(err):
		return coded{wrapped, ExitNotFound}
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return coded{wrapped, ExitRefused}
	}
	return wrapped
}

// Run executes a command line and returns the exit code.
func Run(ctx context.Context, env Env, args []string) int {
	root := New(env)
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	var c coded
	if !errors.As(err, &c) {
		c.code = ExitError
	}
	if c.code == ExitNotReady {
		return c.code
	}
	for i, line := range plaintext.Lines(err.Error()) {
		if i == 0 {
			line = "Error: " + line
		}
		_, _ = fmt.Fprintln(env.Err, line) // there is nowhere left to complain
	}
	return c.code
}

// app is what the commands of one execution share.
type app struct {
	Env
	flags Flags
}

// New returns the plugin's root command.
func New(env Env) *cobra.Command {
	a := &app{Env: env}
	root := &cobra.Command{
		Use:   "tkn-change",
		Short: "Read and decide change requests of Tekton deployments",
		Long: `Read and decide change requests of Tekton deployments.

Exit codes: 0 done; 1 error; 2 wrong usage; 3 not found; 4 refused, by the
change's state, its content, the server's rules or your own answer; 5 not ready.`,
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "tkn change"},
		Version:           env.Version,
		Args:              noArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			if a.flags.NoColor {
				a.Style.Color = false
			}
		},
	}
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	root.SetVersionTemplate("tkn-change {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w: see %s --help", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&a.flags.Kubeconfig, "kubeconfig", "k", "", "kubectl config file (default: $HOME/.kube/config)")
	flags.StringVarP(&a.flags.Context, "context", "c", "", "name of the kubeconfig context to use (default: kubectl config current-context)")
	flags.StringVarP(&a.flags.Namespace, "namespace", "n", "", "namespace to use (default: from $KUBECONFIG)")
	flags.BoolVarP(&a.flags.NoColor, "no-color", "C", false, "disable coloring (also: environment variable NO_COLOR)")
	root.AddCommand(a.list(), a.describe(), a.explain(), a.checks(), a.approve(), a.reject(), a.attachments(), a.version())
	return root
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the plugin",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.Out, "tkn-change", a.Version)
			return err
		},
	}
}

func (a *app) connect() (*Server, error) {
	server, err := a.Connect(a.flags)
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	return server, nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q is not known to %s: see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// oneID wants the id of a change request, and nothing else.
func oneID(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s wants the id of one change request: tkn change list shows them", cmd.CommandPath())
	}
	return nil
}

// ids completes the ids of change requests.
func (a *app) ids(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	server, err := a.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	list, err := server.Changes.CountersignV1alpha1().ChangeRequests(server.Namespace).List(cmd.Context(), metav1.ListOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, change := range list.Items {
		ids = append(ids, cobra.CompletionWithDesc(change.Name, plaintext.Line(change.Spec.Summary)))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
