// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/mail"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"knative.dev/pkg/apis"
)

// KMSSchemes are the key management services that a key can lie in, by the
// scheme of the reference.
var KMSSchemes = []string{"awskms", "azurekms", "gcpkms", "hashivault"}

var authorityPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// validateTrust checks whom the policy trusts and what it asks of them.
func (s *ChangePolicySpec) validateTrust() *apis.FieldError {
	var errs *apis.FieldError
	authorities := map[string]Authority{}
	for i, a := range s.Authorities {
		problem := a.validate()
		if _, twice := authorities[a.Name]; twice {
			problem = problem.Also(apis.ErrGeneric("authority "+clip(a.Name)+" is listed twice", "name"))
		}
		authorities[a.Name] = a
		errs = errs.Also(problem.ViaFieldIndex("authorities", i))
	}
	for i, rule := range s.Signatures {
		problem := checkAuthorities(rule.Authorities, authorities, rule.AssetType == "image", "signatures of images")
		if rule.AssetType != "" {
			problem = problem.Also(oneOf(rule.AssetType, "assetType", "image", "artifact"))
		}
		for j, pattern := range rule.Entries {
			// The elements between the stars of ** are those of path.Match.
			if _, err := path.Match(strings.ReplaceAll(pattern, "**", "*"), ""); err != nil || pattern == "" {
				problem = problem.Also(apis.ErrInvalidArrayValue(clip(pattern), "entries", j))
			}
		}
		for j, source := range rule.Sources {
			problem = problem.Also(checkSource(source).ViaFieldIndex("sources", j))
		}
		errs = errs.Also(problem.ViaFieldIndex("signatures", i))
	}
	for i, rule := range s.Attestations {
		errs = errs.Also(rule.validate(authorities).ViaFieldIndex("attestations", i))
	}
	if review := s.PeerReview; review != nil {
		errs = errs.Also(review.validate().ViaField("peerReview"))
	}
	if signed := s.SignedEvidence; signed != nil {
		problem := checkAuthorities(signed.Authorities, authorities, true, "signatures of evidence")
		for i, name := range signed.Authorities {
			// Beside a record lies neither a certificate nor the proof of a log.
			if a, ok := authorities[name]; ok && a.GPG == nil && (a.Key == nil || a.Key.TrustedRoot != "") {
				problem = problem.Also(apis.ErrGeneric("names authority "+clip(name)+": evidence is signed by keys, without a transparency log", fmt.Sprintf("authorities[%d]", i)))
			}
		}
		errs = errs.Also(problem.ViaField("signedEvidence"))
	}
	return errs
}

func (a *Authority) validate() *apis.FieldError {
	var errs *apis.FieldError
	if !authorityPattern.MatchString(a.Name) {
		errs = errs.Also(apis.ErrInvalidValue(clip(a.Name), "name", "want lower-case letters, digits and '-', at most 63"))
	}
	set := 0
	if a.Key != nil {
		set++
		errs = errs.Also(a.Key.validate().ViaField("key"))
	}
	if a.Keyless != nil {
		set++
		errs = errs.Also(a.Keyless.validate().ViaField("keyless"))
	}
	if a.GPG != nil {
		set++
		if !strings.Contains(a.GPG.Keyring, "-----BEGIN PGP PUBLIC KEY BLOCK-----") {
			errs = errs.Also(apis.ErrGeneric("is no ASCII-armored OpenPGP keyring: export it with gpg --export --armor", "keyring").ViaField("gpg"))
		}
	}
	switch {
	case set == 0:
		errs = errs.Also(apis.ErrMissingOneOf("key", "keyless", "gpg"))
	case set > 1:
		errs = errs.Also(apis.ErrMultipleOneOf("key", "keyless", "gpg"))
	}
	return errs
}

func (k *KeyAuthority) validate() *apis.FieldError {
	var errs *apis.FieldError
	switch {
	case k.Data == "" && k.KMS == "":
		errs = apis.ErrMissingOneOf("data", "kms")
	case k.Data != "" && k.KMS != "":
		errs = apis.ErrMultipleOneOf("data", "kms")
	case k.Data != "":
		errs = checkPublicKey(k.Data).ViaField("data")
	default:
		scheme, rest, _ := strings.Cut(k.KMS, "://")
		if !slices.Contains(KMSSchemes, scheme) || rest == "" {
			errs = apis.ErrInvalidValue(clip(k.KMS), "kms", "want "+strings.Join(KMSSchemes, "://…, ")+"://…")
		}
	}
	if k.TrustedRoot != "" {
		errs = errs.Also(checkTrustedRoot(k.TrustedRoot))
	}
	return errs
}

func (k *KeylessAuthority) validate() *apis.FieldError {
	errs := checkTrustedRoot(k.TrustedRoot)
	if len(k.Identities) == 0 {
		errs = errs.Also(apis.ErrMissingField("identities"))
	}
	for i, identity := range k.Identities {
		problem := oneText(identity.Issuer, identity.IssuerRegExp, "issuer", "issuerRegExp").
			Also(oneText(identity.Subject, identity.SubjectRegExp, "subject", "subjectRegExp"))
		errs = errs.Also(problem.ViaFieldIndex("identities", i))
	}
	return errs
}

func oneText(value, pattern, valueField, patternField string) *apis.FieldError {
	switch {
	case value == "" && pattern == "":
		return apis.ErrMissingOneOf(valueField, patternField)
	case value != "" && pattern != "":
		return apis.ErrMultipleOneOf(valueField, patternField)
	case pattern != "":
		if _, err := regexp.Compile(pattern); err != nil {
			return apis.ErrInvalidValue(clip(pattern), patternField, "is no regular expression: "+clip(err.Error()))
		}
	}
	return nil
}

func checkPublicKey(text string) *apis.FieldError {
	block, _ := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return apis.ErrGeneric("is no PEM: want -----BEGIN PUBLIC KEY-----, as in cosign.pub", apis.CurrentField)
	case strings.Contains(block.Type, "PRIVATE"):
		return apis.ErrGeneric("is a private key: make a new pair, this one is no longer secret, and give the public one", apis.CurrentField)
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return apis.ErrGeneric("is no public key: "+clip(err.Error()), apis.CurrentField)
	}
	return nil
}

func checkTrustedRoot(text string) *apis.FieldError {
	const form = "is no Sigstore trusted root: want the JSON of a trusted_root.json, with a mediaType application/vnd.dev.sigstore.trustedroot…"
	if text == "" {
		return apis.ErrMissingField("trustedRoot")
	}
	var root struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal([]byte(text), &root); err != nil || !strings.HasPrefix(root.MediaType, "application/vnd.dev.sigstore.trustedroot") {
		return apis.ErrGeneric(form, "trustedRoot")
	}
	return nil
}

// checkAuthorities checks that a rule names authorities that exist and, where it
// needs keys or identities, can be of use to it.
func checkAuthorities(names []string, known map[string]Authority, keysOnly bool, what string) *apis.FieldError {
	if len(names) == 0 {
		return apis.ErrMissingField("authorities")
	}
	var errs *apis.FieldError
	for i, name := range names {
		a, ok := known[name]
		switch {
		case !ok:
			errs = errs.Also(apis.ErrGeneric("names authority "+clip(name)+", which spec.authorities does not have", fmt.Sprintf("authorities[%d]", i)))
		case keysOnly && a.GPG != nil:
			errs = errs.Also(apis.ErrGeneric("names authority "+clip(name)+", whose GPG keys cannot verify "+what, fmt.Sprintf("authorities[%d]", i)))
		}
	}
	return errs
}

func checkSource(prefix string) *apis.FieldError {
	u, err := url.Parse(prefix)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.Path, "/") {
		return apis.ErrInvalidValue(clip(prefix), apis.CurrentField, "want the prefix of a URL that ends with a slash, such as https://files.example/releases/")
	}
	return nil
}

func (r *AttestationRule) validate(authorities map[string]Authority) *apis.FieldError {
	errs := checkAuthorities(r.Authorities, authorities, true, "attestations")
	if u, err := url.Parse(r.PredicateType); err != nil || u.Scheme == "" {
		errs = errs.Also(apis.ErrInvalidValue(clip(r.PredicateType), "predicateType", "want a URI, such as https://slsa.dev/provenance/v1"))
	}
	if !evidenceTypePattern.MatchString(r.EvidenceType) {
		errs = errs.Also(apis.ErrInvalidValue(clip(r.EvidenceType), "evidenceType", "want the id of a check, such as com.ibm.cloud.slsa"))
	}
	if r.MaxSeverity != "" {
		errs = errs.Also(oneOf(r.MaxSeverity, "maxSeverity", "none", "low", "medium", "high"))
	}
	if r.MaxAge != nil && r.MaxAge.Duration <= 0 {
		errs = errs.Also(apis.ErrInvalidValue(r.MaxAge.Duration.String(), "maxAge", "want more than 0"))
	}
	return errs
}

func (r *PeerReviewPolicy) validate() *apis.FieldError {
	var errs *apis.FieldError
	if r.Approvals < 1 || r.Approvals > 20 {
		errs = errs.Also(apis.ErrOutOfBoundsValue(r.Approvals, 1, 20, "approvals"))
	}
	if strings.ContainsFunc(r.ExemptLabel, unicode.IsControl) {
		errs = errs.Also(apis.ErrInvalidValue(clip(r.ExemptLabel), "exemptLabel", "a label has no control characters"))
	}
	for i, author := range r.AutomatedAuthors {
		if address, err := mail.ParseAddress(author); err != nil || address.Address != author {
			errs = errs.Also(apis.ErrInvalidArrayValue(clip(author), "automatedAuthors", i))
		}
	}
	return errs
}
