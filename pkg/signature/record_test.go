// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/signature/signaturetest"
)

func publicPEM(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	data, err := cryptoutils.MarshalPublicKeyToPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRecords(t *testing.T) {
	pair, err := cosign.GenerateKeyPair(func(bool) ([]byte, error) { return []byte("secret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	signer, err := NewRecordSigner(t.Context(), SigningKey{PEM: pair.PrivateBytes, Password: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	record := []byte(`{"id":"1"}` + "\n")
	envelope, err := signer.Sign(t.Context(), record)
	if err != nil {
		t.Fatal(err)
	}
	stranger := signaturetest.NewKey(t)
	sigstore := signaturetest.NewSigstore(t)
	logged := v1alpha1.Authority{Name: "logged", Key: &v1alpha1.KeyAuthority{Data: string(pair.PublicBytes), TrustedRoot: sigstore.Root(t, signaturetest.Log)}}
	trusted := trust(t, v1alpha1.Authority{Name: "ours", Key: &v1alpha1.KeyAuthority{Data: string(pair.PublicBytes)}}, keyAuthority("stranger", stranger), logged,
		gpgAuthority(t, "gpg", newEntity(t, nil)),
		keyless("keyless", sigstore.Root(t, signaturetest.CertificateAuthority, signaturetest.Log), v1alpha1.Identity{Issuer: issuer, Subject: builder}))

	who, err := trusted.VerifyRecord(t.Context(), []string{"stranger", "ours"}, record, envelope)
	if err != nil || who != "ours, key "+signer.Fingerprint() {
		t.Fatalf("got %q, %v", who, err)
	}
	change := func(f func(*dsse.Envelope)) []byte {
		var env dsse.Envelope
		if err := json.Unmarshal(envelope, &env); err != nil {
			t.Fatal(err)
		}
		f(&env)
		data, err := json.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, tc := range []struct {
		name     string
		names    []string
		record   []byte
		envelope []byte
		says     string
	}{
		{"a stranger's authority", []string{"stranger"}, record, envelope, "none of the envelope's 1 signatures is by stranger"},
		{"no authority", nil, record, envelope, "nobody could have signed"},
		{"an authority that is not there", []string{"nobody"}, record, envelope, "not in the policy"},
		{"a keyring", []string{"gpg"}, record, envelope, "has no key"},
		{"identities", []string{"keyless"}, record, envelope, "has no key"},
		{"a key that demands a log", []string{"logged"}, record, envelope, "demands a transparency log"},
		{"a record with one byte more", []string{"ours"}, append(bytes.Clone(record), ' '), envelope, "another record"},
		{"no envelope", []string{"ours"}, record, []byte("x"), "not JSON"},
		{"an envelope of another type", []string{"ours"}, record, stranger.Envelope(t, "application/vnd.in-toto+json", record), "of type"},
		{"a stranger's envelope", []string{"ours"}, record, stranger.Envelope(t, RecordPayloadType, record), "is by ours"},
		{"no signature", []string{"ours"}, record, change(func(e *dsse.Envelope) { e.Signatures = nil }), "0 signatures"},
		{"the payload exchanged", []string{"ours"}, []byte("{}"), change(func(e *dsse.Envelope) { e.Payload = base64.StdEncoding.EncodeToString([]byte("{}")) }), "is by ours"},
		{"the type exchanged", []string{"ours"}, record, change(func(e *dsse.Envelope) { e.PayloadType = "x" }), "of type"},
		{"an envelope without end", []string{"ours"}, record, bytes.Repeat([]byte(" "), maxRecordEnvelope+1), "more than"},
	} {
		if who, err := trusted.VerifyRecord(t.Context(), tc.names, tc.record, tc.envelope); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %q, %v; want it to say %q", tc.name, who, err, tc.says)
		}
	}
	// A signature among others.
	extra := change(func(e *dsse.Envelope) {
		e.Signatures = append([]dsse.Signature{{Sig: "!"}, {Sig: "AAAA"}}, e.Signatures...)
	})
	if _, err := trusted.VerifyRecord(t.Context(), []string{"ours"}, record, extra); err != nil {
		t.Errorf("among others: %v", err)
	}
	if err := trusted.CheckRecordAuthorities([]string{"ours", "keyless", "logged"}); err == nil || strings.Contains(err.Error(), "ours") || !strings.Contains(err.Error(), "keyless") || !strings.Contains(err.Error(), "logged") {
		t.Errorf("check: %v", err)
	}
}

func TestNewRecordSignerFaults(t *testing.T) {
	pair, err := cosign.GenerateKeyPair(func(bool) ([]byte, error) { return []byte("secret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		key  SigningKey
		says string
	}{
		"nothing":            {SigningKey{}, "either a private key or a reference"},
		"both":               {SigningKey{PEM: pair.PrivateBytes, KMS: "awskms://x"}, "either a private key or a reference"},
		"the wrong password": {SigningKey{PEM: pair.PrivateBytes, Password: []byte("x")}, "password is wrong"},
		"a public key":       {SigningKey{PEM: pair.PublicBytes}, "cannot be opened"},
		"no service":         {SigningKey{KMS: "evil://x"}, "no reference"},
	} {
		_, err := NewRecordSigner(t.Context(), tc.key)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v; want it to say %q", name, err, tc.says)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error holds the password: %v", name, err)
		}
	}
}
