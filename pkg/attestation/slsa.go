// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package attestation

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// resource is a thing that a build took in.
type resource struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// judgeProvenanceV1 reads https://slsa.dev/provenance/v1.
func judgeProvenanceV1(s *Statement, rule v1alpha1.AttestationRule, image Image, f finding) finding {
	var p struct {
		BuildDefinition struct {
			ResolvedDependencies []resource `json:"resolvedDependencies"`
		} `json:"buildDefinition"`
		RunDetails struct {
			Builder struct {
				ID string `json:"id"`
			} `json:"builder"`
			Metadata struct {
				StartedOn  string `json:"startedOn"`
				FinishedOn string `json:"finishedOn"`
			} `json:"metadata"`
		} `json:"runDetails"`
	}
	if err := s.predicate(&p); err != nil {
		return f.fail(ReasonUnreadable, "the provenance cannot be read: %v", err)
	}
	run := p.RunDetails
	return judgeBuild(run.Builder.ID, p.BuildDefinition.ResolvedDependencies, []string{run.Metadata.FinishedOn, run.Metadata.StartedOn}, rule, image, f)
}

// judgeProvenanceV02 reads https://slsa.dev/provenance/v0.2.
func judgeProvenanceV02(s *Statement, rule v1alpha1.AttestationRule, image Image, f finding) finding {
	var p struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
		Invocation struct {
			ConfigSource resource `json:"configSource"`
		} `json:"invocation"`
		Metadata struct {
			StartedOn  string `json:"buildStartedOn"`
			FinishedOn string `json:"buildFinishedOn"`
		} `json:"metadata"`
		Materials []resource `json:"materials"`
	}
	if err := s.predicate(&p); err != nil {
		return f.fail(ReasonUnreadable, "the provenance cannot be read: %v", err)
	}
	inputs := append([]resource{p.Invocation.ConfigSource}, p.Materials...)
	return judgeBuild(p.Builder.ID, inputs, []string{p.Metadata.FinishedOn, p.Metadata.StartedOn}, rule, image, f)
}

func judgeBuild(builder string, inputs []resource, dates []string, rule v1alpha1.AttestationRule, image Image, f finding) finding {
	f.details["builder"] = clip(builder)
	if builder != "" {
		f.tool = builder
	}
	var err error
	if f.date, err = firstDate(dates); err != nil {
		return f.fail(ReasonUnreadable, "the provenance cannot be read: %v", err)
	}
	switch {
	case builder == "":
		return f.fail(ReasonResultMissing, "the provenance names no builder")
	case !slices.Contains(rule.Builders, builder):
		return f.fail(ReasonBuilderNotTrusted, "the provenance is of builder %q, which is none of the rule's builders", clip(builder))
	}
	source, ok, wanted := built(inputs, rule, image)
	if !ok {
		return f.fail(ReasonSourceMismatch, "the provenance does not name %s as what was built; it names %s", wanted, sources(inputs))
	}
	f.details["source"] = clip(source)
	return f.accept("built by %s from %s", clip(builder), clip(source))
}

// built finds the source that must have been built among what a build took in.
func built(inputs []resource, rule v1alpha1.AttestationRule, image Image) (source string, ok bool, wanted string) {
	if len(rule.Sources) > 0 {
		want := map[string]bool{}
		for _, repository := range rule.Sources {
			if normal := repositoryOf(repository); normal != "" {
				want[normal] = true
			}
		}
		for _, input := range inputs {
			if normal := repositoryOf(input.URI); normal != "" && want[normal] && commitOf(input) != "" {
				return normal + "@" + commitOf(input), true, ""
			}
		}
		return "", false, "one of the rule's sources, with its commit,"
	}
	repository, commit := repositoryOf(image.RepositoryURL), strings.ToLower(image.CommitSHA)
	if repository == "" || commit == "" {
		return "", false, "the entry's repository_url and commit_sha, of which the entry lacks one,"
	}
	for _, input := range inputs {
		if repositoryOf(input.URI) == repository && commitOf(input) == commit {
			return repository + "@" + commit, true, ""
		}
	}
	return "", false, fmt.Sprintf("the entry's source %s at commit %s", clip(repository), clip(commit))
}

// repositoryOf normalises the URL of a repository, empty if it is none:
// git+https://host/group/repo.git@refs/heads/main becomes
// https://host/group/repo.git. The host decides, not how it is asked.
func repositoryOf(uri string) string {
	uri = strings.TrimPrefix(strings.TrimSpace(uri), "git+")
	if u, err := url.Parse(uri); err == nil && u.Host != "" {
		path, _, _ := strings.Cut(u.Path, "@")
		u.Path, u.RawPath, u.Host = path, "", strings.ToLower(u.Host)
		if u.Scheme == "http" {
			u.Scheme = "https"
		}
		uri = u.String()
	}
	// Any full commit serves: only the repository is of interest.
	normal, err := evidence.CommitURI(uri, strings.Repeat("0", 40))
	if err != nil {
		return ""
	}
	repository, _, _ := strings.Cut(normal.String, "#")
	if !strings.HasPrefix(repository, "https://") {
		return ""
	}
	return repository
}

// commitOf is the commit that a resource names, in lower case.
func commitOf(r resource) string {
	for _, algorithm := range []string{"gitCommit", "sha1"} {
		if commit := r.Digest[algorithm]; commit != "" {
			return strings.ToLower(commit)
		}
	}
	return ""
}

func sources(inputs []resource) string {
	var named []string
	for _, input := range inputs {
		if commit := commitOf(input); commit != "" && len(named) < 5 {
			named = append(named, clip(input.URI)+" at "+clip(commit))
		}
	}
	if len(named) == 0 {
		return "no commit"
	}
	return strings.Join(named, ", ")
}

// judgeSummary reads https://slsa.dev/verification_summary/v1.
func judgeSummary(s *Statement, rule v1alpha1.AttestationRule, image Image, f finding) finding {
	var p struct {
		Verifier struct {
			ID string `json:"id"`
		} `json:"verifier"`
		TimeVerified       string   `json:"timeVerified"`
		ResourceURI        string   `json:"resourceUri"`
		VerificationResult *string  `json:"verificationResult"`
		VerifiedLevels     []string `json:"verifiedLevels"`
	}
	if err := s.predicate(&p); err != nil {
		return f.fail(ReasonUnreadable, "the verification summary cannot be read: %v", err)
	}
	f.details["verifier"] = clip(p.Verifier.ID)
	if p.Verifier.ID != "" {
		f.tool = p.Verifier.ID
	}
	var err error
	if f.date, err = firstDate([]string{p.TimeVerified}); err != nil {
		return f.fail(ReasonUnreadable, "the verification summary cannot be read: %v", err)
	}
	switch {
	case p.VerificationResult == nil || *p.VerificationResult == "":
		return f.fail(ReasonResultMissing, "the verification summary has no verificationResult")
	case *p.VerificationResult != "PASSED":
		f.asserted = true
		return f.fail(ReasonNotPassed, "the verification summary's result is %q, not PASSED", clip(*p.VerificationResult))
	case !slices.Contains(rule.Verifiers, p.Verifier.ID) || p.Verifier.ID == "":
		return f.fail(ReasonVerifierNotTrusted, "the verification summary is of verifier %q, which is none of the rule's verifiers", clip(p.Verifier.ID))
	case p.ResourceURI == "":
		return f.fail(ReasonResultMissing, "the verification summary has no resourceUri, so that what was verified is not said")
	case !namesOnly(p.ResourceURI, image.Digest):
		return f.fail(ReasonWrongSubject, "the verification summary's resourceUri %q names another digest", clip(p.ResourceURI))
	}
	for _, level := range rule.Levels {
		if !slices.Contains(p.VerifiedLevels, level) {
			return f.fail(ReasonLevelMissing, "level %s was not verified; verified were %s", clip(level), clip(strings.Join(p.VerifiedLevels, ", ")))
		}
	}
	return f.accept("verified by %s: %s", clip(p.Verifier.ID), clip(strings.Join(p.VerifiedLevels, ", ")))
}

// namesOnly reports whether a URI names no digest, or this one.
func namesOnly(uri, digest string) bool {
	if decoded, err := url.PathUnescape(uri); err == nil {
		uri = decoded
	}
	rest := strings.ToLower(uri)
	for {
		_, after, found := strings.Cut(rest, "sha256:")
		if !found {
			return true
		}
		if !strings.HasPrefix(after, strings.TrimPrefix(digest, "sha256:")) {
			return false
		}
		rest = after
	}
}

// firstDate reads the first date that is set, zero if none is.
func firstDate(dates []string) (time.Time, error) {
	for _, text := range dates {
		if text == "" {
			continue
		}
		date, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return time.Time{}, fmt.Errorf("date %q is not RFC 3339", clip(text))
		}
		return date.UTC(), nil
	}
	return time.Time{}, nil
}
