// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command sbomasm merges bills of materials with sbomasm's own package, flat, the
// way its command would: for comparison with this project's merge. It is a module
// of its own, so that sbomasm runs with the dependencies that it asks for.
//
//	sbomasm OUTPUT INPUT...
//
// It writes how long the merge took and how much memory the process needed at
// most, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/interlynk-io/sbomasm/pkg/assemble"
	"github.com/interlynk-io/sbomasm/pkg/logger"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbomasm:", err)
		os.Exit(1)
	}
}

func run(output string, inputs []string) error {
	logger.InitProdLogger()
	ctx := logger.WithLogger(context.Background())
	params := assemble.NewParams()
	params.Ctx, params.Input, params.Output = &ctx, inputs, output
	params.Name, params.Version, params.Type = "prod", "1", "platform"
	params.FlatMerge, params.Json, params.OutputSpec = true, true, "cyclonedx"
	start := time.Now()
	config, err := assemble.PopulateConfig(params)
	if err != nil {
		return err
	}
	if err := assemble.Assemble(config); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	kib := 0
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			break
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"seconds": took, "peakMiB": float64(kib) / 1024,
		"cpuSeconds": time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds(),
	})
}
