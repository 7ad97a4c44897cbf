// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/test/fixture"
)

// ownTask is a team's own way to deploy. It takes some of what it is offered.
const ownTask = `
apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: our-deployment
spec:
  params:
  - {name: change-request-id, type: string}
  - {name: bundle, type: string}
  steps:
  - name: deploy
    image: SHELL_IMAGE
    env:
    - {name: CHANGE, value: $(params.change-request-id)}
    - {name: BUNDLE, value: $(params.bundle)}
    script: |
      #!/bin/sh
      echo "ours: change=$CHANGE bundle=$BUNDLE"
    securityContext:
      runAsNonRoot: true
      runAsUser: 65532
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
      seccompProfile: {type: RuntimeDefault}
`

// TestOwnTask: a Task of the user's, chosen by parameter, deploys.
func TestOwnTask(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{
		Manifests: []string{strings.ReplaceAll(ownTask, "SHELL_IMAGE", env.ShellImage)},
	})
	promote(t, p, "1.0.0", nil, fixture.GoodBody())
	run := start(t, p, map[string]string{"deploy-task": "our-deployment"})
	wantSucceeded(t, run)
	change := wantChange(t, run)
	wantEnd(t, change, v1alpha1.StateClosed, v1alpha1.CategorySuccessful)
	wantLog(t, run, "deploy", "ours: change="+change.Name+" bundle="+change.Spec.Bundle)
	wantLog(t, run, "acceptance-test", "CHANGE_REQUEST_ID="+change.Name)
}

// TestNotAccepted: what was deployed does not pass its test, and is rolled back.
func TestNotAccepted(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{Config: stages(t, map[string]string{
		"deploy":          showScript,
		"acceptance-test": "#!/bin/sh\necho 'it does not greet'\nexit 1\n",
		"rollback":        showScript,
	})})
	promote(t, p, "1.0.0", nil, fixture.GoodBody())
	run := start(t, p, map[string]string{"rollback-enabled": "1"})
	wantFailed(t, run)
	wantReason(t, run, "rollback", "Succeeded")
	wantReason(t, run, "close-change", "Succeeded")
	wantLog(t, run, "rollback", "STAGE=rollback")
	change := wantChange(t, run)
	wantEnd(t, change, v1alpha1.StateReview, v1alpha1.CategoryUnsuccessful)
	wantAttachments(t, change, openingAttachments, closingAttachments)
	if got := change.Status.Runs[0].Outcome; got != v1alpha1.OutcomeNotAccepted {
		t.Errorf("outcome is %q, want %q", got, v1alpha1.OutcomeNotAccepted)
	}
	wantTag(t, p, "prod_latest", "")
}
