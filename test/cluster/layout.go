// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// Addresses that every part of the cluster agrees on. The bridge belongs to
// the host, so one name for the registry works on the host, for the node's
// container runtime and inside pods; Go's registry clients speak plain HTTP to
// private addresses without being told to.
const (
	bridgeName    = "countersign0"
	nodeName      = "node1"
	nodeIP        = "10.88.0.1"
	podRange      = "10.88.0.0/16"
	podRangeFirst = "10.88.1.1"
	serviceRange  = "10.96.0.0/16"
	kubernetesIP  = "10.96.0.1"
	clusterDomain = "cluster.local"

	etcdAddress     = "127.0.0.1:12379"
	etcdPeerAddress = "127.0.0.1:12380"
	apiAddress      = nodeIP + ":6443"
	dnsAddress      = nodeIP + ":53"
	registryAddress = nodeIP + ":5001"
	giteaAddress    = nodeIP + ":3000"
	s3Address       = nodeIP + ":7070"
)

// layout says where things lie. Everything that `up` makes is below state and
// run, so that `down` can remove it; cache outlives both.
type layout struct {
	source string // the folder of this launcher, with its build modules
	cache  string // built programs, keyed by version
	state  string // data, configuration, logs
	run    string // sockets, process records, the container runtime's mounts
}

// newLayout reads the folders from the environment.
func newLayout() (layout, error) {
	l := layout{
		cache: os.Getenv("COUNTERSIGN_CACHE"),
		state: os.Getenv("COUNTERSIGN_STATE"),
		run:   "/run/countersign",
	}
	if l.state == "" {
		l.state = "/var/lib/countersign"
	}
	if l.cache == "" {
		l.cache = "/var/cache/countersign"
		if os.Geteuid() != 0 {
			user, err := os.UserCacheDir()
			if err != nil {
				return l, fmt.Errorf("finding the cache folder: %w; set COUNTERSIGN_CACHE", err)
			}
			l.cache = filepath.Join(user, "countersign")
		}
	}
	for _, dir := range []string{l.cache, l.state} {
		if !filepath.IsAbs(dir) {
			return l, fmt.Errorf("COUNTERSIGN_CACHE and COUNTERSIGN_STATE must be absolute paths, got %q", dir)
		}
	}
	var err error
	l.source, err = findSource()
	return l, err
}

// findSource looks for the build modules in the working folder and above it,
// so that the launcher can be started from anywhere in the checkout.
func findSource() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		for _, candidate := range []string{dir, filepath.Join(dir, "test", "cluster")} {
			if _, err := os.Stat(filepath.Join(candidate, "build", "kubernetes", "go.mod")); err == nil {
				return candidate, nil
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("test/cluster/build not found: run this inside a checkout of countersign")
		}
		dir = parent
	}
}

func (l layout) config(name ...string) string {
	return filepath.Join(append([]string{l.state, "config"}, name...)...)
}

func (l layout) data(name string) string { return filepath.Join(l.state, "data", name) }

func (l layout) pki(name string) string { return filepath.Join(l.state, "pki", name) }

func (l layout) kubeconfig(user string) string {
	return filepath.Join(l.state, "kubeconfig", user)
}

func (l layout) secret(name string) string { return filepath.Join(l.state, "secrets", name) }

func (l layout) log(daemon string) string { return filepath.Join(l.state, "logs", daemon+".log") }

func (l layout) record(daemon string) string {
	return filepath.Join(l.run, "daemons", daemon+".json")
}

func (l layout) bin() string { return filepath.Join(l.state, "bin") }

func (l layout) containerdSocket() string { return filepath.Join(l.run, "containerd.sock") }

// writeFile writes a file that only root needs to write, making its folder.
func writeFile(path, content string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if _, err := temp.WriteString(content); err != nil {
		temp.Close()
		return err
	}
	if err := temp.Chmod(mode); err != nil {
		temp.Close()
		return err
	}
	if err := temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
