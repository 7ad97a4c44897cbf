// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"golang.org/x/sync/errgroup"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/attestation"
)

// Attested is what is attached to one image.
type Attested struct {
	Subject Subject
	// Statements that an authority of their rule signed. One statement appears
	// once for each rule of its type.
	Statements []attestation.Verified
	// Ignored says of each other statement of a type that a rule names why it is
	// no evidence. It is information: an unverified statement is nothing at all.
	Ignored []string
	// Err is why not all statements could be read. Then there may be a bad one,
	// and the caller counts attestation.Unread for every rule.
	Err error
}

// Attestations fetches the statements attached to images, in both of cosign's
// layouts, and verifies those whose predicate type a rule names by that rule's
// authorities. It returns one value for each image, in their order; an image that
// appears several times is asked for once.
func (t *Trust) Attestations(ctx context.Context, images []Subject, rules []v1alpha1.AttestationRule) []Attested {
	results := make([]Attested, len(images))
	same := alike(len(images), func(i int) string { return images[i].Digest + "\n" + strings.Join(images[i].References, " ") })
	t.registry.forget()
	var group errgroup.Group
	group.SetLimit(max(1, t.limits.Parallel))
	for first, others := range same {
		group.Go(func() error {
			results[first] = t.attested(ctx, images[first], rules)
			for _, i := range others {
				results[i] = results[first]
				results[i].Subject = images[i]
			}
			return nil
		})
	}
	_ = group.Wait() // No worker returns an error.
	return results
}

func (t *Trust) attested(ctx context.Context, subject Subject, rules []v1alpha1.AttestationRule) Attested {
	out := Attested{Subject: subject}
	if len(rules) == 0 {
		return out
	}
	image, err := parseImage(subject)
	if err != nil {
		out.Err = err
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, t.limits.ImageTime)
	defer cancel()
	seen := map[string]bool{}
	for _, place := range image.places {
		layers, more, err := t.layers(ctx, place, image, "att", types.DssePayloadType, t.limits.Statement, t.limits.Attestations)
		if err == nil && more {
			err = t.tooMany()
		}
		if err != nil {
			out.Err = errors.Join(out.Err, fmt.Errorf("attestations of %s: %w", place, err))
		}
		for _, layer := range layers {
			t.consider(&out, seen, rules, image, func(a *authority) (proven, *refusal) { return a.envelope(ctx, layer) }, envelopeStatement(layer.payload))
		}
		bundles, more, err := t.bundles(ctx, place, t.limits.Attestations, "")
		if err == nil && more {
			err = t.tooMany()
		}
		if err != nil {
			out.Err = errors.Join(out.Err, fmt.Errorf("attestations of %s: %w", place, err))
		}
		for _, data := range bundles {
			t.consider(&out, seen, rules, image, func(a *authority) (proven, *refusal) { return a.bundle(data, verify.WithoutArtifactUnsafe()) }, bundleStatement(data))
		}
	}
	return out
}

func (t *Trust) tooMany() error {
	return fmt.Errorf("there are more than the %d attestations that are read, one larger than %d bytes, or more than %d bytes together",
		t.limits.Attestations, t.limits.Statement, t.limits.Attached)
}

// consider verifies one attestation for each rule that names its type. claimed
// is what it says before anybody verified it, which only chooses the rules.
func (t *Trust) consider(out *Attested, seen map[string]bool, rules []v1alpha1.AttestationRule, image *parsedImage, check func(*authority) (proven, *refusal), claimed []byte) {
	said, err := attestation.Parse(claimed)
	if err != nil {
		out.Ignored = append(out.Ignored, fmt.Sprintf("an attestation of %s cannot be read: %s", image.places[0], clippedText(err.Error())))
		return
	}
	for i, rule := range rules {
		if rule.PredicateType != said.PredicateType {
			continue
		}
		authorities, _ := t.named(rule.Authorities)
		authorities = slices.DeleteFunc(authorities, func(a *authority) bool { return !a.signsImages() })
		last := refuse(ReasonUnknownAuthority, "the rule names no authority that signs statements")
		for _, a := range authorities {
			p, refused := check(a)
			if refused != nil {
				last = refused
				continue
			}
			// What was verified counts, not what was claimed.
			statement, err := attestation.Parse(p.statement)
			if err != nil {
				last = refuse(ReasonWrongClaim, "%w", err)
				continue
			}
			if key := fmt.Sprint(i, " ", statement.Digest); !seen[key] {
				seen[key] = true
				out.Statements = append(out.Statements, attestation.Verified{Statement: statement, Rule: i, Authority: a.name, Signer: p.signer, SignedAt: p.signedAt})
			}
			last = nil
			break
		}
		if last != nil {
			out.Ignored = append(out.Ignored, fmt.Sprintf("a %s of %s is no evidence, as none of %s signed it: %s",
				clipped(rule.PredicateType), image.places[0], describe(authorities), clippedText(last.Error())))
		}
	}
}

// envelopeStatement is the payload of an unverified envelope, nil if there is
// none.
func envelopeStatement(payload []byte) []byte {
	var env dsse.Envelope
	if json.Unmarshal(payload, &env) != nil || env.PayloadType != inTotoPayload {
		return nil
	}
	statement, err := env.DecodeB64Payload()
	if err != nil {
		return nil
	}
	return statement
}

func bundleStatement(data []byte) []byte {
	b, err := parseBundle(data)
	if err != nil {
		return nil
	}
	env := b.GetDsseEnvelope()
	if env == nil || env.PayloadType != inTotoPayload {
		return nil
	}
	return env.Payload
}

// clippedText bounds a message of several foreign parts.
func clippedText(text string) string { return plaintext.Clip(plaintext.Line(text), 2000) }
