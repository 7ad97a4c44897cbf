// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ChangeRequest is the record that a deployment needs and leaves behind.
//
// Its name is the change request id that people type. Its spec is written once,
// by the run's assess step, before anything else happens; the controller then
// brings the backend in line with it and keeps the status.
//
// +genclient
// +genreconciler:krshapedlogic=false
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=changerequests,scope=Namespaced,categories=countersign,shortName=chg
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.target.environment`
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.target.region`,priority=1
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Approval",type=string,JSONPath=`.status.approval.state`
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=`.spec.readiness.ready`
// +kubebuilder:printcolumn:name="Risk",type=string,JSONPath=`.spec.fields.risk`,priority=1
// +kubebuilder:printcolumn:name="Category",type=string,JSONPath=`.status.closeCategory`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ChangeRequest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a change request never changes: start a new run for a changed deployment"
	Spec   ChangeRequestSpec   `json:"spec"`
	Status ChangeRequestStatus `json:"status,omitempty"`
}

// ChangeRequestList is a list of change requests.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
type ChangeRequestList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ChangeRequest `json:"items"`
}

// ChangeRequestSpec says what is to be deployed where, why, and on what
// evidence.
type ChangeRequestSpec struct {
	// Summary is one line for lists and titles.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Summary string `json:"summary"`

	Target Target `json:"target"`
	Fields Fields `json:"fields"`

	// PlannedStart and PlannedEnd are when the change is meant to happen.
	PlannedStart metav1.Time `json:"plannedStart"`
	PlannedEnd   metav1.Time `json:"plannedEnd"`

	// Readiness is the verdict DEPLOYMENT_READY as it stood when the change was
	// opened.
	Readiness ReadinessVerdict `json:"readiness"`

	PromotionPR PromotionPR    `json:"promotionPR"`
	Inventory   InventoryRange `json:"inventory"`
	Stages      []Stage        `json:"stages,omitempty"`

	// Subjects are the artefacts that the change deploys or deletes, the first
	// 1000 of SubjectsTotal; the bundle holds all of them.
	// +kubebuilder:validation:MaxItems=1000
	Subjects      []Subject `json:"subjects,omitempty"`
	SubjectsTotal int       `json:"subjectsTotal"`

	// Bundle names, by digest, the OCI artifact with every file that the run's
	// later stages work from: repository@sha256:….
	Bundle string `json:"bundle"`

	// Attachments are the documents of the record as it was opened.
	// +kubebuilder:validation:MaxItems=64
	Attachments []Attachment `json:"attachments,omitempty"`

	// ContentHash binds approvals to this content: sha256:<hex> over the spec
	// without Run, the planned window and this field. The webhook computes it
	// when it is empty and refuses a wrong one.
	ContentHash string `json:"contentHash,omitempty"`

	// Run is the PipelineRun that asked for the change. It is data, not an owner
	// reference: pruning runs must not delete records.
	Run RunRef `json:"run"`
}

// Target is where a change is deployed.
type Target struct {
	// Environment is the inventory branch that is deployed, such as prod.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Environment string `json:"environment"`
	// Region is empty where an environment has only one.
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region,omitempty"`
}

// Fields are what the promotion PR and the run's parameters say of a change.
type Fields struct {
	Priority         Priority         `json:"priority"`
	Assignee         string           `json:"assignee"`
	CustomerImpact   CustomerImpact   `json:"customerImpact"`
	DeploymentImpact DeploymentImpact `json:"deploymentImpact"`
	// Description is the author's own text followed by what Countersign adds:
	// inventory commit, change log, pull requests, test and scan results.
	Description string `json:"description,omitempty"`
	Purpose     string `json:"purpose,omitempty"`
	Impact      string `json:"impact,omitempty"`
	BackoutPlan string `json:"backoutPlan"`

	EnvironmentPurpose EnvironmentPurpose `json:"environmentPurpose"`
	EnvironmentDetail  string             `json:"environmentDetail"`

	// OutageDuration is the planned downtime; zero for none.
	OutageDuration metav1.Duration `json:"outageDuration"`

	Risk Risk `json:"risk"`
	// RiskReason says how Risk came about.
	RiskReason string `json:"riskReason,omitempty"`
}

// Priority of a change, from most to least urgent.
// +kubebuilder:validation:Enum=critical;high;moderate;low;planning
type Priority string

// The priorities.
const (
	PriorityCritical Priority = "critical"
	PriorityHigh     Priority = "high"
	PriorityModerate Priority = "moderate"
	PriorityLow      Priority = "low"
	PriorityPlanning Priority = "planning"
)

// CustomerImpact is how much customers may notice of a change.
// +kubebuilder:validation:Enum=critical;high;moderate;low;no_impact
type CustomerImpact string

// The customer impacts.
const (
	CustomerImpactCritical CustomerImpact = "critical"
	CustomerImpactHigh     CustomerImpact = "high"
	CustomerImpactModerate CustomerImpact = "moderate"
	CustomerImpactLow      CustomerImpact = "low"
	CustomerImpactNone     CustomerImpact = "no_impact"
)

// DeploymentImpact is how much of the target a change touches.
// +kubebuilder:validation:Enum=small;large
type DeploymentImpact string

// The deployment impacts.
const (
	DeploymentImpactSmall DeploymentImpact = "small"
	DeploymentImpactLarge DeploymentImpact = "large"
)

// EnvironmentPurpose says what a target is for.
// +kubebuilder:validation:Enum=production;pre_prod
type EnvironmentPurpose string

// The purposes of an environment.
const (
	EnvironmentProduction    EnvironmentPurpose = "production"
	EnvironmentPreProduction EnvironmentPurpose = "pre_prod"
)

// Risk of a change, derived from its impacts and priority.
// +kubebuilder:validation:Enum=low;moderate;high;critical
type Risk string

// The risks, from least to greatest.
const (
	RiskLow      Risk = "low"
	RiskModerate Risk = "moderate"
	RiskHigh     Risk = "high"
	RiskCritical Risk = "critical"
)

// ReadinessVerdict is DEPLOYMENT_READY with its reasons.
type ReadinessVerdict struct {
	// Ready is true only if no check blocks.
	Ready bool `json:"ready"`
	// EvaluatedAt is when the verdict was reached.
	EvaluatedAt metav1.Time `json:"evaluatedAt"`
	// Passed and Blocked count the checks; every one of them is in the Delta
	// Summary (before) or the Closing Summary (after deployment).
	Passed  int `json:"passed"`
	Blocked int `json:"blocked"`
	// Blocking lists why the verdict is false: the first 100 blocking checks.
	// +kubebuilder:validation:MaxItems=100
	Blocking []CheckResult `json:"blocking,omitempty"`
}

// CheckResult is the verdict on one check of one asset.
type CheckResult struct {
	// Asset is the URI of what was checked.
	Asset string `json:"asset"`
	// Entry names the inventory entry that the asset belongs to.
	Entry string `json:"entry,omitempty"`
	// Check is the evidence type id, such as com.ibm.unit_tests.
	Check string `json:"check"`
	// Tool that produced the evidence, if any.
	Tool string `json:"tool,omitempty"`
	// Rule that was applied, such as "required".
	Rule string `json:"rule"`
	// Result is success, failure, pending or missing.
	Result string `json:"result"`
	// Reason says in words why the check blocks or passes.
	Reason string `json:"reason"`
	// Evidence is the id of the evidence that decided, empty if there was none.
	Evidence string `json:"evidence,omitempty"`
}

// PromotionPR is the pull request that moved the entries to the target's branch.
type PromotionPR struct {
	Number int    `json:"number"`
	URL    string `json:"url"`
	Title  string `json:"title,omitempty"`
	Author string `json:"author,omitempty"`
	// MergeCommit is the commit on the target's branch that the merge made.
	MergeCommit string `json:"mergeCommit"`
}

// InventoryRange is what is deployed: the entries that differ between two commits.
type InventoryRange struct {
	URL    string `json:"url"`
	Branch string `json:"branch"`
	// From is the commit that the target last concluded; empty for a target's
	// first deployment.
	From string `json:"from,omitempty"`
	// To is the commit that is deployed.
	To string `json:"to"`
	// Redeploy is true if all entries are deployed although nothing changed.
	Redeploy bool `json:"redeploy,omitempty"`
}

// Stage is one of the user's own stages as it will be run.
type Stage struct {
	// Name is deploy, acceptance-test or rollback.
	Name string `json:"name"`
	// Task is the name of the Task that runs the stage.
	Task string `json:"task,omitempty"`
	// Image that run-stage runs the script in.
	Image string `json:"image,omitempty"`
	// ScriptDigest is the sha256 of the script, as sha256:<hex>.
	ScriptDigest string `json:"scriptDigest,omitempty"`
}

// Subject is one inventory entry that the change deploys or deletes.
type Subject struct {
	// Name is the entry's path in the inventory.
	Name string `json:"name"`
	// Action is what the change does to it.
	// +kubebuilder:validation:Enum=deploy;delete
	Action string `json:"action"`
	// Version of the component.
	Version string `json:"version,omitempty"`
	// Artifact is the reference that is deployed, such as an image name.
	Artifact string `json:"artifact,omitempty"`
	// Digest of the artifact as sha256:<hex>; empty if the entry names none.
	Digest string `json:"digest,omitempty"`
}

// Attachment is a document of the record, kept as a blob in an OCI registry.
type Attachment struct {
	// Name is what people call it, such as "Delta Summary".
	Name string `json:"name"`
	// FileName under which it is stored in the bundle.
	FileName string `json:"fileName"`
	// MediaType of its content.
	MediaType string `json:"mediaType"`
	// Size in bytes.
	Size int64 `json:"size"`
	// Digest of its content as sha256:<hex>.
	Digest string `json:"digest"`
	// Reference under which a registry hands out the blob: repository@digest.
	Reference string `json:"reference"`
}

// RunRef names a PipelineRun.
type RunRef struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid"`
}

// ChangeState is where a change stands, in the words of the field.
type ChangeState string

// The states, in the order in which a change passes them.
const (
	// StateNew: stored, nothing done yet.
	StateNew ChangeState = "New"
	// StateAssess: the backend's record and the attachments are being put in place.
	StateAssess ChangeState = "Assess"
	// StateAuthorize: in place, waiting for approval.
	StateAuthorize ChangeState = "Authorize"
	// StateScheduled: approved, not begun.
	StateScheduled ChangeState = "Scheduled"
	// StateImplement: a run is deploying it.
	StateImplement ChangeState = "Implement"
	// StateReview: deployed or tried, and left open for people to look at.
	StateReview ChangeState = "Review"
	// StateClosed: over.
	StateClosed ChangeState = "Closed"
	// StateCanceled: given up before it was deployed; rejected changes end here.
	StateCanceled ChangeState = "Canceled"
)

// ApprovalState is whether a change may be deployed, in the words of the field.
type ApprovalState string

// The approval states.
const (
	ApprovalNotRequested ApprovalState = "not requested"
	ApprovalRequested    ApprovalState = "requested"
	ApprovalApproved     ApprovalState = "approved"
	ApprovalRejected     ApprovalState = "rejected"
)

// CloseCategory is how a change ended, in the words of the field.
type CloseCategory string

// The close categories.
const (
	CategorySuccessful           CloseCategory = "successful"
	CategorySuccessfulWithIssues CloseCategory = "successful with issues"
	CategoryUnsuccessful         CloseCategory = "unsuccessful"
)

// ChangeRequestStatus is the controller's account of a change.
type ChangeRequestStatus struct {
	// ObservedGeneration is the generation of the spec that the status is about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// State is where the change stands.
	State ChangeState `json:"state,omitempty"`
	// Approval is whether the change may be deployed, and why.
	Approval ApprovalStatus `json:"approval,omitempty"`
	// Backend is the official copy of the record.
	Backend BackendStatus `json:"backend,omitempty"`
	// Implementing is the run that deploys the change now or did so last.
	Implementing *RunRef `json:"implementing,omitempty"`
	// Runs are the runs that took the change up, the first of them the one that
	// created it.
	// +listType=atomic
	Runs []RunStatus `json:"runs,omitempty"`
	// CloseCategory is how the change ended, set when it was concluded.
	CloseCategory CloseCategory `json:"closeCategory,omitempty"`
	// Attachments that were added when the change was concluded; those from its
	// opening are in the spec.
	// +listType=atomic
	Attachments []Attachment `json:"attachments,omitempty"`
	// History is every event of the change, oldest first.
	// +listType=atomic
	History []HistoryEvent `json:"history,omitempty"`
	// Conditions: see the Condition constants.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ApprovalStatus is a decision with its reasons.
type ApprovalStatus struct {
	State ApprovalState `json:"state,omitempty"`
	// Automatic is true if the change was approved without a person.
	Automatic bool `json:"automatic,omitempty"`
	// Reasons say why it was approved without a person, or why it was not.
	// +listType=atomic
	Reasons []string `json:"reasons,omitempty"`
	// Required is how many people must approve.
	Required int `json:"required,omitempty"`
	// Decisions that counted, oldest first.
	// +listType=atomic
	Decisions []DecisionStatus `json:"decisions,omitempty"`
}

// DecisionStatus is one person's decision as it was counted.
type DecisionStatus struct {
	// Approval is the name of the ChangeApproval.
	Approval string      `json:"approval"`
	User     string      `json:"user"`
	Decision Decision    `json:"decision"`
	Comment  string      `json:"comment,omitempty"`
	Time     metav1.Time `json:"time"`
}

// BackendStatus is the official copy of the record, in the system that keeps it.
type BackendStatus struct {
	// Type is the kind of backend, such as "cluster".
	Type string `json:"type,omitempty"`
	// ID is what the backend calls the record.
	ID string `json:"id,omitempty"`
	// URL where a person finds it, empty if there is none.
	URL string `json:"url,omitempty"`
}

// RunStatus is one run's part in a change.
type RunStatus struct {
	RunRef `json:",inline"`
	// Adopted is true if the run did not create the change but was given its id.
	Adopted bool `json:"adopted,omitempty"`
	// Gate is the reason with which the run's gate ended, empty until it has.
	Gate string `json:"gate,omitempty"`
	// Conclusion is the name of the ChangeConclusion that the run handed in,
	// empty until it has become part of the record.
	Conclusion string `json:"conclusion,omitempty"`
	// Outcome of the run's deployment, empty until it is known.
	Outcome Outcome `json:"outcome,omitempty"`
	// Rollback is how the run's inline rollback ended, empty until it is known.
	Rollback RollbackOutcome `json:"rollback,omitempty"`
	// CloseCategory that the run's conclusion was given, empty if nothing was
	// deployed.
	CloseCategory CloseCategory `json:"closeCategory,omitempty"`
}

// HistoryEvent is one thing that happened to a change.
type HistoryEvent struct {
	Time metav1.Time `json:"time"`
	// Actor is the user, run or program that did it.
	Actor string `json:"actor"`
	// Event is a constant: see the Event constants.
	Event string `json:"event"`
	// Subject is what the event is about: the name of a ChangeApproval or
	// ChangeConclusion, the UID of a run, or empty for the change itself. An event
	// happens to a subject once, so event and subject together tell entries apart.
	Subject string `json:"subject,omitempty"`
	// Message says it in words.
	Message string `json:"message,omitempty"`
}

// Events of a change's history. They are also the reasons of the Kubernetes
// Events that are sent for them.
const (
	// EventCreated: the change request was stored. Actor: who created it.
	EventCreated = "Created"
	// EventOpened: the run that created the change asked for it to be opened.
	// Subject: the run's UID.
	EventOpened = "Opened"
	// EventAdopted: a run that was given the change's id took it up. Subject: the
	// run's UID.
	EventAdopted = "Adopted"
	// EventSubmitted: the backend has the record and every attachment was found.
	EventSubmitted = "Submitted"
	// EventApprovalRequested: the change was not approved automatically.
	EventApprovalRequested = "ApprovalRequested"
	// EventDecided: a person's decision was counted. Subject: the ChangeApproval.
	EventDecided = "Decided"
	// EventDecisionNotCounted: a decision was not counted, and the message says
	// why. Subject: the ChangeApproval.
	EventDecisionNotCounted = "DecisionNotCounted"
	// EventApproved: the change may be deployed.
	EventApproved = "Approved"
	// EventRejected: the change may not be deployed, for good.
	EventRejected = "Rejected"
	// EventImplementing: a run passed the gate and deploys the change. Subject:
	// the run's UID.
	EventImplementing = "Implementing"
	// EventGateEnded: a run's gate ended without letting it through. Subject: the
	// run's UID.
	EventGateEnded = "GateEnded"
	// EventConcluded: a run's conclusion became part of the record. Subject: the
	// ChangeConclusion.
	EventConcluded = "Concluded"
	// EventRolledBack: a run's inline rollback ended, well or badly. Subject: the
	// run's UID.
	EventRolledBack = "RolledBack"
	// EventClosed: the change is over.
	EventClosed = "Closed"
	// EventCanceled: the change was given up before it was deployed.
	EventCanceled = "Canceled"
)

// Reasons of condition Submitted.
const (
	// SubmittedReasonDone: True.
	SubmittedReasonDone = "Submitted"
	// SubmittedReasonPolicyMissing: not exactly one ChangePolicy selects the
	// namespace. Tried again when a policy or the namespace changes.
	SubmittedReasonPolicyMissing = "PolicyMissing"
	// SubmittedReasonReferenceRefused: the bundle or an attachment lies outside
	// the policy's repository prefixes. Tried again when the policy changes.
	SubmittedReasonReferenceRefused = "ReferenceRefused"
	// SubmittedReasonAttachmentMismatch: a blob exists, but not with the size that
	// the change request says. Final.
	SubmittedReasonAttachmentMismatch = "AttachmentMismatch"
	// SubmittedReasonAttachmentMissing: a registry answered that it has no such
	// blob or bundle. Tried again.
	SubmittedReasonAttachmentMissing = "AttachmentMissing"
	// SubmittedReasonRegistryUnavailable: a registry could not be asked, or would
	// not say. Tried again.
	SubmittedReasonRegistryUnavailable = "RegistryUnavailable"
	// SubmittedReasonBackendUnavailable: the backend did not take the record.
	// Tried again.
	SubmittedReasonBackendUnavailable = "BackendUnavailable"
	// SubmittedReasonPending: nothing was tried yet.
	SubmittedReasonPending = "Pending"
)

// Conditions of a ChangeRequest.
const (
	// ConditionSubmitted is True once the backend has the record and every
	// attachment was found under its digest; False with a reason while it is
	// being retried. Positive polarity.
	ConditionSubmitted = "Submitted"
	// ConditionApproved is True once the change may be deployed, False once it
	// was rejected, Unknown in between. Positive polarity.
	ConditionApproved = "Approved"
	// ConditionConcluded is True once a run's conclusion is part of the record.
	// Positive polarity.
	ConditionConcluded = "Concluded"
)
