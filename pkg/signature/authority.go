// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	sigstore "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// authority is one of the policy's, ready to verify with. It has either keys, or
// identities with a root, or a keyring.
type authority struct {
	name string
	// keys are verifiers for one public key, one for each hash that tools use
	// with it; the first is for SHA-256 if the key's kind has a choice.
	keys []sigstore.Verifier
	// prehashed is the verifier that needs no more than a SHA-256 digest; nil for
	// Ed25519.
	prehashed   sigstore.Verifier
	fingerprint string
	// root is what certificates, logs and timestamps are verified against; for
	// keys nil if no log is asked for.
	root       *root.TrustedRoot
	identities []identity
	keyring    openpgp.EntityList
}

func (a *authority) String() string {
	switch {
	case len(a.keys) > 0:
		return fmt.Sprintf("%s (key %s)", a.name, a.fingerprint)
	case len(a.identities) > 0:
		return fmt.Sprintf("%s (%s)", a.name, a.identities[0].String()+more(len(a.identities)-1))
	}
	return fmt.Sprintf("%s (GPG keyring)", a.name)
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// signsImages reports whether the authority can sign images and statements.
func (a *authority) signsImages() bool { return len(a.keys) > 0 || len(a.identities) > 0 }

func newAuthority(ctx context.Context, given v1alpha1.Authority) (*authority, error) {
	a := &authority{name: given.Name}
	set := 0
	var faults []error
	if given.Key != nil {
		set++
		faults = append(faults, a.setKey(ctx, given.Key))
	}
	if given.Keyless != nil {
		set++
		faults = append(faults, a.setKeyless(given.Keyless))
	}
	if given.GPG != nil {
		set++
		faults = append(faults, a.setKeyring(given.GPG))
	}
	if set != 1 {
		faults = append(faults, errors.New("exactly one of key, keyless and gpg must be set"))
	}
	var all []error
	for _, fault := range faults {
		if fault != nil {
			all = append(all, unjoin(fault)...)
		}
	}
	return a, errors.Join(all...)
}

func (a *authority) setKey(ctx context.Context, given *v1alpha1.KeyAuthority) error {
	var faults []error
	var public crypto.PublicKey
	var err error
	switch {
	case (given.Data == "") == (given.KMS == ""):
		err = errors.New("key: exactly one of data and kms must be set")
	case given.Data != "":
		if public, err = parsePublicKey(given.Data); err != nil {
			err = fmt.Errorf("key.data: %w", err)
		}
	default:
		if public, err = publicKeyOf(ctx, given.KMS); err != nil {
			err = fmt.Errorf("key.kms: %w", err)
		}
	}
	if err == nil {
		err = a.usePublicKey(public)
	}
	if err != nil {
		faults = append(faults, err)
	}
	if given.TrustedRoot != "" {
		a.root, err = root.NewTrustedRootFromJSON([]byte(given.TrustedRoot))
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("key.trustedRoot is not a Sigstore trusted root: %w", err))
		case len(a.root.RekorLogs()) == 0:
			faults = append(faults, errors.New("key.trustedRoot names no transparency log, so that no proof could be verified: remove it to ask for none"))
		}
	}
	return errors.Join(faults...)
}

func parsePublicKey(text string) (crypto.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("not PEM: give the text of a public key such as cosign.pub, with its BEGIN and END lines")
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("more than one PEM block: give one public key for each authority")
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("a PEM block of type %q: a public key (BEGIN PUBLIC KEY) is needed", block.Type)
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

// publicKeyOf asks a key management service for its public key, so that all
// verification after it is local. Only the services of v1alpha1.KMSSchemes are
// asked: for any other scheme the library would run a program of that name.
func publicKeyOf(ctx context.Context, reference string) (crypto.PublicKey, error) {
	signer, err := openKMS(ctx, reference, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	public, err := signer.PublicKey(options.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("asking %s for its public key: %w", plaintext.Line(reference), err)
	}
	return public, nil
}

func openKMS(ctx context.Context, reference string, hash crypto.Hash) (kms.SignerVerifier, error) {
	scheme, rest, ok := strings.Cut(reference, "://")
	if !ok || rest == "" || !slices.Contains(v1alpha1.KMSSchemes, scheme) {
		return nil, fmt.Errorf("%q is no reference to a key management service: want one of %s", plaintext.Clip(plaintext.Line(reference), 200), strings.Join(v1alpha1.KMSSchemes, "://…, ")+"://…")
	}
	if !slices.Contains(kms.SupportedProviders(), scheme+"://") {
		return nil, fmt.Errorf("this program was built without %s:// (package pkg/signature/kms)", scheme)
	}
	signer, err := kms.Get(ctx, reference, hash)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", plaintext.Line(reference), err)
	}
	return signer, nil
}

// usePublicKey makes a verifier for each hash that cosign, in its versions, used
// with such keys: SHA-256 for all, and the hash of the curve's size.
func (a *authority) usePublicKey(public crypto.PublicKey) error {
	hashes := []crypto.Hash{crypto.SHA256}
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
		case elliptic.P384():
			hashes = append(hashes, crypto.SHA384)
		case elliptic.P521():
			hashes = append(hashes, crypto.SHA512)
		default:
			return fmt.Errorf("key: curve %s is not supported", key.Curve.Params().Name)
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 {
			return fmt.Errorf("key: RSA with %d bits is too weak: at least 2048 are needed", bits)
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("key: %T is not supported: use ECDSA, RSA or Ed25519", public)
	}
	for _, hash := range hashes {
		verifier, err := sigstore.LoadVerifier(public, hash)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		a.keys = append(a.keys, verifier)
	}
	if _, pure := public.(ed25519.PublicKey); !pure {
		a.prehashed = a.keys[0]
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	sum := sha256.Sum256(der)
	a.fingerprint = "sha256:" + hex.EncodeToString(sum[:])
	return nil
}

func (a *authority) setKeyless(given *v1alpha1.KeylessAuthority) error {
	var faults []error
	var err error
	a.root, err = root.NewTrustedRootFromJSON([]byte(given.TrustedRoot))
	switch {
	case err != nil:
		faults = append(faults, fmt.Errorf("keyless.trustedRoot is not a Sigstore trusted root: %w", err))
	case len(a.root.FulcioCertificateAuthorities()) == 0:
		faults = append(faults, errors.New("keyless.trustedRoot names no certificate authority"))
	case len(a.root.RekorLogs()) == 0 && len(a.root.TimestampingAuthorities()) == 0:
		faults = append(faults, errors.New("keyless.trustedRoot names neither a transparency log nor a timestamp authority: when a short-lived certificate signed cannot be known"))
	}
	if len(given.Identities) == 0 {
		faults = append(faults, errors.New("keyless.identities is empty: nobody would be trusted"))
	}
	for i, id := range given.Identities {
		parsed, err := newIdentity(id)
		if err != nil {
			faults = append(faults, fmt.Errorf("keyless.identities[%d]: %w", i, err))
			continue
		}
		a.identities = append(a.identities, parsed)
	}
	return errors.Join(faults...)
}

func (a *authority) setKeyring(given *v1alpha1.GPGAuthority) error {
	keyring, err := openpgp.ReadArmoredKeyRing(strings.NewReader(given.Keyring))
	switch {
	case err != nil:
		return fmt.Errorf("gpg.keyring: %w: give the output of gpg --export --armor", err)
	case len(keyring) == 0:
		return errors.New("gpg.keyring holds no key")
	}
	for _, entity := range keyring {
		if entity.PrivateKey != nil {
			return fmt.Errorf("gpg.keyring holds the private key %X: it is no longer secret; give the output of gpg --export --armor", entity.PrimaryKey.Fingerprint)
		}
	}
	a.keyring = keyring
	return nil
}

// identity is one pair of issuer and subject. Patterns match whole values: the
// libraries search for them anywhere in a value, so they are anchored here.
type identity struct {
	issuer, subject               string
	issuerPattern, subjectPattern *regexp.Regexp
}

func newIdentity(given v1alpha1.Identity) (identity, error) {
	var faults []error
	one := func(what, value, pattern string) *regexp.Regexp {
		if (value == "") == (pattern == "") {
			faults = append(faults, fmt.Errorf("exactly one of %s and %sRegExp must be set", what, what))
			return nil
		}
		if value != "" {
			return nil
		}
		// Alone first: "a)|(b" is no pattern, and must not become one.
		if _, err := regexp.Compile(pattern); err != nil {
			faults = append(faults, fmt.Errorf("%sRegExp: %w", what, err))
			return nil
		}
		anchored, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
		if err != nil {
			faults = append(faults, fmt.Errorf("%sRegExp: %w", what, err))
		}
		return anchored
	}
	id := identity{issuer: given.Issuer, subject: given.Subject}
	id.issuerPattern = one("issuer", given.Issuer, given.IssuerRegExp)
	id.subjectPattern = one("subject", given.Subject, given.SubjectRegExp)
	return id, errors.Join(faults...)
}

func (id identity) String() string {
	show := func(value string, pattern *regexp.Regexp) string {
		if pattern != nil {
			value = strings.TrimSuffix(strings.TrimPrefix(pattern.String(), `\A(?:`), `)\z`)
		}
		return plaintext.Clip(plaintext.Line(value), 120)
	}
	return show(id.subject, id.subjectPattern) + " by " + show(id.issuer, id.issuerPattern)
}

func (id identity) matches(subject, issuer string) bool {
	one := func(value string, pattern *regexp.Regexp, actual string) bool {
		if pattern != nil {
			return pattern.MatchString(actual)
		}
		return value != "" && value == actual
	}
	return one(id.subject, id.subjectPattern, subject) && one(id.issuer, id.issuerPattern, issuer)
}

// patterns are the texts of the anchored patterns, for the libraries.
func (id identity) patterns() (issuer, subject string) {
	if id.issuerPattern != nil {
		issuer = id.issuerPattern.String()
	}
	if id.subjectPattern != nil {
		subject = id.subjectPattern.String()
	}
	return issuer, subject
}

// checkOpts is how cosign's library is asked. key is the verifier of a key
// authority, nil for identities. It never gets a client for a log or a mirror,
// and is told to work offline.
func (a *authority) checkOpts(key sigstore.Verifier) *cosign.CheckOpts {
	co := &cosign.CheckOpts{Offline: true, SigVerifier: key, IgnoreTlog: true, IgnoreSCT: true}
	if a.root == nil {
		return co
	}
	co.TrustedMaterial = a.root
	co.IgnoreTlog = len(a.root.RekorLogs()) == 0
	if key != nil {
		return co
	}
	co.IgnoreSCT = len(a.root.CTLogs()) == 0
	co.UseSignedTimestamps = len(a.root.TimestampingAuthorities()) > 0
	for _, id := range a.identities {
		issuer, subject := id.patterns()
		co.Identities = append(co.Identities, cosign.Identity{Issuer: id.issuer, IssuerRegExp: issuer, Subject: id.subject, SubjectRegExp: subject})
	}
	return co
}

// bundleVerifier is how Sigstore's library is asked about bundles.
func (a *authority) bundleVerifier(key sigstore.Verifier) (*verify.Verifier, []verify.PolicyOption, error) {
	if key != nil {
		material := keyMaterial{TrustedMaterial: &root.BaseTrustedMaterial{}, key: root.NewExpiringKey(key, time.Time{}, time.Time{})}
		if a.root != nil {
			material.TrustedMaterial = a.root
		}
		opts := []verify.VerifierOption{verify.WithNoObserverTimestamps()}
		if a.root != nil {
			opts = append(opts, verify.WithTransparencyLog(1))
		}
		verifier, err := verify.NewVerifier(material, opts...)
		return verifier, []verify.PolicyOption{verify.WithKey()}, err
	}
	var opts []verify.VerifierOption
	if len(a.root.CTLogs()) > 0 {
		opts = append(opts, verify.WithSignedCertificateTimestamps(1))
	}
	if len(a.root.RekorLogs()) > 0 {
		opts = append(opts, verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	} else {
		opts = append(opts, verify.WithSignedTimestamps(1))
	}
	verifier, err := verify.NewVerifier(a.root, opts...)
	if err != nil {
		return nil, nil, err
	}
	var policy []verify.PolicyOption
	for _, id := range a.identities {
		issuer, subject := id.patterns()
		expected, err := verify.NewShortCertificateIdentity(id.issuer, issuer, id.subject, subject)
		if err != nil {
			return nil, nil, err
		}
		policy = append(policy, verify.WithCertificateIdentity(expected))
	}
	return verifier, policy, nil
}

// keyMaterial is a trusted root with one key, whatever hint a bundle gives.
type keyMaterial struct {
	root.TrustedMaterial
	key *root.ExpiringKey
}

func (m keyMaterial) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return m.key, nil
}
