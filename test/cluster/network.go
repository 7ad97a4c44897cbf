// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// bridgeHardware keeps the bridge's address from changing with its ports, which
// would leave pods with a stale neighbour entry for their gateway.
const bridgeHardware = "02:c5:00:00:00:01"

// masquerade lets pods reach what lies outside. It is a table of our own, so
// that nothing of it is left in anyone else's.
const masquerade = `add table ip countersign
flush table ip countersign
table ip countersign {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		ip saddr ` + podRange + ` ip daddr != ` + podRange + ` masquerade
	}
}
`

// ourTables are the firewall tables that `up` leads to: our own and those of
// kube-proxy.
var ourTables = []string{"ip countersign", "ip kube-proxy", "ip6 kube-proxy"}

// ensureNetwork makes the bridge that holds the node's address, and lets the
// kernel forward between it and the outside. The bridge is there before any
// container, because the registry, Gitea and the API server listen on it.
func (c *cluster) ensureNetwork(ctx context.Context) error {
	// A kernel without these as modules has them built in, or the firewall
	// says so below.
	for _, module := range []string{"br_netfilter", "overlay"} {
		_, _ = run(ctx, "modprobe", module)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1\n"), 0o644); err != nil {
		return err
	}
	if _, err := run(ctx, "ip", "link", "show", bridgeName); err != nil {
		if _, err := run(ctx, "ip", "link", "add", bridgeName, "address", bridgeHardware, "type", "bridge"); err != nil {
			return err
		}
	}
	if _, err := run(ctx, "ip", "address", "replace", nodeIP+"/16", "dev", bridgeName); err != nil {
		return err
	}
	if _, err := run(ctx, "ip", "link", "set", bridgeName, "up"); err != nil {
		return err
	}
	return nft(ctx, masquerade)
}

// removeNetwork takes away the bridge with whatever hangs on it, and our
// firewall tables.
func (c *cluster) removeNetwork(ctx context.Context) error {
	if ports, err := run(ctx, "ip", "-o", "link", "show", "master", bridgeName); err == nil {
		for _, port := range linkNames(ports) {
			// It may go by itself, with the namespace of its other end.
			_, _ = run(ctx, "ip", "link", "delete", port)
		}
		if _, err := run(ctx, "ip", "link", "delete", bridgeName); err != nil {
			return err
		}
	}
	if _, err := exec.LookPath("nft"); err == nil {
		for _, table := range ourTables {
			if _, err := run(ctx, "nft", "list", "table", table); err != nil {
				continue
			}
			if err := nft(ctx, "delete table "+table+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkNames reads the names out of `ip -o link`.
func linkNames(output string) []string {
	var names []string
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(fields[1], ":"), "@")
		names = append(names, name)
	}
	return names
}

func nft(ctx context.Context, rules string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w\n%s", err, out)
	}
	return nil
}
