// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEnsurePKI(t *testing.T) {
	c := testCluster(t)
	if err := c.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	authority, err := loadPair(c.pki("ca"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.certificate)
	for _, who := range identities {
		made, err := loadPair(c.pki(who.name))
		if err != nil {
			t.Fatal(err)
		}
		if got := made.certificate.Subject.CommonName; got != who.user {
			t.Errorf("%s: speaks for %q, want %q", who.name, got, who.user)
		}
		if got := strings.Join(made.certificate.Subject.Organization, ","); got != who.group {
			t.Errorf("%s: group %q, want %q", who.name, got, who.group)
		}
		for _, host := range append(who.hosts, "") {
			options := x509.VerifyOptions{DNSName: host, Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
			if _, err := made.certificate.Verify(options); err != nil {
				t.Errorf("%s: %v", who.name, err)
			}
		}
		info, err := os.Stat(c.pki(who.name) + ".key")
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the key has mode %o", who.name, info.Mode().Perm())
		}
	}
}

func TestEnsurePKIKeepsWhatIsGood(t *testing.T) {
	c := testCluster(t)
	if err := c.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		content, err := os.ReadFile(c.pki(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	authority, admin := read("ca.crt"), read("admin.crt")

	// A certificate that has expired, one that is lost.
	old, err := loadPair(c.pki("ca"))
	if err != nil {
		t.Fatal(err)
	}
	expired, err := old.issue(identities[0], time.Now().Add(-validity))
	if err != nil {
		t.Fatal(err)
	}
	if err := expired.save(c.pki(identities[0].name)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.pki("scheduler.key")); err != nil {
		t.Fatal(err)
	}
	if err := c.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{authority, admin}, []string{read("ca.crt"), read("admin.crt")}); diff != "" {
		t.Errorf("good certificates changed (-before +after):\n%s", diff)
	}
	renewed, err := loadPair(c.pki(identities[0].name))
	if err != nil {
		t.Fatal(err)
	}
	if !renewed.certificate.NotAfter.After(time.Now()) {
		t.Error("the expired certificate was not renewed")
	}
	if _, err := loadPair(c.pki("scheduler")); err != nil {
		t.Error(err)
	}
}
