// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command bench is the program behind `make bench-run`. It measures two things
// on a real cluster, in one go so that they are comparable:
//
//   - the cost of change management: the wall time of a standard run of the
//     Pipeline without the user's two stages, beside the floor, a PipelineRun of
//     the same shape with empty pods;
//   - the latency of the gate: from the moment an approver's request is sent to
//     the moment the TaskRun of deploy is seen, over many gates.
//
// All times are taken by one clock, this program's, from the events of watches:
// Kubernetes' own timestamps have a resolution of a second.
//
//	bench [--runs=5] [--gates=100] [--parallel=1] [--output=FILE]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/countersign-dev/countersign/test/fixture"
)

// report is what is written as JSON. Durations are in seconds.
type report struct {
	Date     time.Time   `json:"date"`
	CPUs     int         `json:"cpus"`
	Overhead *overhead   `json:"overhead,omitempty"`
	Gate     *gateTiming `json:"gate,omitempty"`
}

func main() {
	runs := flag.Int("runs", 5, "pairs of a standard run and an empty one; 0 leaves them out")
	gates := flag.Int("gates", 100, "gates to approve; 0 leaves them out")
	parallel := flag.Int("parallel", 1, "gates that are approved at the same time")
	output := flag.String("output", "", "write the figures to this file as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, *runs, *gates, *parallel, *output); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, runs, gates, parallel int, output string) (err error) {
	env, err := fixture.Load()
	if err != nil {
		return err
	}
	installation, err := env.Install(ctx, func(what string) { fmt.Println(what) })
	if err != nil {
		return err
	}
	name := fmt.Sprintf("cs-bench-%x", time.Now().Unix()&0xffffff)
	forge, err := env.NewForge(ctx, name)
	if err != nil {
		return err
	}
	config, err := fixture.Stages(env.ShellImage, map[string]string{"deploy": nothing, "acceptance-test": nothing})
	if err != nil {
		return err
	}
	project, err := env.NewProject(ctx, forge, installation, fixture.ProjectOptions{
		Name: name, Config: config,
		Manifests: []string{emptyPipeline(env.ShellImage), gatePipeline(env.ShellImage)},
	})
	if err != nil {
		return err
	}
	defer func() {
		// The context may be over; cleaning up takes a moment nevertheless.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err == nil {
			err = project.Delete(ctx)
		}
		if err == nil {
			err = forge.Delete(ctx)
		}
	}()

	result := report{Date: time.Now().UTC(), CPUs: runtime.NumCPU()}
	if runs > 0 {
		if result.Overhead, err = measureOverhead(ctx, project, runs); err != nil {
			return err
		}
		result.Overhead.print()
	}
	if gates > 0 {
		if result.Gate, err = measureGates(ctx, project, gates, parallel); err != nil {
			return err
		}
		result.Gate.print()
	}
	if output == "" {
		return nil
	}
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(output, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	fmt.Printf("\nThe figures are in %s\n", output)
	return nil
}
