// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signaturetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sigstore/cosign/v2/pkg/types"
)

// Sigstore is a certificate authority, a timestamp authority and a transparency
// log. Its certificates are valid for ten minutes from when they are made.
type Sigstore struct {
	*ca.VirtualSigstore
}

// NewSigstore makes one, with new keys.
func NewSigstore(t testing.TB) *Sigstore {
	t.Helper()
	virtual, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	return &Sigstore{virtual}
}

// Part is one that a trusted root can name.
type Part int

// The parts.
const (
	CertificateAuthority Part = iota
	Log
	Timestamps
	CertificateLog
)

// Root is the trusted root, JSON, that names some of the parts.
func (s *Sigstore) Root(t testing.TB, parts ...Part) string {
	t.Helper()
	var authorities []root.CertificateAuthority
	var stamps []root.TimestampingAuthority
	logs, certificateLogs := map[string]*root.TransparencyLog{}, map[string]*root.TransparencyLog{}
	// The virtual log's id is hex where bytes are due.
	fix := func(from map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
		for id, log := range from {
			raw, err := hex.DecodeString(id)
			if err != nil {
				t.Fatal(err)
			}
			log.ID = raw
		}
		return from
	}
	for _, part := range parts {
		switch part {
		case CertificateAuthority:
			authorities = s.FulcioCertificateAuthorities()
		case Timestamps:
			stamps = s.TimestampingAuthorities()
		case Log:
			logs = fix(s.RekorLogs())
		case CertificateLog:
			certificateLogs = fix(s.CTLogs())
		}
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, authorities, certificateLogs, stamps, logs)
	if err != nil {
		t.Fatal(err)
	}
	data, err := trusted.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Signed is a payload with what cosign attaches to a keyless signature of it.
type Signed struct {
	Payload   []byte
	Signature string
	Options   []static.Option
}

// Sign signs a payload as an identity, and logs it at a time.
func (s *Sigstore) Sign(t testing.TB, subject, issuer string, payload []byte, at time.Time) Signed {
	t.Helper()
	entity, err := s.SignAtTime(subject, issuer, payload, at)
	if err != nil {
		t.Fatal(err)
	}
	content, err := entity.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	return Signed{
		Payload:   payload,
		Signature: base64.StdEncoding.EncodeToString(content.Signature()),
		Options: []static.Option{
			static.WithCertChain(certificateOf(t, entity), nil),
			static.WithBundle(s.logged(t, entity)),
			static.WithRFC3161Timestamp(stamped(t, entity)),
		},
	}
}

// SignImage signs an image as an identity, on its .sig tag.
func (s *Sigstore) SignImage(t testing.TB, subject, issuer string, image name.Digest, at time.Time) {
	t.Helper()
	signed := s.Sign(t, subject, issuer, Claim(t, image), at)
	AddSignature(t, image, signed.Payload, signed.Signature, signed.Options...)
}

// Attest signs a statement as an identity, on the image's .att tag.
func (s *Sigstore) Attest(t testing.TB, subject, issuer string, image name.Digest, statement []byte, at time.Time) {
	t.Helper()
	entity, err := s.AttestAtTime(subject, issuer, statement, at, false)
	if err != nil {
		t.Fatal(err)
	}
	AddAttestation(t, image, rawEnvelope(t, entity),
		static.WithCertChain(certificateOf(t, entity), nil), static.WithBundle(s.logged(t, entity)))
}

// Bundle signs a statement as an identity, as a Sigstore bundle.
func (s *Sigstore) Bundle(t testing.TB, subject, issuer string, statement []byte, at time.Time) []byte {
	t.Helper()
	entity, err := s.AttestAtTime(subject, issuer, statement, at, true)
	if err != nil {
		t.Fatal(err)
	}
	var env dsse.Envelope
	if err := json.Unmarshal(rawEnvelope(t, entity), &env); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(env.Signatures[0].Sig)
	if err != nil {
		t.Fatal(err)
	}
	content, err := entity.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	stamps, err := entity.Timestamps()
	if err != nil {
		t.Fatal(err)
	}
	data, err := protojson.Marshal(&protobundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content: &protobundle.VerificationMaterial_Certificate{
				Certificate: &protocommon.X509Certificate{RawBytes: content.Certificate().Raw},
			},
			TlogEntries: []*protorekor.TransparencyLogEntry{s.entry(t, entity)},
			TimestampVerificationData: &protobundle.TimestampVerificationData{
				Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamps[0]}},
			},
		},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: statement, PayloadType: types.IntotoPayloadType, Signatures: []*protodsse.Signature{{Sig: raw}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// LogKeySignature signs a payload with a key, and logs it.
func (s *Sigstore) LogKeySignature(t testing.TB, key *Key, payload []byte, at time.Time) Signed {
	t.Helper()
	raw := key.Bytes(t, payload)
	entry, err := logEntry(context.Background(), key.Public, payload, raw)
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.RekorLogID()
	if err != nil {
		t.Fatal(err)
	}
	bundle := &cosignbundle.RekorBundle{Payload: cosignbundle.RekorPayload{
		Body: base64.StdEncoding.EncodeToString(entry), IntegratedTime: at.Unix(), LogIndex: 7, LogID: id,
	}}
	if bundle.SignedEntryTimestamp, err = s.promise(bundle.Payload); err != nil {
		t.Fatal(err)
	}
	return Signed{Payload: payload, Signature: base64.StdEncoding.EncodeToString(raw), Options: []static.Option{static.WithBundle(bundle)}}
}

func certificateOf(t testing.TB, entity *ca.TestEntity) []byte {
	t.Helper()
	content, err := entity.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	pem, err := cryptoutils.MarshalCertificateToPEM(content.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	return pem
}

// logged is the proof that the log took in a signature. The virtual log's entry
// keeps its signature to itself, so that it signs again.
func (s *Sigstore) logged(t testing.TB, entity verify.SignedEntity) *cosignbundle.RekorBundle {
	t.Helper()
	entry := s.entry(t, entity)
	return &cosignbundle.RekorBundle{
		SignedEntryTimestamp: entry.InclusionPromise.SignedEntryTimestamp,
		Payload:              payloadOf(entry),
	}
}

func (s *Sigstore) entry(t testing.TB, entity verify.SignedEntity) *protorekor.TransparencyLogEntry {
	t.Helper()
	entries, err := entity.TlogEntries()
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries: %v", len(entries), err)
	}
	entry := entries[0].TransparencyLogEntry()
	promise, err := s.promise(payloadOf(entry))
	if err != nil {
		t.Fatal(err)
	}
	entry.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: promise}
	var kind struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(entry.CanonicalizedBody, &kind); err != nil {
		t.Fatal(err)
	}
	entry.KindVersion = &protorekor.KindVersion{Kind: kind.Kind, Version: kind.Version}
	return entry
}

func payloadOf(entry *protorekor.TransparencyLogEntry) cosignbundle.RekorPayload {
	return cosignbundle.RekorPayload{
		Body:           base64.StdEncoding.EncodeToString(entry.CanonicalizedBody),
		IntegratedTime: entry.IntegratedTime,
		LogIndex:       entry.LogIndex,
		LogID:          hex.EncodeToString(entry.LogId.KeyId),
	}
}

func stamped(t testing.TB, entity verify.SignedEntity) *cosignbundle.RFC3161Timestamp {
	t.Helper()
	stamps, err := entity.Timestamps()
	if err != nil || len(stamps) == 0 {
		t.Fatal(err)
	}
	return &cosignbundle.RFC3161Timestamp{SignedRFC3161Timestamp: stamps[0]}
}

func rawEnvelope(t testing.TB, entity *ca.TestEntity) []byte {
	t.Helper()
	content, err := entity.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(content.EnvelopeContent().RawEnvelope())
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(data)
}

// BlobBundle signs content as an identity, as cosign sign-blob --bundle does.
func (s *Sigstore) BlobBundle(t testing.TB, subject, issuer string, content []byte, at time.Time) []byte {
	t.Helper()
	entity, err := s.SignAtTime(subject, issuer, content, at)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := entity.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := entity.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	entry := s.entry(t, entity)
	if entry.InclusionProof, err = s.inclusion(entry.CanonicalizedBody); err != nil {
		t.Fatal(err)
	}
	data, err := protojson.Marshal(&protobundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content: &protobundle.VerificationMaterial_Certificate{
				Certificate: &protocommon.X509Certificate{RawBytes: certificate.Certificate().Raw},
			},
			TlogEntries: []*protorekor.TransparencyLogEntry{entry},
		},
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: signed.MessageSignatureContent().Digest()},
			Signature:     signed.Signature(),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// inclusion is the log's proof that it holds an entry.
func (s *Sigstore) inclusion(body []byte) (*protorekor.InclusionProof, error) {
	proof, err := s.GetInclusionProof(body)
	if err != nil {
		return nil, err
	}
	hash, err := hex.DecodeString(*proof.RootHash)
	if err != nil {
		return nil, err
	}
	return &protorekor.InclusionProof{
		RootHash: hash, TreeSize: *proof.TreeSize, Checkpoint: &protorekor.Checkpoint{Envelope: *proof.Checkpoint},
	}, nil
}
