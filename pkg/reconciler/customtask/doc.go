// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package customtask is what the custom tasks OpenChange and ApproveChange have in
// common: Tekton's contract for a CustomRun. The kinds themselves only say what to
// decide, on what terms, and with which results.
//
// Tekton creates a CustomRun and may ask for its end; all else is ours. In order:
//
//  1. A CustomRun that has ended is left alone.
//  2. One that Tekton cancels ends with the reason that Tekton looks for.
//  3. What it asks for is checked here, not in a webhook: unknown parameters, a
//     workspace, or a named or embedded reference end it.
//  4. The terms of its wait are settled once and kept in status.extraFields with
//     the parameters, because Tekton lets the parameters of a running CustomRun be
//     edited: a difference ends it.
//  5. The kind decides. Waiting costs nothing: the next pass is brought about by an
//     event or the deadline.
//  6. Results are written however it ends.
//
// The only condition is Succeeded: Tekton reads the reason of whichever condition
// comes first.
//
// The status is written with the version that was read. A controller that works
// from a cache that lags behind, or that has just lost its lease, gets a conflict
// and looks again, so a CustomRun that has ended never begins anew.
package customtask
