// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
)

// output is the flag -o. Empty is the drawing for people.
type output string

const (
	outputTable output = "table"
	outputJSON  output = "json"
	outputYAML  output = "yaml"
	outputName  output = "name"
	// outputMarkdown is for issues and comments.
	outputMarkdown output = "markdown"
)

// addTo adds the flag to a command that knows these outputs.
func (o *output) addTo(cmd *cobra.Command, known ...output) {
	var words []string
	for _, word := range known {
		words = append(words, string(word))
	}
	cmd.Flags().StringVarP((*string)(o), "output", "o", "", "output format: "+strings.Join(words, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if *o != "" && !slices.Contains(words, string(*o)) {
			return usagef("output format %q is not known: choose one of %s", *o, strings.Join(words, ", "))
		}
		if check != nil {
			return check(cmd, args)
		}
		return nil
	}
}

// data writes a value as -o json or yaml.
func (o output) data(w io.Writer, value any) error {
	write := terminal.YAML
	if o == outputJSON {
		write = terminal.JSON
	}
	text, err := write(value)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// name writes the line of -o name.
func name(w io.Writer, resource, object string) error {
	_, err := fmt.Fprintf(w, "%s/%s\n", schema.GroupResource{Group: v1alpha1.SchemeGroupVersion.Group, Resource: resource}, plaintext.Line(object))
	return err
}

// forPrograms gives a change what servers leave out and takes what is noise.
func forPrograms(change *v1alpha1.ChangeRequest) {
	change.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ChangeRequest"))
	change.ManagedFields = nil
}
