// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

const (
	minMemory = 4 << 30
	// Building from nothing fills Go's caches, too.
	minDisk = 25 << 30
)

// check is one requirement of the machine. It returns what is missing, or
// nothing.
type check func(*cluster) string

// checks lists the requirements; the report names all that are not met.
var checks = []check{
	isLinux,
	isSupportedArch,
	isRoot,
	hasGo,
	hasCompiler,
	hasPackageManager,
	hasCgroups,
	hasOverlay,
	hasMemory,
	hasDisk,
	hasFreeRange,
}

const useExisting = `An existing cluster can be used instead: set CLUSTER=external, with KUBECONFIG
(or the current context) naming a cluster with Tekton Pipelines, and
KO_DOCKER_REPO naming a registry that its nodes can pull from. A Gitea and an S3
service are needed, too: make demo says which variables name them.`

// problems are all requirements that are not met.
func (c *cluster) problems() []string {
	if runtime.GOOS != "linux" {
		return []string{isLinux(c)}
	}
	var problems []string
	for _, meets := range checks {
		if problem := meets(c); problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

func problemsError(problems []string) error {
	return fmt.Errorf("this machine cannot carry the local cluster:\n  - %s\n\n%s",
		strings.Join(problems, "\n  - "), useExisting)
}

func isLinux(*cluster) string {
	if runtime.GOOS != "linux" {
		return "it runs " + runtime.GOOS + "; containers need Linux"
	}
	return ""
}

func isSupportedArch(*cluster) string {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return "its architecture is " + runtime.GOARCH + "; supported are amd64 and arm64"
	}
	return ""
}

func isRoot(*cluster) string {
	if os.Geteuid() != 0 {
		return "you are not root; network, mounts and cgroups need it"
	}
	return ""
}

func hasGo(*cluster) string {
	if _, err := exec.LookPath("go"); err != nil {
		return "the go command is not on PATH; the cluster is built from Go modules (https://go.dev/dl)"
	}
	return ""
}

func hasCompiler(c *cluster) string {
	if _, err := os.Stat(c.mustComponentDir("gitea")); err == nil || c.leftOut["gitea"] {
		return ""
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		return "gcc is not on PATH; Gitea's database needs it (apt-get install gcc libc6-dev, or up --without gitea)"
	}
	return ""
}

func hasPackageManager(c *cluster) string {
	_, apt := exec.LookPath("apt-get")
	_, unpacked := os.Stat(c.debianDir())
	if apt == nil || unpacked == nil && len(missingHostTools()) == 0 {
		return ""
	}
	return "apt-get is not there; etcd, containerd, runc and the network plugins come from Debian's or Ubuntu's packages"
}

func hasCgroups(*cluster) string {
	roots, version2, err := cgroupRoots()
	if err != nil {
		return err.Error()
	}
	for _, controller := range neededControllers {
		have := slices.ContainsFunc(roots, func(root string) bool {
			return slices.Contains(strings.Split(filepath.Base(root), ","), controller)
		})
		if version2 {
			content, err := os.ReadFile(filepath.Join(roots[0], "cgroup.controllers"))
			have = err == nil && slices.Contains(strings.Fields(string(content)), controller)
		}
		if !have {
			return "the cgroup controller " + controller + " is not available"
		}
	}
	if err := syscall.Access(roots[0], 2); err != nil && os.Geteuid() == 0 {
		return "cgroups are mounted read-only; inside a container, run it privileged"
	}
	return ""
}

func hasOverlay(*cluster) string {
	content, err := os.ReadFile("/proc/filesystems")
	if err == nil && strings.Contains(string(content), "\toverlay\n") {
		return ""
	}
	if exec.Command("modprobe", "overlay").Run() == nil {
		return ""
	}
	return "the kernel has no overlay file system"
}

func hasMemory(*cluster) string {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return ""
	}
	if total := info.Totalram * uint64(info.Unit); total < minMemory {
		return fmt.Sprintf("it has %d MiB of memory; %d are needed", total>>20, minMemory>>20)
	}
	return ""
}

// hasDisk asks for room for the builds only while they are still to be done.
func hasDisk(c *cluster) string {
	if _, err := os.Stat(c.mustComponentDir("tkn")); err == nil {
		return ""
	}
	folder := c.cache
	for {
		var info syscall.Statfs_t
		if err := syscall.Statfs(folder, &info); err != nil {
			if parent := filepath.Dir(folder); parent != folder && errors.Is(err, syscall.ENOENT) {
				folder = parent
				continue
			}
			return ""
		}
		if free := info.Bavail * uint64(info.Bsize); free < minDisk {
			return fmt.Sprintf("%s has %d MiB free; the first build needs %d", folder, free>>20, minDisk>>20)
		}
		return ""
	}
}

// hasFreeRange refuses to run beside another network of the same addresses.
func hasFreeRange(*cluster) string {
	out, err := run(context.Background(), "ip", "-o", "-4", "address")
	if err != nil {
		return "" // `up` installs ip first
	}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[1] != bridgeName && strings.HasPrefix(fields[3], "10.88.") {
			return fmt.Sprintf("the interface %s has the address %s; the pods need %s for themselves", fields[1], fields[3], podRange)
		}
	}
	return ""
}

// isExternal tells whether the caller brings a cluster of their own.
func isExternal() bool { return os.Getenv("CLUSTER") == "external" }

// checkExternal asks an existing cluster for what the tests need of it.
func checkExternal(ctx context.Context) error {
	if os.Getenv("KO_DOCKER_REPO") == "" {
		return errors.New("CLUSTER=external needs KO_DOCKER_REPO: a registry that the cluster's nodes can pull from")
	}
	if _, err := exec.LookPath("kubectl"); err != nil {
		return errors.New("CLUSTER=external needs kubectl on PATH")
	}
	if _, err := run(ctx, "kubectl", "get", "crd", "pipelineruns.tekton.dev"); err != nil {
		return fmt.Errorf("the current cluster has no Tekton Pipelines: %w", err)
	}
	return nil
}
