// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// RecordPayloadType is the DSSE payload type of signed evidence; the payload is
// the exact bytes of the record.
const RecordPayloadType = "application/vnd.countersign.evidence+json"

// signatureObject lies beside an evidence's index.json.
const signatureObject = "signature.dsse.json"

// RecordVerifier checks the DSSE envelope of an evidence record and returns who
// signed. Record is what the locker has, byte for byte. An error means that
// nobody trusted signed these bytes.
type RecordVerifier func(ctx context.Context, record, envelope []byte) (signer string, err error)

// RecordSigner signs an evidence record and returns the DSSE envelope.
type RecordSigner func(ctx context.Context, record []byte) (envelope []byte, err error)

// WithRecordVerifier demands signatures: a success whose record has none that
// verifies is read, but does not count; see Newest. Other results count signed
// or not: nobody gains by forging a failure what deleting evidence would not
// give them.
func WithRecordVerifier(verify RecordVerifier) Option {
	return func(l *Locker) { l.verify = verify }
}

// WithRecordSigner signs every evidence that is written.
func WithRecordSigner(sign RecordSigner) Option {
	return func(l *Locker) { l.sign = sign }
}

// SignatureStatus says what is known of a record's signature.
type SignatureStatus string

// The states of signatures.
const (
	// SignatureNotDemanded: nobody asked, or this run made the evidence.
	SignatureNotDemanded SignatureStatus = ""
	// SignatureValid: somebody trusted signed the record.
	SignatureValid SignatureStatus = "valid"
	// SignatureInvalid: a signature is demanded, and there is none that
	// verifies.
	SignatureInvalid SignatureStatus = "invalid"
)

// Signature is what a locker that demands signatures found out about a record.
type Signature struct {
	Status SignatureStatus
	// Signer as the verifier names it.
	Signer string
	// Problem says why the signature is not valid.
	Problem string
}

// verifySignature fills in the signature of a success, where one is demanded.
func (r *reading) verifySignature(ctx context.Context, e *Evidence) error {
	if r.locker.verify == nil || e.Result() != ResultSuccess {
		return nil
	}
	envelope, err := r.record(ctx, r.locker.layout.signature(string(e.ID)))
	switch {
	case errors.Is(err, ErrNotFound):
		e.Signature = Signature{Status: SignatureInvalid, Problem: "it is not signed"}
		return nil
	case errors.Is(err, ErrTooLarge):
		e.Signature = Signature{Status: SignatureInvalid, Problem: err.Error()}
		return nil
	case err != nil:
		return err
	}
	signer, err := r.locker.verify(ctx, bytes.Clone(e.Raw), envelope)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		e.Signature = Signature{Status: SignatureInvalid, Problem: fmt.Sprintf("its signature does not verify: %.500q", err.Error())}
		return nil
	}
	e.Signature = Signature{Status: SignatureValid, Signer: signer}
	return nil
}

// writeSignature signs a record that has been written. A signature that is
// there already is kept, unless this locker can tell that it is not valid.
func (l *Locker) writeSignature(ctx context.Context, e *Evidence) error {
	if l.sign == nil {
		return nil
	}
	key := l.layout.signature(string(e.ID))
	existing, err := l.read(ctx, key, l.limits.RecordBytes)
	switch {
	case err == nil:
		if l.verify == nil {
			return nil
		}
		if _, err := l.verify(ctx, bytes.Clone(e.Raw), existing); err == nil {
			return nil
		}
	case !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrTooLarge):
		return fmt.Errorf("signing evidence %s: %w", e.ID, err)
	}
	envelope, err := l.sign(ctx, bytes.Clone(e.Raw))
	if err != nil {
		return fmt.Errorf("signing evidence %s of type %s: %w", e.ID, e.TypeID, err)
	}
	return l.put(ctx, key, "application/json", envelope, nil)
}
