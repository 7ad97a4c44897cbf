// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package manifests holds no code: its tests hold the Tasks, StepActions and
// Pipelines of this repository to Tekton's own validation and to this project's
// rules.
package manifests
