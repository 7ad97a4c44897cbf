// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package attestation says what a signed statement about an image is worth
// under a policy's rule, as evidence. It is pure: it verifies no signature and
// asks nobody. Package signature fetches statements, verifies them, and hands
// over only those that an authority of the rule signed.
//
// A statement is an in-toto statement: a predicate, of some type, about
// subjects. Subjects match by digest alone, never by name.
//
// A result is asserted, never assumed. Each predicate type that is understood
// has one function that looks for an explicit good answer, in the predicate or
// by the rule's lists, and every other answer, a missing one included, is a
// failure with a [Reason]:
//
//	SLSA provenance            the builder is one of the rule's, and what was built is the entry's commit or one of the rule's sources
//	verification summary       the result is PASSED, by a verifier of the rule's, for the levels that the rule names
//	test result                the result is PASSED
//	vulnerability scan         there is a list of findings, and none is worse than the rule allows
//	bill of materials          it can be read, and describes the image
//
// The evidence of a good statement is dated as the statement dates itself, so
// that an old good one never supersedes a newer bad one, wherever the newer one
// is kept. A statement without a date of its own is dated by when the caller
// knows that it was signed, and else by the run's clock.
package attestation
