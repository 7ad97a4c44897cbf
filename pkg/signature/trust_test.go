// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/signature/signaturetest"
)

func TestNewTrustFaults(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := signaturetest.NewKey(t)
	sigstore := signaturetest.NewSigstore(t)
	root := sigstore.Root(t, signaturetest.CertificateAuthority, signaturetest.Log)
	entity := newEntity(t, nil)
	withKey := func(name string, k v1alpha1.KeyAuthority) v1alpha1.Authority {
		return v1alpha1.Authority{Name: name, Key: &k}
	}
	id := v1alpha1.Identity{Issuer: issuer, Subject: builder}
	for _, tc := range []struct {
		name      string
		authority v1alpha1.Authority
		says      []string
	}{
		{"nothing", v1alpha1.Authority{Name: "bad"}, []string{"exactly one of key, keyless and gpg"}},
		{"a key and a keyring", v1alpha1.Authority{Name: "bad", Key: &v1alpha1.KeyAuthority{Data: key.Public}, GPG: &v1alpha1.GPGAuthority{Keyring: keyring(t, entity)}}, []string{"exactly one of key, keyless and gpg"}},
		{"an empty key", withKey("bad", v1alpha1.KeyAuthority{}), []string{"exactly one of data and kms"}},
		{"no PEM", withKey("bad", v1alpha1.KeyAuthority{Data: "AAAA"}), []string{"not PEM"}},
		{"two keys", withKey("bad", v1alpha1.KeyAuthority{Data: key.Public + signaturetest.NewKey(t).Public}), []string{"more than one PEM block"}},
		{"a private key", withKey("bad", v1alpha1.KeyAuthority{Data: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}), []string{"type \"PRIVATE KEY\""}},
		{"a weak RSA key", withKey("bad", v1alpha1.KeyAuthority{Data: publicPEM(t, &weak.PublicKey)}), []string{"too weak"}},
		{"an unusual curve", withKey("bad", v1alpha1.KeyAuthority{Data: publicPEM(t, &p224.PublicKey)}), []string{"P-224"}},
		{"a reference to no service", withKey("bad", v1alpha1.KeyAuthority{KMS: "evil://key"}), []string{"is no reference to a key management service"}},
		{"a service that is not linked", withKey("bad", v1alpha1.KeyAuthority{KMS: "awskms:///alias/x"}), []string{"built without awskms"}},
		{"a key with a root that is no root, two faults at once", withKey("bad", v1alpha1.KeyAuthority{Data: "x", TrustedRoot: "{}"}), []string{"not PEM", "not a Sigstore trusted root"}},
		{"a key with a root without a log", withKey("bad", v1alpha1.KeyAuthority{Data: key.Public, TrustedRoot: sigstore.Root(t, signaturetest.CertificateAuthority)}), []string{"names no transparency log"}},
		{"no identities", keyless("bad", root), []string{"nobody would be trusted"}},
		{"a root without a certificate authority", keyless("bad", sigstore.Root(t, signaturetest.Log), id), []string{"names no certificate authority"}},
		{"a root without log and timestamps", keyless("bad", sigstore.Root(t, signaturetest.CertificateAuthority), id), []string{"neither a transparency log nor a timestamp authority"}},
		{"identities of all faults", keyless("bad", root, v1alpha1.Identity{Subject: "a"}, v1alpha1.Identity{Issuer: "a", IssuerRegExp: "b", Subject: "c"}, v1alpha1.Identity{Issuer: "a", SubjectRegExp: "a)|(b"}), []string{"identities[0]: exactly one of issuer", "identities[1]: exactly one of issuer", "identities[2]: subjectRegExp"}},
		{"no keyring", v1alpha1.Authority{Name: "bad", GPG: &v1alpha1.GPGAuthority{Keyring: "x"}}, []string{"gpg --export --armor"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// A second faulty authority is told of, too.
			_, err := NewTrust(t.Context(), []v1alpha1.Authority{tc.authority, keyAuthority("good", key), {Name: "other"}})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(tc.says, `authority "bad"`, `authority "other"`) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
	if _, err := NewTrust(t.Context(), []v1alpha1.Authority{keyAuthority("a", key), keyAuthority("a", key)}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same name twice: %v", err)
	}
}

func TestIdentity(t *testing.T) {
	for _, tc := range []struct {
		name            string
		given           v1alpha1.Identity
		subject, issuer string
		want            bool
	}{
		{"both as they are", v1alpha1.Identity{Issuer: "i", Subject: "s"}, "s", "i", true},
		{"a subject with more before it", v1alpha1.Identity{Issuer: "i", SubjectRegExp: "s"}, "xs", "i", false},
		{"a subject with more after it", v1alpha1.Identity{Issuer: "i", SubjectRegExp: "s"}, "s@evil", "i", false},
		{"a subject with a line after it", v1alpha1.Identity{Issuer: "i", SubjectRegExp: "(?m)^s$"}, "s\nevil", "i", false},
		{"an alternative of a pattern is whole, too", v1alpha1.Identity{Issuer: "i", SubjectRegExp: "a|b"}, "ab", "i", false},
		{"a pattern that anchors itself", v1alpha1.Identity{Issuer: "i", SubjectRegExp: "^s.*$"}, "s1", "i", true},
		{"an issuer by pattern", v1alpha1.Identity{IssuerRegExp: "https://[a-z]+", Subject: "s"}, "s", "https://x", true},
		{"an issuer by pattern, not whole", v1alpha1.Identity{IssuerRegExp: "https://[a-z]+", Subject: "s"}, "s", "https://x.evil", false},
		{"an empty subject", v1alpha1.Identity{Issuer: "i", Subject: "s"}, "", "i", false},
	} {
		id, err := newIdentity(tc.given)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if got := id.matches(tc.subject, tc.issuer); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestSelect(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	image := func(name string) inventory.Entry {
		ref := "registry.example/" + name + ":1@" + digest
		return inventory.Entry{Name: name, Type: "image", Artifact: ref, Provenance: ref, Digest: digest}
	}
	entries := []inventory.Entry{
		image("shop/cart"), image("shop/eu/cart"), image("shop"), image("other"),
		{Name: "shop/jar", Type: "maven", Artifact: "https://files.example/jar", Provenance: "https://files.example/jar", Digest: digest, Signature: "x"},
		{Name: "untyped", Artifact: "registry.example/untyped@" + digest},
	}
	for _, tc := range []struct {
		name  string
		rules []v1alpha1.SignatureRule
		want  map[string]int
		left  []string
	}{
		{"no rules", nil, map[string]int{}, []string{"shop/cart", "shop/eu/cart", "shop", "other", "shop/jar", "untyped"}},
		{"one rule for all", []v1alpha1.SignatureRule{{}}, map[string]int{"shop/cart": 0, "shop/eu/cart": 0, "shop": 0, "other": 0, "shop/jar": 0, "untyped": 0}, nil},
		{"images alone", []v1alpha1.SignatureRule{{AssetType: "image"}}, map[string]int{"shop/cart": 0, "shop/eu/cart": 0, "shop": 0, "other": 0, "untyped": 0}, []string{"shop/jar"}},
		{"artifacts alone", []v1alpha1.SignatureRule{{AssetType: "artifact"}}, map[string]int{"shop/jar": 0}, []string{"shop/cart", "shop/eu/cart", "shop", "other", "untyped"}},
		{"a star is one folder", []v1alpha1.SignatureRule{{Entries: []string{"shop/*"}}}, map[string]int{"shop/cart": 0, "shop/jar": 0}, []string{"shop/eu/cart", "shop", "other", "untyped"}},
		{"two stars are any folders, or none", []v1alpha1.SignatureRule{{Entries: []string{"shop/**"}}}, map[string]int{"shop/cart": 0, "shop/eu/cart": 0, "shop": 0, "shop/jar": 0}, []string{"other", "untyped"}},
		{"two stars in the middle", []v1alpha1.SignatureRule{{Entries: []string{"**/cart"}}}, map[string]int{"shop/cart": 0, "shop/eu/cart": 0}, []string{"shop", "other", "shop/jar", "untyped"}},
		{"the first rule that matches counts", []v1alpha1.SignatureRule{{Entries: []string{"shop/eu/*"}}, {Entries: []string{"shop/**"}}, {}}, map[string]int{"shop/cart": 1, "shop/eu/cart": 0, "shop": 1, "shop/jar": 1, "other": 2, "untyped": 2}, nil},
		{"a pattern that is none matches nothing", []v1alpha1.SignatureRule{{Entries: []string{"[", "a["}}}, map[string]int{}, []string{"shop/cart", "shop/eu/cart", "shop", "other", "shop/jar", "untyped"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			items, left := Select(entries, tc.rules)
			got := map[string]int{}
			for _, item := range items {
				got[item.Entry] = item.Rule
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.left, left); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMatchPathIsQuick(t *testing.T) {
	pattern := strings.Split(strings.Repeat("**/", 30)+"x", "/")
	if matchPath(pattern, strings.Split(strings.Repeat("a/", 60)+"a", "/")) {
		t.Error("matched")
	}
	// Alternating with a name that never matches, the deepest case.
	pattern = strings.Split(strings.Repeat("**/a/", 12)+"x", "/")
	if matchPath(pattern, strings.Split(strings.Repeat("a/", 30)+"a", "/")) {
		t.Error("matched")
	}
}
