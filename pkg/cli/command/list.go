// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/view"
)

func (a *app) list() *cobra.Command {
	var (
		out     output
		all     bool
		limit   int
		filter  view.Filter
		options view.ListOptions
	)
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List change requests, the newest first",
		Example: `Changes that wait for somebody's approval, in all namespaces:

  tkn change list -A --state authorize

Whatever is still open for production:

  tkn change list --state open --target prod`,
		Args: noArgs,
		PreRunE: func(*cobra.Command, []string) error {
			for _, state := range filter.States {
				if !slices.ContainsFunc(view.States(), func(known string) bool { return strings.EqualFold(known, state) }) {
					return usagef("state %q is not known: choose among %s", state, strings.Join(view.States(), ", "))
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			namespace, where := server.Namespace, "namespace "+server.Namespace
			if all {
				namespace, where = metav1.NamespaceAll, "any namespace"
			}
			found, err := server.Changes.CountersignV1alpha1().ChangeRequests(namespace).List(cmd.Context(), metav1.ListOptions{})
			if err != nil {
				return failed("listing the change requests of "+where, err)
			}
			changes := filter.Apply(found.Items)
			if limit > 0 && len(changes) > limit {
				changes = changes[:limit]
			}
			switch out {
			case outputJSON, outputYAML:
				list := v1alpha1.ChangeRequestList{ListMeta: found.ListMeta, Items: changes}
				list.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ChangeRequestList"))
				if list.Items == nil {
					list.Items = []v1alpha1.ChangeRequest{} // JSON's [], not null
				}
				for i := range list.Items {
					forPrograms(&list.Items[i])
				}
				return out.data(a.Out, list)
			case outputName:
				for _, change := range changes {
					if err := name(a.Out, "changerequest", change.Name); err != nil {
						return err
					}
				}
				return nil
			}
			if len(changes) == 0 {
				_, err := fmt.Fprintf(a.Err, "No change requests found in %s\n", plaintext.Line(where))
				return err
			}
			options.AllNamespaces, options.Now = all, a.Now()
			return view.List(a.Out, a.Style, changes, options)
		},
	}
	out.addTo(cmd, outputTable, outputJSON, outputYAML, outputName)
	flags := cmd.Flags()
	flags.BoolVarP(&all, "all-namespaces", "A", false, "list change requests of all namespaces")
	flags.StringSliceVar(&filter.States, "state", nil, "only these states: "+strings.Join(view.States(), ", "))
	flags.StringVar(&filter.Target, "target", "", "only this target: ENVIRONMENT or REGION/ENVIRONMENT")
	flags.IntVar(&limit, "limit", 0, "at most so many change requests (default: all)")
	flags.BoolVar(&options.NoHeaders, "no-headers", false, "do not print column headers")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(view.States(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
