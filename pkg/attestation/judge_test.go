// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package attestation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

const (
	hexDigest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	other     = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	commit    = "0123456789abcdef0123456789abcdef01234567"

	provenanceV1  = "https://slsa.dev/provenance/v1"
	provenanceV02 = "https://slsa.dev/provenance/v0.2"
	summaryV1     = "https://slsa.dev/verification_summary/v1"
	testsV01      = "https://in-toto.io/attestation/test-result/v0.1"
	vulnsV01      = "https://in-toto.io/attestation/vulns/v0.1"
	vulnsV02      = "https://in-toto.io/attestation/vulns/v0.2"
	cosignVuln    = "https://cosign.sigstore.dev/attestation/vuln/v1"
	cycloneDX     = "https://cyclonedx.org/bom"
	spdx          = "https://spdx.dev/Document"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func testImage(t testing.TB) Image {
	t.Helper()
	uri, err := evidence.ParseURI("docker://registry.example/app:1@sha256:" + hexDigest)
	if err != nil {
		t.Fatal(err)
	}
	return Image{Entry: "app", Asset: uri, Digest: "sha256:" + hexDigest, RepositoryURL: "https://git.example/group/app.git", CommitSHA: commit}
}

func statement(predicateType, predicate string) string {
	return fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"sha256":"%s"}}],"predicateType":%q,"predicate":%s}`, hexDigest, predicateType, predicate)
}

func provenanceOf(builder, uri, sha string) string {
	return fmt.Sprintf(`{"buildDefinition":{"resolvedDependencies":[{"uri":"pkg:docker/golang"},{"uri":%q,"digest":{"gitCommit":%q}}]},"runDetails":{"builder":{"id":%q},"metadata":{"startedOn":"2026-05-31T10:00:00Z","finishedOn":"2026-05-31T11:00:00Z"}}}`, uri, sha, builder)
}

func scanOf(result string) string {
	return fmt.Sprintf(`{"scanner":{"uri":"https://scanner.example","version":"1","result":%s},"metadata":{"scanStartedOn":"2026-05-31T10:00:00Z","scanFinishedOn":"2026-05-31T11:00:00Z"}}`, result)
}

func TestJudge(t *testing.T) {
	slsa := v1alpha1.AttestationRule{Builders: []string{"https://builder.example"}}
	sourced := v1alpha1.AttestationRule{Builders: slsa.Builders, Sources: []string{"https://git.example/group/other"}}
	vsa := v1alpha1.AttestationRule{Verifiers: []string{"https://verifier.example"}, Levels: []string{"SLSA_BUILD_LEVEL_2"}}
	vsaOf := func(verifier, result, uri, levels string) string {
		return fmt.Sprintf(`{"verifier":{"id":%q},"timeVerified":"2026-05-31T11:00:00Z","resourceUri":%q,"verificationResult":%s,"verifiedLevels":%s}`, verifier, uri, result, levels)
	}
	day := v1alpha1.AttestationRule{MaxAge: &metav1.Duration{Duration: 24 * time.Hour}}
	hour := v1alpha1.AttestationRule{MaxAge: &metav1.Duration{Duration: time.Hour}}
	severity := func(max string) v1alpha1.AttestationRule { return v1alpha1.AttestationRule{MaxSeverity: max} }
	medium := `[{"id":"CVE-1","severity":[{"method":"CVSS_V3","score":"5.0"}]}]`
	for _, tc := range []struct {
		name, predicateType, predicate string
		rule                           v1alpha1.AttestationRule
		want                           Reason
		tool, date                     string
		durable                        bool
	}{
		{name: "provenance of the builder and the entry's commit", predicateType: provenanceV1, rule: slsa, predicate: provenanceOf("https://builder.example", "git+https://git.example/group/app@refs/heads/main", commit), want: ReasonAccepted, tool: "https://builder.example", date: "2026-05-31T11:00:00Z"},
		{name: "provenance whose commit is in capitals", predicateType: provenanceV1, rule: slsa, predicate: provenanceOf("https://builder.example", "git+ssh://git@GIT.example/group/app.git", strings.ToUpper(commit)), want: ReasonAccepted, tool: "https://builder.example", date: "2026-05-31T11:00:00Z"},
		{name: "provenance of another builder", predicateType: provenanceV1, rule: slsa, predicate: provenanceOf("https://evil.example", "https://git.example/group/app", commit), want: ReasonBuilderNotTrusted, tool: "https://evil.example"},
		{name: "provenance of a builder whose id begins alike", predicateType: provenanceV1, rule: slsa, predicate: provenanceOf("https://builder.example/evil", "https://git.example/group/app", commit), want: ReasonBuilderNotTrusted},
		{name: "provenance where the rule names no builder", predicateType: provenanceV1, predicate: provenanceOf("https://builder.example", "https://git.example/group/app", commit), want: ReasonBuilderNotTrusted},
		{name: "provenance without a builder", predicateType: provenanceV1, rule: slsa, predicate: provenanceOf("", "https://git.example/group/app", commit), want: ReasonResultMissing, tool: "provenance"},
		{name: "provenance of another commit", predicateType: provenanceV1, rule: slsa, predicate: provenanceOf("https://builder.example", "https://git.example/group/app", strings.Repeat("f", 40)), want: ReasonSourceMismatch},
		{name: "provenance of another repository", predicateType: provenanceV1, rule: slsa, predicate: provenanceOf("https://builder.example", "https://git.example/group/fork", commit), want: ReasonSourceMismatch},
		{name: "provenance of the same path on another host", predicateType: provenanceV1, rule: slsa, predicate: provenanceOf("https://builder.example", "https://evil.example/group/app", commit), want: ReasonSourceMismatch},
		{name: "provenance of the entry's repository, where the rule names another", predicateType: provenanceV1, rule: sourced, predicate: provenanceOf("https://builder.example", "https://git.example/group/app", commit), want: ReasonSourceMismatch},
		{name: "provenance of the rule's source", predicateType: provenanceV1, rule: sourced, predicate: provenanceOf("https://builder.example", "git+https://git.example/group/other.git", commit), want: ReasonAccepted},
		{name: "provenance of the rule's source without a commit", predicateType: provenanceV1, rule: sourced, predicate: provenanceOf("https://builder.example", "git+https://git.example/group/other.git", ""), want: ReasonSourceMismatch},
		{name: "provenance with an unreadable date", predicateType: provenanceV1, rule: slsa, predicate: `{"buildDefinition":{},"runDetails":{"builder":{"id":"https://builder.example"},"metadata":{"finishedOn":"yesterday"}}}`, want: ReasonUnreadable},
		{name: "provenance that names its builder twice", predicateType: provenanceV1, rule: slsa, predicate: `{"runDetails":{"builder":{"id":"https://builder.example","id":"https://evil.example"}}}`, want: ReasonUnreadable},
		{name: "provenance that names its builder in other letters", predicateType: provenanceV1, rule: slsa, predicate: `{"RunDetails":{"Builder":{"ID":"https://builder.example"}}}`, want: ReasonResultMissing},
		{name: "provenance v0.2", predicateType: provenanceV02, rule: slsa, predicate: `{"builder":{"id":"https://builder.example"},"materials":[{"uri":"git+https://git.example/group/app.git","digest":{"sha1":"` + commit + `"}}],"metadata":{"buildFinishedOn":"2026-05-30T11:00:00Z"}}`, want: ReasonAccepted, tool: "https://builder.example", date: "2026-05-30T11:00:00Z"},
		{name: "provenance v0.2 by its configuration's source", predicateType: provenanceV02, rule: slsa, predicate: `{"builder":{"id":"https://builder.example"},"invocation":{"configSource":{"uri":"git+https://git.example/group/app.git","digest":{"sha1":"` + commit + `"}}}}`, want: ReasonAccepted},
		{name: "provenance v0.2 of another commit", predicateType: provenanceV02, rule: slsa, predicate: `{"builder":{"id":"https://builder.example"},"materials":[{"uri":"git+https://git.example/group/app.git","digest":{"sha1":"` + strings.Repeat("f", 40) + `"}}]}`, want: ReasonSourceMismatch},
		{name: "no predicate", predicateType: provenanceV1, rule: slsa, predicate: `null`, want: ReasonUnreadable},
		{name: "a predicate that is a list", predicateType: provenanceV1, rule: slsa, predicate: `[]`, want: ReasonUnreadable},

		{name: "a summary that passed", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `"PASSED"`, "registry.example/app", `["SLSA_BUILD_LEVEL_2","X"]`), want: ReasonAccepted, tool: "https://verifier.example", date: "2026-05-31T11:00:00Z"},
		{name: "a summary that names the digest", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `"PASSED"`, "pkg:oci/app@sha256%3A"+hexDigest, `["SLSA_BUILD_LEVEL_2"]`), want: ReasonAccepted},
		{name: "a summary that names another digest", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `"PASSED"`, "pkg:oci/app@sha256%3A"+other, `["SLSA_BUILD_LEVEL_2"]`), want: ReasonWrongSubject},
		{name: "a summary without a resource", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `"PASSED"`, "", `["SLSA_BUILD_LEVEL_2"]`), want: ReasonResultMissing},
		{name: "a summary that failed", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `"FAILED"`, "a", `["SLSA_BUILD_LEVEL_2"]`), want: ReasonNotPassed, durable: true},
		{name: "a summary that passed in lower case", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `"passed"`, "a", `["SLSA_BUILD_LEVEL_2"]`), want: ReasonNotPassed, durable: true},
		{name: "a summary without a result", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `null`, "a", `["SLSA_BUILD_LEVEL_2"]`), want: ReasonResultMissing},
		{name: "a summary whose result is true", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `true`, "a", `["SLSA_BUILD_LEVEL_2"]`), want: ReasonUnreadable},
		{name: "a summary of another verifier", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://evil.example", `"PASSED"`, "a", `["SLSA_BUILD_LEVEL_2"]`), want: ReasonVerifierNotTrusted},
		{name: "a summary without a level", predicateType: summaryV1, rule: vsa, predicate: vsaOf("https://verifier.example", `"PASSED"`, "a", `["SLSA_BUILD_LEVEL_1"]`), want: ReasonLevelMissing},
		{name: "a summary, and no verifier in the rule", predicateType: summaryV1, predicate: vsaOf("", `"PASSED"`, "a", `[]`), want: ReasonVerifierNotTrusted},

		{name: "tests that passed", predicateType: testsV01, predicate: `{"result":"PASSED","configuration":[]}`, want: ReasonAccepted, tool: "test-result", date: "2026-06-01T12:00:00Z"},
		{name: "tests that warned", predicateType: testsV01, predicate: `{"result":"WARNED"}`, want: ReasonNotPassed, durable: true},
		{name: "tests that failed", predicateType: testsV01, predicate: `{"result":"FAILED","failedTests":["a"]}`, want: ReasonNotPassed, durable: true},
		{name: "tests without a result", predicateType: testsV01, predicate: `{"passedTests":["a"]}`, want: ReasonResultMissing},
		{name: "tests with an empty result", predicateType: testsV01, predicate: `{"result":""}`, want: ReasonResultMissing},
		{name: "tests whose result is null", predicateType: testsV01, predicate: `{"result":null}`, want: ReasonResultMissing},
		{name: "tests that passed and failed", predicateType: testsV01, predicate: `{"result":"PASSED","failedTests":["a"]}`, want: ReasonContradiction, durable: true},
		{name: "tests with two results", predicateType: testsV01, predicate: `{"result":"FAILED","result":"PASSED"}`, want: ReasonUnreadable},
		{name: "tests with a result in other letters", predicateType: testsV01, predicate: `{"Result":"PASSED"}`, want: ReasonResultMissing},

		{name: "a scan that found nothing", predicateType: vulnsV02, predicate: scanOf(`[]`), want: ReasonAccepted, tool: "https://scanner.example", date: "2026-05-31T11:00:00Z"},
		{name: "a scan without a list", predicateType: vulnsV02, predicate: `{"scanner":{"uri":"https://scanner.example"},"metadata":{}}`, want: ReasonResultMissing},
		{name: "a scan whose list is null", predicateType: vulnsV02, predicate: scanOf(`null`), want: ReasonResultMissing},
		{name: "a scan whose list is an object", predicateType: vulnsV02, predicate: scanOf(`{}`), want: ReasonResultMissing},
		{name: "a medium finding, none allowed", predicateType: vulnsV02, predicate: scanOf(medium), want: ReasonSeverityExceeded},
		{name: "a medium finding, low allowed", predicateType: vulnsV02, rule: severity("low"), predicate: scanOf(medium), want: ReasonSeverityExceeded},
		{name: "a medium finding, medium allowed", predicateType: vulnsV02, rule: severity("medium"), predicate: scanOf(medium), want: ReasonAccepted},
		{name: "a finding without a severity, high allowed", predicateType: vulnsV02, rule: severity("high"), predicate: scanOf(`[{"id":"CVE-1"}]`), want: ReasonSeverityExceeded},
		{name: "a finding of a severity that is not understood, high allowed", predicateType: vulnsV02, rule: severity("high"), predicate: scanOf(`[{"id":"CVE-1","severity":[{"method":"house","score":"fine"}]}]`), want: ReasonSeverityExceeded},
		{name: "a score of another scale, high allowed", predicateType: vulnsV02, rule: severity("high"), predicate: scanOf(`[{"id":"CVE-1","severity":[{"method":"EPSS","score":"0.97"}]}]`), want: ReasonSeverityExceeded},
		{name: "the worst of two ratings counts", predicateType: vulnsV02, rule: severity("medium"), predicate: scanOf(`[{"id":"CVE-1","severity":[{"method":"CVSS_V3","score":"1.0"},{"method":"nvd","score":"CRITICAL"}]}]`), want: ReasonSeverityExceeded},
		{name: "a critical finding, high allowed", predicateType: vulnsV02, rule: severity("high"), predicate: scanOf(`[{"id":"CVE-1","severity":[{"method":"CVSS_V31","score":9.8}]}]`), want: ReasonSeverityExceeded},
		{name: "a negative score", predicateType: vulnsV02, rule: severity("high"), predicate: scanOf(`[{"id":"CVE-1","severity":[{"method":"CVSS_V3","score":"-1"}]}]`), want: ReasonSeverityExceeded},
		{name: "a score that is no number", predicateType: vulnsV02, rule: severity("high"), predicate: scanOf(`[{"id":"CVE-1","severity":[{"method":"CVSS_V3","score":"NaN"}]}]`), want: ReasonSeverityExceeded},
		{name: "a finding that is null, high allowed", predicateType: vulnsV02, rule: severity("high"), predicate: scanOf(`[null]`), want: ReasonSeverityExceeded},
		{name: "a finding of v0.1", predicateType: vulnsV01, rule: severity("low"), predicate: scanOf(`[{"vulnerability":{"id":"CVE-1","severity":{"method":"nvd","score":"LOW"}}}]`), want: ReasonAccepted},
		{name: "Trivy's report, clean", predicateType: cosignVuln, predicate: scanOf(`{"SchemaVersion":2,"Results":[{"Target":"debian"}]}`), want: ReasonAccepted, tool: "https://scanner.example"},
		{name: "Trivy's report of nothing scanned", predicateType: cosignVuln, predicate: scanOf(`{"SchemaVersion":2}`), want: ReasonResultMissing},
		{name: "Trivy's report with a finding", predicateType: cosignVuln, rule: severity("medium"), predicate: scanOf(`{"SchemaVersion":2,"Results":[{"Vulnerabilities":[{"VulnerabilityID":"CVE-1","Severity":"HIGH"}]}]}`), want: ReasonSeverityExceeded},
		{name: "Trivy's report with an unknown severity", predicateType: cosignVuln, rule: severity("high"), predicate: scanOf(`{"SchemaVersion":2,"Results":[{"Vulnerabilities":[{"VulnerabilityID":"CVE-1","Severity":"UNKNOWN"}]}]}`), want: ReasonSeverityExceeded},
		{name: "Grype's report", predicateType: cosignVuln, rule: severity("low"), predicate: scanOf(`{"matches":[{"vulnerability":{"id":"CVE-1","severity":"Negligible"}}],"source":{}}`), want: ReasonAccepted},
		{name: "an empty report", predicateType: cosignVuln, predicate: scanOf(`{}`), want: ReasonResultMissing},
		{name: "a report of another form", predicateType: cosignVuln, predicate: scanOf(`{"runs":[]}`), want: ReasonResultMissing},

		{name: "a CycloneDX bill", predicateType: cycloneDX, predicate: `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"timestamp":"2026-05-31T11:00:00Z","component":{"type":"container","name":"app"}},"components":[{}]}`, want: ReasonAccepted, tool: "cyclonedx", date: "2026-05-31T11:00:00Z"},
		{name: "a CycloneDX bill that lists nothing", predicateType: cycloneDX, predicate: `{"bomFormat":"CycloneDX","specVersion":"1.6"}`, want: ReasonResultMissing},
		{name: "a CycloneDX bill with an empty list", predicateType: cycloneDX, predicate: `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}`, want: ReasonResultMissing},
		{name: "another document as CycloneDX", predicateType: cycloneDX, predicate: `{"spdxVersion":"SPDX-2.3"}`, want: ReasonUnreadable},
		{name: "an SPDX document", predicateType: spdx, predicate: `{"spdxVersion":"SPDX-2.3","creationInfo":{"created":"2026-05-31T11:00:00Z"},"packages":[{}]}`, want: ReasonAccepted, date: "2026-05-31T11:00:00Z"},
		{name: "an SPDX document without packages", predicateType: spdx, predicate: `{"spdxVersion":"SPDX-2.3","packages":[]}`, want: ReasonResultMissing},
		{name: "an SPDX document in text", predicateType: spdx, predicate: `"SPDXVersion: SPDX-2.3"`, want: ReasonUnreadable},

		{name: "a scan a day and an hour old, a day allowed", predicateType: vulnsV02, rule: day, predicate: scanOf(`[]`), want: ReasonTooOld},
		{name: "tests without a date, a day allowed", predicateType: testsV01, rule: hour, predicate: `{"result":"PASSED"}`, want: ReasonTooOld},
		{name: "a statement from the future", predicateType: cycloneDX, predicate: `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"timestamp":"2026-06-01T12:06:00Z"},"components":[{}]}`, want: ReasonFromFuture, date: "2026-06-01T12:00:00Z"},
		{name: "a predicate type that is not understood", predicateType: "https://example.com/other", predicate: `{}`, want: ReasonUnreadable, tool: "attestation"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Parse([]byte(statement(tc.predicateType, tc.predicate)))
			if err != nil {
				t.Fatal(err)
			}
			tc.rule.PredicateType, tc.rule.EvidenceType = tc.predicateType, "com.example.check"
			j := Judge(Verified{Statement: s, Authority: "ours", Signer: "key"}, tc.rule, testImage(t), now, "run-1")
			if j.Reason != tc.want || j.OK != (tc.want == ReasonAccepted) || j.Message == "" {
				t.Fatalf("got %v %s: %s\nwant %s", j.OK, j.Reason, j.Message, tc.want)
			}
			if want := map[bool]evidence.Result{true: evidence.ResultSuccess, false: evidence.ResultFailure}[j.OK]; j.Evidence.Result() != want {
				t.Errorf("evidence says %s", j.Evidence.Result())
			}
			if tc.tool != "" && j.Evidence.Tool() != tc.tool {
				t.Errorf("tool %s, want %s", j.Evidence.Tool(), tc.tool)
			}
			if tc.date != "" && string(j.Evidence.Date) != tc.date {
				t.Errorf("date %s, want %s", j.Evidence.Date, tc.date)
			}
			if j.Durable != tc.durable {
				t.Errorf("durable %v, want %v", j.Durable, tc.durable)
			}
		})
	}
}

func TestJudgeWhat(t *testing.T) {
	s, err := Parse([]byte(statement(testsV01, `{"result":"PASSED"}`)))
	if err != nil {
		t.Fatal(err)
	}
	rule := v1alpha1.AttestationRule{PredicateType: testsV01, EvidenceType: "com.example.check"}
	image := testImage(t)

	elsewhere := image
	elsewhere.Digest = "sha256:" + other
	if j := Judge(Verified{Statement: s}, rule, elsewhere, now, "run"); j.Reason != ReasonWrongSubject {
		t.Errorf("another digest: %s", j.Reason)
	}
	wrong := rule
	wrong.PredicateType = vulnsV02
	if j := Judge(Verified{Statement: s}, wrong, image, now, "run"); j.OK || j.Reason != ReasonUnreadable {
		t.Errorf("another rule's type: %s", j.Reason)
	}
	// Without a date of its own, when it was signed counts.
	signed := now.Add(-time.Hour)
	aged := rule
	aged.MaxAge = &metav1.Duration{Duration: 2 * time.Hour}
	if j := Judge(Verified{Statement: s, SignedAt: signed}, aged, image, now, "run"); !j.OK || string(j.Evidence.Date) != signed.Format(time.RFC3339) {
		t.Errorf("signed an hour ago: %s, dated %s", j.Reason, j.Evidence.Date)
	}
	j := Unread(rule, image, "the registry is down", now, "run")
	if j.OK || j.Durable || j.Evidence.Result() != evidence.ResultFailure || j.Reason != ReasonUnreachable {
		t.Errorf("unread: %+v", j)
	}
}

// An old good statement beside a newer bad one: the newer counts, whichever is
// read first.
func TestJudgeReplay(t *testing.T) {
	rule := v1alpha1.AttestationRule{PredicateType: vulnsV02, EvidenceType: "com.example.scan"}
	at := func(date, list string) *evidence.Evidence {
		predicate := fmt.Sprintf(`{"scanner":{"uri":"https://scanner.example","result":%s},"metadata":{"scanFinishedOn":%q}}`, list, date)
		s, err := Parse([]byte(statement(vulnsV02, predicate)))
		if err != nil {
			t.Fatal(err)
		}
		return Judge(Verified{Statement: s}, rule, testImage(t), now, "run").Evidence
	}
	good := at("2026-05-01T00:00:00Z", `[]`)
	bad := at("2026-05-02T00:00:00Z", `[{"id":"CVE-1"}]`)
	for _, order := range [][]*evidence.Evidence{{good, bad}, {bad, good}} {
		current, problems := evidence.Newest(order, now)
		if len(current) != 1 || len(problems) != 0 || current[0].Result() != evidence.ResultFailure {
			t.Errorf("got %+v, %v", current, problems)
		}
	}
}

func TestCheckRules(t *testing.T) {
	good := []v1alpha1.AttestationRule{
		{PredicateType: provenanceV1, Builders: []string{"b"}},
		{PredicateType: summaryV1, Verifiers: []string{"v"}, Levels: []string{"L"}},
		{PredicateType: testsV01}, {PredicateType: vulnsV02, MaxSeverity: "low"},
		{PredicateType: cycloneDX + "/v1.6"}, {PredicateType: spdx + "/v2.3"},
	}
	if err := CheckRules(good); err != nil {
		t.Error(err)
	}
	err := CheckRules([]v1alpha1.AttestationRule{
		{PredicateType: "https://example.com/other"},
		{PredicateType: provenanceV1, MaxSeverity: "low"},
		{PredicateType: summaryV1, Verifiers: []string{"v"}, Builders: []string{"b"}},
		{PredicateType: cycloneDX + "evil"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"attestations[0]: predicate type", "attestations[1]: builders is empty", "attestations[1]: maxSeverity means nothing", "attestations[2]: builders means nothing", "attestations[3]: predicate type"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func TestParse(t *testing.T) {
	good := statement(testsV01, `{}`)
	for name, tc := range map[string]struct{ text, says string }{
		"not JSON":                 {"x", "JSON"},
		"a list":                   {"[]", "not a JSON object"},
		"another type":             {strings.Replace(good, "Statement/v1", "Statement/v2", 1), "neither"},
		"no predicate type":        {strings.Replace(good, testsV01, "", 1), "no predicateType"},
		"no subject":               {strings.Replace(good, `[{"name":"x","digest":{"sha256":"`+hexDigest+`"}}]`, `[]`, 1), "0 subjects"},
		"a subject with no digest": {strings.Replace(good, `{"sha256":"`+hexDigest+`"}`, `{}`, 1), "0 digests"},
		"two predicate types":      {strings.Replace(good, `"predicateType"`, `"predicateType":"a","predicateType"`, 1), "duplicate"},
		"not UTF-8":                {strings.Replace(good, `"x"`, "\"\xff\"", 1), "UTF-8"},
		"too many subjects":        {strings.Replace(good, `"subject":[`, `"subject":[`+strings.Repeat(`{"digest":{"sha256":"a"}},`, maxSubjects), 1), "1025 subjects"},
	} {
		if _, err := Parse([]byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v; want it to say %q", name, err, tc.says)
		}
	}
	s, err := Parse([]byte(strings.Replace(good, "Statement/v1", "Statement/v0.1", 1)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, digest := range []string{"sha256:" + hexDigest, "sha256:" + strings.ToUpper(hexDigest), "sha256:" + other, "sha512:" + hexDigest, "", "sha256:", hexDigest, "name:x"} {
		got[digest] = s.About(digest)
	}
	want := map[string]bool{"sha256:" + hexDigest: true, "sha256:" + strings.ToUpper(hexDigest): true, "sha256:" + other: false, "sha512:" + hexDigest: false, "": false, "sha256:": false, hexDigest: false, "name:x": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzStatement(f *testing.F) {
	for _, seed := range []string{
		statement(provenanceV1, provenanceOf("https://builder.example", "git+https://git.example/group/app@refs/heads/main", commit)),
		statement(provenanceV02, `{"builder":{"id":"b"},"materials":[{"uri":"git+https://git.example/a.git","digest":{"sha1":"x"}}]}`),
		statement(summaryV1, `{"verifier":{"id":"v"},"resourceUri":"sha256:sha256:%zz","verificationResult":"PASSED"}`),
		statement(testsV01, `{"result":"PASSED"}`),
		statement(vulnsV02, scanOf(`[{"id":"CVE-1","severity":[{"method":"CVSS_V3","score":"1e309"}]},null]`)),
		statement(vulnsV01, scanOf(`[{"vulnerability":{"severity":{}}}]`)),
		statement(cosignVuln, scanOf(`{"SchemaVersion":2,"Results":[{}]}`)),
		statement(cycloneDX, `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}`),
		statement(spdx, `{"spdxVersion":"SPDX-2.3","packages":[{}]}`),
		`{"_type":"https://in-toto.io/Statement/v1","subject":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		rule := v1alpha1.AttestationRule{
			PredicateType: s.PredicateType, EvidenceType: "e", Builders: []string{"https://builder.example"},
			Verifiers: []string{"v"}, MaxSeverity: "high",
		}
		image := testImage(t)
		j := Judge(Verified{Statement: s}, rule, image, now, "run")
		if j.OK != (j.Evidence.Result() == evidence.ResultSuccess) || j.OK && !s.About(image.Digest) {
			t.Errorf("%s: %s", j.Reason, j.Message)
		}
		if at, err := j.Evidence.Time(); err != nil || at.After(now.Add(evidence.FutureSkew)) {
			t.Errorf("date %s: %v", j.Evidence.Date, err)
		}
		if _, err := j.Evidence.JSON(); err != nil {
			t.Error(err)
		}
	})
}
