// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ChangeConclusion is what a run hands in at its end: the closing artefacts and
// the readiness at closure. There is at most one per run and change request.
//
// Its status is the controller's: the outcome follows from the PipelineRun's own
// record, never from what a pod claims. The category of a good outcome follows
// from the readiness that is handed in here.
//
// +genclient
// +genreconciler:krshapedlogic=false
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=changeconclusions,scope=Namespaced,categories=countersign
// +kubebuilder:printcolumn:name="Change",type=string,JSONPath=`.spec.changeRequest`
// +kubebuilder:printcolumn:name="Run",type=string,JSONPath=`.spec.run.name`
// +kubebuilder:printcolumn:name="Outcome",type=string,JSONPath=`.status.outcome`
// +kubebuilder:printcolumn:name="Category",type=string,JSONPath=`.status.closeCategory`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ChangeConclusion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a conclusion never changes"
	Spec   ChangeConclusionSpec   `json:"spec"`
	Status ChangeConclusionStatus `json:"status,omitempty"`
}

// ChangeConclusionList is a list of conclusions.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
type ChangeConclusionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ChangeConclusion `json:"items"`
}

// ChangeConclusionSpec is what the run hands in.
type ChangeConclusionSpec struct {
	// ChangeRequest is the name of the change request concluded.
	// +kubebuilder:validation:MinLength=1
	ChangeRequest string `json:"changeRequest"`
	// Run that concluded it.
	Run RunRef `json:"run"`
	// Readiness at closure, over all entries of the target. Absent if nothing
	// was deployed.
	Readiness *ReadinessVerdict `json:"readiness,omitempty"`
	// Bundle with the closing artefacts: repository@sha256:….
	Bundle string `json:"bundle,omitempty"`
	// Attachments are the closing artefacts.
	// +kubebuilder:validation:MaxItems=64
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Outcome is how a run's deployment ended.
type Outcome string

// The outcomes.
const (
	// OutcomeNotStarted: the run ended before deploy began.
	OutcomeNotStarted Outcome = "NotStarted"
	// OutcomeDeployed: deploy and acceptance test succeeded.
	OutcomeDeployed Outcome = "Deployed"
	// OutcomeDeployFailed: deploy failed.
	OutcomeDeployFailed Outcome = "DeployFailed"
	// OutcomeNotAccepted: deployed, but the acceptance test failed or never ran.
	OutcomeNotAccepted Outcome = "NotAccepted"
)

// RollbackOutcome is how a run's inline rollback ended.
type RollbackOutcome string

// The rollback outcomes.
const (
	RollbackNotRun    RollbackOutcome = "NotRun"
	RollbackSucceeded RollbackOutcome = "Succeeded"
	RollbackFailed    RollbackOutcome = "Failed"
)

// ChangeConclusionStatus is what the controller made of a conclusion.
type ChangeConclusionStatus struct {
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Recorded is true once the conclusion is part of the change request.
	Recorded bool `json:"recorded,omitempty"`
	// Message says why it is not recorded yet, or cannot be.
	Message string `json:"message,omitempty"`
	// Outcome of the deployment, from the PipelineRun's own status.
	Outcome Outcome `json:"outcome,omitempty"`
	// Rollback outcome, from the PipelineRun's own status.
	Rollback RollbackOutcome `json:"rollback,omitempty"`
	// CloseCategory that was given to the change request, empty if the run ended
	// before anything was deployed.
	CloseCategory CloseCategory `json:"closeCategory,omitempty"`
	// Closed is true if the change request was closed, false if it was left open.
	Closed bool `json:"closed,omitempty"`
}
