// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package runstage_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/runstage"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/steptest"
)

const environment = `#!/bin/sh
set -eu
echo "$CHANGE_REQUEST_ID|$DEPLOYMENT_READY|$PIPELINE_NAME|$STAGE|$TARGET_ENVIRONMENT|$REGION|$IMAGE_OWN"
tr -d ' \n' < "$DEPLOYMENT_DELTA_PATH"; tr -d ' \n' < "$DEPLOYMENT_DELTA_DELETIONS_PATH"; tr -d ' \n' < "$INVENTORY_ENTRIES_PATH"; echo
ls "$INVENTORY_PATH"; ls "$INVENTORY_PATH/dir"
test "$PWD" = "$CONFIG_PATH"; ls
echo x > "$HOME/file"
exit 42
`

func bundleWith(t *testing.T, script string) string {
	t.Helper()
	w := steptest.New(t)
	file := "version: '1'\nacceptance-test: {image: tools:1, script: 'true'}\ndeploy:\n  image: tools:1\n  script: |\n"
	for line := range strings.Lines(script) {
		file += "    " + line
	}
	w.Config.Commit(map[string]string{".pipeline-config.yaml": file})
	outcome, err := assess.Run(t.Context(), w.Params("1"), w.Clients())
	if err != nil {
		t.Fatal(err)
	}
	return outcome.Bundle
}

func TestAScriptFindsEverythingItWasPromised(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "stage")
	s := runstage.Stage{
		Name: "deploy", Image: "tools:1", Bundle: bundleWith(t, environment),
		ChangeRequest: "chg-1", DeploymentReady: "true", TargetEnvironment: "$(id) `id`", Region: "eu", PipelineName: "cd",
	}
	if err := runstage.Prepare(t.Context(), s, dir); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code, err := runstage.Exec(t.Context(), dir, []string{"PATH=/bin:/usr/bin", "IMAGE_OWN=kept", "HOME=/root"}, &out, &out)
	if err != nil || code != 42 {
		t.Errorf("code %d, error %v; want the script's own, 42", code, err)
	}
	want := "chg-1|true|cd|deploy|$(id) `id`|eu|kept\n[\"a\",\"dir/b\"][][\"a\",\"dir/b\"]\na\ndir\nb\nchecks\ndeploy.sh\nprofile.yaml\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("output -want +got: %s", d)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "home", "file")); err != nil || string(content) != "x\n" {
		t.Errorf("HOME: %q, %v", content, err)
	}
}

func TestWhatPrepareRefuses(t *testing.T) {
	reference := bundleWith(t, "#!/bin/sh\n")
	for sentence, tc := range map[string]struct {
		stage runstage.Stage
		code  int
		want  string
	}{
		"a stage that there is not":           {runstage.Stage{Name: "finish", Bundle: reference}, step.ExitInvalid, "want deploy, acceptance-test, rollback"},
		"a stage that the file does not have": {runstage.Stage{Name: "rollback", Bundle: reference}, step.ExitRefused, `no stage "rollback"`},
		"another image than the approved one": {runstage.Stage{Name: "deploy", Image: "evil:1", Bundle: reference}, step.ExitRefused, `is to run in "tools:1"`},
		"a bundle by tag":                     {runstage.Stage{Name: "deploy", Bundle: "registry.example/x:1"}, step.ExitInvalid, "not named by digest"},
		"a parameter with a NUL":              {runstage.Stage{Name: "deploy", Bundle: reference, Region: "a\x00b"}, step.ExitInvalid, "REGION"},
	} {
		t.Run(sentence, func(t *testing.T) {
			err := runstage.Prepare(t.Context(), tc.stage, filepath.Join(t.TempDir(), "stage"))
			if step.ExitCode(err) != tc.code || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q with code %d", err, tc.want, tc.code)
			}
		})
	}
}
