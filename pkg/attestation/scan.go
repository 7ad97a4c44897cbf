// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package attestation

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// judgeTests reads https://in-toto.io/attestation/test-result/v0.1.
func judgeTests(s *Statement, _ v1alpha1.AttestationRule, _ Image, f finding) finding {
	var p struct {
		Result      *string  `json:"result"`
		URL         string   `json:"url"`
		FailedTests []string `json:"failedTests"`
		PassedTests []string `json:"passedTests"`
		WarnedTests []string `json:"warnedTests"`
	}
	if err := s.predicate(&p); err != nil {
		return f.fail(ReasonUnreadable, "the test result cannot be read: %v", err)
	}
	if p.URL != "" {
		f.details["url"] = clip(p.URL)
	}
	switch {
	case p.Result == nil || *p.Result == "":
		return f.fail(ReasonResultMissing, "the test result has no result")
	case *p.Result != "PASSED":
		f.asserted = true
		return f.fail(ReasonNotPassed, "the test result is %q, not PASSED%s", clip(*p.Result), first(p.FailedTests))
	case len(p.FailedTests) > 0:
		f.asserted = true
		return f.fail(ReasonContradiction, "the test result is PASSED, and failed tests are listed%s", first(p.FailedTests))
	}
	return f.accept("tests passed")
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ": " + clip(strings.Join(names[:min(5, len(names))], ", "))
}

// severity is how bad a vulnerability is, in CVSS's words.
type severity int

const (
	severityNone severity = iota
	severityLow
	severityMedium
	severityHigh
	severityCritical
)

var severityNames = []string{"none", "low", "medium", "high", "critical"}

func (s severity) String() string { return severityNames[s] }

// words are how scanners name severities. A word that is not here is not
// understood, and what is not understood is critical.
var words = map[string]severity{
	"none": severityNone, "negligible": severityLow, "low": severityLow,
	"medium": severityMedium, "moderate": severityMedium,
	"high": severityHigh, "important": severityHigh, "critical": severityCritical,
}

func allowed(rule v1alpha1.AttestationRule) severity {
	return severity(max(0, slices.Index(severityNames, rule.MaxSeverity)))
}

// vulnerability is one finding of a scan.
type vulnerability struct {
	id string
	severity
}

// scanned is the head of all predicates of scans.
type scanned struct {
	Scanner struct {
		URI     string          `json:"uri"`
		Version string          `json:"version"`
		Result  json.RawMessage `json:"result"`
	} `json:"scanner"`
	Metadata struct {
		StartedOn  string `json:"scanStartedOn"`
		FinishedOn string `json:"scanFinishedOn"`
	} `json:"metadata"`
}

func (p scanned) begin(f finding) (finding, bool) {
	f.details["scanner"] = clip(strings.TrimSpace(p.Scanner.URI + " " + p.Scanner.Version))
	if p.Scanner.URI != "" {
		f.tool = p.Scanner.URI
	}
	var err error
	if f.date, err = firstDate([]string{p.Metadata.FinishedOn, p.Metadata.StartedOn}); err != nil {
		return f.fail(ReasonUnreadable, "the scan cannot be read: %v", err), false
	}
	if len(p.Scanner.Result) == 0 || string(p.Scanner.Result) == "null" {
		return f.fail(ReasonResultMissing, "the scan has no list of results: nothing says that it found nothing"), false
	}
	return f, true
}

// judgeVulns reads https://in-toto.io/attestation/vulns, v0.1 and v0.2.
func judgeVulns(s *Statement, rule v1alpha1.AttestationRule, _ Image, f finding) finding {
	var p scanned
	if err := s.predicate(&p); err != nil {
		return f.fail(ReasonUnreadable, "the scan cannot be read: %v", err)
	}
	f, ok := p.begin(f)
	if !ok {
		return f
	}
	type rated struct {
		Method string          `json:"method"`
		Score  json.RawMessage `json:"score"`
	}
	type found struct {
		ID       string          `json:"id"`
		Severity json.RawMessage `json:"severity"`
		// Vulnerability wraps the finding in v0.1.
		Vulnerability *struct {
			ID       string          `json:"id"`
			Severity json.RawMessage `json:"severity"`
		} `json:"vulnerability"`
	}
	var items []found
	if err := json.Unmarshal(p.Scanner.Result, &items); err != nil {
		return f.fail(ReasonResultMissing, "the scan's result is not a list of findings")
	}
	var list []vulnerability
	for _, item := range items {
		id, raw := item.ID, item.Severity
		if item.Vulnerability != nil {
			id, raw = item.Vulnerability.ID, item.Vulnerability.Severity
		}
		v := vulnerability{id: id, severity: severityCritical}
		var ratings []rated
		if json.Unmarshal(raw, &ratings) != nil {
			var one rated
			if json.Unmarshal(raw, &one) == nil {
				ratings = []rated{one}
			}
		}
		worst, understood := severityNone, false
		for _, rating := range ratings {
			if level, ok := rate(rating.Method, rating.Score); ok {
				worst, understood = max(worst, level), true
			}
		}
		if understood {
			v.severity = worst
		}
		list = append(list, v)
	}
	return judgeSeverity(list, rule, f)
}

// rate reads one rating: a CVSS base score, or a word. A score by another method
// has another scale.
func rate(method string, score json.RawMessage) (severity, bool) {
	text := strings.ToLower(strings.Trim(strings.TrimSpace(string(score)), `"`))
	if level, ok := words[text]; ok {
		return level, true
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || !strings.HasPrefix(strings.ToLower(method), "cvss") {
		return 0, false
	}
	switch {
	case number == 0:
		return severityNone, true
	case number > 0 && number < 4:
		return severityLow, true
	case number >= 4 && number < 7:
		return severityMedium, true
	case number >= 7 && number < 9:
		return severityHigh, true
	case number >= 9 && number <= 10:
		return severityCritical, true
	}
	return 0, false
}

// judgeCosignVuln reads https://cosign.sigstore.dev/attestation/vuln/v1, whose
// result is the scanner's own report. Trivy's and Grype's are understood.
func judgeCosignVuln(s *Statement, rule v1alpha1.AttestationRule, _ Image, f finding) finding {
	var p scanned
	if err := s.predicate(&p); err != nil {
		return f.fail(ReasonUnreadable, "the scan cannot be read: %v", err)
	}
	f, ok := p.begin(f)
	if !ok {
		return f
	}
	list, ok := report(p.Scanner.Result)
	if !ok {
		return f.fail(ReasonResultMissing, "the scan's result is neither a report of Trivy nor of Grype, with what was scanned: use predicate type https://in-toto.io/attestation/vulns/v0.2 for other scanners")
	}
	return judgeSeverity(list, rule, f)
}

// report reads the report of Trivy or Grype; false if it is neither, or says
// nothing of what was scanned.
func report(raw json.RawMessage) (list []vulnerability, ok bool) {
	word := func(text string) severity {
		if level, ok := words[strings.ToLower(text)]; ok {
			return level
		}
		return severityCritical
	}
	var trivy struct {
		SchemaVersion int `json:"SchemaVersion"`
		Results       []struct {
			Vulnerabilities []struct {
				ID       string `json:"VulnerabilityID"`
				Severity string `json:"Severity"`
			} `json:"Vulnerabilities"`
		} `json:"Results"`
	}
	if object(raw, &trivy) == nil && trivy.SchemaVersion > 0 && len(trivy.Results) > 0 {
		for _, result := range trivy.Results {
			for _, v := range result.Vulnerabilities {
				list = append(list, vulnerability{v.ID, word(v.Severity)})
			}
		}
		return list, true
	}
	var grype struct {
		Matches *[]struct {
			Vulnerability struct {
				ID       string `json:"id"`
				Severity string `json:"severity"`
			} `json:"vulnerability"`
		} `json:"matches"`
		Source *json.RawMessage `json:"source"`
	}
	if object(raw, &grype) == nil && grype.Matches != nil && grype.Source != nil {
		for _, match := range *grype.Matches {
			list = append(list, vulnerability{match.Vulnerability.ID, word(match.Vulnerability.Severity)})
		}
		return list, true
	}
	return nil, false
}

func judgeSeverity(list []vulnerability, rule v1alpha1.AttestationRule, f finding) finding {
	limit := allowed(rule)
	var worse []string
	worst := severityNone
	for _, v := range list {
		worst = max(worst, v.severity)
		if v.severity > limit {
			worse = append(worse, v.id+" ("+v.String()+")")
		}
	}
	f.details["vulnerabilities"] = len(list)
	f.details["worst_severity"] = worst.String()
	if len(worse) > 0 {
		return f.fail(ReasonSeverityExceeded, "%d vulnerabilities are worse than %s%s", len(worse), limit, first(worse))
	}
	return f.accept("%d vulnerabilities, none worse than %s", len(list), limit)
}
