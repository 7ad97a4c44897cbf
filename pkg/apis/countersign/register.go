// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package countersign holds what all versions of Countersign's API share: the
// group's name and the labels and annotations that other programs may read.
package countersign

const (
	// GroupName is the API group of every Countersign object, and the group
	// that a Pipeline's customRef names.
	GroupName = "countersign.dev"

	// LabelChangeRequest is set on every object made for a change request and
	// holds the change request's name.
	LabelChangeRequest = GroupName + "/change-request"

	// LabelPipelineRun is set on every object made by a run and holds the
	// PipelineRun's name.
	LabelPipelineRun = GroupName + "/pipeline-run"

	// LabelPipelineRunUID holds the UID of that PipelineRun: names are reused,
	// UIDs are not.
	LabelPipelineRunUID = GroupName + "/pipeline-run-uid"

	// AnnotationCreator is stamped at admission on a change request and holds the
	// username of whoever created it.
	AnnotationCreator = GroupName + "/creator"

	// LabelTargetEnvironment makes change requests of one target easy to select.
	LabelTargetEnvironment = GroupName + "/target-environment"

	// LabelTargetRegion tells the targets of one environment apart; it is not set
	// where a target has no region.
	LabelTargetRegion = GroupName + "/target-region"
)
