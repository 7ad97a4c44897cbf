// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/signature/signaturetest"
)

func newEntity(t testing.TB, config *packet.Config) *openpgp.Entity {
	t.Helper()
	if config == nil {
		config = &packet.Config{}
	}
	config.Algorithm = packet.PubKeyAlgoEdDSA
	entity, err := openpgp.NewEntity("Release", "", "release@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	return entity
}

func armored(t testing.TB, kind string, write func(w *bytes.Buffer) error) string {
	t.Helper()
	var raw, out bytes.Buffer
	if err := write(&raw); err != nil {
		t.Fatal(err)
	}
	w, err := armor.Encode(&out, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func keyring(t testing.TB, entities ...*openpgp.Entity) string {
	t.Helper()
	return armored(t, openpgp.PublicKeyType, func(w *bytes.Buffer) error {
		for _, e := range entities {
			if err := e.Serialize(w); err != nil {
				return err
			}
		}
		return nil
	})
}

func gpgAuthority(t testing.TB, name string, entities ...*openpgp.Entity) v1alpha1.Authority {
	t.Helper()
	return v1alpha1.Authority{Name: name, GPG: &v1alpha1.GPGAuthority{Keyring: keyring(t, entities...)}}
}

func detach(t testing.TB, entity *openpgp.Entity, content []byte, config *packet.Config) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := openpgp.DetachSign(&out, entity, bytes.NewReader(content), config); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func TestArtifact(t *testing.T) {
	content, changed := []byte("the artifact"), []byte("another artifact")
	p256, stranger := signaturetest.NewKey(t), signaturetest.NewKey(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed := signaturetest.FromPrivate(t, private)
	large, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384 := signaturetest.FromPrivate(t, large)
	release, other := newEntity(t, nil), newEntity(t, nil)
	long := time.Now().Add(-48 * time.Hour)
	expired := newEntity(t, &packet.Config{Time: func() time.Time { return long }, KeyLifetimeSecs: 3600})
	sigstore := signaturetest.NewSigstore(t)
	logged := keyAuthority("logged", p256)
	logged.Key.TrustedRoot = sigstore.Root(t, signaturetest.Log)
	now := signaturetest.Now()
	trusted := trust(t, keyAuthority("p256", p256), keyAuthority("p384", p384), keyAuthority("ed25519", ed), logged,
		gpgAuthority(t, "gpg", release, expired),
		keyless("keyless", sigstore.Root(t, signaturetest.CertificateAuthority, signaturetest.Log), v1alpha1.Identity{Issuer: issuer, Subject: builder}))

	var requests []string
	mux := http.NewServeMux()
	mux.HandleFunc("/files/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	mux.HandleFunc("/files/changed", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(changed) })
	mux.HandleFunc("/files/near", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/files/good", http.StatusFound)
	})
	mux.HandleFunc("/files/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/secret/good", http.StatusFound)
	})
	mux.HandleFunc("/secret/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r.URL.Path)
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials were sent")
		}
		mux.ServeHTTP(w, r)
	}))
	defer server.Close()
	b64 := base64.StdEncoding.EncodeToString
	armor := func(raw []byte) string {
		return armored(t, openpgp.SignatureType, func(w *bytes.Buffer) error { _, err := w.Write(raw); return err })
	}
	whole := b64(p256.Bytes(t, content))
	under := []string{server.URL + "/files/"}

	for _, tc := range []struct {
		name      string
		authority string
		signature string
		digest    string
		artifact  string
		sources   []string
		want      Reason
		says      string
		asked     int
	}{
		{name: "no signature", authority: "p256", want: ReasonUnsigned},
		{name: "no digest", authority: "p256", signature: "AAAA", digest: "none", want: ReasonNotIdentified},
		{name: "a signature that is not base64", authority: "p256", signature: "!", want: ReasonMalformed},
		{name: "a key's signature, over the digest alone", authority: "p256", signature: b64(p256.Bytes(t, content)), want: ReasonVerified},
		{name: "a key's signature with line breaks", authority: "p256", signature: whole[:20] + "\n " + whole[20:] + "\n", want: ReasonVerified},
		{name: "a stranger's", authority: "p256", signature: b64(stranger.Bytes(t, content)), want: ReasonWrongSigner},
		{name: "a key's signature of other content", authority: "p256", signature: b64(p256.Bytes(t, changed)), want: ReasonWrongSigner},
		{name: "a larger key's signature by SHA-256", authority: "p384", signature: b64(p384.Bytes(t, content)), want: ReasonVerified},
		{name: "an Ed25519 signature, content at hand", authority: "ed25519", signature: b64(ed.Bytes(t, content)), sources: under, want: ReasonVerified, asked: 1},
		{name: "an Ed25519 signature, no sources", authority: "ed25519", signature: b64(ed.Bytes(t, content)), want: ReasonContentNeeded, says: "no sources"},
		{name: "an Ed25519 signature, the artifact elsewhere", authority: "ed25519", signature: b64(ed.Bytes(t, content)), artifact: server.URL + "/secret/good", sources: under, want: ReasonContentNeeded, says: "under none"},
		{name: "a path that leaves the prefix", authority: "ed25519", signature: b64(ed.Bytes(t, content)), artifact: server.URL + "/files/../secret/good", sources: under, want: ReasonContentNeeded, says: "under none"},
		{name: "a path that leaves the prefix, encoded", authority: "ed25519", signature: b64(ed.Bytes(t, content)), artifact: server.URL + "/files/%2e%2e/secret/good", sources: under, want: ReasonContentNeeded, says: "under none"},
		{name: "a redirect under the prefix", authority: "ed25519", signature: b64(ed.Bytes(t, content)), artifact: server.URL + "/files/near", sources: under, want: ReasonVerified, asked: 2},
		{name: "a redirect elsewhere", authority: "ed25519", signature: b64(ed.Bytes(t, content)), artifact: server.URL + "/files/away", sources: under, want: ReasonUnreachable, says: "redirected", asked: 1},
		{name: "content that is not what the entry names", authority: "ed25519", signature: b64(ed.Bytes(t, changed)), artifact: server.URL + "/files/changed", sources: under, want: ReasonDigestMismatch, says: "not what the entry names", asked: 1},
		{name: "content that is not there", authority: "ed25519", signature: b64(ed.Bytes(t, content)), artifact: server.URL + "/files/none", sources: under, want: ReasonUnreachable, says: "404", asked: 1},
		{name: "http at a public address", authority: "ed25519", signature: b64(ed.Bytes(t, content)), artifact: "http://files.example.com/a/x", sources: []string{"http://files.example.com/a/"}, want: ReasonContentNeeded, says: "neither https"},
		{name: "GPG, armored", authority: "gpg", signature: armor(detach(t, release, content, nil)), sources: under, want: ReasonVerified, asked: 1},
		{name: "GPG, armored, in base64", authority: "gpg", signature: b64([]byte(armor(detach(t, release, content, nil)))), sources: under, want: ReasonVerified, asked: 1},
		{name: "GPG, binary, in base64", authority: "gpg", signature: b64(detach(t, release, content, nil)), sources: under, want: ReasonVerified, asked: 1},
		{name: "GPG by a stranger, whose content is not fetched", authority: "gpg", signature: armor(detach(t, other, content, nil)), sources: under, want: ReasonWrongSigner},
		{name: "GPG of other content", authority: "gpg", signature: armor(detach(t, release, changed, nil)), sources: under, want: ReasonWrongSigner, asked: 1},
		{name: "GPG by a key that expired", authority: "gpg", signature: armor(detach(t, expired, content, &packet.Config{Time: func() time.Time { return long }})), sources: under, want: ReasonCertificateInvalid, asked: 1},
		{name: "GPG without sources", authority: "gpg", signature: armor(detach(t, release, content, nil)), want: ReasonContentNeeded},
		{name: "GPG where a key is expected", authority: "p256", signature: armor(detach(t, release, content, nil)), want: ReasonWrongSigner},
		{name: "a key's where GPG is expected", authority: "gpg", signature: b64(p256.Bytes(t, content)), want: ReasonWrongSigner},
		{name: "a bare signature where a log is demanded", authority: "logged", signature: b64(p256.Bytes(t, content)), want: ReasonNotLogged},
		{name: "a bundle by the identity", authority: "keyless", signature: string(sigstore.BlobBundle(t, builder, issuer, content, now)), want: ReasonVerified},
		{name: "a bundle by the identity, in base64", authority: "keyless", signature: b64(sigstore.BlobBundle(t, builder, issuer, content, now)), want: ReasonVerified},
		{name: "a bundle by another identity", authority: "keyless", signature: string(sigstore.BlobBundle(t, "stranger@example.com", issuer, content, now)), want: ReasonWrongSigner},
		{name: "a bundle of other content", authority: "keyless", signature: string(sigstore.BlobBundle(t, builder, issuer, changed, now)), want: ReasonDigestMismatch},
		{name: "a bare signature where an identity is expected", authority: "keyless", signature: b64(p256.Bytes(t, content)), want: ReasonWrongSigner},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requests = nil
			entry := inventory.Entry{Name: "jar", Type: "maven", Signature: tc.signature, Digest: tc.digest, Artifact: tc.artifact}
			if entry.Digest == "" {
				entry.Digest = digestOf(content)
			}
			if entry.Artifact == "" {
				entry.Artifact = server.URL + "/files/good"
			}
			items, _ := Select([]inventory.Entry{entry}, []v1alpha1.SignatureRule{{Authorities: []string{tc.authority}, Sources: tc.sources}})
			got := trusted.Verify(t.Context(), items)[0]
			if got.Reason != tc.want || got.OK != (tc.want == ReasonVerified) || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %v %s: %s\nwant %s, saying %q", got.OK, got.Reason, got.Message, tc.want, tc.says)
			}
			if len(requests) != tc.asked {
				t.Errorf("the server was asked for %v, want %d requests", requests, tc.asked)
			}
		})
	}
	leftovers, err := filepath.Glob(filepath.Join(os.TempDir(), "countersign-content-*"))
	if err != nil || len(leftovers) > 0 {
		t.Errorf("content was left behind: %v %v", leftovers, err)
	}
}

func TestArtifactTooLarge(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, strings.Repeat("x", 2000)) }))
	defer server.Close()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	limits := DefaultLimits
	limits.Content = 1000
	trusted, err := NewTrust(t.Context(), []v1alpha1.Authority{keyAuthority("ours", signaturetest.FromPrivate(t, private))}, WithLimits(limits))
	if err != nil {
		t.Fatal(err)
	}
	entry := inventory.Entry{Name: "jar", Artifact: server.URL + "/a", Signature: "AAAA", Digest: digestOf([]byte(strings.Repeat("x", 2000)))}
	items, _ := Select([]inventory.Entry{entry}, []v1alpha1.SignatureRule{{Authorities: []string{"ours"}, Sources: []string{server.URL + "/"}}})
	if got := trusted.Verify(t.Context(), items)[0]; got.Reason != ReasonTooLarge {
		t.Errorf("%s: %s", got.Reason, got.Message)
	}
}

// TestArtifactSignedByGPG verifies what GnuPG itself signed: the files were made
// by GnuPG 2 with --quick-generate-key, --armor --export and --armor
// --detach-sign.
func TestArtifactSignedByGPG(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("testdata", "gpg", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	content := []byte(read("content"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	defer server.Close()
	for algorithm, other := range map[string]string{"rsa3072": "ed25519", "ed25519": "rsa3072"} {
		trusted := trust(t, v1alpha1.Authority{Name: "gpg", GPG: &v1alpha1.GPGAuthority{Keyring: read(algorithm + ".asc")}})
		for _, tc := range []struct {
			signature string
			want      Reason
		}{
			{read(algorithm + ".sig"), ReasonVerified},
			{base64.StdEncoding.EncodeToString([]byte(read(algorithm + ".sig"))), ReasonVerified},
			{read(other + ".sig"), ReasonWrongSigner},
		} {
			entry := inventory.Entry{Name: "jar", Artifact: server.URL + "/a", Signature: tc.signature, Digest: digestOf(content)}
			items, _ := Select([]inventory.Entry{entry}, []v1alpha1.SignatureRule{{Authorities: []string{"gpg"}, Sources: []string{server.URL + "/"}}})
			if got := trusted.Verify(t.Context(), items)[0]; got.Reason != tc.want || got.Tool != ToolGPG {
				t.Errorf("%s: %s: %s", algorithm, got.Reason, got.Message)
			}
		}
	}
}
