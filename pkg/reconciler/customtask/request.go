// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package customtask

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
)

// Request is a CustomRun of ours, read.
type Request struct {
	// Kind is OpenChange or ApproveChange.
	Kind string
	// Ask is what it asks for; not to be acted on while there is a Problem.
	Ask change.Ask
	// Run is the PipelineRun that it belongs to.
	Run v1alpha1.RunRef
	// Terms that were settled, nil before that.
	Terms *change.Terms
	// ProblemReason and Problem say what is wrong with it, empty if nothing is.
	ProblemReason, Problem string
	// Cancelled: Tekton asks for its end.
	Cancelled bool
	// Done: it has ended, with Reason and Message.
	Done            bool
	Reason, Message string
}

// Waits tells whether the request is sound and still to be answered.
func (r Request) Waits() bool {
	return !r.Done && !r.Cancelled && r.Problem == ""
}

// settled is what is kept in status.extraFields.
type settled struct {
	Params map[string]string `json:"params"`
	Terms  change.Terms      `json:"terms"`
}

// Is tells whether a CustomRun is of one of our kinds, by reference or embedded.
func Is(run *v1beta1.CustomRun, kind string) bool {
	version := v1alpha1.SchemeGroupVersion.String()
	switch {
	case run.Spec.CustomRef != nil:
		return run.Spec.CustomRef.APIVersion == version && string(run.Spec.CustomRef.Kind) == kind
	case run.Spec.CustomSpec != nil:
		return run.Spec.CustomSpec.APIVersion == version && run.Spec.CustomSpec.Kind == kind
	}
	return false
}

// kindOf is which of our kinds a CustomRun is of, empty if none.
func kindOf(run *v1beta1.CustomRun) string {
	for _, kind := range []string{v1alpha1.KindOpenChange, v1alpha1.KindApproveChange} {
		if Is(run, kind) {
			return kind
		}
	}
	return ""
}

// Read reads a CustomRun. It is the one reading that its own reconciler and the
// change request's share, so that they never disagree on what was asked.
func Read(run *v1beta1.CustomRun) Request {
	request := Request{Kind: kindOf(run), Cancelled: run.IsCancelled(), Done: run.IsDone()}
	if condition := run.Status.GetCondition(apis.ConditionSucceeded); condition != nil {
		request.Reason, request.Message = condition.Reason, condition.Message
	}
	if owner := metav1.GetControllerOf(run); owner != nil && owner.Kind == "PipelineRun" && strings.HasPrefix(owner.APIVersion, "tekton.dev/") {
		request.Run = v1alpha1.RunRef{Name: owner.Name, UID: owner.UID}
	}

	var problems []string
	request.Ask, problems = change.ParseAsk(request.Kind, paramsOf(run))
	if run.Spec.CustomSpec != nil {
		problems = append(problems, "an embedded spec is not supported: name the kind in taskRef and use parameters")
	} else if run.Spec.CustomRef != nil && run.Spec.CustomRef.Name != "" {
		problems = append(problems, fmt.Sprintf("taskRef names %q, but %s has no objects to name: use parameters", run.Spec.CustomRef.Name, request.Kind))
	}
	if request.Run.UID == "" {
		problems = append(problems, "no PipelineRun owns this CustomRun")
	}
	before, err := readSettled(run)
	switch {
	case err != nil:
		problems = append(problems, err.Error())
	case before != nil:
		request.Terms = &before.Terms
		if !maps.Equal(before.Params, snapshot(run)) {
			problems = append(problems, "the parameters were changed while the task was running")
		}
	}

	switch {
	case len(run.Spec.Workspaces) > 0:
		request.ProblemReason = v1alpha1.ReasonCustomRunWorkspaceNotSupported
		request.Problem = fmt.Sprintf("%s takes no workspace, but was given %d", request.Kind, len(run.Spec.Workspaces))
	case len(problems) > 0:
		request.ProblemReason = v1alpha1.ReasonInvalidParameters
		request.Problem = strings.Join(problems, "; ")
	}
	return request
}

func paramsOf(run *v1beta1.CustomRun) []change.Param {
	params := make([]change.Param, len(run.Spec.Params))
	for i, param := range run.Spec.Params {
		params[i] = change.Param{
			Name:     param.Name,
			Value:    param.Value.StringVal,
			IsString: param.Value.Type == v1beta1.ParamTypeString || param.Value.Type == "",
		}
	}
	return params
}

// snapshot is the parameters as they are now.
func snapshot(run *v1beta1.CustomRun) map[string]string {
	params := map[string]string{}
	for _, param := range run.Spec.Params {
		params[param.Name] = param.Value.StringVal
	}
	return params
}

func readSettled(run *v1beta1.CustomRun) (*settled, error) {
	if len(run.Status.ExtraFields.Raw) == 0 {
		return nil, nil
	}
	var before settled
	if err := json.Unmarshal(run.Status.ExtraFields.Raw, &before); err != nil {
		return nil, fmt.Errorf("status.extraFields cannot be read: %w", err)
	}
	return &before, nil
}
