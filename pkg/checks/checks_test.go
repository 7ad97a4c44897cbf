// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package checks

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", name, diff)
	}
}

func readTestdata(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseVersion2(t *testing.T) {
	data := readTestdata(t, "version2.json")
	file, err := Parse("prod.validation.json", data)
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Name: "prod.validation.json", Version: "2.0", Raw: data,
		Pre: &Section{Rules: []Rule{
			{
				EvidenceType: "com.ibm.unit_tests", AssetType: evidence.AssetCommit, Position: Position{7, 9},
				Sources: []Environment{{Name: CIPipeline}}, Targets: []Environment{{Name: "stage"}, {Name: "prod", Region: "us-east"}},
				Tools: []Tool{{Any, Required, Position{11, 52}}},
			},
			{
				EvidenceType: "com.ibm.dynamic_scan", AssetType: evidence.AssetImage, Position: Position{19, 9},
				Tools: []Tool{{"owasp-zap", RequiredIfPresent, Position{22, 63}}, {Any, RequiredIfPresent, Position{22, 76}}, {"experimental", Recommended, Position{23, 55}}},
			},
			{EvidenceType: "com.ibm.dynamic_scan", AssetType: Any, Position: Position{25, 9}, Tools: []Tool{{Any, Recommended, Position{27, 55}}}},
		}},
		Post: &Section{Rules: []Rule{{
			EvidenceType: "com.ibm.pipeline_logs", AssetType: evidence.AssetPipelineRun, Position: Position{36, 9},
			Sources: []Environment{{Name: "stage"}, {Name: "prod"}}, Targets: []Environment{{Name: Any}},
			Tools: []Tool{{Any, Recommended, Position{40, 55}}},
		}}},
	}
	if diff := cmp.Diff(want, file); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := file.Where(file.Pre.Rules[0].Position); got != "prod.validation.json:7:9" {
		t.Errorf("the first rule is at %s", got)
	}
}

func TestParseVersion1(t *testing.T) {
	file, err := Parse("validation.json", readTestdata(t, "version1.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Section{Rules: []Rule{
		{
			EvidenceType: "com.ibm.branch_protection", AssetType: evidence.AssetCommit, Position: Position{6, 9},
			Tools: []Tool{{Any, RequiredIfPresent, Position{10, 35}}},
		},
		{
			EvidenceType: "com.ibm.static_scan", AssetType: evidence.AssetCommit, Position: Position{14, 9},
			Tools: []Tool{{"sonarqube", Required, Position{17, 35}}, {Any, RequiredIfPresent, Position{18, 35}}, {"gosec", Ignored, Position{19, 33}}},
		},
		{
			EvidenceType: "com.ibm.static_scan", AssetType: Any, Position: Position{27, 9},
			Tools: []Tool{{Any, RequiredIfPresent, Position{27, 85}}},
		},
	}}
	if diff := cmp.Diff(want, file.Pre); diff != "" || file.Post != nil || file.Version != "1" {
		t.Errorf("version %s, post %v, pre (-want +got):\n%s", file.Version, file.Post, diff)
	}
	static := file.Pre.Rules[1]
	for tool, want := range map[string]Level{"sonarqube": Required, "gosec": Ignored, "another": RequiredIfPresent, "": RequiredIfPresent} {
		if got := static.LevelOf(tool); got != want {
			t.Errorf("level of %q is %q, want %q", tool, got, want)
		}
	}
}

// All problems of a file are told at once, each with its place.
func TestEveryProblemIsTold(t *testing.T) {
	_, err := Parse("prod.validation.json", readTestdata(t, "wrong.json"))
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
	golden(t, "wrong.txt", err.Error()+"\n")
}

func TestParseRefuses(t *testing.T) {
	rule := func(fields string) string {
		return `{"version": "2.0", "pre-deployment": [{"evidence_type_id": "a", "rules": [{` + fields + `}]}]}`
	}
	for name, tc := range map[string]struct{ file, want string }{
		"nothing":                            {"", "1:1: this is not JSON: there is nothing here"},
		"no object":                          {"[]", "1:1: a checks file is an object, not a list"},
		"YAML":                               {"version: '2.0'\n", "1:1: this is not JSON"},
		"a comma too many":                   {"{\n  \"version\": \"2.0\",\n}", "3:1: this is not JSON"},
		"half a document":                    {"{\n\"version\": ", "2:12: this is not JSON: the document ends in the middle"},
		"half a list":                        {`{"pre-deployment": [`, "1:21: this is not JSON: the document ends in the middle"},
		"a second document":                  {"{}\n{}", "2:1: there is something after the end of the document"},
		"no UTF-8":                           {"{\"\xff\"", "1:3: this is not UTF-8"},
		"too deep":                           {strings.Repeat("[", 17), "1:17: this nests deeper than 16 levels"},
		"too large":                          {strings.Repeat(" ", MaxBytes+1), "1:1: the file has 1048577 bytes; at most 1048576 are read"},
		"no section":                         {`{"version": "2.0"}`, "1:1: the file has neither pre-deployment nor post-deployment"},
		"an unknown version":                 {`{"version": "3", "pre-deployment": []}`, `1:13: version "3" is unknown`},
		"a version that is a number":         {`{"version": 2.0, "pre-deployment": []}`, "1:13: version is text, not a number"},
		"version 2.0 that does not say so":   {`{"pre-deployment": [{"evidence_type_id": "a", "rules": []}]}`, "1:1: version is missing"},
		"version 1 that says 2.0":            {`{"version": "2.0", "pre-deployment": [{"asset_type": "commit", "evidences": []}]}`, `1:40: key "asset_type" is unknown in an item of a section of version 2.0`},
		"a section that is an object":        {`{"version": "2.0", "pre-deployment": {}}`, "1:38: pre-deployment is a list, not an object"},
		"a misspelt section":                 {`{"version": "2.0", "pre_deployment": []}`, `1:20: key "pre_deployment" is unknown in a checks file: did you mean "pre-deployment"?`},
		"a misspelt level":                   {rule(`"asset_type": "image", "requird": []`), `key "requird" is unknown in a rule: did you mean "required"?`},
		"a level in capitals":                {rule(`"asset_type": "image", "Required": []`), `did you mean "required"?`},
		"a level of version 1":               {rule(`"asset_type": "image", "optional": []`), `key "optional" is unknown in a rule: expected one of`},
		"a rule without an asset type":       {rule(`"required": [{"name": "tool", "values": ["*"]}]`), "1:75: asset_type is missing here"},
		"a rule that demands nothing":        {rule(`"asset_type": "image"`), `the rule demands nothing: name tools, or "*", under required, required_if_present or recommended`},
		"a tool at two levels":               {rule(`"asset_type": "image", "required": [{"name": "tool", "values": ["x"]}], "recommended": [{"name": "tool", "values": ["x"]}]`), `tool "x" is at two levels: first required at 1:`},
		"required of a pipeline run":         {rule(`"asset_type": "generic", "required": [{"name": "tool", "values": ["*"]}]`), "required cannot hold for generic assets"},
		"a region of the building side":      {rule(`"asset_type": "image", "source_environments": [{"name": "ci-pipeline", "region": "us"}], "required": [{"name": "tool", "values": ["*"]}]`), "ci-pipeline has no regions"},
		"the building side as target":        {rule(`"asset_type": "image", "target_environments": [{"name": "ci-pipeline"}], "required": [{"name": "tool", "values": ["*"]}]`), "nothing is deployed to it"},
		"an environment twice":               {rule(`"asset_type": "image", "target_environments": [{"name": "a"}, {"name": "a"}], "required": [{"name": "tool", "values": ["*"]}]`), `environment "a" appears twice`},
		"version 1, an asset type twice":     {`{"pre-deployment": [{"asset_type": "commit", "evidences": [{"evidence_type_id": "a", "rules": {"ignore": [{"tool": "*"}]}}]}, {"asset_type": "repo", "evidences": [{"evidence_type_id": "a", "rules": {"ignore": [{"tool": "*"}]}}]}]}`, `asset_type "repo" appears twice: first at 1:36`},
		"version 1, an evidence type twice":  {`{"pre-deployment": [{"asset_type": "commit", "evidences": [{"evidence_type_id": "a", "rules": {"ignore": [{"tool": "*"}]}}, {"evidence_type_id": "a", "rules": {"ignore": [{"tool": "*"}]}}]}]}`, `evidence_type_id "a" appears twice: first at 1:81`},
		"version 1, a level of version 2.0":  {`{"pre-deployment": [{"asset_type": "commit", "evidences": [{"evidence_type_id": "a", "rules": {"recommended": []}}]}]}`, `key "recommended" is unknown in rules`},
		"version 1, required of a generic":   {`{"pre-deployment": [{"asset_type": "generic", "evidences": [{"evidence_type_id": "a", "rules": {"required": [{"tool": "*"}]}}]}]}`, "say optional or ignore"},
		"a key with an escape sequence":      {"{\"\\u001b[2J\": 1}", `1:2: key "\x1b[2J" is unknown`},
		"hidden characters before the start": {"\ufeff{}", "1:1: this is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f", []byte(tc.file))
			if err == nil || !strings.Contains(err.Error(), "\nf:") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	_, err := Parse("f", []byte(`{"version": "2.0", "pre-deployment": [`+strings.Repeat("1,", 5000)+`1]}`))
	if lines := strings.Count(fmt.Sprint(err), "\n"); lines != maxProblems+1 || !strings.HasSuffix(err.Error(), "and 4901 more problems from here on") {
		t.Errorf("%d lines, the last one %.200q", lines, err.Error()[strings.LastIndex(err.Error(), "\n"):])
	}
}

func TestEnvironmentMatches(t *testing.T) {
	for _, tc := range []struct {
		rule, where Environment
		want        bool
	}{
		{Environment{"prod", ""}, Environment{"prod", ""}, true},
		{Environment{"prod", ""}, Environment{"prod", "us"}, true},
		{Environment{"prod", "us"}, Environment{"prod", "us"}, true},
		{Environment{"prod", "us"}, Environment{"prod", "eu"}, false},
		{Environment{"prod", "us"}, Environment{"prod", ""}, false},
		{Environment{"prod", ""}, Environment{"stage", ""}, false},
		{Environment{"prod", ""}, Environment{"Prod", ""}, false},
		{Environment{Any, ""}, Environment{"prod", "us"}, true},
		{Environment{Any, "us"}, Environment{"prod", "us"}, true},
		{Environment{Any, "us"}, Environment{"prod", "eu"}, false},
		{Environment{Any, ""}, Environment{CIPipeline, ""}, true},
	} {
		if got := tc.rule.Matches(tc.where); got != tc.want {
			t.Errorf("a rule's %s matches %s: %t", tc.rule, tc.where, got)
		}
	}
}

func TestRuleAppliesTo(t *testing.T) {
	prod := Environment{Name: "prod"}
	for _, tc := range []struct {
		rule  Rule
		asset evidence.AssetType
		want  bool
	}{
		{Rule{AssetType: evidence.AssetImage}, evidence.AssetImage, true},
		{Rule{AssetType: evidence.AssetImage}, evidence.AssetCommit, false},
		{Rule{AssetType: Any}, evidence.AssetArtifact, true},
		{Rule{AssetType: Any}, evidence.AssetPipelineRun, false},
		{Rule{AssetType: evidence.AssetPipelineRun}, evidence.AssetPipelineRun, true},
		{Rule{AssetType: evidence.AssetImage, Targets: []Environment{{Name: "stage"}, prod}}, evidence.AssetImage, true},
		{Rule{AssetType: evidence.AssetImage, Targets: []Environment{{Name: "stage"}}}, evidence.AssetImage, false},
	} {
		if got := tc.rule.AppliesTo(tc.asset, prod); got != tc.want {
			t.Errorf("%+v applies to %s: %t", tc.rule, tc.asset, got)
		}
	}
}

// Every order of the look-up: whichever files there are, the most special one
// is taken.
func TestFind(t *testing.T) {
	const content = `{"version": "2.0", "pre-deployment": []}`
	all := []string{"us.prod.validation.json", "prod.validation.json", "validation.json"}
	for _, tc := range []struct {
		region, target string
		order          []string
	}{
		{"us", "prod", all},
		{"", "prod", all[1:]},
		{"", "", all[2:]},
		{"us", "", all[2:]},
		{"eu", "prod", []string{"eu.prod.validation.json", "prod.validation.json", "validation.json"}},
	} {
		if diff := cmp.Diff(tc.order, Names(tc.region, tc.target)); diff != "" {
			t.Errorf("region %q, target %q (-want +got):\n%s", tc.region, tc.target, diff)
		}
		for set := range 1 << len(all) {
			var there []string
			for i, name := range all {
				if set&(1<<i) != 0 {
					there = append(there, name)
				}
			}
			want := ""
			for _, name := range tc.order {
				for _, other := range there {
					if name == other && want == "" {
						want = name
					}
				}
			}
			read := func(path string) ([]byte, error) {
				for _, name := range there {
					if name == path {
						return []byte(content), nil
					}
				}
				return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
			}
			file, err := Find(read, tc.region, tc.target)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if file != nil {
				got = file.Name
			}
			if got != want {
				t.Errorf("region %q, target %q, of %v: took %q, want %q", tc.region, tc.target, there, got, want)
			}
		}
	}
}

// A file that cannot be used is not passed over for one that may ask for less.
func TestFindStopsAtAFileThatCannotBeUsed(t *testing.T) {
	for name, first := range map[string]func() ([]byte, error){
		"it cannot be read":    func() ([]byte, error) { return nil, errors.New("it is a symbolic link") },
		"it is no checks file": func() ([]byte, error) { return []byte("{}"), nil },
		"it is empty":          func() ([]byte, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			file, err := Find(func(path string) ([]byte, error) {
				if path == "prod.validation.json" {
					return first()
				}
				return []byte(`{"version": "2.0", "pre-deployment": []}`), nil
			}, "", "prod")
			if file != nil || err == nil || !strings.Contains(err.Error(), "prod.validation.json") {
				t.Errorf("got %v, %v", file, err)
			}
		})
	}
}

func TestFindRefusesPaths(t *testing.T) {
	for _, name := range []string{"../prod", "a/b", ".", "-", "a b"} {
		for _, pair := range [][2]string{{name, "prod"}, {"", name}} {
			_, err := Find(func(path string) ([]byte, error) {
				t.Errorf("it read %s", path)
				return nil, fs.ErrNotExist
			}, pair[0], pair[1])
			if err == nil {
				t.Errorf("region %q, target %q is no error", pair[0], pair[1])
			}
		}
	}
}

func TestLoadNeedsTheFile(t *testing.T) {
	_, err := Load(func(string) ([]byte, error) { return nil, fs.ErrNotExist }, "given.json")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "given.json") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"version1.json", "version2.json", "wrong.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"pre-deployment": [[{"a": nul`))
	f.Add([]byte("{\"version\": \"2\",\r\n\t\"post-deployment\": []}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f", data)
		if (file == nil) == (err == nil) {
			t.Fatalf("got %v, %v", file, err)
		}
		lines := strings.Count(string(data), "\n") + 1
		if err != nil {
			var invalid *InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("got %v", err)
			}
			for _, p := range invalid.Problems {
				if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
					t.Errorf("%+v in a file of %d lines", p, lines)
				}
				for _, r := range p.Message {
					if r < ' ' || r == 0x7f {
						t.Errorf("%q can move a cursor", p.Message)
					}
				}
			}
			return
		}
		// What is taken is JSON, demands something, and knows where it stands.
		if !json.Valid(data) || file.Pre == nil && file.Post == nil {
			t.Errorf("it takes %q", data)
		}
		for _, section := range []*Section{file.Pre, file.Post} {
			if section == nil {
				continue
			}
			for _, r := range section.Rules {
				if r.EvidenceType == "" || r.AssetType == "" || len(r.Tools) == 0 || r.Line < 1 || r.Line > lines {
					t.Errorf("rule %+v of %q", r, data)
				}
			}
		}
	})
}
