// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	file, err := Parse(FileName, []byte(`# comment
version: '1'

deploy:
  image: registry.example/tools:1@sha256:0123
  script: |
    #!/bin/sh
    echo "$(params.x)" `+"`id`"+`
acceptance-test: &a
  script: 'true'
  image: busybox
rollback: *a
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Stage{
		Deploy:         {Name: Deploy, Line: 4, Image: "registry.example/tools:1@sha256:0123", Script: "#!/bin/sh\necho \"$(params.x)\" `id`\n"},
		AcceptanceTest: {Name: AcceptanceTest, Line: 9, Image: "busybox", Script: "true"},
		Rollback:       {Name: Rollback, Line: 12, Image: "busybox", Script: "true"},
	}
	if d := cmp.Diff(want, file.stages); d != "" {
		t.Errorf("-want +got: %s", d)
	}
	if _, found := file.Stage("finish"); found {
		t.Error("a stage that the file does not have was found")
	}
	deploy, _ := file.Stage(AcceptanceTest)
	if got, want := deploy.ScriptDigest(), "sha256:b5bea41b6c623f7c09f1bf24dcae58ebab3c0cdd90ad966bc43a45b44867e12b"; got != want {
		t.Errorf("ScriptDigest = %s, want %s", got, want)
	}
}

func TestParseNamesEveryProblemWithItsPlace(t *testing.T) {
	for sentence, tc := range map[string]struct {
		file string
		want []string
	}{
		"an empty file":  {"", []string{"f: the file is empty: want version: '1' and the stages deploy, acceptance-test, rollback"}},
		"not a mapping":  {"- a\n", []string{"f:1:1: want one key per stage: deploy, acceptance-test, rollback"}},
		"not YAML":       {"a: b: c", []string{"f: yaml: mapping values are not allowed in this context"}},
		"a version of 2": {"version: '2'\n", []string{`f:1:10: version is "2", want '1'`}},
		"no version":     {"rollback: {image: x, script: x}\n", []string{"f:1:1: version is missing: want version: '1'"}},
		"a second file behind a line of dashes": {"version: '1'\n---\nversion: '1'\n", []string{
			"f:2:1: a second document begins here, and would not be read"}},
		"five faults": {`version: 1
deploy:
  image: "a b"
  script: ""
  dind: true
finish: {}
acceptance: {}
rollback:
  image:
  image: y
`, []string{
			`f:3:10: stage "deploy": image "a b" is not the reference of an image`,
			`f:4:11: stage "deploy": script is empty`,
			`f:5:3: stage "deploy": unknown key "dind": want image, script`,
			`f:6:1: stage "finish" cannot be replaced: want deploy, acceptance-test, rollback`,
			`f:7:1: unknown stage "acceptance": want deploy, acceptance-test, rollback`,
			`f:9:9: stage "rollback": image is empty`,
			`f:10:3: key "image" occurs twice, first in line 9`,
			`f:8:1: stage "rollback": script is missing`,
		}},
		"lists in place of text": {"version: '1'\ndeploy: {image: [a], script: {b: c}}\nrollback: text\n", []string{
			`f:2:17: stage "deploy": image: want text`,
			`f:2:30: stage "deploy": script: want text`,
			`f:3:11: stage "rollback": want the keys image and script`,
		}},
		"an image that Tekton would expand": {"version: '1'\ndeploy: {image: '$(params.x)', script: x}\n", []string{
			`f:2:17: stage "deploy": image "$(params.x)" is not the reference of an image`}},
		"an anchor that holds itself": {"version: '1'\ndeploy: &a {image: *a, script: *a}\n", nil},
		"a file past the limit":       {strings.Repeat("#", maxFile+1), []string{"f: larger than 1048576 bytes"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := Parse("f", []byte(tc.file))
			if err == nil {
				t.Fatal("no error")
			}
			if tc.want == nil {
				return
			}
			if d := cmp.Diff(tc.want, strings.Split(err.Error(), "\n")); d != "" {
				t.Errorf("problems -want +got: %s", d)
			}
		})
	}
}
