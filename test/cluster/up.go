// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
)

// cluster is everything on this machine that belongs to us.
type cluster struct {
	layout
	*progress
	leftOut map[string]bool // what `up --without` names
}

// upTasks is the cluster as a table: what has to be done, and before what. The
// builds are one chain, so that on a small machine the first thing needed is
// the first thing done; whatever starts, starts beside them.
func (c *cluster) upTasks() []task {
	var (
		baseImages   map[string]string
		tektonImages tektonImages
	)
	tasks := []task{
		{"host tools", nil, c.installHostTools},
		{"outside", nil, func(context.Context) error { return c.rememberOutside() }},
		{"pki", nil, func(context.Context) error { return c.ensurePKI() }},
		{"cgroup", nil, func(context.Context) error { return ensureCgroup() }},
		{"network", []string{"host tools", "outside"}, c.ensureNetwork},
	}
	tasks = append(tasks, c.buildTasks()...)
	return append(tasks,
		task{"registry", []string{"network", "build registry"}, c.ensurer(c.registry)},
		task{"base images", []string{"registry", "build debian", "build pause"}, func(ctx context.Context) (err error) {
			baseImages, err = c.ensureBaseImages(ctx)
			return err
		}},
		task{"etcd", []string{"build debian"}, c.ensurer(c.etcd)},
		task{"containerd", []string{"network", "build debian"}, c.ensurer(c.containerd)},
		task{"apiserver", []string{"network", "etcd", "pki", "build kubernetes"}, c.ensurer(c.apiserver)},
		task{"controller manager", []string{"apiserver"}, c.ensurer(c.controllerManager)},
		task{"scheduler", []string{"apiserver"}, c.ensurer(c.scheduler)},
		task{"proxy", []string{"apiserver"}, c.ensurer(c.proxy)},
		task{"kubelet", []string{"apiserver", "containerd", "cgroup", "base images"}, c.ensurer(c.kubelet)},
		task{"dns", []string{"apiserver", "build coredns"}, c.ensurer(c.dns)},
		task{"node", []string{"kubelet", "controller manager"}, c.ensureNode},
		task{"tekton images", []string{"base images", "build tekton"}, func(ctx context.Context) (err error) {
			if tektonImages, err = c.ensureTektonImages(ctx); err == nil {
				maps.Copy(tektonImages, baseImages)
			}
			return err
		}},
		task{"tekton", []string{"tekton images", "node", "scheduler", "proxy", "dns"}, func(ctx context.Context) error {
			return c.ensureTekton(ctx, tektonImages)
		}},
		task{"gitea", []string{"network", "build gitea"}, c.ensureGitea},
		task{"s3", []string{"network", "build versitygw"}, func(ctx context.Context) error {
			d, err := c.s3()
			if err != nil {
				return err
			}
			return c.ensure(ctx, d)
		}},
		task{"tools", []string{"build kubernetes", "build ko", "build tkn"}, func(context.Context) error {
			return c.linkTools()
		}},
	)
}

// buildTasks builds one component after the other.
func (c *cluster) buildTasks() []task {
	tasks := []task{{"build debian", nil, c.buildDebian}}
	for _, comp := range components {
		previous := tasks[len(tasks)-1].name
		tasks = append(tasks, task{"build " + comp.name, []string{previous}, func(ctx context.Context) error {
			return c.build(ctx, comp)
		}})
	}
	return tasks
}

// ensurer makes a task of a daemon. The daemon is described only when its turn
// has come: its files are in the cache by then.
func (c *cluster) ensurer(describe func() daemon) func(context.Context) error {
	return func(ctx context.Context) error { return c.ensure(ctx, describe()) }
}

// up brings the cluster up, or whatever of it is not.
func (c *cluster) up(ctx context.Context, leftOut []string) error {
	c.leftOut = map[string]bool{}
	names := map[string]bool{}
	for _, part := range leftOut {
		tasks, ok := optional[part]
		if !ok {
			return fmt.Errorf("cannot leave out %q; what can be left out: %v", part, optionalNames())
		}
		c.leftOut[part] = true
		for _, name := range tasks {
			names[name] = true
		}
	}
	if problems := c.problems(); len(problems) > 0 {
		return problemsError(problems)
	}
	unlock, err := c.lockCluster()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.makeFolders(); err != nil {
		return err
	}
	if err := runTasks(ctx, without(c.upTasks(), names)); err != nil {
		return err
	}
	c.say("cluster", "up; logs in %s", filepath.Join(c.state, "logs"))
	return nil
}

// makeFolders makes the folders of state. Secrets and keys are for root.
func (c *cluster) makeFolders() error {
	for folder, mode := range map[string]os.FileMode{
		c.state:                              0o755,
		filepath.Join(c.state, "data"):       0o700,
		filepath.Join(c.state, "pki"):        0o700,
		filepath.Join(c.state, "secrets"):    0o700,
		filepath.Join(c.state, "kubeconfig"): 0o700,
		filepath.Join(c.state, "config"):     0o700,
		c.run:                                0o755,
	} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(folder, mode); err != nil {
			return err
		}
	}
	return nil
}

// lockCluster keeps two launchers from bringing the cluster up, or down, at the
// same time.
func (c *cluster) lockCluster() (unlock func(), err error) {
	return lock(filepath.Join(c.cache, "cluster.lock"), func() {
		c.say("cluster", "another run is bringing the cluster up or down; waiting")
	})
}
