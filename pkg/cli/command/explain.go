// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/offline"
	"github.com/countersign-dev/countersign/pkg/cli/summary"
	"github.com/countersign-dev/countersign/pkg/cli/view"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

// errNotReady ends a command that has said already why.
var errNotReady = coded{errors.New(""), ExitNotReady}

func (a *app) explain() *cobra.Command {
	var (
		out               output
		blocking, closing bool
		question          offline.Question
	)
	cmd := &cobra.Command{
		Use:   "explain ID | explain --inventory DIR --locker DIR|URL --target ENVIRONMENT",
		Short: "Say why a deployment is blocked, check by check",
		Long: `Say why a deployment is blocked: entry by entry, asset by asset, check by check,
with the rule, the result, where the evidence is, why it blocks and what would
unblock it. The first line is the answer.

With an ID, of a change request: the verdict is in its Delta Summary, which is
fetched from the registry by its digest.

With --inventory, of a folder of inventory entries and an evidence locker, and no
cluster is asked. What only a run can verify, signatures and reviews, is missing
there unless the locker has it.

Exit codes: 0 ready; 5 not ready; others as everywhere.`,
		Example: `  tkn change explain chg-4k2m7xqpav --blocking
  tkn change explain --inventory . --locker s3://evidence?region=eu-de --target prod --config ../config`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := offlineFlags(cmd, question); err != nil {
				return err
			}
			if question.Inventory == "" {
				return oneID(cmd, args)
			}
			return noArgs(cmd, args)
		},
		ValidArgsFunction: a.ids,
		RunE: func(cmd *cobra.Command, args []string) error {
			var e view.Explanation
			var err error
			if question.Inventory == "" {
				e, err = a.explainChange(cmd, args[0], closing)
			} else {
				question.Closing, question.Now = closing, a.Now()
				e, err = explainFolder(cmd.Context(), question)
			}
			if err != nil {
				return err
			}
			if err := a.show(e, out, blocking); err != nil {
				return err
			}
			if !e.Verdict.Ready {
				return errNotReady
			}
			return nil
		},
	}
	out.addTo(cmd, outputTable, outputMarkdown, outputJSON)
	flags := cmd.Flags()
	flags.BoolVar(&blocking, "blocking", false, "leave out the checks that are good")
	flags.BoolVar(&closing, "closing", false, "the verdict at the end of the run: its Closing Summary, or with --inventory the rules for it")
	flags.StringVar(&question.Inventory, "inventory", "", "folder with the inventory's entries")
	flags.StringArrayVar(&question.Entries, "entry", nil, "only entries whose names match this pattern, in which ** spans folders; repeat for more")
	flags.StringVar(&question.Locker, "locker", "", "evidence locker: a folder, or a URL such as s3://bucket?region=…")
	flags.StringVar(&question.Target.Environment, "target", "", "environment that is deployed to")
	flags.StringVar(&question.Target.Region, "region", "", "region of that environment")
	flags.StringVar(&question.Source, "source", "", "environment that is promoted from")
	flags.StringVar(&question.Config, "config", "", "folder with the configuration repository, to find the checks file in")
	flags.StringVar(&question.Checks, "checks", "", "checks file")
	flags.StringVar(&question.Rego, "rego", "", "policy in Rego, which decides in place of the checks file: a file, or a folder with .rego files")
	flags.StringVar(&question.Policy, "policy", "", "file with the ChangePolicy")
	for _, name := range []string{"inventory", "config"} {
		_ = cmd.MarkFlagDirname(name)
	}
	return cmd
}

// environmentName is what an environment or region may be called.
var environmentName = regexp.MustCompile(`^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$`)

// offlineFlags makes sure that flags go together.
func offlineFlags(cmd *cobra.Command, q offline.Question) error {
	if q.Inventory != "" {
		var missing []string
		for name, value := range map[string]string{"--locker": q.Locker, "--target": q.Target.Environment} {
			if value == "" {
				missing = append(missing, name)
			}
		}
		switch {
		case len(missing) == 2:
			return usagef("--inventory wants --locker and --target")
		case len(missing) == 1:
			return usagef("--inventory wants %s", missing[0])
		case q.Checks != "" && q.Config != "":
			return usagef("choose one of --checks and --config")
		}
		for name, value := range map[string]string{"--target": q.Target.Environment, "--region": q.Target.Region, "--source": q.Source} {
			if value != "" && !environmentName.MatchString(value) {
				return usagef("%s is %.80q, which is not a name: letters, digits, and - _ . inside", name, value)
			}
		}
		return nil
	}
	for _, name := range []string{"entry", "locker", "target", "region", "source", "config", "checks", "rego", "policy"} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s goes with --inventory", name)
		}
	}
	return nil
}

func explainFolder(ctx context.Context, q offline.Question) (view.Explanation, error) {
	answer, err := offline.Judge(ctx, q)
	if err != nil {
		return view.Explanation{}, err
	}
	e := view.Explanation{
		Answer:  view.Answer(answer.Verdict, len(answer.Unseen)),
		About:   fmt.Sprintf("Judged here: %d entries of %s, as for a deployment to %s.", answer.Judged, q.Inventory, targetName(q.Target)),
		Unseen:  answer.Unseen,
		Notes:   answer.Notes,
		Verdict: answer.Verdict,
	}
	if answer.Judged == 1 {
		e.About = strings.Replace(e.About, "1 entries", "1 entry", 1)
	}
	switch {
	case answer.Ignored == 1:
		e.About += " 1 is left out."
	case answer.Ignored > 1:
		e.About += fmt.Sprintf(" %d are left out.", answer.Ignored)
	}
	e.About += " A run judges those that change."
	return e, nil
}

func targetName(t v1alpha1.Target) string {
	if t.Region == "" {
		return t.Environment
	}
	return t.Region + "/" + t.Environment
}

// Names of the documents that have a verdict.
const (
	deltaSummary   = "Delta Summary"
	closingSummary = "Closing Summary"
	// maxSummary bounds a document that is fetched to be shown.
	maxSummary = 256 << 20
)

// explainChange takes the verdict of a change from its summary. Where that
// cannot be fetched, what the record itself keeps of it is all there is.
func (a *app) explainChange(cmd *cobra.Command, id string, closing bool) (view.Explanation, error) {
	var e view.Explanation
	ctx := cmd.Context()
	server, err := a.connect()
	if err != nil {
		return e, err
	}
	record, err := server.change(ctx, id)
	if err != nil {
		return e, err
	}
	name := deltaSummary
	if closing {
		name = closingSummary
	}
	document, found := newestOf(record, name)
	switch {
	case !found && closing:
		return e, notFoundf("change request %s has no %s: it gets one when its run ends", id, name)
	case !found:
		e.Verdict = recorded(record)
		e.Notes = append(e.Notes, "the change request has no Delta Summary; this is what its record keeps of the verdict")
	default:
		content, err := a.Registry.Read(ctx, document, maxSummary)
		if err == nil {
			e.Verdict, err = summary.Parse(content)
		}
		switch {
		case err != nil && closing:
			return e, err
		case err != nil:
			e.Verdict = recorded(record)
			e.Notes = append(e.Notes, fmt.Sprintf("the Delta Summary could not be read (%v); this is what the record itself keeps: the checks that block, and no others", err))
		case !closing && e.Verdict.Ready != record.Spec.Readiness.Ready:
			return e, fmt.Errorf("change request %s says DEPLOYMENT_READY=%t, and its %s says %t: trust neither, and start a new run",
				id, record.Spec.Readiness.Ready, name, e.Verdict.Ready)
		}
	}
	when := "when it was opened"
	e.Answer = view.AnswerOf(record, e.Verdict)
	if closing {
		when = "at the end of its run"
		e.Answer = view.Answer(e.Verdict, 0)
	}
	e.About = fmt.Sprintf("Change request %s to %s, %s (%s).", record.Name, targetName(record.Spec.Target), when, e.Verdict.EvaluatedAt.UTC().Format("2006-01-02 15:04:05 UTC"))
	if !closing && !e.Verdict.Ready {
		e.About += " Evidence that was written since counts in a new run."
	}
	return e, nil
}

// newestOf finds the last document of a name: a change that several runs
// concluded has several.
func newestOf(record *v1alpha1.ChangeRequest, name string) (v1alpha1.Attachment, bool) {
	all := view.AllAttachments(record)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name == name {
			return all[i], true
		}
	}
	return v1alpha1.Attachment{}, false
}

// recorded is the verdict as the record keeps it.
func recorded(record *v1alpha1.ChangeRequest) readiness.Verdict {
	kept := record.Spec.Readiness
	v := readiness.Verdict{Ready: kept.Ready, EvaluatedAt: kept.EvaluatedAt.Time, Passed: kept.Passed, Blocked: kept.Blocked, Checks: []readiness.Check{}}
	for _, c := range kept.Blocking {
		message, unblock := view.SplitReason(c)
		check := readiness.Check{
			Entry: c.Entry, Asset: c.Asset, Check: c.Check, Tool: c.Tool, Rule: c.Rule, Result: c.Result,
			Outcome: readiness.Block, Message: message, Unblock: unblock, Evidence: c.Evidence,
		}
		if uri, err := evidence.ParseURI(c.Asset); err == nil {
			check.AssetType = uri.Type
		}
		v.Checks = append(v.Checks, check)
	}
	return v
}

// show writes an explanation.
func (a *app) show(e view.Explanation, out output, blocking bool) error {
	if blocking && out != "" && out != outputTable {
		kept := []readiness.Check{}
		for _, c := range e.Verdict.Checks {
			if c.Outcome == readiness.Block || c.Outcome == readiness.Warn {
				kept = append(kept, c)
			}
		}
		e.Verdict.Checks = kept
	}
	switch out {
	case outputJSON:
		return out.data(a.Out, e)
	case outputMarkdown:
		return view.ExplainMarkdown(a.Out, e)
	}
	return view.Explain(a.Out, a.Style, e, view.ExplainOptions{BlockingOnly: blocking, Columns: a.Columns})
}
