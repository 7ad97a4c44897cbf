// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Bounds of what one record takes. What a scanner has to say beyond them
// belongs into an attachment.
const (
	maxAttachments = 100
	maxIssues      = 200
	maxAssets      = 200
	maxText        = 1024
	// maxShown is how much of a parameter a message repeats.
	maxShown = 200
)

// Params is what was asked for, as it was written.
type Params struct {
	LockerURL string

	// TypeID is the check, such as com.ibm.unit_tests; TypeVersion is the version
	// of its format.
	TypeID, TypeVersion string
	// Tool that ran the check.
	Tool string

	// One of these three says how it ended: success, failure or pending; the exit
	// code of what ran the check, 0 for success; or a file with either.
	Status, ExitCode, StatusPath string
	// EvaluateFindings lets the findings decide: see decide.
	EvaluateFindings string

	// Asset is what was checked: an image by digest, the URL of a repository
	// together with CommitSHA, or any other URI. AssetType, when given, is what it
	// must turn out to be.
	Asset, CommitSHA, AssetType string
	// Related and Parents are further assets, separated by spaces or lines.
	Related, Parents string

	// Attachments are files, one a line, as path or label=path.
	Attachments string
	// Findings is a file with a JSON array of findings.
	Findings string
	// Issues are URLs, separated by spaces or lines.
	Issues string

	// The run that records it.
	PipelineRunID, PipelineRunURL, PipelineID, ToolchainCRN string
	// Environment and Region are what a check of a deployment looked at.
	Environment, Region string

	// Files is the folder of attachments, findings and a relative StatusPath.
	Files step.Workspace
	// Key signs the record.
	Key Key
}

// Flags adds the flags that fill the parameters.
func (p *Params) Flags(flags *pflag.FlagSet) {
	flags.StringVar(&p.LockerURL, "locker-url", "", "evidence locker: s3://bucket?region=…&endpoint=…, gs://bucket, azblob://container or file:///folder")
	flags.StringVar(&p.TypeID, "evidence-type-id", "", "the check, such as com.ibm.unit_tests")
	flags.StringVar(&p.TypeVersion, "evidence-type-version", "1.0.0", "version of the check's format")
	flags.StringVar(&p.Tool, "tool", "", "tool that ran the check")
	flags.StringVar(&p.Status, "status", "", "how the check ended: success, failure or pending")
	flags.StringVar(&p.ExitCode, "exit-code", "", "exit code of the check, in place of the status: 0 is success, any other failure")
	flags.StringVar(&p.StatusPath, "status-path", "", "file with a status or an exit code, in place of either")
	flags.StringVar(&p.EvaluateFindings, "evaluate-findings", "false", "let the findings decide: true or false")
	flags.StringVar(&p.Asset, "asset", "", "what was checked: name@sha256:…, the repository's URL, or another URI")
	flags.StringVar(&p.CommitSHA, "commit-sha", "", "commit that was checked, of the repository that asset names")
	flags.StringVar(&p.AssetType, "asset-type", "", "what asset must be: image, commit, artifact or pipelinerun; empty accepts any")
	flags.StringVar(&p.Related, "related-assets", "", "URIs of related assets, such as the commit an image was built from: https://host/repo.git#<commit>")
	flags.StringVar(&p.Parents, "parent-assets", "", "URIs of the assets that it was made from")
	flags.StringVar(&p.Attachments, "attachments", "", "files to attach, one a line, as path or label=path")
	flags.StringVar(&p.Findings, "findings", "", "file with a JSON array of findings")
	flags.StringVar(&p.Issues, "issues", "", "URLs of issues")
	flags.StringVar(&p.PipelineRunID, "pipeline-run-id", "", "id of the run that records it: the inventory entry's pipeline_run_id")
	flags.StringVar(&p.PipelineRunURL, "pipeline-run-url", "", "page of that run")
	flags.StringVar(&p.PipelineID, "pipeline-id", "", "id of the pipeline")
	flags.StringVar(&p.ToolchainCRN, "toolchain-crn", "", "id of the toolchain")
	flags.StringVar(&p.Environment, "environment", "", "environment that the check looked at; empty for a check of a build")
	flags.StringVar(&p.Region, "region", "", "region of that environment")
	p.Key.Flags(flags)
	step.AddWorkspace(flags, &p.Files, "source", "the files to read")
}

// Asked is what was asked for, checked.
type Asked struct {
	asset            evidence.URI
	related, parents []evidence.URI
	issues           []string
	attachments      []attachment
	status           status
	// evaluate lets findings decide.
	evaluate bool
}

// attachment is a file to attach.
type attachment struct{ label, path string }

// status is where the result comes from: one of the three is set.
type status struct {
	result evidence.Result
	path   string
}

var (
	typePattern = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)
	namePattern = regexp.MustCompile(`^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$`)
	control     = regexp.MustCompile(`[\x00-\x1f\x7f]`)
)

// Check reads the parameters; every fault of theirs is told at once.
func (p *Params) Check() (*Asked, []string) {
	var (
		a      Asked
		faults []string
	)
	fault := func(name, format string, args ...any) {
		faults = append(faults, "parameter "+name+": "+fmt.Sprintf(format, args...))
	}
	for _, required := range []struct{ name, value string }{
		{"locker-url", p.LockerURL}, {"evidence-type-id", p.TypeID}, {"tool", p.Tool},
		{"asset", p.Asset}, {"pipeline-run-id", p.PipelineRunID},
	} {
		if strings.TrimSpace(required.value) == "" {
			fault(required.name, "is empty")
		}
	}
	for _, text := range []struct{ name, value string }{
		{"evidence-type-id", p.TypeID}, {"evidence-type-version", p.TypeVersion}, {"tool", p.Tool},
		{"pipeline-run-id", p.PipelineRunID}, {"pipeline-run-url", p.PipelineRunURL}, {"pipeline-id", p.PipelineID},
		{"toolchain-crn", p.ToolchainCRN}, {"environment", p.Environment}, {"region", p.Region},
	} {
		switch {
		case len(text.value) > maxText:
			fault(text.name, "has %d bytes, more than the %d allowed", len(text.value), maxText)
		case control.MatchString(text.value):
			fault(text.name, "%s holds line breaks or control characters", shown(text.value))
		}
	}
	if p.TypeID != "" && !typePattern.MatchString(p.TypeID) {
		fault("evidence-type-id", "%s is not an id such as com.ibm.unit_tests", shown(p.TypeID))
	}
	if p.PipelineRunURL != "" && !webURL(p.PipelineRunURL) {
		fault("pipeline-run-url", "%s is not a URL that begins with https:// or http://", shown(p.PipelineRunURL))
	}
	for _, name := range []struct{ name, value string }{{"environment", p.Environment}, {"region", p.Region}} {
		if name.value != "" && !namePattern.MatchString(name.value) {
			fault(name.name, "%s is not a name: letters, digits, and - _ . inside", shown(name.value))
		}
	}
	if p.Region != "" && p.Environment == "" {
		fault("region", "%s is given without environment", shown(p.Region))
	}
	a.status = p.checkStatus(fault)
	evaluate, err := step.ParseBool("evaluate-findings", p.EvaluateFindings)
	if err != nil {
		faults = append(faults, err.Error())
	}
	if a.evaluate = evaluate; evaluate && p.Findings == "" {
		fault("evaluate-findings", "is true, but no findings are given: name their file in findings")
	}
	p.checkAssets(&a, fault)
	a.attachments = p.checkAttachments(fault)
	a.issues = strings.Fields(p.Issues)
	if len(a.issues) > maxIssues {
		fault("issues", "has %d URLs, more than the %d allowed", len(a.issues), maxIssues)
		a.issues = nil
	}
	for _, issue := range a.issues {
		if !webURL(issue) {
			fault("issues", "%s is not a URL that begins with https:// or http://", shown(issue))
		}
	}
	needsFiles := len(a.attachments) > 0 || p.Findings != "" || a.status.path != "" && !strings.HasPrefix(a.status.path, "/")
	if needsFiles && p.Files.Folder() == "" {
		faults = append(faults, "workspace source is not bound, but attachments, findings or status-path name files in it")
	}
	return &a, faults
}

// checkStatus reads which of the three ways to tell the result was taken.
func (p *Params) checkStatus(fault func(name, format string, args ...any)) status {
	given := 0
	for _, way := range []string{p.Status, p.ExitCode, p.StatusPath} {
		if strings.TrimSpace(way) != "" {
			given++
		}
	}
	if given != 1 {
		fault("status", "give exactly one of status, exit-code and status-path; %d are given", given)
		return status{}
	}
	switch {
	case p.StatusPath != "":
		return status{path: strings.TrimSpace(p.StatusPath)}
	case p.ExitCode != "":
		code, err := exitCode(p.ExitCode)
		if err != nil {
			fault("exit-code", "%s is not a number from 0 to 255", shown(p.ExitCode))
		}
		return status{result: code}
	}
	result, err := word(p.Status)
	if err != nil {
		fault("status", "%s is none of success, failure and pending", shown(p.Status))
	}
	return status{result: result}
}

// word reads a result by its name.
func word(text string) (evidence.Result, error) {
	result := evidence.Result(strings.TrimSpace(text))
	if slices.Contains([]evidence.Result{evidence.ResultSuccess, evidence.ResultFailure, evidence.ResultPending}, result) {
		return result, nil
	}
	return evidence.ResultUnknown, fmt.Errorf("none of success, failure and pending")
}

// exitCode reads a result from what a process ended with.
func exitCode(text string) (evidence.Result, error) {
	code, err := strconv.ParseUint(strings.TrimSpace(text), 10, 8)
	switch {
	case err != nil:
		return evidence.ResultUnknown, fmt.Errorf("not an exit code")
	case code == 0:
		return evidence.ResultSuccess, nil
	}
	return evidence.ResultFailure, nil
}

// checkAssets reads the asset and those that it comes from.
func (p *Params) checkAssets(a *Asked, fault func(name, format string, args ...any)) {
	var err error
	switch {
	case strings.TrimSpace(p.Asset) == "":
	case p.CommitSHA != "":
		if a.asset, err = evidence.CommitURI(p.Asset, p.CommitSHA); err != nil {
			fault("asset", "with commit-sha: %v", err)
		}
	default:
		a.asset, err = evidence.ParseURI(p.Asset)
		switch {
		case err != nil:
			fault("asset", "%v", err)
		case a.asset.Type == evidence.AssetArtifact && isRepository(a.asset.String):
			fault("asset", "%s is a repository, and what was checked is a commit of it: give commit-sha", shown(p.Asset))
		}
	}
	switch wanted := strings.ToLower(strings.TrimSpace(p.AssetType)); wanted {
	case "":
	case string(evidence.AssetImage), string(evidence.AssetCommit), string(evidence.AssetArtifact), string(evidence.AssetPipelineRun):
		if a.asset.Type != "" && string(a.asset.Type) != wanted {
			fault("asset-type", "is %s, but asset %s is of type %s", wanted, shown(a.asset.String), a.asset.Type)
		}
	default:
		fault("asset-type", "%s is none of image, commit, artifact and pipelinerun", shown(p.AssetType))
	}
	for _, list := range []struct {
		name, value string
		into        *[]evidence.URI
	}{{"related-assets", p.Related, &a.related}, {"parent-assets", p.Parents, &a.parents}} {
		uris := strings.Fields(list.value)
		if len(uris) > maxAssets {
			fault(list.name, "has %d URIs, more than the %d allowed", len(uris), maxAssets)
			continue
		}
		for _, text := range uris {
			uri, err := evidence.ParseURI(text)
			switch {
			case err != nil:
				fault(list.name, "%v", err)
			case uri.Type == evidence.AssetArtifact && isRepository(uri.String):
				fault(list.name, "%s is a repository: name a commit of it, as https://host/repo.git#<commit>", shown(text))
			case a.asset.ID != "" && uri.ID == a.asset.ID:
				fault(list.name, "%s is the asset itself", shown(text))
			default:
				*list.into = append(*list.into, uri)
			}
		}
	}
}

// isRepository finds the URL of a whole repository, which no evidence is about.
func isRepository(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Fragment == "" && strings.HasSuffix(u.Path, ".git")
}

// checkAttachments reads the list of files, one a line.
func (p *Params) checkAttachments(fault func(name, format string, args ...any)) []attachment {
	var out []attachment
	for line := range strings.Lines(p.Attachments) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		file := attachment{label: line, path: line}
		if label, path, labelled := strings.Cut(line, "="); labelled {
			file = attachment{label: strings.TrimSpace(label), path: strings.TrimSpace(path)}
		}
		switch {
		case file.path == "" || file.label == "":
			fault("attachments", "%s is neither path nor label=path", shown(line))
		case len(file.label) > maxText || control.MatchString(file.label):
			fault("attachments", "%s: the label is longer than %d bytes or holds control characters", shown(line), maxText)
		default:
			out = append(out, file)
		}
	}
	if len(out) > maxAttachments {
		fault("attachments", "has %d files, more than the %d allowed: put them into an archive", len(out), maxAttachments)
		return nil
	}
	return out
}

func webURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && len(text) <= maxText && !control.MatchString(text)
}

// shown is a parameter's value as messages repeat it.
func shown(value string) string { return `"` + plaintext.Clip(value, maxShown) + `"` }
