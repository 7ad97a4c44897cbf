// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// maxBlobSignature bounds an entry's signature, decoded. A bundle with its
// certificate and log proof has some ten thousand bytes.
const maxBlobSignature = 192 << 10

// form is how an entry's signature is written.
type form int

const (
	formRaw    form = iota // the bytes of a key's signature
	formGPG                // OpenPGP packets
	formBundle             // a Sigstore bundle
)

// decodeSignature reads an entry's signature: ASCII-armored OpenPGP, a Sigstore
// bundle as JSON, or base64 of either, of OpenPGP packets, or of a signature as
// cosign sign-blob prints it.
func decodeSignature(text string) (form, []byte, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil, errors.New("it is empty")
	}
	data := []byte(text)
	plain := strings.HasPrefix(text, "{") || strings.HasPrefix(text, "-----BEGIN ")
	if !plain {
		joined := strings.Join(strings.Fields(text), "")
		var err error
		if data, err = base64.StdEncoding.DecodeString(joined); err != nil {
			return 0, nil, errors.New("it is neither base64, nor ASCII-armored, nor a Sigstore bundle")
		}
		// Text is trimmed; a signature's bytes may end in any byte.
		if text := bytes.TrimSpace(data); bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("-----BEGIN ")) {
			data = text
		}
	}
	switch {
	case len(data) == 0:
		return 0, nil, errors.New("it is empty")
	case len(data) > maxBlobSignature:
		return 0, nil, fmt.Errorf("it has %d bytes, more than the %d allowed", len(data), maxBlobSignature)
	case bytes.HasPrefix(data, []byte("{")):
		return formBundle, data, nil
	case bytes.HasPrefix(data, []byte("-----BEGIN ")):
		block, err := armor.Decode(bytes.NewReader(data))
		if err != nil {
			return 0, nil, fmt.Errorf("its ASCII armor cannot be read: %w", err)
		}
		if block.Type != openpgp.SignatureType {
			return 0, nil, fmt.Errorf("it is a %q, not a detached signature: make one with gpg --armor --detach-sign", clipped(block.Type))
		}
		packets, err := io.ReadAll(io.LimitReader(block.Body, maxBlobSignature))
		if err != nil {
			return 0, nil, fmt.Errorf("its ASCII armor cannot be read: %w", err)
		}
		return formGPG, packets, nil
	}
	if isPackets(data) {
		return formGPG, data, nil
	}
	return formRaw, data, nil
}

// isPackets reports whether data is one OpenPGP signature packet after another.
func isPackets(data []byte) bool {
	// Bit 7 begins every packet; DER begins with 0x30, and an RSA or Ed25519
	// signature may begin with anything, but will not parse to its end.
	if data[0]&0x80 == 0 {
		return false
	}
	packets := packet.NewReader(bytes.NewReader(data))
	for n := 0; ; n++ {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			return n > 0
		}
		if _, ok := p.(*packet.Signature); err != nil || !ok {
			return false
		}
	}
}

// artifact verifies the entry's own signature of what is no image.
func (t *Trust) artifact(ctx context.Context, r Result, authorities []*authority) Result {
	s := r.Item.Subject
	what := "its artifact"
	if s.Digest != "" {
		what = s.Digest
	}
	remedy := "sign the artifact (cosign sign-blob, or gpg --armor --detach-sign) and write the signature, base64, as the entry's signature"
	switch {
	case s.Signature == "":
		return r.fail(ReasonUnsigned, fmt.Sprintf("it has no signature of %s; expected one by %s", what, describe(authorities)), remedy)
	case !digestPattern.MatchString(s.Digest):
		return r.fail(ReasonNotIdentified, "it has no sha256, so that what was signed cannot be told from what is deployed", "write the artifact's digest as the entry's sha256")
	}
	form, data, err := decodeSignature(s.Signature)
	if err != nil {
		return r.fail(ReasonMalformed, "its signature cannot be decoded: "+err.Error(), remedy)
	}
	if form == formGPG {
		r.Tool = ToolGPG
	}
	digest, err := hex.DecodeString(strings.TrimPrefix(s.Digest, "sha256:"))
	if err != nil {
		return r.fail(ReasonNotIdentified, "its sha256 is not hex", "correct the entry's sha256")
	}
	capable := slices.DeleteFunc(slices.Clone(authorities), func(a *authority) bool { return (len(a.keyring) > 0) != (form == formGPG) })
	if len(capable) == 0 {
		return r.fail(ReasonWrongSigner, fmt.Sprintf("its signature is of %s form, which none of %s makes", r.Tool, describe(authorities)), remedy)
	}
	blob := &blob{digest: digest, fetch: func() (*content, error) { return t.content(ctx, r.Item) }}
	defer blob.close()
	closest := (*refusal)(nil)
	for _, a := range capable {
		signer, refused := a.blob(form, data, blob)
		if refused == nil {
			return r.verified(a, signer)
		}
		if closest == nil || rankBlob(refused.reason) > rankBlob(closest.reason) {
			closest = refused
		}
	}
	switch closest.reason {
	case ReasonContentNeeded:
		remedy = "name a URL prefix of the artifact in the rule's sources, and the artifact's URL in the entry's artifact"
	case ReasonUnreachable, ReasonTooLarge:
		remedy = "check the server that the rule's sources name"
	}
	return r.fail(closest.reason, fmt.Sprintf("its signature of %s is not verified by %s: %v", what, describe(capable), closest.err), remedy)
}

// rankBlob puts a content that could not be had before a signer who did not
// fit: with the content it might have been this authority.
func rankBlob(reason Reason) int {
	switch reason {
	case ReasonContentNeeded, ReasonUnreachable, ReasonTooLarge:
		return 4
	case ReasonDigestMismatch:
		return 5
	}
	return rank[reason]
}

// blob is the artifact: its digest, which the inventory names, and its content,
// which is fetched at most once and only if a signature needs it.
type blob struct {
	digest  []byte
	fetch   func() (*content, error)
	content *content
	err     error
	fetched bool
}

func (b *blob) open() (io.Reader, *refusal) {
	if !b.fetched {
		b.content, b.err = b.fetch()
		b.fetched = true
	}
	if b.err == nil {
		if _, err := b.content.file.Seek(0, io.SeekStart); err != nil {
			return nil, refuse(ReasonUnreachable, "%w", err)
		}
		return b.content.file, nil
	}
	var refused *refusal
	if errors.As(b.err, &refused) {
		return nil, refused
	}
	return nil, refuse(ReasonUnreachable, "%w", b.err)
}

func (b *blob) close() {
	if b.content != nil {
		b.content.close()
	}
}

// blob verifies a signature of an artifact.
func (a *authority) blob(form form, data []byte, b *blob) (signer string, refused *refusal) {
	switch form {
	case formGPG:
		return a.detached(data, b)
	case formBundle:
		if len(a.keys) > 0 && a.prehashed == nil {
			content, refused := b.open()
			if refused != nil {
				return "", refused
			}
			p, refused := a.bundle(data, verify.WithArtifact(content))
			return p.signer, refused
		}
		p, refused := a.bundle(data, verify.WithArtifactDigest("sha256", b.digest))
		return p.signer, refused
	}
	if len(a.keys) == 0 {
		return "", refuse(ReasonWrongSigner, "a bare signature names no certificate: give the bundle that cosign sign-blob --bundle writes")
	}
	if err := a.bare(data, b); err != nil {
		return "", err
	}
	if a.root != nil {
		return "", refuse(ReasonNotLogged, "a bare signature brings no proof of the transparency log that %s demands: give the bundle that cosign sign-blob --bundle writes", a.name)
	}
	return "key " + a.fingerprint, nil
}

// bare verifies the bytes of a key's signature: over the digest alone where the
// key's kind signs a SHA-256, else over the content.
func (a *authority) bare(data []byte, b *blob) *refusal {
	if a.prehashed != nil {
		err := guarded(func() error {
			return a.prehashed.VerifySignature(bytes.NewReader(data), nil, options.WithDigest(b.digest))
		})
		if err == nil {
			return nil
		}
		if len(a.keys) == 1 {
			return refuse(ReasonWrongSigner, "it is not by key %s, or not of this digest", a.fingerprint)
		}
	}
	for _, key := range a.keys {
		content, refused := b.open()
		if refused != nil {
			return refused
		}
		if guarded(func() error { return key.VerifySignature(bytes.NewReader(data), content) }) == nil {
			return nil
		}
	}
	return refuse(ReasonWrongSigner, "it is not by key %s, or not of this content", a.fingerprint)
}

// detached verifies an OpenPGP signature over the content. A key that expired or
// was revoked verifies nothing.
func (a *authority) detached(packets []byte, b *blob) (signer string, refused *refusal) {
	if !a.madeBy(packets) {
		return "", refuse(ReasonWrongSigner, "it is by a key that the keyring does not hold")
	}
	content, refused := b.open()
	if refused != nil {
		return "", refused
	}
	var entity *openpgp.Entity
	err := guarded(func() (err error) {
		entity, err = openpgp.CheckDetachedSignature(a.keyring, content, bytes.NewReader(packets), &packet.Config{Time: time.Now})
		return err
	})
	switch {
	case err == nil && entity != nil:
		return fmt.Sprintf("GPG key %X", entity.PrimaryKey.Fingerprint), nil
	case errors.Is(err, pgperrors.ErrSignatureExpired), errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrKeyRevoked):
		return "", refuse(ReasonCertificateInvalid, "its key or signature is no longer valid: %w", err)
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return "", refuse(ReasonWrongSigner, "it is by a key that the keyring does not hold")
	}
	return "", refuse(ReasonWrongSigner, "it does not fit the content: %w", err)
}

// madeBy reports whether the keyring holds a key that the signature says it is
// by, so that content is not fetched for a stranger's.
func (a *authority) madeBy(packets []byte) bool {
	reader := packet.NewReader(bytes.NewReader(packets))
	for {
		p, err := reader.Next()
		if err != nil {
			return false
		}
		if s, ok := p.(*packet.Signature); ok && s.IssuerKeyId != nil && len(a.keyring.KeysById(*s.IssuerKeyId)) > 0 {
			return true
		}
	}
}
