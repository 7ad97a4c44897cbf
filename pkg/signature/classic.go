// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	sigstore "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// refusal is why an authority does not answer for a signature.
type refusal struct {
	reason Reason
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }

func refuse(reason Reason, format string, args ...any) *refusal {
	return &refusal{reason: reason, err: fmt.Errorf(format, args...)}
}

// rank orders refusals by how close they came to being good: of many signatures
// the closest says best what is wrong.
var rank = map[Reason]int{
	ReasonWrongSigner: 1, ReasonCertificateInvalid: 2, ReasonNotLogged: 3, ReasonWrongClaim: 4, ReasonDigestMismatch: 5,
}

// classic is one layer of cosign's .sig or .att image: a payload, and in the
// layer's annotations what it is signed with.
type classic struct {
	payload     []byte
	annotations map[string]string
}

// material are the annotations, decoded. The library takes for granted that
// they are well-formed, and panics otherwise.
type material struct {
	certificate, chain []byte
	log                *cosignbundle.RekorBundle
	timestamp          *cosignbundle.RFC3161Timestamp
	subject, issuer    string
}

func (c classic) material() (*material, error) {
	m := &material{
		certificate: []byte(c.annotations[static.CertificateAnnotationKey]),
		chain:       []byte(c.annotations[static.ChainAnnotationKey]),
	}
	if len(m.certificate) > 0 {
		certs, err := cryptoutils.LoadCertificatesFromPEM(bytes.NewReader(m.certificate))
		if err != nil || len(certs) == 0 {
			return nil, errors.New("its certificate cannot be read")
		}
		if m.subject, m.issuer, err = summarize(certs[0]); err != nil {
			return nil, err
		}
	}
	if text := c.annotations[static.BundleAnnotationKey]; text != "" {
		m.log = &cosignbundle.RekorBundle{}
		if err := json.Unmarshal([]byte(text), m.log); err != nil {
			return nil, errors.New("its proof of the transparency log is not JSON")
		}
		body, ok := m.log.Payload.Body.(string)
		if !ok || body == "" {
			return nil, errors.New("its proof of the transparency log has no entry")
		}
	}
	if text := c.annotations[static.RFC3161TimestampAnnotationKey]; text != "" {
		m.timestamp = &cosignbundle.RFC3161Timestamp{}
		if err := json.Unmarshal([]byte(text), m.timestamp); err != nil {
			return nil, errors.New("its timestamp is not JSON")
		}
	}
	return m, nil
}

// summarize reads who a certificate says it is of, and who issued that identity.
func summarize(cert *x509.Certificate) (subject, issuer string, err error) {
	err = guarded(func() error {
		summary, err := certificate.SummarizeCertificate(cert)
		if err != nil {
			return fmt.Errorf("its certificate cannot be read: %w", err)
		}
		subject, issuer = summary.SubjectAlternativeName, summary.Issuer
		return nil
	})
	return subject, issuer, err
}

// signature is the layer as cosign's library takes it. A key without a log needs
// no more than the payload and the signature.
func (m *material) signature(payload []byte, b64 string, bare bool) (oci.Signature, error) {
	if bare {
		return static.NewSignature(payload, b64)
	}
	opts := []static.Option{static.WithBundle(m.log), static.WithRFC3161Timestamp(m.timestamp)}
	if len(m.certificate) > 0 {
		opts = append(opts, static.WithCertChain(m.certificate, m.chain))
	}
	return static.NewSignature(payload, b64, opts...)
}

// image verifies one layer of a .sig image: that the authority signed it, and
// that it says that this digest is signed. It returns who signed.
func (a *authority) image(ctx context.Context, c classic, digest string) (signer string, refused *refusal) {
	b64 := c.annotations[static.SignatureAnnotationKey]
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(raw) == 0 {
		return "", refuse(ReasonWrongSigner, "a signature is not base64")
	}
	m, err := c.material()
	if err != nil {
		return "", refuse(ReasonWrongSigner, "a signature cannot be read: %w", err)
	}
	key, refused := a.whose(m, func(v sigstore.Verifier) error {
		return v.VerifySignature(bytes.NewReader(raw), bytes.NewReader(c.payload))
	})
	if refused != nil {
		return "", refused
	}
	verifyOne := func() error {
		bare := key != nil && a.root == nil
		sig, err := m.signature(c.payload, b64, bare)
		if err != nil {
			return err
		}
		_, err = cosign.VerifyBlobSignature(ctx, sig, a.checkOpts(key))
		return err
	}
	if refused := a.decide(m, key, verifyOne); refused != nil {
		return "", refused
	}
	if refused := claims(c.payload, digest); refused != nil {
		return "", refused
	}
	return a.signer(m), nil
}

// envelope verifies one layer of a .att image, a DSSE envelope around a
// statement, and returns the statement's bytes and who signed. What the
// statement says is not looked at.
func (a *authority) envelope(ctx context.Context, c classic) (p proven, refused *refusal) {
	var env dsse.Envelope
	if err := json.Unmarshal(c.payload, &env); err != nil {
		return proven{}, refuse(ReasonWrongSigner, "an attestation is no DSSE envelope: %w", err)
	}
	statement, err := env.DecodeB64Payload()
	if err != nil {
		return proven{}, refuse(ReasonWrongSigner, "an attestation's payload is not base64")
	}
	m, err := c.material()
	if err != nil {
		return proven{}, refuse(ReasonWrongSigner, "an attestation cannot be read: %w", err)
	}
	verifyWith := func(co *cosign.CheckOpts, bare bool) error {
		sig, err := m.signature(c.payload, "", bare)
		if err != nil {
			return err
		}
		_, err = cosign.VerifyBlobAttestation(ctx, sig, v1.Hash{}, co)
		return err
	}
	key, refused := a.whose(m, func(v sigstore.Verifier) error {
		return verifyWith(&cosign.CheckOpts{Offline: true, SigVerifier: v, IgnoreTlog: true, IgnoreSCT: true}, true)
	})
	if refused != nil {
		return proven{}, refused
	}
	if refused := a.decide(m, key, func() error { return verifyWith(a.checkOpts(key), key != nil && a.root == nil) }); refused != nil {
		return proven{}, refused
	}
	return proven{statement: statement, signer: a.signer(m), signedAt: a.loggedAt(m)}, nil
}

// whose finds out whether the authority could have made the signature at all:
// which of its keys fits, or whether the certificate names one of its
// identities. check verifies the signature alone.
func (a *authority) whose(m *material, check func(sigstore.Verifier) error) (key sigstore.Verifier, refused *refusal) {
	for _, candidate := range a.keys {
		if guarded(func() error { return check(candidate) }) == nil {
			return candidate, nil
		}
	}
	if len(a.keys) > 0 {
		return nil, refuse(ReasonWrongSigner, "a signature is not by key %s", a.fingerprint)
	}
	if len(m.certificate) == 0 {
		return nil, refuse(ReasonWrongSigner, "a signature has no certificate")
	}
	for _, id := range a.identities {
		if id.matches(m.subject, m.issuer) {
			return nil, nil
		}
	}
	return nil, refuse(ReasonWrongSigner, "a signature is by %q, of issuer %q", clipped(m.subject), clipped(m.issuer))
}

// decide lets the library decide, and sorts what it says.
func (a *authority) decide(m *material, key sigstore.Verifier, verify func() error) *refusal {
	logged := a.root != nil && len(a.root.RekorLogs()) > 0
	switch {
	case logged && m.log == nil:
		return refuse(ReasonNotLogged, "a signature comes without the transparency log's proof that %s demands", a.name)
	case key == nil && !logged && m.timestamp == nil:
		// The library would take the time of day instead.
		return refuse(ReasonCertificateInvalid, "a signature has no timestamp that says when its certificate was used")
	}
	err := guarded(verify)
	switch {
	case err == nil:
		return nil
	case key != nil:
		return refuse(ReasonNotLogged, "the transparency log's proof of a signature is not valid: %w", err)
	}
	return refuse(ReasonCertificateInvalid, "the certificate of a signature by %q is not valid: %w", clipped(m.subject), err)
}

// loggedAt is when a verified log took the signature in, zero without one.
func (a *authority) loggedAt(m *material) time.Time {
	if a.root == nil || m.log == nil || m.log.Payload.IntegratedTime <= 0 || len(a.root.RekorLogs()) == 0 {
		return time.Time{}
	}
	return time.Unix(m.log.Payload.IntegratedTime, 0).UTC()
}

func (a *authority) signer(m *material) string {
	if len(a.keys) > 0 {
		return "key " + a.fingerprint
	}
	return clipped(m.subject) + " (" + clipped(m.issuer) + ")"
}

func clipped(text string) string { return plaintext.Clip(plaintext.Line(text), 300) }

// claims checks what a signed payload says: that it is an image signature, and
// of which image.
func claims(signed []byte, digest string) *refusal {
	var image payload.SimpleContainerImage
	if err := json.Unmarshal(signed, &image); err != nil {
		return refuse(ReasonWrongClaim, "what is signed is no image signature")
	}
	if image.Critical.Type != payload.CosignSignatureType {
		return refuse(ReasonWrongClaim, "what is signed is of type %q, not %q", clipped(image.Critical.Type), payload.CosignSignatureType)
	}
	if got := image.Critical.Image.DockerManifestDigest; got != digest {
		return refuse(ReasonDigestMismatch, "the signature is of %q, another image: it was copied", clipped(got))
	}
	return nil
}

// guarded makes a library's panic its refusal: parts of what it reads are an
// attacker's, and one bad signature must not stop the run.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it made the library panic: %.200s", fmt.Sprint(r))
		}
	}()
	return f()
}
