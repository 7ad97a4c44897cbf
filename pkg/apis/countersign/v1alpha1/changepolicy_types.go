// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ChangePolicy is the administrator's word on how the changes of a set of
// namespaces are judged. Exactly one policy must select a namespace; where none
// or several do, no change is opened and no gate passes.
//
// +genclient
// +genclient:nonNamespaced
// +genclient:noStatus
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=changepolicies,scope=Cluster,categories=countersign
// +kubebuilder:printcolumn:name="Backend",type=string,JSONPath=`.spec.backend.type`
// +kubebuilder:printcolumn:name="Approvals",type=integer,JSONPath=`.spec.approval.required`
// +kubebuilder:printcolumn:name="Risk limit",type=string,JSONPath=`.spec.approval.riskLimit`
// +kubebuilder:printcolumn:name="Gate",type=string,JSONPath=`.spec.gate.mode`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ChangePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ChangePolicySpec `json:"spec"`
}

// ChangePolicyList is a list of policies.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
type ChangePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ChangePolicy `json:"items"`
}

// ChangePolicySpec is the policy.
type ChangePolicySpec struct {
	// NamespaceSelector selects the namespaces that the policy is for. An empty
	// selector selects all of them; an absent one none.
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector"`
	// Backend keeps the official copy of the record.
	Backend BackendPolicy `json:"backend,omitempty"`
	// Approval says when a change is approved.
	Approval ApprovalPolicy `json:"approval,omitempty"`
	// Gate says how a run waits for approval, where the run does not.
	Gate GatePolicy `json:"gate,omitempty"`
	// Bundles says where runs may keep files.
	Bundles BundlePolicy `json:"bundles,omitempty"`
	// RequiredChecks replaces the built-in set of evidence that each asset of a
	// deployed entry must have. Absent, the built-in set applies, unless a run
	// has a checks file. Given, it holds beside a checks file.
	// +listType=map
	// +listMapKey=assetType
	RequiredChecks []RequiredChecks `json:"requiredChecks,omitempty"`
	// Authorities are whose signatures the rules below can ask for.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=50
	Authorities []Authority `json:"authorities,omitempty"`
	// Signatures that what is deployed must have. None: signatures are not
	// verified.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Signatures []SignatureRule `json:"signatures,omitempty"`
	// Attestations that become evidence. None: none are read.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Attestations []AttestationRule `json:"attestations,omitempty"`
	// PeerReview of the promoted commits. Absent: reviews are not looked at.
	PeerReview *PeerReviewPolicy `json:"peerReview,omitempty"`
	// SignedEvidence that counts. Absent: evidence need not be signed.
	SignedEvidence *SignedEvidencePolicy `json:"signedEvidence,omitempty"`
}

// BackendPolicy chooses the system of record.
type BackendPolicy struct {
	// Type is the backend; "cluster" keeps records in Kubernetes alone.
	// +kubebuilder:validation:Enum=cluster
	// +kubebuilder:default=cluster
	Type string `json:"type,omitempty"`
}

// ApprovalPolicy says when a change is approved.
type ApprovalPolicy struct {
	// Required is how many people must approve a change that is not approved
	// automatically.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	// +kubebuilder:default=1
	Required int `json:"required,omitempty"`
	// RiskLimit is the greatest risk that is approved automatically.
	// +kubebuilder:default=moderate
	RiskLimit Risk `json:"riskLimit,omitempty"`
}

// GateMode is what a gate does with a change that is not approved yet.
// +kubebuilder:validation:Enum=wait;stop
type GateMode string

// The gate modes.
const (
	// GateWait waits for a decision, holding no pod.
	GateWait GateMode = "wait"
	// GateStop ends the run at once and leaves the change open.
	GateStop GateMode = "stop"
)

// GatePolicy says how a run waits.
type GatePolicy struct {
	// Mode used where the run names none.
	// +kubebuilder:default=wait
	Mode GateMode `json:"mode,omitempty"`
	// Timeout used where the run names none.
	// +kubebuilder:default="1h"
	Timeout metav1.Duration `json:"timeout,omitempty"`
}

// BundlePolicy says where runs may keep files.
type BundlePolicy struct {
	// RepositoryPrefixes are the registry paths that bundles and attachments may
	// lie under; the controller fetches from nowhere else. A prefix matches
	// whole path elements: registry.example/a matches registry.example/a/b but
	// not registry.example/ab. Empty: no change can be opened.
	// +listType=set
	RepositoryPrefixes []string `json:"repositoryPrefixes,omitempty"`
}

// RequiredChecks is the evidence that assets of one type must have.
type RequiredChecks struct {
	// AssetType is commit, image or artifact.
	// +kubebuilder:validation:Enum=commit;image;artifact
	AssetType string `json:"assetType"`
	// EvidenceTypes are the ids of the required checks.
	// +listType=set
	EvidenceTypes []string `json:"evidenceTypes"`
}
