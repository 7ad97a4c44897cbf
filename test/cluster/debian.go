// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// debianName is how `build` names what comes from the distribution.
const debianName = "debian"

// debianPackages are unpacked into the cache and not installed, so that the
// distribution starts no second containerd or etcd of its own.
var debianPackages = []string{
	"busybox-static",
	"containerd",
	"containernetworking-plugins",
	"etcd-server",
	"runc",
}

// hostTools maps programs that the node needs on the host to their packages.
var hostTools = map[string]string{
	"git":      "git",
	"ip":       "iproute2",
	"iptables": "iptables",
	"modprobe": "kmod",
	"mount":    "mount",
	"nft":      "nftables",
}

// buildDebian unpacks the distribution's packages into the cache.
func (c *cluster) buildDebian(ctx context.Context) error {
	dir := c.debianDir()
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	unlock, err := lock(filepath.Join(parent, ".lock"), func() {
		c.say(debianName, "another run is fetching it; waiting")
	})
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := removeGlob(filepath.Join(parent, ".new-*")); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(parent, ".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	return c.during(ctx, debianName, "fetching "+strings.Join(debianPackages, ", "), func() error {
		if err := unpackDebian(ctx, temp); err != nil {
			return err
		}
		return os.Rename(temp, dir)
	})
}

func unpackDebian(ctx context.Context, into string) error {
	download := append([]string{"apt-get", "download"}, debianPackages...)
	if _, err := runIn(ctx, into, download...); err != nil {
		// A fresh machine has no package lists yet, an old one stale ones.
		if _, err := run(ctx, "apt-get", "update"); err != nil {
			return err
		}
		if _, err := runIn(ctx, into, download...); err != nil {
			return err
		}
	}
	archives, err := filepath.Glob(filepath.Join(into, "*.deb"))
	if err != nil {
		return err
	}
	var versions []string
	for _, archive := range archives {
		version, err := run(ctx, "dpkg-deb", "--show", archive)
		if err != nil {
			return err
		}
		versions = append(versions, version)
		if _, err := run(ctx, "dpkg-deb", "--extract", archive, into); err != nil {
			return err
		}
		if err := os.Remove(archive); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(into, "versions"), []byte(strings.Join(versions, "")), 0o644)
}

// debianDir is keyed by the release: its packages change only in small ways.
func (c *cluster) debianDir() string {
	return filepath.Join(c.cache, debianName, osRelease("ID")+"-"+osRelease("VERSION_ID")+"-"+runtime.GOARCH)
}

// debianFile finds a program of an unpacked package; releases differ in where
// they put it.
func (c *cluster) debianFile(name string) string {
	for _, folder := range []string{"usr/bin", "usr/sbin", "bin", "sbin"} {
		path := filepath.Join(c.debianDir(), folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return filepath.Join(c.debianDir(), "usr/bin", name)
}

// debianVersion is the version of an unpacked package.
func (c *cluster) debianVersion(pkg string) string {
	content, err := os.ReadFile(filepath.Join(c.debianDir(), "versions"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == pkg {
			return fields[1]
		}
	}
	return ""
}

// installHostTools installs what is missing on the host.
func (c *cluster) installHostTools(ctx context.Context) error {
	missing := missingHostTools()
	if len(missing) == 0 {
		return nil
	}
	return c.during(ctx, "host", "installing "+strings.Join(missing, ", "), func() error {
		install := append([]string{"apt-get", "install", "--yes", "--no-install-recommends"}, missing...)
		if _, err := run(ctx, install...); err == nil {
			return nil
		}
		if _, err := run(ctx, "apt-get", "update"); err != nil {
			return err
		}
		_, err := run(ctx, install...)
		return err
	})
}

// missingHostTools names the packages of programs that are not there.
func missingHostTools() []string {
	var missing []string
	for program, pkg := range hostTools {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	return missing
}

// osRelease reads one field of the distribution's description of itself.
func osRelease(field string) string {
	content, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+"="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return "unknown"
}

// run runs a command and returns what it printed; when it fails, the error
// carries what it said.
func run(ctx context.Context, command ...string) (string, error) {
	return runIn(ctx, "", command...)
}

func runIn(ctx context.Context, dir string, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	var out, problem strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, tail(out.String()+problem.String(), 20))
	}
	return out.String(), nil
}
