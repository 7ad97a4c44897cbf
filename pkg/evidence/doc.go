// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package evidence reads and writes evidence lockers.
//
// A locker is a bucket or folder of small JSON records, in a layout that is
// publicly documented for asset-based ("version 2") evidence:
//
//	raw/assets/<2 hex>/<62 hex>/index.json            an asset: what was checked
//	raw/assets/<2 hex>/<62 hex>/evidences/<id>        an empty marker per evidence
//	raw/evidences/<2 hex>/<62 hex>/index.json         an evidence: one result of one check
//	raw/evidences/<2 hex>/<62 hex>/signature.dsse.json  its signature, if any
//	raw/attachments/<2 hex>/<62 hex>/content          a tool's raw output
//
// An asset is an image, a commit, some other artifact, or a pipeline run. An
// evidence says that one tool's check of one or more assets came to a result
// on a date: success, failure or pending. Any other word is never good.
//
// The steps from a locker to what readiness judges:
//
//   - [Open] a [Locker];
//   - [Locker.Read] gathers, for the components that are to be deployed, their
//     assets, the assets that these name as related or as parents, and all
//     evidence of all of them, into a [Collection];
//   - [Collection.Add] adds what this run finds out itself;
//   - [Newest] picks, per asset, check and tool, the evidence that counts;
//   - [Summarise] writes the documented evidence summary.
//
// [Locker.Begin] and [Locker.Conclude] record a check: first as pending, then as
// its outcome, which may follow from findings ([EvaluateFindings]). Records of
// version 1, the legacy format, are read where version 2 knows nothing, and
// converted; see [Locker.Read].
//
// With [WithRecordVerifier] only signed successes count, and [WithRecordSigner]
// signs what is written.
//
// A locker is written by many hands and read by a gate, so nothing in it is
// trusted: objects and their number are bounded, and every hole (a marker
// without evidence, a record that is not JSON or carries another id, a date in
// the future) becomes a [Problem] in the collection. A problem never counts as
// good. Only a locker that cannot be read at all is an error.
//
// Writers do not undo each other's work: records are named by their content and
// written once, except those of assets, which are merged and replaced only while
// they are what was read.
//
// This package does not link any storage driver. Programs import the drivers
// they want, usually all of them with
//
//	import _ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
package evidence
