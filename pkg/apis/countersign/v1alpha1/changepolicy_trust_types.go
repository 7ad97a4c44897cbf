// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Authority is somebody whose signatures a policy trusts. Exactly one of key,
// keyless and gpg is set.
type Authority struct {
	// Name that rules call it by.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// Key is one public key.
	Key *KeyAuthority `json:"key,omitempty"`
	// Keyless is a set of identities whose short-lived certificates a
	// certificate authority issued.
	Keyless *KeylessAuthority `json:"keyless,omitempty"`
	// GPG is a keyring; for artifacts that are not images.
	GPG *GPGAuthority `json:"gpg,omitempty"`
}

// KeyAuthority trusts one public key. Exactly one of data and kms is set.
type KeyAuthority struct {
	// Data is the public key, PEM.
	// +kubebuilder:validation:MaxLength=16384
	Data string `json:"data,omitempty"`
	// KMS is a key management service's reference: awskms://…, azurekms://…,
	// gcpkms://… or hashivault://…. Runs need credentials that can read it.
	// +kubebuilder:validation:MaxLength=1024
	KMS string `json:"kms,omitempty"`
	// TrustedRoot is a Sigstore trusted root, JSON, whose transparency logs must
	// have recorded every signature; the proof travels with the signature and is
	// verified offline. Empty: no log is asked for.
	// +kubebuilder:validation:MaxLength=262144
	TrustedRoot string `json:"trustedRoot,omitempty"`
}

// KeylessAuthority trusts identities.
type KeylessAuthority struct {
	// TrustedRoot is the Sigstore trusted root, JSON: certificate authorities,
	// transparency logs and timestamp authorities. It is given here so that
	// verification never asks a server whom to trust.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=262144
	TrustedRoot string `json:"trustedRoot"`
	// Identities that are trusted; one must match.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +listType=atomic
	Identities []Identity `json:"identities"`
}

// Identity is the subject of a certificate and who vouched for it. Of issuer
// and issuerRegExp exactly one is set, and of subject and subjectRegExp. A
// pattern matches whole values.
type Identity struct {
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer,omitempty"`
	// +kubebuilder:validation:MaxLength=2048
	IssuerRegExp string `json:"issuerRegExp,omitempty"`
	// +kubebuilder:validation:MaxLength=2048
	Subject string `json:"subject,omitempty"`
	// +kubebuilder:validation:MaxLength=2048
	SubjectRegExp string `json:"subjectRegExp,omitempty"`
}

// GPGAuthority trusts the keys of a keyring.
type GPGAuthority struct {
	// Keyring is ASCII-armored OpenPGP public keys.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=262144
	Keyring string `json:"keyring"`
}

// SignatureRule says who must have signed what is deployed. Of several rules
// that match an entry, the first counts.
type SignatureRule struct {
	// Entries are patterns of names of inventory entries, in which ** spans
	// folders. Empty: all.
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	Entries []string `json:"entries,omitempty"`
	// AssetType is image or artifact; empty for both.
	// +kubebuilder:validation:Enum=image;artifact
	AssetType string `json:"assetType,omitempty"`
	// Authorities of which one must have signed, by name.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Authorities []string `json:"authorities"`
	// Sources are URL prefixes that the content of artifacts may be read from,
	// where a signature can only be verified over the content. None: nothing is
	// read.
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	Sources []string `json:"sources,omitempty"`
}

// AttestationRule makes signed statements about images into evidence. A
// statement that no authority of the rule signed is never evidence.
type AttestationRule struct {
	// PredicateType of the statements, a URI.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	PredicateType string `json:"predicateType"`
	// EvidenceType is the id of the check that a statement is evidence of.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	EvidenceType string `json:"evidenceType"`
	// Authorities of which one must have signed, by name.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Authorities []string `json:"authorities"`
	// Builders are the builder ids that SLSA provenance may name. Provenance of
	// another builder is a failure, and of any builder where none is given.
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	Builders []string `json:"builders,omitempty"`
	// Sources are repository URLs, of which SLSA provenance must name one as what
	// was built. None: the entry's own repository_url and commit_sha must be it.
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	Sources []string `json:"sources,omitempty"`
	// Verifiers are the verifier ids that a verification summary may name.
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	Verifiers []string `json:"verifiers,omitempty"`
	// Levels are SLSA levels, of which a verification summary must name all.
	// +listType=set
	// +kubebuilder:validation:MaxItems=20
	Levels []string `json:"levels,omitempty"`
	// MaxSeverity is the greatest severity of a vulnerability that still makes a
	// scan a success: none, low, medium or high. Default none.
	// +kubebuilder:validation:Enum=none;low;medium;high
	MaxSeverity string `json:"maxSeverity,omitempty"`
	// MaxAge is how old a statement may be; older ones count as a failure. Unset:
	// of any age.
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`
}

// PeerReviewPolicy demands that every commit of a promotion was reviewed.
type PeerReviewPolicy struct {
	// Approvals is how many people other than its author must have approved a
	// pull request.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	// +kubebuilder:default=1
	Approvals int `json:"approvals,omitempty"`
	// ExemptLabel on a pull request exempts it, if somebody other than its
	// author set it. Empty: none does.
	// +kubebuilder:validation:MaxLength=100
	ExemptLabel string `json:"exemptLabel,omitempty"`
	// AutomatedAuthors are the email addresses whose commits with
	// ##AUTOMATED_COMMIT## in the message need no review. None: every commit
	// does.
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	AutomatedAuthors []string `json:"automatedAuthors,omitempty"`
}

// SignedEvidencePolicy demands signed evidence. A success that none of the
// authorities signed is not counted; a failure always is.
type SignedEvidencePolicy struct {
	// Authorities of which one must have signed, by name.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Authorities []string `json:"authorities"`
}
