// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	sigstore "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// RecordPayloadType is the type of the payload of an evidence record's envelope.
const RecordPayloadType = "application/vnd.countersign.evidence+json"

// maxRecordEnvelope bounds an envelope: a record of 16 MiB in base64.
const maxRecordEnvelope = 24 << 20

// CheckRecordAuthorities reports authorities that cannot sign evidence records:
// records are signed by keys, without a transparency log, because the envelope
// beside a record carries neither a certificate nor a proof.
func (t *Trust) CheckRecordAuthorities(names []string) error {
	_, err := t.recordAuthorities(names)
	return err
}

func (t *Trust) recordAuthorities(names []string) ([]*authority, error) {
	found, unknown := t.named(names)
	var faults []error
	for _, name := range unknown {
		faults = append(faults, fmt.Errorf("authority %q is not in the policy", clipped(name)))
	}
	for _, a := range found {
		switch {
		case len(a.keys) == 0:
			faults = append(faults, fmt.Errorf("authority %q has no key: evidence records are signed by keys", a.name))
		case a.root != nil:
			faults = append(faults, fmt.Errorf("authority %q demands a transparency log, which evidence records are not in: name a key without trustedRoot", a.name))
		}
	}
	if len(faults) == 0 && len(found) == 0 {
		faults = append(faults, errors.New("no authority is named, so that nobody could have signed"))
	}
	return found, errors.Join(faults...)
}

// VerifyRecord verifies that one of the named authorities signed exactly these
// bytes of a record, in a DSSE envelope, and returns who did.
func (t *Trust) VerifyRecord(ctx context.Context, names []string, record, envelope []byte) (signer string, err error) {
	authorities, err := t.recordAuthorities(names)
	if err != nil {
		return "", err
	}
	if len(envelope) > maxRecordEnvelope {
		return "", fmt.Errorf("the envelope has %d bytes, more than the %d allowed", len(envelope), maxRecordEnvelope)
	}
	var env dsse.Envelope
	if err := json.Unmarshal(envelope, &env); err != nil {
		return "", fmt.Errorf("the envelope is not JSON: %w", err)
	}
	if env.PayloadType != RecordPayloadType {
		return "", fmt.Errorf("the envelope's payload is of type %q, not %s", clipped(env.PayloadType), RecordPayloadType)
	}
	payload, err := env.DecodeB64Payload()
	if err != nil {
		return "", errors.New("the envelope's payload is not base64")
	}
	if !bytes.Equal(payload, record) {
		return "", errors.New("the envelope signs another record than the one it lies beside")
	}
	// What is signed is made here, of the record itself.
	signed := dsse.PAE(RecordPayloadType, record)
	for _, s := range env.Signatures[:min(len(env.Signatures), 16)] {
		raw, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil {
			continue
		}
		for _, a := range authorities {
			for _, key := range a.keys {
				if guarded(func() error {
					return key.VerifySignature(bytes.NewReader(raw), bytes.NewReader(signed), options.WithContext(ctx))
				}) == nil {
					return a.name + ", key " + a.fingerprint, nil
				}
			}
		}
	}
	return "", fmt.Errorf("none of the envelope's %d signatures is by %s", len(env.Signatures), describe(authorities))
}

// SigningKey is what records are signed with. Exactly one of PEM and KMS is set.
type SigningKey struct {
	// PEM is an encrypted private key, as cosign generate-key-pair writes it, and
	// Password its password.
	PEM, Password []byte
	// KMS is a reference such as hashivault://name.
	KMS string
}

// RecordSigner signs evidence records.
type RecordSigner struct {
	signer      sigstore.Signer
	fingerprint string
}

// NewRecordSigner opens a key.
func NewRecordSigner(ctx context.Context, key SigningKey) (*RecordSigner, error) {
	var s RecordSigner
	var public crypto.PublicKey
	switch {
	case (len(key.PEM) == 0) == (key.KMS == ""):
		return nil, errors.New("signing evidence: give either a private key or a reference to a key management service")
	case key.KMS != "":
		signer, err := openKMS(ctx, key.KMS, crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("signing evidence: %w", err)
		}
		if public, err = signer.PublicKey(options.WithContext(ctx)); err != nil {
			return nil, fmt.Errorf("signing evidence: asking %s for its public key: %w", clipped(key.KMS), err)
		}
		s.signer = signer
	default:
		signer, err := cosign.LoadPrivateKey(key.PEM, key.Password, nil)
		if err != nil {
			if strings.Contains(err.Error(), "decrypt") {
				err = errors.New("the password is wrong")
			}
			return nil, fmt.Errorf("signing evidence: the private key cannot be opened: %w", err)
		}
		if public, err = signer.PublicKey(); err != nil {
			return nil, fmt.Errorf("signing evidence: %w", err)
		}
		s.signer = signer
	}
	var a authority
	if err := a.usePublicKey(public); err != nil {
		return nil, fmt.Errorf("signing evidence: %w", err)
	}
	s.fingerprint = a.fingerprint
	return &s, nil
}

// Fingerprint of the public key, sha256:<hex> of its DER.
func (s *RecordSigner) Fingerprint() string { return s.fingerprint }

// Sign makes the DSSE envelope of a record.
func (s *RecordSigner) Sign(ctx context.Context, record []byte) (envelope []byte, err error) {
	raw, err := s.signer.SignMessage(bytes.NewReader(dsse.PAE(RecordPayloadType, record)), options.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("signing evidence: %w", err)
	}
	return json.Marshal(dsse.Envelope{
		PayloadType: RecordPayloadType,
		Payload:     base64.StdEncoding.EncodeToString(record),
		Signatures:  []dsse.Signature{{KeyID: s.fingerprint, Sig: base64.StdEncoding.EncodeToString(raw)}},
	})
}
