// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// The custom tasks: kinds that a Pipeline names in taskRef together with this
// package's apiVersion. Nothing of these kinds is ever stored; Tekton makes a
// CustomRun, and the controller answers it.
const (
	// KindOpenChange waits until the change request of a run is in place, or
	// takes up one that an earlier run left open.
	KindOpenChange = "OpenChange"
	// KindApproveChange is the gate.
	KindApproveChange = "ApproveChange"
)

// Parameters of the custom tasks. Any other parameter is an error.
const (
	// ParamChangeRequestID is the name of the change request. Required by both.
	ParamChangeRequestID = "change-request-id"
	// ParamGate is wait, stop, or empty for the policy's mode.
	ParamGate = "gate"
	// ParamApprovalTimeout is a Go duration such as 90m, or empty for the
	// policy's.
	ParamApprovalTimeout = "approval-timeout"
	// ParamBundle is the bundle that would be deployed. Required by ApproveChange,
	// unknown to OpenChange.
	ParamBundle = "bundle"
)

// Results of the custom tasks, written whenever one ends, however it ends.
const (
	// ResultChangeRequestID repeats the parameter.
	ResultChangeRequestID = "change-request-id"
	// ResultChangeRequestURL is where a person finds the record; empty if nowhere.
	// OpenChange only.
	ResultChangeRequestURL = "change-request-url"
	// ResultChangeRequestState is the ChangeState when the task ended; empty if
	// there is no such change request.
	ResultChangeRequestState = "change-request-state"
	// ResultFastPath is "true" if the change request was adopted. OpenChange only.
	ResultFastPath = "fast-path"
	// ResultDecision is one of the GateDecision constants. ApproveChange only.
	ResultDecision = "decision"
)

// GateDecision is what a gate decided.
type GateDecision string

// The gate decisions, values of the result "decision".
const (
	GateApproved         GateDecision = "approved"
	GateRejected         GateDecision = "rejected"
	GateExpired          GateDecision = "expired"
	GateApprovalRequired GateDecision = "approval-required"
	GateCancelled        GateDecision = "cancelled"
	GateError            GateDecision = "error"
)

// Reasons of the condition Succeeded of a CustomRun. Pipelines read them as
// $(tasks.<name>.reason).
const (
	// ReasonSubmitting (Unknown): OpenChange waits for the record.
	ReasonSubmitting = "Submitting"
	// ReasonOpened (True): the run's own change request is in place.
	ReasonOpened = "Opened"
	// ReasonAdopted (True): an earlier run's change request was taken up.
	ReasonAdopted = "Adopted"

	// ReasonAwaitingApproval (Unknown): the gate waits for people.
	ReasonAwaitingApproval = "AwaitingApproval"
	// ReasonAwaitingImplement (Unknown): approved; the gate waits until the record
	// says that this run implements the change.
	ReasonAwaitingImplement = "AwaitingImplement"
	// ReasonApproved (True): the run may deploy.
	ReasonApproved = "Approved"
	// ReasonApprovalRequired (False): the gate's mode is stop and the change is
	// not approved yet. The message has the command that resumes the run.
	ReasonApprovalRequired = "ApprovalRequired"
	// ReasonRejected (False): a person rejected the change.
	ReasonRejected = "Rejected"
	// ReasonExpired (False): nobody decided in time; the change is left open. The
	// message has the command that resumes the run.
	ReasonExpired = "Expired"

	// ReasonInvalidParameters (False): a parameter is unknown, missing or
	// malformed, was changed while the task ran, or names a change request that
	// this run has not opened.
	ReasonInvalidParameters = "InvalidParameters"
	// ReasonUnknownChangeRequest (False): there is no such change request, or no
	// run ever opened it.
	ReasonUnknownChangeRequest = "UnknownChangeRequest"
	// ReasonChangeRequestClosed (False): the change is over.
	ReasonChangeRequestClosed = "ChangeRequestClosed"
	// ReasonChangeRequestRejected (False): OpenChange was given a rejected change.
	ReasonChangeRequestRejected = "ChangeRequestRejected"
	// ReasonPolicyMissing (False): not exactly one ChangePolicy selects the
	// namespace.
	ReasonPolicyMissing = "PolicyMissing"
	// ReasonSubmissionRefused (False): the record can never be put in place as it
	// is: a reference outside the policy's prefixes, an attachment of another size.
	ReasonSubmissionRefused = "SubmissionRefused"
	// ReasonApprovalTimeoutTooLong (False): the run's timeouts end before the
	// approval timeout that it asks for.
	ReasonApprovalTimeoutTooLong = "ApprovalTimeoutTooLong"
	// ReasonContentChanged (False): what would be deployed is not what the change
	// request is about.
	ReasonContentChanged = "ContentChanged"
	// ReasonCustomRunTimeout (False): the task's own timeout, or what the run's
	// timeouts leave of it, is over.
	ReasonCustomRunTimeout = "CustomRunTimeout"
	// ReasonCustomRunCancelled (False): Tekton asked for the task to end. Tekton
	// compares this string.
	ReasonCustomRunCancelled = "CustomRunCancelled"
	// ReasonCustomRunWorkspaceNotSupported (False): the task was given a workspace.
	ReasonCustomRunWorkspaceNotSupported = "CustomRunWorkspaceNotSupported"
)
