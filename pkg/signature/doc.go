// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package signature verifies who signed what is to be deployed, and nothing
// else. It alone imports the libraries of cosign, Sigstore and OpenPGP.
//
// The steps from a policy to what readiness judges:
//
//   - [NewTrust] reads the policy's authorities: keys, references to keys in a
//     key management service, identities with their trusted root, and keyrings;
//   - [Select] says which rule of the policy holds for which inventory entry;
//   - [Trust.Verify] verifies the selected entries, many at once, and gives one
//     [Result] each, with a [Reason];
//   - [Evidence] makes evidence records of the results.
//
// [Trust.Attestations] fetches the signed statements about images, verifies
// their signatures, and gives the verified ones to package attestation, which
// says what they are worth. [Trust.VerifyRecord] and [RecordSigner] do the same
// for single evidence records.
//
// Three rules hold everywhere:
//
//   - Nobody is asked whom to trust. Trusted roots and keys are in the policy;
//     only a key management service is asked, for its own public key, once.
//     Transparency logs are verified by the proof that travels with a signature.
//   - What cannot be read is not good. A registry that does not answer makes a
//     result that blocks and says so, and all other results are still given.
//   - Everything fetched is hostile: sizes and numbers are bounded, digests are
//     compared before content is used, and a library that panics on one
//     signature has refused that signature.
//
// This package links no key management service. Programs import those they
// want, usually all of them with
//
//	import _ "github.com/countersign-dev/countersign/pkg/signature/kms"
package signature
