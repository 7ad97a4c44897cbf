// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package assess is the first task of a run: it finds out what would be
// deployed, why and on what evidence, and opens the change request.
//
// Run reads as gather, decide, apply:
//
//   - gather reads the inventory, the promotion pull request, the configuration
//     repository, the policy and the evidence locker, side by side where it can;
//   - Decide, which is pure, makes the change request and the files of its bundle
//     of what was gathered;
//   - apply pushes the bundle and creates the change request.
//
// Whatever is wrong is collected and told in one message, and nothing is created
// then. The parts are exported for the steps that do one of them each.
package assess
