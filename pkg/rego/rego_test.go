// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package rego

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/checks"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

var now = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)

const commitSHA = "2222222222222222222222222222222222222222"

// shop is one entry, a commit with one good check.
func shop(t *testing.T) readiness.Input {
	t.Helper()
	uri, err := evidence.CommitURI("https://forge.example/acme/shop", commitSHA)
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.Complete(evidence.Evidence{
		TypeID: "com.ibm.unit_tests", Date: "2026-01-02T00:00:00Z", Details: evidence.Details{Result: "success", Tool: "jest"},
		Origin: evidence.Origin{PipelineRunID: "ci-7"}, Assets: []evidence.AssetRef{{URI: evidence.Text(uri.String)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return readiness.Input{
		Evidence: &evidence.Collection{
			Components: []evidence.ComponentAssets{{
				Component: evidence.Component{Entry: "shop", RepositoryURL: "https://forge.example/acme/shop", CommitSHA: commitSHA, PipelineRunID: "ci-7"},
				Assets:    []evidence.Link{{ID: uri.ID, Via: evidence.ViaEntry}},
			}},
			Assets: map[string]*evidence.AssetState{uri.ID: {URI: uri, Record: &evidence.Asset{}, Evidences: []*evidence.Evidence{e}}},
		},
		Source: checks.Environment{Name: "stage"}, Target: checks.Environment{Name: "prod", Region: "eu"}, Now: now,
	}
}

func load(t *testing.T, modules ...string) *Policy {
	t.Helper()
	named := map[string][]byte{}
	for i, m := range modules {
		named[fmt.Sprintf("module-%d.rego", i)] = []byte(m)
	}
	p, err := Load(named)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// row writes one object of table_results.
func row(fields ...string) string {
	values := map[string]string{
		"RuleType": "Required", "AssetType": "commit", "AssetId": evidence.CommitID(commitSHA), "EvidenceTypeId": "com.ibm.unit_tests",
		"Tool": "jest", "Status": "success", "Source": "ci-pipeline", "Target": "prod:eu",
	}
	for i := 0; i < len(fields); i += 2 {
		if values[fields[i]] = fields[i+1]; fields[i+1] == "-" {
			delete(values, fields[i])
		}
	}
	data, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return string(data)
}

const allow = "package one_pipeline.config\n\nallow := true\n\n"

// told says what decided: the checks that are not only listed.
func told(v readiness.Verdict) []string {
	var out []string
	for _, c := range v.Checks {
		if c.Outcome != readiness.Info {
			out = append(out, fmt.Sprintf("%s %s %s: %s %s", c.Entry, c.Check, c.Rule, c.Outcome, c.Reason))
		}
	}
	return out
}

func TestEvaluate(t *testing.T) {
	const undecided = " rego-policy rego: block PolicyUndecided"
	for name, tc := range map[string]struct {
		policy string
		change func(in *readiness.Input)
		want   []string
		says   string
	}{
		"a policy that allows": {policy: allow},
		"a policy that allows, with a table": {
			policy: allow + "table_results contains " + row(),
			want:   []string{"shop com.ibm.unit_tests required: pass Success"},
		},
		"a table that is a list":              {policy: allow + "table_results := [" + row() + "]", want: []string{"shop com.ibm.unit_tests required: pass Success"}},
		"a policy that does not allow":        {policy: "package one_pipeline.config\ndefault allow := false", want: []string{" rego-policy rego: block PolicyDenies"}},
		"a policy whose table says why not":   {policy: "package one_pipeline.config\ndefault allow := false\ntable_results contains " + row("Status", "failure"), want: []string{"shop com.ibm.unit_tests required: block Failure"}},
		"a policy that allows what it blames": {policy: allow + "table_results contains " + row("Status", "failure"), want: []string{"shop com.ibm.unit_tests required: block Failure"}},
		"allow is undefined":                  {policy: "package one_pipeline.config\nallow if input.nothing", want: []string{undecided}, says: "allow is undefined"},
		"allow is text":                       {policy: "package one_pipeline.config\nallow := \"true\"", want: []string{undecided}, says: "neither true nor false"},
		"allow is 1":                          {policy: "package one_pipeline.config\nallow := 1", want: []string{undecided}, says: "neither true nor false"},
		"allow is a set":                      {policy: "package one_pipeline.config\nallow contains true", want: []string{undecided}, says: "neither true nor false"},
		"allow is true and false":             {policy: "package one_pipeline.config\nallow := true\nallow := false if input.phase", want: []string{undecided}, says: "conflict"},
		"allow divides by zero":               {policy: "package one_pipeline.config\nallow if not 1 / count(input.deleted) == 1", want: []string{undecided}, says: "divide by zero"},
		"the table fails":                     {policy: allow + "table_results contains x if { x := 1 / count(input.deleted) }", want: []string{undecided}, says: "divide by zero"},
		"the table is undefined":              {policy: allow + "table_results := input.nothing", want: []string{undecided}, says: "table_results is undefined"},
		"the table is text":                   {policy: allow + "table_results := \"none\"", want: []string{undecided}, says: "neither a set nor a list"},
		"the table is an object":              {policy: allow + "table_results := {\"a\": " + row() + "}", want: []string{undecided}, says: "neither a set nor a list"},
		"the table holds text":                {policy: allow + "table_results contains \"row\"", want: []string{undecided}, says: "is no object"},
		"a row without a status":              {policy: allow + "table_results contains " + row("Status", "-"), want: []string{undecided}, says: "has no Status"},
		"a row whose status is a number":      {policy: allow + "table_results contains object.union(" + row() + `, {"Status": 1})`, want: []string{undecided}, says: "Status of an object in it is no text"},
		"a rule type in other words is required": {
			policy: allow + "table_results contains " + row("RuleType", "Mandatory", "Status", "pending"),
			want:   []string{"shop com.ibm.unit_tests required: block Pending"},
		},
		"required if present": {
			policy: allow + "table_results contains " + row("RuleType", "Required If-Present", "Status", "PENDING"),
			want:   []string{"shop com.ibm.unit_tests required_if_present: pass Pending"},
		},
		"recommended": {
			policy: allow + "table_results contains " + row("RuleType", "Recommended", "Status", "missing", "Tool", "*", "Source", "*"),
			want:   []string{"shop com.ibm.unit_tests recommended: warn Missing"},
		},
		"a status in other words blocks": {policy: allow + "table_results contains " + row("Status", "ok"), want: []string{"shop com.ibm.unit_tests required: block UnknownResult"}},
		"an asset that no entry has": {
			policy: allow + "table_results contains " + row("AssetId", "12345678", "Status", "failure"),
			want:   []string{" com.ibm.unit_tests required: block Failure"},
		},
		"it cannot switch off holes in the locker": {
			policy: allow,
			change: func(in *readiness.Input) {
				in.Evidence.Assets[evidence.CommitID(commitSHA)].Problems = []evidence.Problem{{Reason: evidence.ReasonEvidenceMissing, Message: "m"}}
			},
			want: []string{"shop locker-record integrity: block EvidenceMissing"},
		},
		"it cannot switch off identity": {
			policy: allow,
			change: func(in *readiness.Input) {
				in.Evidence.Components[0].Problems = []evidence.Problem{{Reason: evidence.ReasonNotIdentified, Message: "m"}}
			},
			want: []string{"shop entry-identity identity: block NotIdentified"},
		},
		"it cannot switch off what the ChangePolicy requires": {
			policy: allow,
			change: func(in *readiness.Input) {
				in.Required = []v1alpha1.RequiredChecks{{AssetType: "commit", EvidenceTypes: []string{"com.ibm.static_scan"}}}
				in.Demanded = []readiness.Demand{{AssetID: evidence.CommitID(commitSHA), TypeID: "com.ibm.peer_review", By: "test"}}
			},
			want: []string{"shop com.ibm.peer_review required: block Missing", "shop com.ibm.static_scan required: block Missing"},
		},
		"it cannot say that what the ChangePolicy requires is good": {
			policy: allow + "table_results contains " + row(),
			change: func(in *readiness.Input) {
				in.Required = []v1alpha1.RequiredChecks{{AssetType: "commit", EvidenceTypes: []string{"com.ibm.unit_tests"}}}
				in.Evidence.Assets[evidence.CommitID(commitSHA)].Evidences[0].Details.Result = "failure"
			},
			want: []string{"shop com.ibm.unit_tests required: block Failure"},
		},
		"the built-in required set does not hold": {policy: allow},
		"version 0": {policy: `package one_pipeline.config

default allow = false

allow {
	passed
}

passed {
	input.entries[_].assets[_].evidence[_].result == "success"
}

table_results[row] {
	asset := input.entries[_].assets[_]
	e := asset.evidence[_]
	row := {"RuleType": "Required", "AssetType": asset.type, "AssetId": asset.id, "EvidenceTypeId": e.evidence_type_id,
		"Tool": e.tool, "Status": e.result, "Source": e.source.name, "Target": input.target.name}
}
`, want: []string{"shop com.ibm.unit_tests required: pass Success"}},
		"version 0 with the keywords of version 1": {policy: `package one_pipeline.config

default allow := false

allow {
	count(table_results) == 1
}

table_results contains row if {
	row := ` + row() + `
}
`, want: []string{"shop com.ibm.unit_tests required: pass Success"}},
		"the time is the verdict's": {policy: "package one_pipeline.config\nallow := time.now_ns() == 1767398400000000000"},
	} {
		t.Run(name, func(t *testing.T) {
			in := shop(t)
			if tc.change != nil {
				tc.change(&in)
			}
			v := Evaluate(context.Background(), load(t, tc.policy), in)
			if diff := cmp.Diff(tc.want, told(v)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			blocks := strings.Contains(strings.Join(tc.want, "\n"), ": block ")
			if v.Ready == blocks {
				t.Errorf("ready=%t", v.Ready)
			}
			if last := v.Checks[len(v.Checks)-1]; !strings.Contains(last.Message, tc.says) {
				t.Errorf("it says %q, not %q", last.Message, tc.says)
			}
			if v.Basis.Mode != readiness.ModeRego || len(v.Basis.Files) != 1 {
				t.Errorf("basis %+v", v.Basis)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ module, want string }{
		"nothing":                            {"", "is empty"},
		"another package":                    {"package other\nallow := true", "has package one_pipeline.config with a rule allow"},
		"no allow":                           {"package one_pipeline.config\ndeny := true", "has package one_pipeline.config with a rule allow"},
		"no Rego of any version":             {"package one_pipeline.config\nallow {", "as version 1: "},
		"as version 0":                       {"package one_pipeline.config\nallow {", "as version 0: "},
		"a comment":                          {"# nothing", "module-0.rego"},
		"the network":                        {allow + `x := http.send({"method": "get", "url": "http://localhost"})`, "http.send"},
		"name service":                       {allow + `x := net.lookup_ip_addr("localhost")`, "net.lookup_ip_addr"},
		"networks":                           {allow + `x := net.cidr_expand("10.0.0.0/8")`, "net.cidr_expand"},
		"the environment":                    {allow + `x := opa.runtime()`, "opa.runtime"},
		"randomness":                         {allow + `x := rand.intn("a", 3)`, "rand.intn"},
		"unique ids":                         {allow + `x := uuid.rfc4122("a")`, "uuid.rfc4122"},
		"a great many numbers":               {allow + `x := numbers.range(1, 1000000000)`, "numbers.range"},
		"a number of a gigabyte":             {allow + `x := bits.lsh(1, 10000000000)`, "bits.lsh"},
		"schemas, which may lie elsewhere":   {allow + `x := json.match_schema({}, {"$ref": "http://localhost/schema.json"})`, "json.match_schema"},
		"signing requests":                   {allow + `x := providers.aws.sign_req({}, {}, 1)`, "providers.aws.sign_req"},
		"version 0 reaches no further":       {"package one_pipeline.config\nallow { http.send({}) }", "http.send"},
		"an unsafe variable, with its place": {"package one_pipeline.config\n\nallow if x == y\n", "module-0.rego:3"},
		"recursion":                          {"package one_pipeline.config\nallow if allow", "recursive"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(map[string][]byte{"module-0.rego": []byte(tc.module)})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	if _, err := Load(nil); err == nil {
		t.Error("no module is no error")
	}
	many := map[string][]byte{}
	for i := range MaxModules + 1 {
		many[fmt.Sprint(i)] = []byte(allow)
	}
	if _, err := Load(many); err == nil || !strings.Contains(err.Error(), "at most 100") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(map[string][]byte{"large": []byte(allow + strings.Repeat("#", MaxBytes))}); err == nil || !strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("got %v", err)
	}
	// Problems of several modules are told at once.
	_, err := Load(map[string][]byte{"a.rego": []byte("x"), "b.rego": []byte("y")})
	if err == nil || !strings.Contains(err.Error(), "a.rego") || !strings.Contains(err.Error(), "b.rego") {
		t.Errorf("got %v", err)
	}
}

func TestADecisionThatTakesTooLongIsNone(t *testing.T) {
	p := load(t, `package one_pipeline.config
allow if {
	digits := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
	some a in digits; some b in digits; some c in digits; some d in digits; some e in digits; some f in digits
	some g in digits; some h in digits; some i in digits; some j in digits; some k in digits; some l in digits
	((((((((((a + b) + c) + d) + e) + f) + g) + h) + i) + j) + k) + l > 1000
}`)
	p.limit = 50 * time.Millisecond
	v := Evaluate(context.Background(), p, shop(t))
	last := v.Checks[len(v.Checks)-1]
	if v.Ready || last.Reason != readiness.ReasonPolicyUndecided || !strings.Contains(last.Message, "took longer than 50ms") {
		t.Errorf("ready=%t: %s", v.Ready, last.Message)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v := Evaluate(ctx, load(t, allow), shop(t)); v.Ready {
		t.Error("a cancelled run is ready")
	}
}

func TestADecisionThatTakesTooMuchMemoryIsNone(t *testing.T) {
	p := load(t, fmt.Sprintf(`package one_pipeline.config
long := %q
digits := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
allow if count({sprintf("%%d%%d%%d%%d%%s", [a, b, c, d, long]) |
	some a in digits; some b in digits; some c in digits; some d in digits
}) > 1`, strings.Repeat("x", 100_000)))
	p.memory = 32 << 20
	v := Evaluate(context.Background(), p, shop(t))
	last := v.Checks[len(v.Checks)-1]
	if v.Ready || last.Reason != readiness.ReasonPolicyUndecided || !strings.Contains(last.Message, "more than 32 MiB") {
		t.Errorf("ready=%t: %s", v.Ready, last.Message)
	}
}

func TestChecksFileIsData(t *testing.T) {
	in := shop(t)
	var err error
	if in.Checks, err = checks.Parse("validation.json", []byte(`{"version": "2.0", "pre-deployment": []}`)); err != nil {
		t.Fatal(err)
	}
	p := load(t, "package one_pipeline.config\nallow := data.checks.version == \"2.0\"")
	if v := Evaluate(context.Background(), p, in); !v.Ready {
		t.Errorf("%v", told(v))
	}
	in.Checks = nil
	if v := Evaluate(context.Background(), p, in); v.Ready {
		t.Error("without a checks file it is ready")
	}
}

// What a row says about evidence leads to it.
func TestRowsLeadToEvidence(t *testing.T) {
	in := shop(t)
	e := in.Evidence.Assets[evidence.CommitID(commitSHA)].Evidences[0]
	p := load(t, allow+"table_results contains "+row("EvidenceId", string(e.ID), "Entry", "shop", "Message", "all \x1b[2J good", "Rule", "policy.rego, line 7"))
	v := Evaluate(context.Background(), p, in)
	want := readiness.Check{
		Entry: "shop", Asset: "https://forge.example/acme/shop.git#" + commitSHA, AssetID: evidence.CommitID(commitSHA), AssetType: "commit",
		Check: "com.ibm.unit_tests", Tool: "jest", Source: "ci-pipeline", Rule: "required", RuleSource: "policy.rego, line 7",
		Result: "success", Outcome: readiness.Pass, Reason: readiness.ReasonSuccess, Message: `all \x1b[2J good`,
		Evidence: string(e.ID), EvidencePath: fmt.Sprintf("raw/evidences/%s/%s/index.json", e.ID[:2], e.ID[2:]), Date: "2026-01-02T00:00:00Z",
	}
	if diff := cmp.Diff(want, v.Checks[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTranslateNeedsBothSections(t *testing.T) {
	file, err := checks.Parse("validation.json", []byte(`{"version": "2.0", "pre-deployment": []}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Translate(file); err == nil || !strings.Contains(err.Error(), "no section post-deployment") {
		t.Errorf("got %v", err)
	}
}

// The page's example of the input is what a policy gets, and the page's policies
// are read.
func TestDocumentedInput(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/rego.md")
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.MarshalIndent(readiness.Describe(shop(t)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```json\n"+string(data)+"\n```") {
		t.Errorf("docs/reference/rego.md lacks this example:\n%s", data)
	}
	policies := 0
	for _, block := range regexp.MustCompile("(?s)```rego\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		policies++
		v := Evaluate(context.Background(), load(t, block[1]), shop(t))
		if last := v.Checks[len(v.Checks)-1]; last.Reason == readiness.ReasonPolicyUndecided {
			t.Errorf("%s\n%s", last.Message, block[1])
		}
	}
	if policies == 0 {
		t.Error("docs/reference/rego.md has no policy")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(allow + "table_results contains " + row())
	f.Add("package one_pipeline.config\ndefault allow = false\nallow { input.x[_] }\n")
	f.Add("package a\nimport rego.v1\nx[y] := z if { some y, z in [1] }")
	f.Add("package one_pipeline.config\nallow {")
	f.Fuzz(func(t *testing.T, source string) {
		p, err := Load(map[string][]byte{"f.rego": []byte(source)})
		if (p == nil) == (err == nil) {
			t.Fatalf("got %v, %v", p, err)
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
