// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package signaturetest signs images and statements for tests, in the forms that
// cosign writes, with keys and with a certificate authority and transparency log
// of its own. Nothing in it asks the network for anything but the registry that
// a test gives.
package signaturetest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	sigdsse "github.com/sigstore/sigstore/pkg/signature/dsse"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

// Key signs.
type Key struct {
	Private crypto.Signer
	// Public is PEM, as a policy's authority has it.
	Public string
	signer signature.SignerVerifier
}

// NewKey makes an ECDSA P-256 key, as cosign does.
func NewKey(t testing.TB) *Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return FromPrivate(t, private)
}

// FromPrivate signs with a key of another kind.
func FromPrivate(t testing.TB, private crypto.Signer) *Key {
	t.Helper()
	signer, err := signature.LoadSignerVerifier(private, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &Key{Private: private, Public: string(public), signer: signer}
}

// Bytes signs bytes.
func (k *Key) Bytes(t testing.TB, data []byte) []byte {
	t.Helper()
	raw, err := k.signer.SignMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// PushImage pushes an image of one random layer to a tag, and returns its
// reference by digest.
func PushImage(t testing.TB, reference string) name.Digest {
	t.Helper()
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tag.Digest(digest.String())
}

// Claim is the payload that cosign signs for an image.
func Claim(t testing.TB, image name.Digest) []byte {
	t.Helper()
	claim, err := payload.Cosign{Image: image}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

// SignImage adds a signature to the image's .sig tag.
func (k *Key) SignImage(t testing.TB, image name.Digest) {
	t.Helper()
	k.SignPayload(t, image, Claim(t, image))
}

// SignPayload adds a signature of any payload to the image's .sig tag.
func (k *Key) SignPayload(t testing.TB, image name.Digest, payload []byte, opts ...static.Option) {
	t.Helper()
	AddSignature(t, image, payload, base64.StdEncoding.EncodeToString(k.Bytes(t, payload)), opts...)
}

// AddSignature adds a layer to the image's .sig tag, whatever it holds.
func AddSignature(t testing.TB, image name.Digest, payload []byte, signature string, opts ...static.Option) {
	t.Helper()
	sig, err := static.NewSignature(payload, signature, opts...)
	if err != nil {
		t.Fatal(err)
	}
	attach(t, image, sig, mutate.AttachSignatureToEntity, ociremote.WriteSignatures)
}

func attach(t testing.TB, image name.Digest, sig oci.Signature,
	add func(oci.SignedEntity, oci.Signature, ...mutate.SignOption) (oci.SignedEntity, error),
	write func(name.Repository, oci.SignedEntity, ...ociremote.Option) error,
) {
	t.Helper()
	entity, err := ociremote.SignedEntity(image)
	if err != nil {
		t.Fatal(err)
	}
	if entity, err = add(entity, sig); err != nil {
		t.Fatal(err)
	}
	if err := write(image.Context(), entity); err != nil {
		t.Fatal(err)
	}
}

// CopySignatures copies one image's .sig tag to another image's, as a thief
// would.
func CopySignatures(t testing.TB, from, to name.Digest) {
	t.Helper()
	sig, err := remote.Image(sigTag(t, from))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(sigTag(t, to), sig); err != nil {
		t.Fatal(err)
	}
}

func sigTag(t testing.TB, image name.Digest) name.Tag {
	t.Helper()
	hash, err := v1.NewHash(image.DigestStr())
	if err != nil {
		t.Fatal(err)
	}
	return image.Context().Tag(hash.Algorithm + "-" + hash.Hex + ".sig")
}

// Statement is an in-toto statement, v1, about a digest.
func Statement(t testing.TB, digest, predicateType string, predicate any) []byte {
	t.Helper()
	statement, err := json.Marshal(map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       []any{map[string]any{"name": "image", "digest": map[string]string{"sha256": digest[len("sha256:"):]}}},
		"predicateType": predicateType,
		"predicate":     predicate,
	})
	if err != nil {
		t.Fatal(err)
	}
	return statement
}

// Envelope signs a payload as DSSE.
func (k *Key) Envelope(t testing.TB, payloadType string, payload []byte) []byte {
	t.Helper()
	signer, err := dsse.NewEnvelopeSigner(&sigdsse.SignerAdapter{SignatureSigner: k.signer, Pub: k.Private.Public()})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := signer.SignPayload(context.Background(), payloadType, payload)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Attest adds a signed statement to the image's .att tag.
func (k *Key) Attest(t testing.TB, image name.Digest, statement []byte) {
	t.Helper()
	AddAttestation(t, image, k.Envelope(t, types.IntotoPayloadType, statement))
}

// AddAttestation adds a layer to the image's .att tag, whatever it holds.
func AddAttestation(t testing.TB, image name.Digest, envelope []byte, opts ...static.Option) {
	t.Helper()
	att, err := static.NewAttestation(envelope, append([]static.Option{static.WithLayerMediaType(types.DssePayloadType)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	attach(t, image, att, mutate.AttachAttestationToEntity, ociremote.WriteAttestations)
}

// Bundle signs a statement as a Sigstore bundle without a log's proof.
func (k *Key) Bundle(t testing.TB, statement []byte) []byte {
	t.Helper()
	envelope := k.Envelope(t, types.IntotoPayloadType, statement)
	data, err := cosignbundle.MakeNewBundle(k.Private.Public(), nil, statement, envelope, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// AddBundle attaches a bundle to an image as a referrer.
func AddBundle(t testing.TB, image name.Digest, bundle []byte, predicateType string) {
	t.Helper()
	if err := ociremote.WriteAttestationNewBundleFormat(image, bundle, predicateType); err != nil {
		t.Fatal(err)
	}
}

// SignImageBundle signs an image as cosign sign --new-bundle-format does.
func (k *Key) SignImageBundle(t testing.TB, image name.Digest) {
	t.Helper()
	statement := Statement(t, image.DigestStr(), types.CosignSignPredicateType, map[string]any{})
	AddBundle(t, image, k.Bundle(t, statement), types.CosignSignPredicateType)
}

// Now is a time that certificates of Sigstore are valid at.
func Now() time.Time { return time.Now().Add(time.Minute) }
