// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
)

// part is one line of `status`.
type part struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	PID     int    `json:"pid,omitempty"`
	State   string `json:"state"`
	Address string `json:"address"`
	Problem string `json:"problem,omitempty"`
}

const (
	stateHealthy   = "healthy"
	stateUnhealthy = "unhealthy"
	stateStopped   = "stopped"
)

// status looks at every daemon, the node and Tekton.
func (c *cluster) status(ctx context.Context) []part {
	var parts []part
	for _, d := range c.daemons() {
		parts = append(parts, c.daemonStatus(ctx, d))
	}
	node := part{Name: "node", Version: kubernetesVersion, Address: nodeIP, State: stateHealthy}
	if _, err := c.kubectl(ctx, "wait", "--for=condition=Ready", "node/"+nodeName, "--timeout=1s"); err != nil {
		node.fail(err)
	}
	parts = append(parts, node)
	for _, d := range tektonDeployments {
		p := part{Name: d.name, Version: tektonVersion, Address: d.namespace, State: stateHealthy}
		_, err := c.kubectl(ctx, "wait", "--for=condition=Available", "--namespace="+d.namespace, "deployment/"+d.name, "--timeout=1s")
		if err != nil {
			p.fail(err)
		}
		parts = append(parts, p)
	}
	return parts
}

// daemons describes those daemons that this machine has the programs and the
// secrets for; describing the others would make secrets.
func (c *cluster) daemons() []daemon {
	all := []daemon{
		c.etcd(), c.containerd(), c.registry(), c.apiserver(), c.controllerManager(),
		c.scheduler(), c.kubelet(), c.proxy(), c.dns(),
	}
	if _, err := os.Stat(c.secret("gitea-secret-key")); err == nil {
		if d, err := c.gitea(); err == nil {
			all = append(all, d)
		}
	}
	if _, err := os.Stat(c.secret("s3-access-key")); err == nil {
		if d, err := c.s3(); err == nil {
			all = append(all, d)
		}
	}
	return all
}

func (c *cluster) daemonStatus(ctx context.Context, d daemon) part {
	p := part{Name: d.name, Version: d.version, Address: d.address, State: stateStopped}
	record, running := c.running(d.name)
	if !running {
		return p
	}
	p.PID, p.State = record.PID, stateHealthy
	if err := d.healthy(ctx); err != nil {
		p.fail(err)
	}
	return p
}

func (p *part) fail(err error) {
	p.State = stateUnhealthy
	p.Problem = err.Error()
}

func allHealthy(parts []part) bool {
	for _, p := range parts {
		if p.State != stateHealthy {
			return false
		}
	}
	return true
}

// statusTable is for people; problems follow below it, where they have room.
func statusTable(parts []part) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tVERSION\tPID\tSTATE\tADDRESS")
	for _, p := range parts {
		pid := "-"
		if p.PID != 0 {
			pid = fmt.Sprint(p.PID)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.Version, pid, p.State, p.Address)
	}
	table.Flush()
	for _, p := range parts {
		if p.Problem != "" {
			fmt.Fprintf(&out, "\n%s: %s\n", p.Name, p.Problem)
		}
	}
	return out.String()
}
