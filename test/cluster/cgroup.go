// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
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

// cgroupName is the group, in every hierarchy, that holds all pods.
const cgroupName = "countersign"

// neededControllers is what the kubelet asks of a hierarchy.
var neededControllers = []string{"cpu", "cpuset", "memory", "pids"}

// cgroupRoots finds where the groups are mounted: one hierarchy per controller
// in version 1, one for all in version 2. Version 1 may have an empty hierarchy
// of version 2 beside it, in which runc makes groups all the same.
func cgroupRoots() (roots []string, version2 bool, err error) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, false, err
	}
	roots, version2 = parseCgroupRoots(string(content))
	if len(roots) == 0 {
		return nil, false, errors.New("no cgroup hierarchy is mounted below /sys/fs/cgroup")
	}
	return roots, version2, nil
}

func parseCgroupRoots(mountinfo string) (roots []string, version2 bool) {
	for _, mount := range parseMounts(mountinfo) {
		switch {
		case mount.kind == "cgroup", mount.kind == "cgroup2" && mount.path != "/sys/fs/cgroup":
			roots = append(roots, mount.path)
		case mount.kind == "cgroup2" && mount.path == "/sys/fs/cgroup":
			return []string{mount.path}, true
		}
	}
	slices.Sort(roots)
	return roots, false
}

// mount is one line of proc_pid_mountinfo(5).
type mount struct {
	path string
	kind string
}

func parseMounts(mountinfo string) []mount {
	var mounts []mount
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(line, " - ")
		fields, kinds := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 5 || len(kinds) < 1 {
			continue
		}
		mounts = append(mounts, mount{path: unescapeMount(fields[4]), kind: kinds[0]})
	}
	return mounts
}

// unescapeMount undoes the kernel's octal escapes of blanks and backslashes.
func unescapeMount(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// ensureCgroup makes our group in every hierarchy.
func ensureCgroup() error {
	roots, version2, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if version2 {
			if err := delegateControllers(root); err != nil {
				return err
			}
		}
		err := os.Mkdir(filepath.Join(root, cgroupName), 0o755)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making a cgroup: %w", err)
		}
	}
	return nil
}

// delegateControllers lets groups below the root of version 2 use them.
func delegateControllers(root string) error {
	have, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range append(strings.Fields("hugetlb"), neededControllers...) {
		if !slices.Contains(strings.Fields(string(have)), controller) {
			continue
		}
		path := filepath.Join(root, "cgroup.subtree_control")
		if err := os.WriteFile(path, []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("delegating the cgroup controller %s: %w", controller, err)
		}
	}
	return nil
}

// removeCgroup kills what still runs in our group and removes it.
func removeCgroup() error {
	roots, _, err := cgroupRoots()
	if err != nil {
		return nil //nolint:nilerr // nothing can be in a group that is not there
	}
	for _, root := range roots {
		group := filepath.Join(root, cgroupName)
		var last error
		removed := func() bool {
			killGroup(group)
			last = removeGroup(group)
			return last == nil
		}
		if !within(stopTimeout, removed) {
			return last
		}
	}
	return nil
}

// killGroup kills every process in a group and the groups below it: they are
// the containers.
func killGroup(group string) {
	_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			killMembers(path)
		}
		return nil
	})
}

// killMembers kills the processes of one group. A group that cannot be read has
// gone in the meantime.
func killMembers(group string) {
	processes, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return
	}
	for _, field := range strings.Fields(string(processes)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// removeGroup removes a group, the deepest first: a group with groups below it
// cannot be removed, and its files cannot be removed at all.
func removeGroup(group string) error {
	var groups []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, path := range slices.Backward(groups) {
		if err := syscall.Rmdir(path); err != nil && err != syscall.ENOENT {
			return fmt.Errorf("removing cgroup %s: %w", path, err)
		}
	}
	return nil
}
