// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/signature/signaturetest"
)

// FuzzEntrySignature reads what an entry says is its signature.
func FuzzEntrySignature(f *testing.F) {
	entity := newEntity(f, nil)
	key := signaturetest.NewKey(f)
	raw := detach(f, entity, []byte("content"), nil)
	for _, seed := range []string{
		"", "!", "AAAA", "{}", "-----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----",
		base64.StdEncoding.EncodeToString(raw), base64.StdEncoding.EncodeToString(key.Bytes(f, []byte("content"))),
		base64.StdEncoding.EncodeToString([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`)),
		"woA=", "/////w==",
	} {
		f.Add(seed)
	}
	trusted := trust(f, keyAuthority("key", key), gpgAuthority(f, "gpg", entity))
	f.Fuzz(func(t *testing.T, text string) {
		form, data, err := decodeSignature(text)
		if err != nil {
			return
		}
		if len(data) == 0 || len(data) > maxBlobSignature {
			t.Errorf("%d bytes", len(data))
		}
		// Nobody signed this digest; whatever was read must be refused.
		digest := [32]byte{1, 2, 3}
		for _, a := range trusted.authorities {
			b := &blob{digest: digest[:], fetch: func() (*content, error) { return nil, refuse(ReasonContentNeeded, "none") }}
			if signer, refused := a.blob(form, data, b); refused == nil {
				t.Errorf("%q is signed by %s", text, signer)
			}
		}
	})
}

// FuzzLayer verifies one layer of a .sig or .att image, all of which is an
// attacker's. Nothing may panic, and nothing is verified.
func FuzzLayer(f *testing.F) {
	key := signaturetest.NewKey(f)
	sigstore := signaturetest.NewSigstore(f)
	trusted := trust(f, keyAuthority("key", key),
		keyless("ci", sigstore.Root(f, signaturetest.CertificateAuthority, signaturetest.Log, signaturetest.Timestamps), v1alpha1.Identity{IssuerRegExp: ".*", SubjectRegExp: ".*"}))
	certificate := "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
	body := func(entry string) string {
		data, err := json.Marshal(map[string]any{"SignedEntryTimestamp": "AAAA", "Payload": map[string]any{"body": base64.StdEncoding.EncodeToString([]byte(entry)), "integratedTime": 1, "logIndex": 1, "logID": "00"}})
		if err != nil {
			f.Fatal(err)
		}
		return string(data)
	}
	f.Add("{}", "AAAA", "", "", "", "")
	f.Add("{}", "AAAA", certificate, certificate, `{"Payload":{"body":7}}`, `{"SignedRFC3161Timestamp":"AAAA"}`)
	f.Add(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AAAA"}]}`, "AAAA", "", "", body(`{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{}}`), "")
	f.Add("x", "AAAA", certificate, "", body(`{"kind":"dsse","apiVersion":"0.0.1","spec":{"signatures":[]}}`), "")
	f.Add("x", "AAAA", "", "", body(`{"kind":"intoto","apiVersion":"0.0.2","spec":{"content":{"envelope":{}}}}`), "")
	f.Fuzz(func(t *testing.T, payload, signature, cert, chain, log, stamp string) {
		layer := classic{payload: []byte(payload), annotations: map[string]string{
			static.SignatureAnnotationKey: signature, static.CertificateAnnotationKey: cert, static.ChainAnnotationKey: chain,
			static.BundleAnnotationKey: log, static.RFC3161TimestampAnnotationKey: stamp,
		}}
		for _, a := range trusted.authorities {
			if who, refused := a.image(t.Context(), layer, "sha256:"+strings.Repeat("a", 64)); refused == nil {
				t.Errorf("image signed by %s", who)
			}
			if p, refused := a.envelope(t.Context(), layer); refused == nil {
				t.Errorf("statement signed by %s", p.signer)
			}
		}
	})
}

// FuzzBundle verifies a Sigstore bundle of an attacker's.
func FuzzBundle(f *testing.F) {
	key := signaturetest.NewKey(f)
	sigstore := signaturetest.NewSigstore(f)
	statement := signaturetest.Statement(f, "sha256:"+strings.Repeat("a", 64), testResult, map[string]any{"result": "PASSED"})
	stranger := signaturetest.NewKey(f)
	trusted := trust(f, keyAuthority("key", key),
		keyless("ci", sigstore.Root(f, signaturetest.CertificateAuthority, signaturetest.Log), v1alpha1.Identity{Issuer: issuer, Subject: builder}))
	f.Add(stranger.Bundle(f, statement))
	f.Add(sigstore.Bundle(f, "stranger@example.com", issuer, statement, signaturetest.Now()))
	f.Add(sigstore.BlobBundle(f, "stranger@example.com", issuer, []byte("content"), signaturetest.Now()))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{}},"dsseEnvelope":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		bundleStatement(data)
		for _, a := range trusted.authorities {
			if p, refused := a.bundle(data, verify.WithoutArtifactUnsafe()); refused == nil {
				t.Errorf("signed by %s", p.signer)
			}
		}
	})
}
