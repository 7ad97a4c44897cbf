// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command sbom measures the merge of bills of materials beside sbomasm: the same
// generated files, each run in a process of its own, the two in turn. It prints
// the medians of time and peak memory, and whether the results are valid.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/countersign-dev/countersign/pkg/sbom"
	"github.com/countersign-dev/countersign/pkg/sbom/sbomtest"
)

// Case is a set of inputs.
type Case struct {
	Documents, Components int
	// Alone: the case is not for comparison.
	Alone bool
}

var cases = []Case{{Documents: 125, Components: 500}, {Documents: 20, Components: 20_000}, {Documents: 10, Components: 10_000, Alone: true}}

// Run is what one process measured of itself.
type Run struct {
	Seconds float64 `json:"seconds"`
	// CPUSeconds of the process: what other work on the machine changes least.
	CPUSeconds float64 `json:"cpuSeconds"`
	PeakMiB    float64 `json:"peakMiB"`
}

// Figures are the medians of several runs.
type Figures struct {
	Case       string   `json:"case"`
	Program    string   `json:"program"`
	InputMiB   float64  `json:"inputMiB"`
	OutputMiB  float64  `json:"outputMiB"`
	Seconds    float64  `json:"seconds"`
	CPUSeconds float64  `json:"cpuSeconds"`
	PeakMiB    float64  `json:"peakMiB"`
	Runs       []Run    `json:"runs"`
	Components int      `json:"components"`
	Problems   []string `json:"problems"`
}

func main() {
	runs := flag.Int("runs", 5, "how often each program merges each set of inputs")
	output := flag.String("output", "", "also write the figures to this file, as JSON")
	child := flag.String("merge", "", "merge the files that are named into this one, and report on that")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := func() error {
		if *child != "" {
			return merge(ctx, *child, flag.Args())
		}
		return compare(ctx, *runs, *output)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// merge is the work of a child process.
func merge(ctx context.Context, output string, files []string) error {
	start := time.Now()
	var inputs []sbom.Input
	for _, file := range files {
		inputs = append(inputs, sbom.Input{
			Name: filepath.Base(file), Open: func(context.Context) (io.ReadCloser, error) { return os.Open(file) },
		})
	}
	out, err := os.Create(output)
	if err != nil {
		return err
	}
	if _, err := sbom.Merge(ctx, out, sbom.Target{Name: "prod", Version: "1", Timestamp: start}, inputs); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	run := Run{Seconds: time.Since(start).Seconds()}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	run.CPUSeconds = time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
	if run.PeakMiB, err = peak(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(run)
}

// peak is the most memory that this process had at a time.
func peak() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		kib := 0
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return float64(kib) / 1024, nil
		}
	}
	return 0, fmt.Errorf("/proc/self/status does not tell VmHWM")
}

func compare(ctx context.Context, runs int, output string) error {
	dir, err := os.MkdirTemp("", "countersign-bench-sbom-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	peer := filepath.Join(dir, "sbomasm")
	build := exec.CommandContext(ctx, "go", "-C", "test/bench/sbom/sbomasm", "build", "-o", peer, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build sbomasm, in the root of the checkout: %w", err)
	}
	var all []Figures
	for _, c := range cases {
		files, size, err := generate(dir, c)
		if err != nil {
			return err
		}
		programs := map[string][]string{"countersign": {self, "-merge"}, "sbomasm v1.0.9": {peer}}
		names := []string{"countersign", "sbomasm v1.0.9"}
		if c.Alone {
			names = names[:1]
		}
		figures := map[string]*Figures{}
		for _, name := range names {
			figures[name] = &Figures{Case: fmt.Sprintf("%d of %d", c.Documents, c.Components), Program: name, InputMiB: size}
		}
		for range runs {
			for _, name := range names {
				command := append(slices.Clone(programs[name]), filepath.Join(dir, name+".json"))
				run, err := start(ctx, append(command, files...))
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				figures[name].Runs = append(figures[name].Runs, run)
			}
		}
		for _, name := range names {
			if err := figures[name].finish(filepath.Join(dir, name+".json")); err != nil {
				return err
			}
			all = append(all, *figures[name])
		}
		for _, file := range files {
			os.Remove(file)
		}
	}
	print(all)
	if output == "" {
		return nil
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(output, data, 0o644)
}

func generate(dir string, c Case) (files []string, mib float64, err error) {
	for i := range c.Documents {
		file := filepath.Join(dir, fmt.Sprintf("input-%03d.json", i))
		out, err := os.Create(file)
		if err != nil {
			return nil, 0, err
		}
		buffered := bufio.NewWriterSize(out, 1<<20)
		if err := sbomtest.Generate(buffered, i, c.Components); err != nil {
			return nil, 0, err
		}
		if err := buffered.Flush(); err != nil {
			return nil, 0, err
		}
		if info, err := out.Stat(); err == nil {
			mib += float64(info.Size()) / (1 << 20)
		}
		if err := out.Close(); err != nil {
			return nil, 0, err
		}
		files = append(files, file)
	}
	return files, mib, nil
}

func start(ctx context.Context, command []string) (Run, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		return Run{}, fmt.Errorf("%w: %s", err, errors.Bytes())
	}
	var run Run
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &run); err != nil {
		return Run{}, fmt.Errorf("%w: %s", err, out)
	}
	return run, nil
}

// finish works out the medians, and looks at the result.
func (f *Figures) finish(result string) error {
	median := func(value func(Run) float64) float64 {
		var values []float64
		for _, run := range f.Runs {
			values = append(values, value(run))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	f.Seconds = median(func(r Run) float64 { return r.Seconds })
	f.CPUSeconds = median(func(r Run) float64 { return r.CPUSeconds })
	f.PeakMiB = median(func(r Run) float64 { return r.PeakMiB })
	file, err := os.Open(result)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		f.OutputMiB = float64(info.Size()) / (1 << 20)
	}
	found, err := sbomtest.CheckLarge(bufio.NewReaderSize(file, 1<<20))
	if err != nil {
		return err
	}
	f.Components, f.Problems = found.Components, found.Problems()
	return nil
}

func print(all []Figures) {
	fmt.Println("| documents of components | MiB in | program | time | CPU time | peak memory | MiB out | components out | faults in the result |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, f := range all {
		faults := "none"
		if len(f.Problems) > 0 {
			faults = strings.Join(f.Problems, "; ")
		}
		fmt.Printf("| %s | %.0f | %s | %.2f s | %.2f s | %.0f MiB | %.0f | %d | %s |\n", f.Case, f.InputMiB, f.Program, f.Seconds, f.CPUSeconds, f.PeakMiB, f.OutputMiB, f.Components, faults)
	}
	for i := 0; i+1 < len(all); i++ {
		if ours, theirs := all[i], all[i+1]; ours.Case == theirs.Case {
			fmt.Printf("%s: %.1f times faster, %.1f times less CPU time, %.1f times less memory\n", ours.Case, theirs.Seconds/ours.Seconds, theirs.CPUSeconds/ours.CPUSeconds, theirs.PeakMiB/ours.PeakMiB)
		}
	}
}
