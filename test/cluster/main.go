// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command cluster is a whole Kubernetes with Tekton on one Linux machine, for
// tests: etcd, containerd, Kubernetes, Tekton Pipelines, a registry, a forge and
// an S3 server. It needs no container image from anywhere: everything is built
// from Go modules, or comes from the distribution's packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage: cluster COMMAND

  check                 say what this machine lacks
  build [COMPONENT...]  build into the cache; all components without a name
  up [--without LIST]   bring the cluster up, or repair it
  down [--cache]        remove everything that up made; with --cache the builds, too
  env                   print the variables to use the cluster with: eval "$(cluster env)"
  status [-o json]      show every part; exit code 1 when one is not healthy
  logs NAME [-f]        show the end of a daemon's log

CLUSTER=external        use the cluster of the current kubeconfig instead
COUNTERSIGN_CACHE       folder of built programs (/var/cache/countersign)
COUNTERSIGN_STATE       folder of data, settings and logs (/var/lib/countersign)
`

// errUnhealthy ends `status` without a message: the table has said it.
var errUnhealthy = errors.New("")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, errUnhealthy) {
			fmt.Fprintln(os.Stderr, "error:", err)
		}
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no command\n\n" + strings.TrimSpace(usage))
	}
	command, args := args[0], args[1:]
	if command == "help" || command == "-h" || command == "--help" {
		fmt.Print(usage)
		return nil
	}
	if isExternal() {
		return external(ctx, command)
	}
	l, err := newLayout()
	if err != nil {
		return err
	}
	c := &cluster{layout: l, progress: newProgress(os.Stderr)}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	switch command {
	case "check":
		if problems := c.problems(); len(problems) > 0 {
			return problemsError(problems)
		}
		fmt.Println("this machine can carry the local cluster")
		return nil
	case "build":
		return c.buildNamed(ctx, args)
	case "up":
		leftOut := flags.String("without", "", "what to leave out, separated by commas: "+strings.Join(optionalNames(), ","))
		if err := flags.Parse(args); err != nil {
			return err
		}
		return c.up(ctx, strings.FieldsFunc(*leftOut, func(r rune) bool { return r == ',' }))
	case "down":
		cacheToo := flags.Bool("cache", false, "remove the cache of built programs, too")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return c.down(ctx, *cacheToo)
	case "env":
		fmt.Print(c.env())
		return nil
	case "status":
		output := flags.String("o", "table", "table or json")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return c.printStatus(ctx, *output)
	case "logs":
		return c.showLog(ctx, args)
	}
	return fmt.Errorf("no command %q\n\n%s", command, usage)
}

// external serves the commands that make sense with somebody else's cluster.
func external(ctx context.Context, command string) error {
	switch command {
	case "check", "up", "status":
		if err := checkExternal(ctx); err != nil {
			return err
		}
		fmt.Println("using the cluster of the current kubeconfig")
		return nil
	case "env":
		fmt.Print(externalEnv())
		return nil
	}
	return fmt.Errorf("CLUSTER=external: the cluster is yours, %q is not for it", command)
}

// buildNamed builds components, all of them when none is named.
func (c *cluster) buildNamed(ctx context.Context, names []string) error {
	if len(names) == 0 {
		names = componentNames()
	}
	for _, name := range names {
		if name == debianName {
			if err := c.buildDebian(ctx); err != nil {
				return err
			}
			continue
		}
		comp, err := findComponent(name)
		if err != nil {
			return err
		}
		if err := c.build(ctx, comp); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) printStatus(ctx context.Context, output string) error {
	parts := c.status(ctx)
	switch output {
	case "json":
		fmt.Print(toJSON(parts))
	case "table":
		fmt.Print(statusTable(parts))
	default:
		return fmt.Errorf("no output %q; there are table and json", output)
	}
	if !allHealthy(parts) {
		return errUnhealthy
	}
	return nil
}

func (c *cluster) showLog(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which log? there are: %s", strings.Join(daemonNames, ", "))
	}
	options := []string{"-n", "200"}
	for _, arg := range args[1:] {
		if arg != "-f" {
			return fmt.Errorf("no option %q; there is -f", arg)
		}
		options = append(options, "-f")
	}
	if _, err := os.Stat(c.log(args[0])); err != nil {
		return fmt.Errorf("%w; there may be logs of: %s", err, strings.Join(daemonNames, ", "))
	}
	cmd := exec.CommandContext(ctx, "tail", append(options, c.log(args[0]))...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
