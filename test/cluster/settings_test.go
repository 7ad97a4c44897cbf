// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostsTOML(t *testing.T) {
	want := `server = "http://10.0.0.1:5000"

[host."http://10.0.0.1:5000"]
capabilities = ["pull", "resolve"]
`
	if diff := cmp.Diff(want, hostsTOML("10.0.0.1:5000")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCorefile(t *testing.T) {
	for name, test := range map[string]struct{ nameServers, want string }{
		"other names go to the host's name servers": {
			nameServers: "nameserver 192.0.2.1\n",
			want: `.:53 {
    bind 10.88.0.1
    errors
    ready 127.0.0.1:18181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig /k countersign
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }
    forward . /etc/resolv.conf
}
`,
		},
		"a host without name servers has nothing to forward to": {
			want: `.:53 {
    bind 10.88.0.1
    errors
    ready 127.0.0.1:18181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig /k countersign
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }
}
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, corefile("/k", test.nameServers)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseStartTime(t *testing.T) {
	const rest = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for name, test := range map[string]struct{ stat, want string }{
		"a plain name":                     {"42 (etcd) S" + rest, "4711"},
		"a name with blanks and brackets":  {"42 (a) b (c) S" + rest, "4711"},
		"a process nobody has waited for":  {"42 (etcd) Z" + rest, ""},
		"an empty file":                    {"", ""},
		"a line that is cut off":           {"42 (etcd) S 1 2", ""},
		"a bracket that is never closed (": {"42 (etcd S 1 2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parseStartTime([]byte(test.stat)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseCgroupRoots(t *testing.T) {
	for name, test := range map[string]struct {
		mountinfo string
		want      []string
		version2  bool
	}{
		"version 1": {
			mountinfo: "20 1 0:1 / / rw - ext4 /dev/vda rw\n" +
				"25 24 0:21 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n" +
				"26 24 0:22 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
			want: []string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"},
		},
		"version 1 with an empty version 2 beside it": {
			mountinfo: "25 24 0:21 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
				"27 24 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			want: []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"},
		},
		"version 2": {
			mountinfo: "25 24 0:21 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n",
			want:      []string{"/sys/fs/cgroup"},
			version2:  true,
		},
		"none": {mountinfo: "20 1 0:1 / / rw - ext4 /dev/vda rw\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, version2 := parseCgroupRoots(test.mountinfo)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if version2 != test.version2 {
				t.Errorf("version 2: got %v, want %v", version2, test.version2)
			}
		})
	}
}

func TestMountsBelow(t *testing.T) {
	mountinfo := "1 0 0:1 / /run/countersign/containerd/a rw - overlay overlay rw\n" +
		`2 0 0:2 / /run/countersign/with\040blank rw - tmpfs tmpfs rw` + "\n" +
		"3 0 0:3 / /run/countersign2/a rw - tmpfs tmpfs rw\n" +
		"4 0 0:4 / /var/lib/other rw - tmpfs tmpfs rw\n"
	want := []string{"/run/countersign/with blank", "/run/countersign/containerd/a"}
	if diff := cmp.Diff(want, mountsBelow(mountinfo, "/var/lib/countersign", "/run/countersign")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLinkNames(t *testing.T) {
	output := "7: vethab12cd@if2: <BROADCAST,MULTICAST,UP> mtu 1500 master countersign0\n" +
		"8: dummy0: <BROADCAST> mtu 1500 master countersign0\n"
	if diff := cmp.Diff([]string{"vethab12cd", "dummy0"}, linkNames(output)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestARunningDaemonMatchesOnlyItsOwnSettings(t *testing.T) {
	d := daemon{command: []string{"a", "-b"}, env: []string{"C=d"}, files: map[string]string{"/e": "f"}}
	record := processRecord{Command: d.command, Env: d.env, Files: map[string]string{"/e": digest("f")}}
	if !record.matches(d) {
		t.Error("the same settings do not match")
	}
	for name, change := range map[string]func(*daemon){
		"another argument":    func(d *daemon) { d.command = []string{"a", "-c"} },
		"another environment": func(d *daemon) { d.env = nil },
		"another content":     func(d *daemon) { d.files = map[string]string{"/e": "g"} },
		"another file":        func(d *daemon) { d.files = map[string]string{"/e": "f", "/g": ""} },
	} {
		changed := d
		change(&changed)
		if record.matches(changed) {
			t.Errorf("%s matches", name)
		}
	}
}

func TestQuote(t *testing.T) {
	if got, want := quote("it's"), `'it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
