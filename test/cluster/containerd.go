// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
)

const pauseImage = registryAddress + "/base/pause:1"

// containerd is the container runtime: Debian's program with folders, socket
// and settings of its own, so that a second one on the machine is undisturbed.
func (c *cluster) containerd() daemon {
	config := c.config("containerd.toml")
	return daemon{
		name:    "containerd",
		version: c.debianVersion("containerd"),
		address: c.containerdSocket(),
		command: []string{c.debianFile("containerd"), "--config", config},
		// The runtime looks for its shim and for runc here.
		env: []string{"PATH=" + filepath.Dir(c.debianFile("containerd")) + ":" +
			filepath.Dir(c.debianFile("runc")) + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		files: map[string]string{
			config:                              c.containerdConfig(),
			c.config("cni", "10-pods.conflist"): c.cniConfig(),
			c.config("registries", registryAddress, "hosts.toml"): hostsTOML(registryAddress),
		},
		healthy: func(ctx context.Context) error {
			_, err := run(ctx, c.debianFile("ctr"), "--address", c.containerdSocket(), "--connect-timeout", "2s", "version")
			return err
		},
	}
}

// containerdConfig. restrict_oom_score_adj is for machines without
// CAP_SYS_RESOURCE, on which runc would fail to lower a pod's score.
func (c *cluster) containerdConfig() string {
	return fmt.Sprintf(`version = 2
root = %[1]q
state = %[2]q

[grpc]
address = %[3]q

[plugins."io.containerd.internal.v1.opt"]
path = %[4]q

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %[5]q
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
max_concurrent_downloads = 8

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = %[6]q

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %[7]q
conf_dir = %[8]q

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = %[9]q
Root = %[10]q
SystemdCgroup = false
`,
		c.data("containerd"),
		filepath.Join(c.run, "containerd"),
		c.containerdSocket(),
		c.data("containerd-opt"),
		pauseImage,
		c.config("registries"),
		filepath.Join(c.debianDir(), "usr/lib/cni"),
		c.config("cni"),
		c.debianFile("runc"),
		filepath.Join(c.run, "runc"),
	)
}

// cniConfig gives every pod an address on our bridge. The leases lie in our
// folder; masquerading is a rule of ours and not one per pod.
func (c *cluster) cniConfig() string {
	return fmt.Sprintf(`{
  "cniVersion": "0.4.0",
  "name": "countersign",
  "plugins": [
    {
      "type": "bridge",
      "bridge": %q,
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "dataDir": %q,
        "ranges": [[{"subnet": %q, "rangeStart": %q, "gateway": %q}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    }
  ]
}
`, bridgeName, c.data("pod-addresses"), podRange, podRangeFirst, nodeIP)
}

// hostsTOML tells containerd to speak plain HTTP to a registry.
func hostsTOML(registry string) string {
	return fmt.Sprintf(`server = "http://%[1]s"

[host."http://%[1]s"]
capabilities = ["pull", "resolve"]
`, registry)
}
