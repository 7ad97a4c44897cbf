// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

// Reason says how a verification ended. Only ReasonVerified is good.
type Reason string

// The reasons of results.
const (
	// ReasonVerified: an authority of the rule signed exactly this.
	ReasonVerified Reason = "Verified"
	// ReasonUnsigned: there is no signature.
	ReasonUnsigned Reason = "Unsigned"
	// ReasonWrongSigner: there are signatures, none by an authority of the rule.
	ReasonWrongSigner Reason = "WrongSigner"
	// ReasonDigestMismatch: an authority signed, but something else: the
	// signature was copied, or the content is not what the entry says.
	ReasonDigestMismatch Reason = "DigestMismatch"
	// ReasonWrongClaim: an authority signed a document that is about this image
	// and is no image signature, such as an attestation.
	ReasonWrongClaim Reason = "WrongClaim"
	// ReasonNotLogged: the signature is an authority's, and the proof of the
	// transparency log that the authority must give is missing or invalid.
	ReasonNotLogged Reason = "NotLogged"
	// ReasonCertificateInvalid: the certificate names a trusted identity, and was
	// not issued by a trusted authority, or not valid when it signed.
	ReasonCertificateInvalid Reason = "CertificateInvalid"
	// ReasonTagMoved: the entry names a tag and a digest, and the tag now names
	// another image.
	ReasonTagMoved Reason = "TagMoved"
	// ReasonNotIdentified: the entry does not say what it deploys: a reference is
	// invalid, or the digest is missing.
	ReasonNotIdentified Reason = "NotIdentified"
	// ReasonUnreachable: the registry, or the server of the content, did not
	// answer, refused, or answered what cannot be read.
	ReasonUnreachable Reason = "Unreachable"
	// ReasonMalformed: the entry's signature cannot be decoded.
	ReasonMalformed Reason = "Malformed"
	// ReasonContentNeeded: the signature can only be verified over the content,
	// which the rule gives no place to read from.
	ReasonContentNeeded Reason = "ContentNeeded"
	// ReasonTooLarge: content or signature is larger than allowed.
	ReasonTooLarge Reason = "TooLarge"
	// ReasonUnknownAuthority: the rule names an authority that the policy lacks,
	// or none that can sign this.
	ReasonUnknownAuthority Reason = "UnknownAuthority"
)

// The tools of results: by whose format the signature was verified.
const (
	ToolCosign = "cosign"
	ToolGPG    = "gpg"
)

// Result is the outcome for one item. All text is safe to print.
type Result struct {
	Item Item
	// OK is true only for ReasonVerified.
	OK     bool
	Reason Reason
	// Tool is ToolCosign or ToolGPG.
	Tool string
	// Authority that signed, by name, and Signer: the certificate's identity, or
	// the key's fingerprint. Empty unless verified.
	Authority string
	Signer    string
	// Message names the entry, what was expected and what was found.
	Message string
	// Remedy is what would make the result good.
	Remedy string
}
