// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
	sigstore "github.com/sigstore/sigstore/pkg/signature"
)

// bundleMediaType begins the type of every Sigstore bundle.
const bundleMediaType = "application/vnd.dev.sigstore.bundle"

// inTotoPayload is the type of the payload of a statement's envelope.
const inTotoPayload = "application/vnd.in-toto+json"

// proven is what a verified bundle proves.
type proven struct {
	// statement is the payload of a bundle with an envelope.
	statement []byte
	signer    string
	signedAt  time.Time
}

// bundle verifies a Sigstore bundle. artifact says what it must be a signature
// of; for an envelope the statement inside says that, and the caller looks.
func (a *authority) bundle(data []byte, artifact verify.ArtifactPolicyOption) (p proven, refused *refusal) {
	if len(a.keys) == 0 && len(a.identities) == 0 {
		return proven{}, refuse(ReasonWrongSigner, "a Sigstore bundle is not by a GPG key")
	}
	parsed, err := parseBundle(data)
	if err != nil {
		return proven{}, refuse(ReasonWrongSigner, "%w", err)
	}
	if env := parsed.GetDsseEnvelope(); env != nil {
		if env.PayloadType != inTotoPayload {
			return proven{}, refuse(ReasonWrongClaim, "what is signed is of type %q, not a statement", clipped(env.PayloadType))
		}
		p.statement = env.Payload
	}
	keys := a.keys
	if len(keys) == 0 {
		keys = []sigstore.Verifier{nil}
		if refused := a.identified(parsed); refused != nil {
			return proven{}, refused
		}
	}
	var last error
	for _, key := range keys {
		verifier, policy, err := a.bundleVerifier(key)
		if err != nil {
			return proven{}, refuse(ReasonUnknownAuthority, "authority %s cannot verify bundles: %w", a.name, err)
		}
		// The bundle is parsed anew: the library changes certificates.
		fresh, err := parseBundle(data)
		if err != nil {
			return proven{}, refuse(ReasonWrongSigner, "%w", err)
		}
		last = guarded(func() error {
			result, err := verifier.Verify(fresh, verify.NewPolicy(artifact, policy...))
			if err != nil {
				return err
			}
			p.signer = "key " + a.fingerprint
			if key == nil {
				if result.Signature == nil || result.Signature.Certificate == nil {
					return fmt.Errorf("no certificate was verified")
				}
				p.signer = clipped(result.Signature.Certificate.SubjectAlternativeName) + " (" + clipped(result.Signature.Certificate.Issuer) + ")"
			}
			for _, stamp := range result.VerifiedTimestamps {
				if p.signedAt.IsZero() || stamp.Timestamp.Before(p.signedAt) {
					p.signedAt = stamp.Timestamp
				}
			}
			return nil
		})
		if last == nil {
			return p, nil
		}
	}
	return proven{}, sortRefusal(a, last)
}

// sortRefusal tells apart, by the library's words, a proof that is missing from
// a signature that is somebody else's. The words decide no more than the reason
// that is shown.
func sortRefusal(a *authority, err error) *refusal {
	switch text := err.Error(); {
	case len(a.keys) == 0 && strings.Contains(text, "outside certificate validity"):
		return refuse(ReasonCertificateInvalid, "a signature's certificate was not valid when it was logged: %w", err)
	case strings.HasPrefix(text, "failed to verify log inclusion"):
		return refuse(ReasonNotLogged, "a signature comes without a valid proof of the transparency log that %s demands: %w", a.name, err)
	case len(a.keys) == 0 && !strings.HasPrefix(text, "failed to verify signature"):
		return refuse(ReasonCertificateInvalid, "a signature's certificate is not valid: %w", err)
	case strings.Contains(text, "digest"):
		return refuse(ReasonDigestMismatch, "a signature is of something else: %w", err)
	}
	return refuse(ReasonWrongSigner, "a signature is not by %s: %w", a.name, err)
}

// identified reports early, and in better words than the library, that a
// bundle's certificate names none of the authority's identities.
func (a *authority) identified(b *bundle.Bundle) *refusal {
	content, err := b.VerificationContent()
	if err != nil || content.Certificate() == nil {
		return refuse(ReasonWrongSigner, "a signature has no certificate")
	}
	subject, issuer, err := summarize(content.Certificate())
	if err != nil {
		return refuse(ReasonWrongSigner, "%w", err)
	}
	for _, id := range a.identities {
		if id.matches(subject, issuer) {
			return nil
		}
	}
	return refuse(ReasonWrongSigner, "a signature is by %q, of issuer %q", clipped(subject), clipped(issuer))
}

func parseBundle(data []byte) (b *bundle.Bundle, err error) {
	err = guarded(func() error {
		b = &bundle.Bundle{}
		if err := b.UnmarshalJSON(data); err != nil {
			return fmt.Errorf("a Sigstore bundle cannot be read: %w", err)
		}
		return nil
	})
	return b, err
}
