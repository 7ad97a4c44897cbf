// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests whole runs on a real cluster: a real Tekton, a real forge,
// a real registry, a real object store, and real pods in namespaces that
// enforce the restricted Pod Security Standard. Runs are started with tkn, as
// people start them.
//
// Its tests carry the build tag e2e; `make e2e` runs them, and
// `make e2e RUN=TestBlocked` one of them. A failed test prints the PipelineRun,
// the change request, the pods' logs and the controller's log, and leaves its
// namespace in place.
package e2e
