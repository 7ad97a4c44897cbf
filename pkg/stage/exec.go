// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// DefaultInterpreter runs a script whose first line names none. It gets -e, so
// that the first command that fails ends the stage.
const DefaultInterpreter = "/bin/sh"

// Exit codes for what goes wrong before a script runs, in a shell's numbers. A
// script that runs decides the exit code itself.
const (
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// grace is how long a script may clean up after it was told to stop, before
// everything that it started is killed. A cancelled pod has 30 seconds in all.
const grace = 20 * time.Second

// Run describes the execution of a script.
type Run struct {
	// Script is the path of the script's file, which is executable.
	Script string
	// Dir is the working directory.
	Dir string
	// Env is the environment, as KEY=value.
	Env []string
	// Stdout and Stderr get the output as it comes. Files are handed to the
	// script itself; anything else is copied to.
	Stdout, Stderr io.Writer
	// Grace replaces the time that a stopped script has; 0 means 20 seconds.
	Grace time.Duration
}

// WriteScript makes the file that Exec runs.
func WriteScript(path, script string) error {
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		return fmt.Errorf("write script: %w", err)
	}
	// The process's umask must not hide the script from the stage's user.
	if err := os.Chmod(path, 0o755); err != nil {
		return fmt.Errorf("write script: %w", err)
	}
	return nil
}

// Exec runs a script until it ends and returns its exit code; 128 plus the
// signal's number if a signal ended it.
//
// A script that begins with #! is started by the kernel, which runs the
// interpreter named there; any other is run by DefaultInterpreter with -e. No
// text of ours is ever interpreted by a shell.
//
// SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 are passed on to the script.
// When ctx ends, the script and everything it started get SIGTERM, and SIGKILL
// when the time of grace is over.
//
// The error is not nil only if the script could not be started; the code then
// is ExitNotFound or ExitNotExecutable.
func Exec(ctx context.Context, run Run) (code int, err error) {
	args, err := command(run.Script)
	if err != nil {
		return ExitNotFound, err
	}
	// The context ends the whole group, below, and not the first process alone.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = run.Dir, run.Env, run.Stdout, run.Stderr
	// A group of its own, so that all of it can be ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A process that outlives the script must not hold up the step by its
	// output.
	cmd.WaitDelay = time.Second

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)

	if err := cmd.Start(); err != nil {
		return startCode(err), startError(run, args, err)
	}
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		forward(ctx, -cmd.Process.Pid, signals, done, run.Grace)
	}()
	err = cmd.Wait()
	close(done)
	<-watched
	return exitCode(cmd.ProcessState, err), nil
}

// forward passes signals on to a process group until it is done.
func forward(ctx context.Context, group int, signals <-chan os.Signal, done <-chan struct{}, wait time.Duration) {
	if wait == 0 {
		wait = grace
	}
	var kill <-chan time.Time
	cancelled := ctx.Done()
	for {
		select {
		case <-done:
			if cancelled == nil {
				// What the script left behind must not outlive it.
				_ = syscall.Kill(group, syscall.SIGKILL)
			}
			return
		case s := <-signals:
			if number, ok := s.(syscall.Signal); ok {
				_ = syscall.Kill(group, number)
			}
		case <-cancelled:
			cancelled = nil
			kill = time.After(wait)
			_ = syscall.Kill(group, syscall.SIGTERM)
		case <-kill:
			_ = syscall.Kill(group, syscall.SIGKILL)
		}
	}
}

// command says how a script is started.
func command(script string) ([]string, error) {
	file, err := os.Open(script)
	if err != nil {
		return nil, fmt.Errorf("run script: %w", err)
	}
	defer file.Close()
	start := make([]byte, 2)
	if _, err := io.ReadFull(file, start); err == nil && string(start) == "#!" {
		return []string{script}, nil
	}
	return []string{DefaultInterpreter, "-e", script}, nil
}

func startCode(err error) int {
	if errors.Is(err, fs.ErrNotExist) {
		return ExitNotFound
	}
	return ExitNotExecutable
}

// startError explains the kernel's answer, which speaks of the script where the
// interpreter is what is missing.
func startError(run Run, args []string, err error) error {
	if len(args) > 1 && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the image has no %s: begin the script with #! and an interpreter that the image has: %w", DefaultInterpreter, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the image does not have the interpreter %q that the script's first line names: %w", shebang(run.Script), err)
	}
	return fmt.Errorf("run script: %w", err)
}

func shebang(script string) string {
	content, err := os.ReadFile(script)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(content), "\n")
	if len(line) > 80 {
		line = line[:80]
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "#!"))
}

func exitCode(state *os.ProcessState, err error) int {
	if state == nil {
		return ExitNotExecutable
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	if code := state.ExitCode(); code != 0 || err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return code
	}
	return 1
}
