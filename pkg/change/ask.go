// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// Param is one parameter of a custom task. IsString is false for arrays and
// objects, which no custom task of ours takes.
type Param struct {
	Name, Value string
	IsString    bool
}

// Ask is what a custom task was asked for.
type Ask struct {
	// ChangeRequest is the id.
	ChangeRequest string
	// Gate is the mode that the run asks for, empty for the policy's.
	Gate v1alpha1.GateMode
	// ApprovalTimeout that the run asks for, zero for the policy's.
	ApprovalTimeout time.Duration
	// Bundle that would be deployed; ApproveChange only.
	Bundle string
}

// maxBundleBytes is what a reference to a bundle may take: it is repeated in
// messages, and no change request has a longer one.
const maxBundleBytes = 2048

// paramsOf are the parameters that each kind knows.
var paramsOf = map[string][]string{
	v1alpha1.KindOpenChange:    {v1alpha1.ParamChangeRequestID, v1alpha1.ParamGate, v1alpha1.ParamApprovalTimeout},
	v1alpha1.KindApproveChange: {v1alpha1.ParamChangeRequestID, v1alpha1.ParamGate, v1alpha1.ParamApprovalTimeout, v1alpha1.ParamBundle},
}

// ParseAsk reads the parameters of a custom task of a kind. It returns every
// problem; with any of them the ask is not to be acted on, though its
// ChangeRequest is filled in where it can be one.
func ParseAsk(kind string, params []Param) (Ask, []string) {
	var problems []string
	values := map[string]string{}
	for _, param := range params {
		switch {
		case !slices.Contains(paramsOf[kind], param.Name):
			problems = append(problems, fmt.Sprintf("unknown parameter %.80q: %s takes %s", param.Name, kind, strings.Join(paramsOf[kind], ", ")))
		case !param.IsString:
			problems = append(problems, fmt.Sprintf("parameter %s must be a string", param.Name))
		default:
			if _, twice := values[param.Name]; twice {
				problems = append(problems, fmt.Sprintf("parameter %s is given twice", param.Name))
			}
			values[param.Name] = param.Value
		}
	}

	ask := Ask{
		ChangeRequest: values[v1alpha1.ParamChangeRequestID],
		Gate:          v1alpha1.GateMode(values[v1alpha1.ParamGate]),
		Bundle:        values[v1alpha1.ParamBundle],
	}
	switch faults := validation.IsDNS1123Label(ask.ChangeRequest); {
	case ask.ChangeRequest == "":
		problems = append(problems, fmt.Sprintf("parameter %s is missing", v1alpha1.ParamChangeRequestID))
	case len(faults) > 0:
		// Asking the API server for such a name would fail for ever, and not end the task.
		problems = append(problems, fmt.Sprintf("parameter %s is %.80q, which cannot be the name of a change request", v1alpha1.ParamChangeRequestID, ask.ChangeRequest))
		ask.ChangeRequest = ""
	}
	switch ask.Gate {
	case "", v1alpha1.GateWait, v1alpha1.GateStop:
	default:
		problems = append(problems, fmt.Sprintf("parameter %s is %.80q: want %s, %s, or nothing for the policy's", v1alpha1.ParamGate, string(ask.Gate), v1alpha1.GateWait, v1alpha1.GateStop))
	}
	if text := values[v1alpha1.ParamApprovalTimeout]; text != "" {
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout <= 0 {
			problems = append(problems, fmt.Sprintf("parameter %s is %.80q: want a duration such as 90m, or nothing for the policy's", v1alpha1.ParamApprovalTimeout, text))
		} else {
			ask.ApprovalTimeout = timeout
		}
	}
	switch {
	case kind == v1alpha1.KindApproveChange && ask.Bundle == "":
		problems = append(problems, fmt.Sprintf("parameter %s is missing", v1alpha1.ParamBundle))
	case len(ask.Bundle) > maxBundleBytes:
		problems = append(problems, fmt.Sprintf("parameter %s is %d bytes long, more than %d", v1alpha1.ParamBundle, len(ask.Bundle), maxBundleBytes))
		ask.Bundle = ""
	}
	return ask, problems
}

// Terms are the conditions under which a custom task waits, settled when it is
// first seen and kept from then on: a policy that is edited later does not change
// the terms of a run that waits already.
type Terms struct {
	// Mode of the gate.
	Mode v1alpha1.GateMode `json:"mode"`
	// Deadline after which the task ends itself; zero: never.
	Deadline time.Time `json:"deadline,omitzero"`
	// DeadlineReason is the reason with which it then ends: Expired where the
	// approval timeout set the deadline, CustomRunTimeout where the task's own
	// timeout did.
	DeadlineReason string `json:"deadlineReason,omitempty"`
}

// Verdict is the answer to a custom task.
type Verdict struct {
	// Done is false while the task has to wait.
	Done bool
	// Passed is true if the task succeeded; false while it waits.
	Passed bool
	// Reason is one of the Reason constants of the API.
	Reason string
	// Message for people. It may hold text of others and is never a format.
	Message string
}

func waiting(reason, format string, args ...any) Verdict {
	return Verdict{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func passed(reason, format string, args ...any) Verdict {
	return Verdict{Done: true, Passed: true, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func failed(reason, format string, args ...any) Verdict {
	return Verdict{Done: true, Reason: reason, Message: fmt.Sprintf(format, args...)}
}
