// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is a program that goes on running after the launcher has ended.
type daemon struct {
	name    string
	version string
	address string
	command []string
	env     []string
	// files are written before the start; when one of them or the command has
	// changed, a running daemon is started anew.
	files map[string]string
	// healthy tells whether the daemon does its work.
	healthy func(context.Context) error
}

// processRecord says which process a daemon is. A process id alone may belong
// to another program by now; together with the time of its start, and the boot
// which that time counts from, it does not.
type processRecord struct {
	PID     int               `json:"pid"`
	Started string            `json:"started"`
	Boot    string            `json:"boot"`
	Command []string          `json:"command"`
	Env     []string          `json:"env,omitempty"`
	Files   map[string]string `json:"files,omitempty"`
}

const (
	healthTimeout = 90 * time.Second
	stopTimeout   = 15 * time.Second
	maxLogSize    = 64 << 20
)

// ensure starts a daemon unless it runs as wanted, and waits until it is
// healthy.
func (c *cluster) ensure(ctx context.Context, d daemon) error {
	record, running := c.running(d.name)
	switch {
	case running && record.matches(d):
		if d.healthy(ctx) == nil {
			return nil
		}
		c.say(d.name, "runs, waiting for it to be healthy")
		err := c.awaitHealthy(ctx, d, nil)
		if err == nil || ctx.Err() != nil {
			return err
		}
		c.say(d.name, "does not get healthy, starting it anew")
	case running:
		c.say(d.name, "its settings changed, starting it anew")
	}
	if err := c.stop(d.name); err != nil {
		return err
	}
	if err := killStrays(d.command); err != nil {
		return err
	}
	begin := time.Now()
	exited, err := c.start(d)
	if err != nil {
		return err
	}
	if err := c.awaitHealthy(ctx, d, exited); err != nil {
		return err
	}
	c.say(d.name, "up at %s, %s", d.address, time.Since(begin).Round(100*time.Millisecond))
	return nil
}

func (r processRecord) matches(d daemon) bool {
	if !slices.Equal(r.Command, d.command) || !slices.Equal(r.Env, d.env) || len(r.Files) != len(d.files) {
		return false
	}
	for path, content := range d.files {
		if r.Files[path] != digest(content) {
			return false
		}
	}
	return true
}

// start launches a daemon in a session of its own and records it. The channel
// is closed when the process ends while this launcher is still there.
func (c *cluster) start(d daemon) (exited <-chan struct{}, err error) {
	record := processRecord{Command: d.command, Env: d.env, Files: map[string]string{}, Boot: bootID()}
	for path, content := range d.files {
		if err := writeFile(path, content, 0o600); err != nil {
			return nil, err
		}
		record.Files[path] = digest(content)
	}
	log, err := openLog(c.log(d.name))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(d.command[0], d.command[1:]...)
	cmd.Dir = c.state
	cmd.Env = append(os.Environ(), d.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	record.PID = cmd.Process.Pid
	record.Started = startTime(record.PID)
	ended := make(chan struct{})
	go func() {
		// The log tells why it ended.
		_ = cmd.Wait()
		close(ended)
	}()
	content, err := json.MarshalIndent(record, "", "  ")
	if err == nil {
		err = writeFile(c.record(d.name), string(content)+"\n", 0o600)
	}
	if err != nil {
		// A process that nothing remembers could never be stopped.
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	return ended, nil
}

func (c *cluster) awaitHealthy(ctx context.Context, d daemon, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	var last error
	for {
		problem := d.healthy(ctx)
		if ctx.Err() == nil {
			last = problem
		}
		select {
		case <-exited:
			return fmt.Errorf("it ended at once; the end of %s:\n%s", c.log(d.name), c.logTail(d.name))
		default:
		}
		if problem == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not healthy: %w; the end of %s:\n%s", last, c.log(d.name), c.logTail(d.name))
		case <-time.After(100 * time.Millisecond):
		}
		if exited == nil {
			if _, running := c.running(d.name); !running {
				return fmt.Errorf("it ended; the end of %s:\n%s", c.log(d.name), c.logTail(d.name))
			}
		}
	}
}

func (c *cluster) logTail(name string) string {
	content, err := os.ReadFile(c.log(name))
	if err != nil {
		return err.Error()
	}
	return tail(string(content), 20)
}

// running returns the record of a daemon, and whether that very process lives.
func (c *cluster) running(name string) (processRecord, bool) {
	var record processRecord
	content, err := os.ReadFile(c.record(name))
	if err != nil || json.Unmarshal(content, &record) != nil {
		return record, false
	}
	return record, record.alive()
}

func (r processRecord) alive() bool {
	return r.PID > 0 && r.Boot == bootID() && r.Started != "" && startTime(r.PID) == r.Started
}

// stop ends a daemon: politely, and with force when that takes too long.
func (c *cluster) stop(name string) error {
	return c.end(name, syscall.SIGTERM, syscall.SIGKILL)
}

// kill ends a daemon whose data is about to be removed, without waiting for it
// to save any.
func (c *cluster) kill(name string) error {
	return c.end(name, syscall.SIGKILL)
}

// end sends one signal after the other until the process has ended.
func (c *cluster) end(name string, signals ...syscall.Signal) error {
	record, running := c.running(name)
	for _, signal := range signals {
		if !running {
			break
		}
		if err := syscall.Kill(record.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending %s: %w", name, err)
		}
		running = !awaitEnd(record, stopTimeout)
	}
	if running {
		return fmt.Errorf("%s, process %d, does not end", name, record.PID)
	}
	if err := os.Remove(c.record(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func awaitEnd(record processRecord, timeout time.Duration) bool {
	return within(timeout, func() bool { return !record.alive() })
}

// within looks again and again whether something has come about, which nothing
// would tell a process that is not the parent of another.
func within(timeout time.Duration, done func() bool) bool {
	deadline, look := time.NewTimer(timeout), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer look.Stop()
	for !done() {
		select {
		case <-deadline.C:
			return false
		case <-look.C:
		}
	}
	return true
}

// killStrays kills daemons whose record is lost, which would hold the ports and
// the data of the one about to start. A command with all its arguments names
// our folders, and so is nobody else's.
func killStrays(command []string) error {
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	want := strings.Join(command, "\x00") + "\x00"
	for _, process := range processes {
		have, err := os.ReadFile(process)
		if err != nil || string(have) != want {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(process)))
		if err != nil {
			return err
		}
		stray := processRecord{PID: pid, Started: startTime(pid), Boot: bootID()}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		awaitEnd(stray, stopTimeout)
	}
	return nil
}

// startTime is when a process started, in the kernel's ticks since boot; empty
// when there is none, or only what its parent has not yet collected.
func startTime(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	return parseStartTime(stat)
}

// parseStartTime reads field 22 of proc_pid_stat(5). The second field is the
// program's name in brackets and may itself hold spaces and brackets.
func parseStartTime(stat []byte) string {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return ""
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(id))
}

// openLog opens a log for appending, and sets a large one aside first.
func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}
