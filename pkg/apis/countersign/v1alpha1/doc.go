// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the Kubernetes API of Countersign.
//
// Four kinds carry the life of a change:
//
//   - ChangeRequest is the record: its spec is what is to be deployed, fixed
//     when the run's assess step creates it; its status is the controller's
//     account of what happened.
//   - ChangeApproval is one person's decision on one content of one change.
//   - ChangeConclusion is what a run hands in at its end.
//   - ChangePolicy is the administrator's word on how changes of a set of
//     namespaces are judged.
//
// Specs of the first three never change once stored. Only ChangePolicy, which
// is cluster-scoped, may be edited.
//
// +k8s:deepcopy-gen=package
// +groupName=countersign.dev
package v1alpha1
