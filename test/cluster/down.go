// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// daemonNames are all daemons, the kubelet first.
var daemonNames = []string{
	"kubelet", "etcd", "containerd", "registry", "kube-apiserver", "controller-manager",
	"kube-scheduler", "kube-proxy", "coredns", "gitea", "s3",
}

// down removes everything that `up` made on the machine, but for the cache.
func (c *cluster) down(ctx context.Context, cacheToo bool) error {
	if os.Geteuid() != 0 {
		return errors.New("down needs root, as up did")
	}
	unlock, err := c.lockCluster()
	if err != nil {
		return err
	}
	defer unlock()
	steps := []struct {
		name string
		run  func() error
	}{
		{"daemons", c.killDaemons},
		{"containers", c.killContainers},
		{"mounts", func() error { return unmountBelow(c.state, c.run) }},
		{"network", func() error { return c.removeNetwork(ctx) }},
		{"cgroups", removeCgroup},
		{"folders", c.removeFolders},
	}
	for _, step := range steps {
		if err := step.run(); err != nil {
			return fmt.Errorf("removing %s: %w", step.name, err)
		}
		c.say("down", "%s removed", step.name)
	}
	if cacheToo {
		return os.RemoveAll(c.cache)
	}
	c.say("down", "the cache stays: %s, %d MiB; remove it with down --cache", c.cache, size(c.cache)>>20)
	return nil
}

// killDaemons ends the kubelet first: it would start other things again.
func (c *cluster) killDaemons() error {
	for _, name := range daemonNames {
		if err := c.kill(name); err != nil {
			return err
		}
	}
	return nil
}

// killContainers ends what containerd leaves running: the processes in our
// cgroup, the shims that watch over them, and any daemon whose record is lost.
// A process is ours when its program lies in our cache.
func (c *cluster) killContainers() error {
	roots, _, err := cgroupRoots()
	if err != nil {
		roots = nil
	}
	for _, root := range roots {
		killGroup(filepath.Join(root, cgroupName))
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, process := range processes {
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil || pid == os.Getpid() {
			continue
		}
		program, err := os.Readlink(filepath.Join(process, "exe"))
		if err != nil || !c.ours(process, program) {
			continue
		}
		record := processRecord{PID: pid, Started: startTime(pid), Boot: bootID()}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			return err
		}
		awaitEnd(record, stopTimeout)
	}
	return nil
}

// ours tells a daemon or a shim of this cluster from a tool that somebody runs
// out of the cache, kubectl for one, and from another cluster's shim.
func (c *cluster) ours(process, program string) bool {
	program = strings.TrimSuffix(program, " (deleted)")
	if !strings.HasPrefix(program, c.cache+"/") {
		return false
	}
	switch filepath.Base(program) {
	case "containerd", "containerd-shim-runc-v2", "etcd", "registry", "coredns", "gitea", "versitygw",
		"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet":
	default:
		return false
	}
	command, err := os.ReadFile(filepath.Join(process, "cmdline"))
	if err != nil {
		return false
	}
	return strings.Contains(string(command), c.state) || strings.Contains(string(command), c.run)
}

// unmountBelow unmounts whatever is mounted in these folders, the latest first.
func unmountBelow(folders ...string) error {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, path := range mountsBelow(string(content), folders...) {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil && err != syscall.EINVAL {
			return fmt.Errorf("unmounting %s: %w", path, err)
		}
	}
	return nil
}

func mountsBelow(mountinfo string, folders ...string) []string {
	var paths []string
	for _, mount := range parseMounts(mountinfo) {
		for _, folder := range folders {
			if strings.HasPrefix(mount.path, folder+"/") {
				paths = append(paths, mount.path)
			}
		}
	}
	slices.Reverse(paths)
	return paths
}

func (c *cluster) removeFolders() error {
	if err := c.restoreOutside(); err != nil {
		return err
	}
	if err := os.RemoveAll(c.run); err != nil {
		return err
	}
	return os.RemoveAll(c.state)
}

func size(folder string) (bytes int64) {
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
