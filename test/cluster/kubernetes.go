// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// etcd keeps the API server's objects. Losing the last writes in a crash of the
// machine is fine for a test cluster, so it does not wait for the disk.
func (c *cluster) etcd() daemon {
	client, peer := "http://"+etcdAddress, "http://"+etcdPeerAddress
	return daemon{
		name:    "etcd",
		version: c.debianVersion("etcd-server"),
		address: client,
		command: []string{
			c.debianFile("etcd"),
			"--name=" + nodeName,
			"--data-dir=" + c.data("etcd"),
			"--listen-client-urls=" + client,
			"--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer,
			"--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=" + nodeName + "=" + peer,
			"--quota-backend-bytes=4294967296",
			"--unsafe-no-fsync",
		},
		healthy: get(http.DefaultClient, client+"/health"),
	}
}

func (c *cluster) apiserver() daemon {
	return daemon{
		name:    "kube-apiserver",
		version: kubernetesVersion,
		address: "https://" + apiAddress,
		command: []string{
			c.binary("kubernetes", "kube-apiserver"),
			"--etcd-servers=http://" + etcdAddress,
			"--bind-address=" + nodeIP,
			"--advertise-address=" + nodeIP,
			"--secure-port=6443",
			"--tls-cert-file=" + c.pki("apiserver.crt"),
			"--tls-private-key-file=" + c.pki("apiserver.key"),
			"--client-ca-file=" + c.pki("ca.crt"),
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + c.pki("service-accounts.crt"),
			"--service-account-signing-key-file=" + c.pki("service-accounts.key"),
			"--service-cluster-ip-range=" + serviceRange,
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true",
			"--kubelet-client-certificate=" + c.pki("admin.crt"),
			"--kubelet-client-key=" + c.pki("admin.key"),
			"--kubelet-certificate-authority=" + c.pki("ca.crt"),
			"--kubelet-preferred-address-types=InternalIP",
		},
		// Ready means, among other things, that the built-in roles are there,
		// without which the controller manager ends at once.
		healthy: func(ctx context.Context) error {
			client, err := c.apiClient()
			if err != nil {
				return err
			}
			return get(client, "https://"+apiAddress+"/readyz")(ctx)
		},
	}
}

func (c *cluster) controllerManager() daemon {
	kubeconfig := c.kubeconfig("controller-manager")
	return daemon{
		name:    "controller-manager",
		version: kubernetesVersion,
		address: "127.0.0.1:10257",
		command: []string{
			c.binary("kubernetes", "kube-controller-manager"),
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig,
			"--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1",
			"--service-account-private-key-file=" + c.pki("service-accounts.key"),
			"--root-ca-file=" + c.pki("ca.crt"),
			"--use-service-account-credentials",
			"--leader-elect=false",
			"--allocate-node-cidrs=false",
			"--cluster-signing-cert-file=" + c.pki("ca.crt"),
			"--cluster-signing-key-file=" + c.pki("ca.key"),
			"--cert-dir=" + c.data("controller-manager"),
			"--kube-api-qps=200",
			"--kube-api-burst=400",
		},
		healthy: get(insecureClient, "https://127.0.0.1:10257/healthz"),
	}
}

func (c *cluster) scheduler() daemon {
	kubeconfig := c.kubeconfig("scheduler")
	return daemon{
		name:    "kube-scheduler",
		version: kubernetesVersion,
		address: "127.0.0.1:10259",
		command: []string{
			c.binary("kubernetes", "kube-scheduler"),
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig,
			"--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1",
			"--cert-dir=" + c.data("scheduler"),
			"--leader-elect=false",
			"--kube-api-qps=200",
			"--kube-api-burst=400",
		},
		healthy: get(insecureClient, "https://127.0.0.1:10259/healthz"),
	}
}

func (c *cluster) kubelet() daemon {
	config := c.config("kubelet.json")
	return daemon{
		name:    "kubelet",
		version: kubernetesVersion,
		address: nodeIP + ":10250",
		command: []string{
			c.binary("kubernetes", "kubelet"),
			"--config=" + config,
			"--kubeconfig=" + c.kubeconfig("kubelet"),
			"--hostname-override=" + nodeName,
			"--node-ip=" + nodeIP,
			"--root-dir=" + c.data("kubelet"),
			"--cert-dir=" + c.data("kubelet-certificates"),
		},
		files: map[string]string{
			config:                  c.kubeletConfig(),
			c.config("resolv.conf"): hostNameServers(),
		},
		healthy: get(http.DefaultClient, "http://127.0.0.1:10248/healthz"),
	}
}

// kubeletConfig starts pods fast on a small machine: images are pulled side by
// side and without a rate limit, changes reach the API server at once, and
// nothing is evicted or thrown away for lack of space.
func (c *cluster) kubeletConfig() string {
	return toJSON(map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"address":    nodeIP,
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": c.pki("ca.crt")},
		},
		"authorization":               map[string]any{"mode": "Webhook"},
		"cgroupDriver":                "cgroupfs",
		"cgroupRoot":                  "/" + cgroupName,
		"clusterDNS":                  []string{nodeIP},
		"clusterDomain":               clusterDomain,
		"containerLogMaxSize":         "100Mi",
		"containerRuntimeEndpoint":    "unix://" + c.containerdSocket(),
		"eventRecordQPS":              0,
		"evictionHard":                map[string]string{},
		"failSwapOn":                  false,
		"imageGCHighThresholdPercent": 100,
		"kubeAPIBurst":                400,
		"kubeAPIQPS":                  200,
		"makeIPTablesUtilChains":      false,
		"maxPods":                     250,
		"oomScoreAdj":                 0,
		"podLogsDir":                  c.data("pod-logs"),
		"registryPullQPS":             0,
		"resolvConf":                  c.config("resolv.conf"),
		"serializeImagePulls":         false,
		"syncFrequency":               "10s",
		"tlsCertFile":                 c.pki("kubelet-server.crt"),
		"tlsPrivateKeyFile":           c.pki("kubelet-server.key"),
		"volumePluginDir":             c.data("kubelet-plugins"),
	})
}

func (c *cluster) proxy() daemon {
	config := c.config("proxy.json")
	return daemon{
		name:    "kube-proxy",
		version: kubernetesVersion,
		address: "127.0.0.1:10249",
		command: []string{c.binary("kubernetes", "kube-proxy"), "--config=" + config},
		files: map[string]string{config: toJSON(map[string]any{
			"apiVersion":       "kubeproxy.config.k8s.io/v1alpha1",
			"kind":             "KubeProxyConfiguration",
			"clientConnection": map[string]any{"kubeconfig": c.kubeconfig("proxy")},
			"clusterCIDR":      podRange,
			// Zero leaves the kernel's settings alone.
			"conntrack": map[string]any{
				"maxPerCore":            0,
				"tcpCloseWaitTimeout":   "0s",
				"tcpEstablishedTimeout": "0s",
			},
			"healthzBindAddress": nodeIP + ":10256",
			"hostnameOverride":   nodeName,
			"metricsBindAddress": "127.0.0.1:10249",
			"mode":               "nftables",
			"oomScoreAdj":        0,
		})},
		healthy: get(http.DefaultClient, "http://"+nodeIP+":10256/livez"),
	}
}

// dns answers names of services to pods, and passes other names on.
func (c *cluster) dns() daemon {
	config := c.config("Corefile")
	return daemon{
		name:    "coredns",
		version: "v1.14.7",
		address: dnsAddress,
		command: []string{c.binary("coredns", "coredns"), "-conf", config},
		files:   map[string]string{config: corefile(c.kubeconfig("dns"), hostNameServers())},
		healthy: get(http.DefaultClient, "http://127.0.0.1:18181/ready"),
	}
}

func corefile(kubeconfig, nameServers string) string {
	forward := ""
	// Without a name server to pass names on to, the plugin refuses to start.
	if strings.Contains(nameServers, "nameserver") {
		forward = "    forward . /etc/resolv.conf\n"
	}
	return fmt.Sprintf(`.:53 {
    bind %s
    errors
    ready 127.0.0.1:18181
    kubernetes %s in-addr.arpa ip6.arpa {
        kubeconfig %s countersign
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }
%s}
`, nodeIP, clusterDomain, kubeconfig, forward)
}

// hostNameServers is the host's resolver configuration; empty without one.
func hostNameServers() string {
	content, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return ""
	}
	return string(content)
}

// ensureNode waits until the kubelet has registered and is ready for pods.
func (c *cluster) ensureNode(ctx context.Context) error {
	return c.retry(ctx, func() error {
		_, err := c.kubectl(ctx, "wait", "--for=condition=Ready", "node/"+nodeName, "--timeout=60s")
		return err
	})
}

// kubectl runs kubectl as the cluster's administrator.
func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	command := []string{c.binary("kubernetes", "kubectl"), "--kubeconfig=" + c.kubeconfig("admin")}
	return run(ctx, append(command, args...)...)
}

// linkTools makes one folder with the tools that people put on their PATH.
func (c *cluster) linkTools() error {
	if err := os.MkdirAll(c.bin(), 0o755); err != nil {
		return err
	}
	for tool, comp := range map[string]string{"kubectl": "kubernetes", "ko": "ko", "tkn": "tkn"} {
		target, link := c.binary(comp, tool), filepath.Join(c.bin(), tool)
		if _, err := os.Stat(target); err != nil {
			continue // left out with --without
		}
		if have, err := os.Readlink(link); err == nil && have == target {
			continue
		}
		if err := os.RemoveAll(link); err != nil {
			return err
		}
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}

func toJSON(value any) string {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		panic(err) // only maps of plain values written in this program
	}
	return string(content) + "\n"
}
