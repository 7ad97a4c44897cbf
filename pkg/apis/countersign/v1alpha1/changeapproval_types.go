// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ChangeApproval is one person's decision on one content of one change request.
//
// Who decided is stamped at admission from the authenticated request, whatever
// the body says. Creating one needs the RBAC verb "approve" on the change
// request besides "create" on changeapprovals.
//
// +genclient
// +genclient:noStatus
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=changeapprovals,scope=Namespaced,categories=countersign
// +kubebuilder:printcolumn:name="Change",type=string,JSONPath=`.spec.changeRequest`
// +kubebuilder:printcolumn:name="Decision",type=string,JSONPath=`.spec.decision`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.approver.username`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ChangeApproval struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a decision never changes"
	Spec ChangeApprovalSpec `json:"spec"`
}

// ChangeApprovalList is a list of decisions.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
type ChangeApprovalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ChangeApproval `json:"items"`
}

// ChangeApprovalSpec is the decision.
type ChangeApprovalSpec struct {
	// ChangeRequest is the name of the change request decided on.
	// +kubebuilder:validation:MinLength=1
	ChangeRequest string `json:"changeRequest"`
	// ContentHash is the change request's content hash as the approver saw it. A
	// decision on another content does not count.
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	ContentHash string `json:"contentHash"`
	// Decision is approve or reject.
	Decision Decision `json:"decision"`
	// Comment says why; required for a rejection.
	// +kubebuilder:validation:MaxLength=4096
	Comment string `json:"comment,omitempty"`
	// Approver is stamped at admission.
	Approver Approver `json:"approver,omitempty"`
}

// Decision of an approver.
// +kubebuilder:validation:Enum=approve;reject
type Decision string

// The decisions.
const (
	DecisionApprove Decision = "approve"
	DecisionReject  Decision = "reject"
)

// Approver is the authenticated user who made a decision.
type Approver struct {
	Username string    `json:"username,omitempty"`
	UID      types.UID `json:"uid,omitempty"`
	// +listType=atomic
	Groups []string `json:"groups,omitempty"`
}
