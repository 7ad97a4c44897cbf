// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// maxShown is how many bytes of a parameter's value a message repeats.
const maxShown = 80

// AddWorkspace adds the two flags of an optional workspace.
func AddWorkspace(flags *pflag.FlagSet, w *Workspace, name, what string) {
	flags.StringVar(&w.Path, name, "", "folder with "+what)
	flags.StringVar(&w.Bound, name+"-bound", "", `"false" if Tekton bound nothing to workspace `+name)
}

// AddResults adds the flag that says where results are written.
func AddResults(flags *pflag.FlagSet, r *Results, names ...string) {
	flags.StringToStringVar((*map[string]string)(r), "result", nil, "file of a Tekton result, as name=path; repeat for "+strings.Join(names, ", "))
}

// ParseBool reads a switch the way parameters of Pipelines are written: true or
// false, 1 or 0, and empty for no.
func ParseBool(name, value string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true", "1":
		return true, nil
	case "false", "0", "":
		return false, nil
	}
	return false, Invalid("parameter " + name + " is \"" + plaintext.Clip(value, maxShown) + "\", want true or false")
}
