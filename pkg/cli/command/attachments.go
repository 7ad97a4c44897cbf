// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/download"
	"github.com/countersign-dev/countersign/pkg/cli/view"
)

func (a *app) attachments() *cobra.Command {
	var (
		out       output
		folder    string
		overwrite bool
	)
	cmd := &cobra.Command{
		Use:     "attachments ID [NAME...]",
		Aliases: []string{"att"},
		Short:   "List or download the attachments of a change request",
		Long: `List the attachments of a change request, or download them from the registry
that keeps them. Each is fetched by its digest and stored only if every byte of
it is what the record names. Credentials are those of Docker's configuration
file.`,
		Example: `  tkn change attachments chg-4k2m7xqpav
  tkn change attachments chg-4k2m7xqpav --download . 'Delta Summary'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return oneID(cmd, args)
			}
			return nil
		},
		ValidArgsFunction: a.ids,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out != "" && cmd.Flags().Changed("download") {
				return usagef("choose one of --output and --download")
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			change, err := server.change(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			chosen, err := choose(change, args[1:])
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("download") {
				return a.save(cmd.Context(), folder, chosen, overwrite)
			}
			if out != "" {
				return out.data(a.Out, chosen)
			}
			return view.Attachments(a.Out, a.Style, change, chosen)
		},
	}
	out.addTo(cmd, outputJSON, outputYAML)
	cmd.Flags().StringVar(&folder, "download", "", "download into this folder, which is made if there is none")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace files that exist with other content")
	_ = cmd.MarkFlagDirname("download")
	return cmd
}

// choose finds attachments by name or file name, case aside; all if no name is
// given.
func choose(change *v1alpha1.ChangeRequest, names []string) ([]v1alpha1.Attachment, error) {
	all := view.AllAttachments(change)
	if len(names) == 0 {
		return all, nil
	}
	chosen := []v1alpha1.Attachment{}
	for _, name := range names {
		matches := func(attachment v1alpha1.Attachment) bool {
			return strings.EqualFold(attachment.Name, name) || attachment.FileName == name
		}
		if !slices.ContainsFunc(all, matches) {
			var have []string
			for _, attachment := range all {
				have = append(have, fmt.Sprintf("%q", attachment.Name))
			}
			return nil, notFoundf("change request %s has no attachment %q: it has %s", change.Name, name, strings.Join(have, ", "))
		}
		for _, attachment := range all {
			if matches(attachment) && !slices.Contains(chosen, attachment) {
				chosen = append(chosen, attachment)
			}
		}
	}
	return chosen, nil
}

// save fetches attachments; one that fails does not keep the others back.
func (a *app) save(ctx context.Context, dir string, attachments []v1alpha1.Attachment, overwrite bool) error {
	if dir == "" {
		return usagef("--download wants a folder")
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the folder for downloads: %w", err)
	}
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the folder for downloads: %w", err)
	}
	defer func() { _ = folder.Close() }()
	var problems []error
	taken := map[string]string{} // file names to digests
	for _, attachment := range attachments {
		attachment.FileName = unique(taken, attachment)
		outcome, err := a.Registry.Save(ctx, folder, attachment, overwrite)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		did := a.Style.Good("downloaded")
		if outcome.Kept {
			did = "there already"
		}
		if _, err := fmt.Fprintf(a.Out, "%s  %s  %s, digest verified: %s\n", plaintext.Line(outcome.File),
			plaintext.Line(attachment.Name), did, plaintext.Line(attachment.Digest)); err != nil {
			return err
		}
	}
	return errors.Join(problems...)
}

// unique makes the file names of one download differ: a change that several
// runs concluded has, say, several Closing Summaries.
func unique(taken map[string]string, attachment v1alpha1.Attachment) string {
	file := download.FileName(attachment)
	if digest, exists := taken[file]; exists && digest != attachment.Digest {
		short, _ := strings.CutPrefix(attachment.Digest, "sha256:")
		file = short[:min(12, len(short))] + "-" + file
	}
	taken[file] = attachment.Digest
	return file
}
