// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package closing is the last task of a run: it hands in how the run ended, with
// the evidence of what the target now holds, and moves the inventory's tags when
// the record says that the deployment was concluded.
//
// What became of the deployment is never this package's to decide: the controller
// reads it from the PipelineRun's own record, and answers in the status of the
// ChangeConclusion. Run waits for that answer and acts on it.
package closing
