// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// maxCommandBytes bounds a command that is printed for people to copy.
const maxCommandBytes = 32 << 10

// ResumeCommand is the command that starts the Pipeline of a run once more, with
// the same parameters, workspaces, ServiceAccounts and timeouts, for a change
// request that the run left open. Every word is quoted for a POSIX shell.
//
// It always carries all three timeouts that the run has, because a run without
// them ends after an hour without its finally. Where a run has something that
// tkn's flags cannot say (an array element with a comma, a volume claim
// template), the command refers to the run itself instead, which then must still
// exist. A run that does not name its Pipeline cannot be started again by tkn;
// the answer then is a shell comment that says what to do.
func ResumeCommand(run *tektonv1.PipelineRun, changeRequest string) string {
	if run.Spec.PipelineRef == nil || run.Spec.PipelineRef.Name == "" {
		return fmt.Sprintf("# PipelineRun %s names no Pipeline: start it again as it was, with parameter %s set to %s", run.Name, v1alpha1.ParamChangeRequestID, changeRequest)
	}
	id := v1alpha1.ParamChangeRequestID + "=" + changeRequest
	command, complete := startCommand(run, id)
	if !complete || len(command) > maxCommandBytes {
		return joinQuoted("tkn", "pipeline", "start", run.Spec.PipelineRef.Name, "-n", run.Namespace,
			"--use-pipelinerun", run.Name, "-p", id, "--showlog")
	}
	return command
}

// startCommand spells the run out in flags; false if they cannot say all of it.
func startCommand(run *tektonv1.PipelineRun, id string) (string, bool) {
	words := []string{"tkn", "pipeline", "start", run.Spec.PipelineRef.Name, "-n", run.Namespace}
	words = append(words, "-p", id)
	for _, param := range run.Spec.Params {
		if param.Name == v1alpha1.ParamChangeRequestID || !declares(run, param.Name) {
			continue
		}
		value, ok := paramValue(param.Value)
		if !ok {
			return "", false
		}
		words = append(words, "-p", param.Name+"="+value)
	}
	for _, workspace := range run.Spec.Workspaces {
		value, ok := workspaceValue(workspace)
		if !ok {
			return "", false
		}
		words = append(words, "-w", value)
	}
	if name := run.Spec.TaskRunTemplate.ServiceAccountName; name != "" {
		words = append(words, "--serviceaccount", name)
	}
	if run.Spec.TaskRunTemplate.PodTemplate != nil {
		return "", false
	}
	for _, spec := range run.Spec.TaskRunSpecs {
		if spec.PodTemplate != nil || spec.ComputeResources != nil || len(spec.StepSpecs) > 0 || len(spec.SidecarSpecs) > 0 || spec.Metadata != nil {
			return "", false
		}
		if spec.ServiceAccountName != "" {
			words = append(words, "--task-serviceaccount", spec.PipelineTaskName+"="+spec.ServiceAccountName)
		}
	}
	words = append(words, timeoutFlags(run.Spec.Timeouts)...)
	words = append(words, "--use-param-defaults")
	if len(run.Spec.Workspaces) == 0 {
		words = append(words, "--skip-optional-workspace")
	}
	words = append(words, "--showlog")
	return joinQuoted(words...), true
}

// declares tells whether the run's Pipeline has a parameter: tkn refuses others,
// Tekton ignores them. Where the Pipeline is not known yet, all are taken as
// declared.
func declares(run *tektonv1.PipelineRun, param string) bool {
	pipeline := run.Status.PipelineSpec
	return pipeline == nil || slices.ContainsFunc(pipeline.Params, func(spec tektonv1.ParamSpec) bool { return spec.Name == param })
}

// paramValue writes a value as tkn reads it: elements of an array and fields of
// an object are separated by commas, which cannot be escaped.
func paramValue(value tektonv1.ParamValue) (string, bool) {
	switch value.Type {
	case tektonv1.ParamTypeArray:
		if slices.ContainsFunc(value.ArrayVal, func(element string) bool { return strings.Contains(element, ",") }) ||
			(len(value.ArrayVal) == 1 && value.ArrayVal[0] == "") {
			return "", false
		}
		return strings.Join(value.ArrayVal, ","), true
	case tektonv1.ParamTypeObject:
		fields := make([]string, 0, len(value.ObjectVal))
		for key, element := range value.ObjectVal {
			if strings.ContainsAny(key, ",:") || strings.Contains(element, ",") || strings.TrimSpace(element) != element {
				return "", false
			}
			fields = append(fields, key+":"+element)
		}
		slices.Sort(fields)
		return strings.Join(fields, ","), len(fields) > 0
	}
	return value.StringVal, true
}

// workspaceValue writes a workspace as tkn reads it.
func workspaceValue(workspace tektonv1.WorkspaceBinding) (string, bool) {
	parts := []string{"name=" + workspace.Name}
	var items []corev1.KeyToPath
	switch {
	case workspace.Secret != nil && workspace.Secret.DefaultMode == nil && workspace.Secret.Optional == nil:
		parts = append(parts, "secret="+workspace.Secret.SecretName)
		items = workspace.Secret.Items
	case workspace.ConfigMap != nil && workspace.ConfigMap.DefaultMode == nil && workspace.ConfigMap.Optional == nil:
		parts = append(parts, "config="+workspace.ConfigMap.Name)
		items = workspace.ConfigMap.Items
	case workspace.EmptyDir != nil && workspace.EmptyDir.SizeLimit == nil:
		parts = append(parts, "emptyDir="+string(workspace.EmptyDir.Medium))
	case workspace.PersistentVolumeClaim != nil && !workspace.PersistentVolumeClaim.ReadOnly:
		parts = append(parts, "claimName="+workspace.PersistentVolumeClaim.ClaimName)
	default:
		return "", false
	}
	for _, item := range items {
		if item.Mode != nil {
			return "", false
		}
		parts = append(parts, "item="+item.Key+"="+item.Path)
	}
	if workspace.SubPath != "" {
		parts = append(parts, "subPath="+workspace.SubPath)
	}
	if slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(part, ",") }) {
		return "", false
	}
	return strings.Join(parts, ","), true
}

func timeoutFlags(timeouts *tektonv1.TimeoutFields) []string {
	var words []string
	if timeouts == nil {
		return words
	}
	if timeouts.Pipeline != nil {
		words = append(words, "--pipeline-timeout", timeouts.Pipeline.Duration.String())
	}
	if timeouts.Tasks != nil {
		words = append(words, "--tasks-timeout", timeouts.Tasks.Duration.String())
	}
	if timeouts.Finally != nil {
		words = append(words, "--finally-timeout", timeouts.Finally.Duration.String())
	}
	return words
}

// safeWord is what no POSIX shell reads as anything else.
var safeWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// joinQuoted writes words as one command line.
func joinQuoted(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quote(word)
	}
	return strings.Join(quoted, " ")
}

// quote writes one word so that a POSIX shell reads back exactly its bytes, and a
// terminal that shows it shows what is there: what is not visible is written as
// octal escapes of printf.
func quote(word string) string {
	if safeWord.MatchString(word) {
		return word
	}
	var out strings.Builder
	var hidden []byte
	out.WriteByte('\'')
	flush := func() {
		if len(hidden) == 0 {
			return
		}
		out.WriteString(`'"$(printf '`)
		for _, b := range hidden {
			fmt.Fprintf(&out, `\%03o`, b)
		}
		out.WriteString(`')"'`)
		hidden = nil
	}
	for i := 0; i < len(word); {
		r, size := rune(word[i]), 1
		if r >= 0x80 {
			r, size = utf8.DecodeRuneInString(word[i:])
		}
		// A command substitution loses line ends at its end, so they stay literal.
		if r != '\n' && (r == utf8.RuneError || !plaintext.Visible(r)) {
			hidden = append(hidden, word[i:i+size]...)
			i += size
			continue
		}
		flush()
		if r == '\'' {
			out.WriteString(`'\''`)
		} else {
			out.WriteString(word[i : i+size])
		}
		i += size
	}
	flush()
	out.WriteByte('\'')
	return out.String()
}
