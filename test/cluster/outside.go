// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// outside are folders that our daemons make in places nobody can choose. What
// was not there before the first `up` goes again with `down`.
var outside = []string{
	"/opt/cni",
	"/opt/containerd",
	"/run/containerd",
	"/run/nri",
	"/usr/libexec/kubernetes",
	"/var/lib/cni",
	"/var/lib/containerd",
	"/var/lib/kubelet",
	"/var/log/containers",
	"/var/log/pods",
}

// settings are the kernel's, below /proc/sys, that the network, the kubelet and
// kube-proxy change.
var settings = []string{
	"kernel/keys/root_maxbytes",
	"kernel/keys/root_maxkeys",
	"kernel/panic",
	"kernel/panic_on_oops",
	"net/ipv4/ip_forward",
	"net/ipv4/vs/conntrack",
	"vm/overcommit_memory",
	"vm/panic_on_oom",
}

// before is how the machine was when `up` first came to it.
type before struct {
	Missing  []string          `json:"missing"`
	Settings map[string]string `json:"settings"`
}

func (c *cluster) beforeNote() string { return filepath.Join(c.state, "before.json") }

// rememberOutside notes, once, how things are that are not ours.
func (c *cluster) rememberOutside() error {
	if _, err := os.Stat(c.beforeNote()); err == nil {
		return nil
	}
	note := before{Settings: map[string]string{}}
	for _, folder := range outside {
		if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
			note.Missing = append(note.Missing, folder)
		}
	}
	for _, name := range settings {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			note.Settings[name] = strings.TrimSpace(string(value))
		}
	}
	return writeFile(c.beforeNote(), toJSON(note), 0o644)
}

// restoreOutside puts back what was noted. Where a folder was there before, it
// takes away what is ours in it.
func (c *cluster) restoreOutside() error {
	if err := c.removeShimSockets(); err != nil {
		return err
	}
	if err := c.removeLogLinks(); err != nil {
		return err
	}
	// The mount command makes it, and leaves it.
	_ = os.Remove("/run/mount")

	content, err := os.ReadFile(c.beforeNote())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // `up` never came to change anything
	}
	if err != nil {
		return err
	}
	var note before
	if err := json.Unmarshal(content, &note); err != nil {
		return fmt.Errorf("%s: %w", c.beforeNote(), err)
	}
	for _, folder := range note.Missing {
		// Only what this program could have written into its note.
		if slices.Contains(outside, folder) {
			if err := os.RemoveAll(folder); err != nil {
				return err
			}
		}
	}
	for name, value := range note.Settings {
		path := filepath.Join("/proc/sys", name)
		now, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(now)) == value || !slices.Contains(settings, name) {
			continue
		}
		if err := os.WriteFile(path, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeShimSockets removes the sockets of our shims; containerd keeps them all
// in one folder, whatever its settings.
func (c *cluster) removeShimSockets() error {
	notes, err := filepath.Glob(filepath.Join(c.run, "containerd", "io.containerd.runtime.v2.task", "*", "*", "address"))
	if err != nil {
		return err
	}
	for _, note := range notes {
		address, err := os.ReadFile(note)
		if err != nil {
			continue
		}
		socket := strings.TrimPrefix(strings.TrimSpace(string(address)), "unix://")
		if filepath.Dir(socket) == "/run/containerd/s" {
			if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// removeLogLinks removes the kubelet's links to our pods' logs.
func (c *cluster) removeLogLinks() error {
	links, err := filepath.Glob("/var/log/containers/*.log")
	if err != nil {
		return err
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, c.state+"/") {
			if err := os.Remove(link); err != nil {
				return err
			}
		}
	}
	return nil
}
