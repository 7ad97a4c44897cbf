// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package kms_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	sigkms "github.com/sigstore/sigstore/pkg/signature/kms"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/signature"
	_ "github.com/countersign-dev/countersign/pkg/signature/kms"
	"github.com/countersign-dev/countersign/pkg/signature/signaturetest"
)

// vault answers as the transit engine of HashiCorp Vault documents: reading a
// key, and signing a digest with it. It wants a token, and counts.
type vault struct {
	key   *ecdsa.PrivateKey
	mu    sync.Mutex
	asked map[string]int
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.asked[r.Method+" "+r.URL.Path]++
	v.mu.Unlock()
	reply := func(status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	if r.Header.Get("X-Vault-Token") != "token" {
		reply(http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
		return
	}
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/v1/transit/keys/release":
		public, err := cryptoutils.MarshalPublicKeyToPEM(v.key.Public())
		if err != nil {
			reply(http.StatusInternalServerError, nil)
			return
		}
		reply(http.StatusOK, map[string]any{"data": map[string]any{
			"type": "ecdsa-p256", "latest_version": 1, "min_decryption_version": 1,
			"keys": map[string]any{"1": map[string]any{"name": "P-256", "public_key": string(public), "creation_time": "2026-01-01T00:00:00Z"}},
		}})
	case r.URL.Path == "/v1/transit/sign/release/sha2-256":
		var body struct {
			Input     string `json:"input"`
			Prehashed bool   `json:"prehashed"`
		}
		digest, err := decodeInto(r.Body, &body, &body.Input)
		if err != nil || !body.Prehashed || len(digest) != 32 {
			reply(http.StatusBadRequest, map[string]any{"errors": []string{"invalid input"}})
			return
		}
		signature, err := ecdsa.SignASN1(rand.Reader, v.key, digest)
		if err != nil {
			reply(http.StatusInternalServerError, nil)
			return
		}
		reply(http.StatusOK, map[string]any{"data": map[string]any{"key_version": 1, "signature": "vault:v1:" + base64.StdEncoding.EncodeToString(signature)}})
	default:
		reply(http.StatusNotFound, map[string]any{"errors": []string{}})
	}
}

func decodeInto(r io.Reader, into any, input *string) ([]byte, error) {
	if err := json.NewDecoder(r).Decode(into); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(*input)
}

func newVault(t *testing.T) *vault {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{key: key, asked: map[string]int{}}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	t.Setenv("VAULT_ADDR", server.URL)
	t.Setenv("VAULT_TOKEN", "token")
	return v
}

func TestLinked(t *testing.T) {
	linked := strings.Join(sigkms.SupportedProviders(), " ")
	for _, scheme := range v1alpha1.KMSSchemes {
		if !strings.Contains(linked, scheme+"://") {
			t.Errorf("%s:// is not linked: %s", scheme, linked)
		}
	}
}

func TestVault(t *testing.T) {
	v := newVault(t)
	trusted, err := signature.NewTrust(t.Context(), []v1alpha1.Authority{{Name: "vault", Key: &v1alpha1.KeyAuthority{KMS: "hashivault://release"}}})
	if err != nil {
		t.Fatal(err)
	}

	// Records: signed by the service, verified here.
	signer, err := signature.NewRecordSigner(t.Context(), signature.SigningKey{KMS: "hashivault://release"})
	if err != nil {
		t.Fatal(err)
	}
	record := []byte(`{"id":"1"}`)
	envelope, err := signer.Sign(t.Context(), record)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trusted.VerifyRecord(t.Context(), []string{"vault"}, record, envelope); err != nil {
		t.Error(err)
	}
	if _, err := trusted.VerifyRecord(t.Context(), []string{"vault"}, []byte("{}"), envelope); err == nil {
		t.Error("another record is verified")
	}

	// Images: the same key, as cosign sign --key hashivault://release uses it.
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	image := signaturetest.PushImage(t, strings.TrimPrefix(server.URL, "http://")+"/app:1")
	signaturetest.FromPrivate(t, v.key).SignImage(t, image)
	entry := inventory.Entry{Name: "app", Type: "image", Artifact: image.String(), Provenance: image.String(), Digest: image.DigestStr()}
	items, _ := signature.Select([]inventory.Entry{entry}, []v1alpha1.SignatureRule{{Authorities: []string{"vault"}}})
	if got := trusted.Verify(t.Context(), items)[0]; !got.OK {
		t.Errorf("%s: %s", got.Reason, got.Message)
	}
	if n := v.asked["GET /v1/transit/keys/release"]; n != 2 {
		t.Errorf("the service was asked %d times for its key, want once by the trust and once by the signer: %v", n, v.asked)
	}
	for path := range v.asked {
		if strings.Contains(path, "/verify/") {
			t.Errorf("the service was asked to verify: %s", path)
		}
	}
}

func TestVaultRefuses(t *testing.T) {
	newVault(t)
	authority := func(reference string) []v1alpha1.Authority {
		return []v1alpha1.Authority{{Name: "vault", Key: &v1alpha1.KeyAuthority{KMS: reference}}}
	}
	if _, err := signature.NewTrust(t.Context(), authority("hashivault://nothing")); err == nil || !strings.Contains(err.Error(), `authority "vault"`) {
		t.Errorf("a key that is not there: %v", err)
	}
	t.Setenv("VAULT_TOKEN", "stranger")
	if _, err := signature.NewTrust(t.Context(), authority("hashivault://release")); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a token that may not: %v", err)
	}
}
