// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package promotion turns a promotion pull request into the fields of a change.
//
// A promotion pull request moves inventory entries from one environment's branch
// to the next. Its body follows a template in which each field stands between
// pseudo-tags, such as <priority>High</priority>. The way through the package:
//
//	found, err := promotion.Find(ctx, forge, promotion.Query{Branch: "prod", History: history})
//	raw        := promotion.Parse(found.PR.Body)
//	fields, problems := promotion.Validate(raw, params)   // every fault at once
//	fields.Description = promotion.Describe(…)            // the author's text and what Countersign knows
//
// All of it but Find is pure. The body is text that anyone may have written: it
// is bounded, read in one pass without regular expressions, never executed or
// interpolated, and where it is shown, what is invisible is made visible (see
// package plaintext) and what a forge would interpret is quoted (see Describe).
package promotion
