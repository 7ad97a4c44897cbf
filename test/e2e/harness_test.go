// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/test/fixture"
)

const (
	// runDeadline is far longer than any run takes, gateDeadline than any run
	// takes to reach its gate.
	runDeadline  = 4 * time.Minute
	gateDeadline = 2 * time.Minute
	// parallelTests suits two cores: runs wait for pods to start most of the
	// time. The flag -parallel overrides it.
	parallelTests = "4"
)

// What all tests share, made by TestMain.
var (
	env          *fixture.Environment
	installation *fixture.Installation
	forge        *fixture.Forge
	suite        = fmt.Sprintf("cs-e2e-%x", time.Now().Unix()&0xffffff)
	projects     atomic.Int32
)

func TestMain(m *testing.M) {
	flag.Parse()
	if !given("test.parallel") {
		if err := flag.Set("test.parallel", parallelTests); err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	if err := prepare(ctx); err != nil {
		log.Fatalf("preparing the end-to-end tests: %v", err)
	}
	code := m.Run()
	if code == 0 {
		if err := forge.Delete(ctx); err != nil {
			log.Printf("cleaning up: %v", err)
		}
	}
	os.Exit(code)
}

func given(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func prepare(ctx context.Context) error {
	began := time.Now()
	var err error
	if env, err = fixture.Load(); err != nil {
		return err
	}
	if installation, err = env.Install(ctx, func(what string) { log.Print(what) }); err != nil {
		return err
	}
	if err := env.BuildPlugin(ctx); err != nil {
		return err
	}
	if forge, err = env.NewForge(ctx, suite); err != nil {
		return err
	}
	log.Printf("prepared in %.0fs", time.Since(began).Seconds())
	return nil
}

// newProject makes a world for one test, whose stages show what they are given
// unless the options name others.
func newProject(t *testing.T, options fixture.ProjectOptions) *fixture.Project {
	t.Helper()
	if options.Config == nil {
		options.Config = stages(t, map[string]string{"deploy": showScript, "acceptance-test": showScript})
	}
	return makeProject(t, options)
}

// newExampleProject makes a world that deploys the example application.
func newExampleProject(t *testing.T) *fixture.Project {
	t.Helper()
	return makeProject(t, fixture.ProjectOptions{})
}

func stages(t *testing.T, scripts map[string]string) map[string]fixture.File {
	t.Helper()
	config, err := fixture.Stages(env.ShellImage, scripts)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// makeProject makes a world. If the test fails, all that explains it is printed
// and everything is left in place.
func makeProject(t *testing.T, options fixture.ProjectOptions) *fixture.Project {
	t.Helper()
	options.Name = fmt.Sprintf("%s-%d", suite, projects.Add(1))
	p, err := env.NewProject(t.Context(), forge, installation, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("namespace %s", p.Namespace)
	t.Cleanup(func() {
		// The test's own context is over by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() {
			var dump bytes.Buffer
			p.Dump(ctx, &dump)
			t.Log(dump.String())
			return
		}
		if err := p.Delete(ctx); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return p
}

// showScript is a stage that shows all that it is given.
const showScript = `#!/bin/sh
set -eu
for name in CHANGE_REQUEST_ID DEPLOYMENT_READY PIPELINE_NAME STAGE TARGET_ENVIRONMENT REGION; do
	eval "echo $name=\"\$$name\""
done
for name in DEPLOYMENT_DELTA_PATH DEPLOYMENT_DELTA_DELETIONS_PATH INVENTORY_ENTRIES_PATH; do
	eval "file=\"\$$name\""
	echo "$name: $(tr -d ' \n' <"$file")"
done
for file in "$INVENTORY_PATH"/*; do echo "entry: ${file##*/}"; done
test -f .pipeline-config.yaml && echo "config: $(pwd)" && test "$(pwd)" = "$CONFIG_PATH"
touch "$HOME/can-be-written"
`

// blocked is one check that failed, one that has not ended, one that was never
// made.
var blocked = fixture.Outcomes{
	evidence.TypeUnitTests:              string(evidence.ResultFailure),
	evidence.TypeImageVulnerabilityScan: string(evidence.ResultPending),
	evidence.TypeImageSigning:           fixture.Missing,
}

func promote(t *testing.T, p *fixture.Project, version string, outcomes fixture.Outcomes, body fixture.Body) *fixture.Promoted {
	t.Helper()
	promoted, err := p.ReleaseAndPromote(t.Context(), version, outcomes, body)
	if err != nil {
		t.Fatal(err)
	}
	return promoted
}

func start(t *testing.T, p *fixture.Project, params map[string]string) *fixture.Run {
	t.Helper()
	run, err := p.Start(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started %s", run.Name)
	return run
}

// wantSucceeded waits for the end of a run, which must be a good one.
func wantSucceeded(t *testing.T, run *fixture.Run) {
	t.Helper()
	ended := wait(t, run)
	if !ended.Status.GetCondition("Succeeded").IsTrue() {
		t.Fatalf("run %s failed: %s", run.Name, fixture.Why(ended))
	}
}

// wantFailed waits for the end of a run, which must be a bad one.
func wantFailed(t *testing.T, run *fixture.Run) {
	t.Helper()
	ended := wait(t, run)
	if !ended.Status.GetCondition("Succeeded").IsFalse() {
		t.Fatalf("run %s did not fail: %s", run.Name, fixture.Why(ended))
	}
}

func wait(t *testing.T, run *fixture.Run) *pipelinev1.PipelineRun {
	t.Helper()
	ended, err := run.Wait(t.Context(), runDeadline)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s ended after %.0fs: %s", run.Name,
		ended.Status.CompletionTime.Sub(ended.CreationTimestamp.Time).Seconds(), ended.Status.Conditions[0].Reason)
	return ended
}

// wantGateWaiting waits until the gate asks for a decision.
func wantGateWaiting(t *testing.T, run *fixture.Run) *v1alpha1.ChangeRequest {
	t.Helper()
	reason, err := run.WaitGate(t.Context(), gateDeadline)
	if err != nil {
		t.Fatal(err)
	}
	if reason != "AwaitingApproval" {
		t.Fatalf("the gate says %s, want AwaitingApproval", reason)
	}
	change := wantChange(t, run)
	if change.Status.State != v1alpha1.StateAuthorize {
		t.Errorf("change %s is in state %s while the gate waits, want %s", change.Name, change.Status.State, v1alpha1.StateAuthorize)
	}
	return change
}

// wantChange is the one change request of a run.
func wantChange(t *testing.T, run *fixture.Run) *v1alpha1.ChangeRequest {
	t.Helper()
	change, err := run.Change(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if change == nil {
		t.Fatalf("run %s has no change request", run.Name)
	}
	return change
}

// wantNoChange looks at all of the namespace: whoever made one.
func wantNoChange(t *testing.T, p *fixture.Project) {
	t.Helper()
	list, err := env.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range list.Items {
		t.Errorf("there is a change request %s, want none", change.Name)
	}
}

// wantEnd compares how a change stands.
func wantEnd(t *testing.T, change *v1alpha1.ChangeRequest, state v1alpha1.ChangeState, category v1alpha1.CloseCategory) {
	t.Helper()
	if change.Status.State != state || change.Status.CloseCategory != category {
		t.Errorf("change %s ends in state %q with category %q, want %q with %q",
			change.Name, change.Status.State, change.Status.CloseCategory, state, category)
	}
}

// wantReason compares the reason with which one task of a run stands.
func wantReason(t *testing.T, run *fixture.Run, task, want string) {
	t.Helper()
	reasons, err := run.Reasons(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if reasons[task] != want {
		t.Errorf("%s of run %s has reason %q, want %q", task, run.Name, reasons[task], want)
	}
}

// wantNothingDeployed looks for deploy, and for pods of custom tasks.
func wantNothingDeployed(t *testing.T, run *fixture.Run) {
	t.Helper()
	for _, task := range podTasks(t, run) {
		if task != "assess" && task != "close-change" {
			t.Errorf("run %s had a pod for %s", run.Name, task)
		}
	}
}

// wantNoPodHeld waits until every pod of a run has ended, while its gate goes on
// waiting: a pod's phase follows its containers' end a moment later.
func wantNoPodHeld(t *testing.T, run *fixture.Run) {
	t.Helper()
	var held []string
	err := fixture.Poll(t.Context(), 200*time.Millisecond, 20*time.Second, func() (bool, error) {
		held = nil
		for _, pod := range pods(t, run) {
			if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				held = append(held, fmt.Sprintf("%s is %s", pod.Name, pod.Status.Phase))
			}
		}
		return len(held) == 0, nil
	})
	if err != nil {
		t.Errorf("pods are held while the gate waits: %v", held)
	}
	if reason, err := run.WaitGate(t.Context(), gateDeadline); err != nil || reason != "AwaitingApproval" {
		t.Errorf("the gate says %q (%v), want AwaitingApproval still", reason, err)
	}
}

func pods(t *testing.T, run *fixture.Run) []corev1.Pod {
	t.Helper()
	list, err := env.Kubernetes.CoreV1().Pods(run.Namespace).List(t.Context(), metav1.ListOptions{
		LabelSelector: "tekton.dev/pipelineRun=" + run.Name,
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func podTasks(t *testing.T, run *fixture.Run) []string {
	t.Helper()
	var tasks []string
	for _, pod := range pods(t, run) {
		tasks = append(tasks, pod.Labels["tekton.dev/pipelineTask"])
	}
	slices.Sort(tasks)
	return tasks
}

// wantAttachments compares the names of a record's attachments, and fetches
// every one of them by its digest.
func wantAttachments(t *testing.T, change *v1alpha1.ChangeRequest, opening, closing []string) {
	t.Helper()
	var atOpening, atClosing []string
	for _, a := range change.Spec.Attachments {
		atOpening = append(atOpening, a.Name)
	}
	for _, a := range change.Status.Attachments {
		atClosing = append(atClosing, a.Name)
	}
	if diff := cmp.Diff(opening, atOpening); diff != "" {
		t.Errorf("attachments when it was opened (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(closing, atClosing); diff != "" {
		t.Errorf("attachments when it was closed (-want +got):\n%s", diff)
	}
	for _, a := range slices.Concat(change.Spec.Attachments, change.Status.Attachments) {
		content, err := env.Blob(t.Context(), a.Reference)
		if err != nil {
			t.Errorf("attachment %s: %v", a.Name, err)
			continue
		}
		sum := sha256.Sum256(content)
		if got := "sha256:" + hex.EncodeToString(sum[:]); got != a.Digest || int64(len(content)) != a.Size {
			t.Errorf("attachment %s is %d bytes of %s, want %d of %s", a.Name, len(content), got, a.Size, a.Digest)
		}
	}
}

// attachment fetches one attachment.
func attachment(t *testing.T, change *v1alpha1.ChangeRequest, name string) []byte {
	t.Helper()
	for _, a := range slices.Concat(change.Spec.Attachments, change.Status.Attachments) {
		if a.Name == name {
			content, err := env.Blob(t.Context(), a.Reference)
			if err != nil {
				t.Fatal(err)
			}
			return content
		}
	}
	t.Fatalf("change %s has no attachment %q", change.Name, name)
	return nil
}

// wantTag compares where a tag of the inventory points; an empty commit means
// that there must be none.
func wantTag(t *testing.T, p *fixture.Project, tag, commit string) {
	t.Helper()
	if err := p.Inventory.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.Inventory.Tag(tag); got != commit {
		t.Errorf("tag %s points to %q, want %q", tag, got, commit)
	}
}

func wantLog(t *testing.T, run *fixture.Run, task string, texts ...string) string {
	t.Helper()
	log, err := run.Logs(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if !strings.Contains(log, text) {
			t.Errorf("the log of %s lacks %q:\n%s", task, text, log)
		}
	}
	return log
}

// tkn runs tkn as a person does, and returns what it prints.
func tkn(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "tkn", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("tkn %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// notReady is the exit code with which tkn change explain says no.
const notReady = 5

// explain runs tkn change explain, whose exit code must fit the verdict that is
// expected, and whose text must hold some words in any case.
func explain(t *testing.T, ready bool, words []string, args ...string) {
	t.Helper()
	args = append([]string{"change", "explain"}, args...)
	out, err := exec.CommandContext(t.Context(), "tkn", args...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ready && err != nil:
		t.Errorf("tkn %s: %v, want a good verdict", strings.Join(args, " "), err)
	case !ready && (!errors.As(err, &exit) || exit.ExitCode() != notReady):
		t.Errorf("tkn %s: %v, want exit code %d", strings.Join(args, " "), err, notReady)
	}
	text := strings.ToLower(string(out))
	for _, word := range append([]string{fmt.Sprintf("DEPLOYMENT_READY=%t", ready)}, words...) {
		if !strings.Contains(text, strings.ToLower(word)) {
			t.Errorf("tkn %s lacks %q:\n%s", strings.Join(args, " "), word, out)
		}
	}
}

func approve(t *testing.T, change *v1alpha1.ChangeRequest) {
	t.Helper()
	tkn(t, "change", "approve", change.Name, "--namespace", change.Namespace, "--message", "The failures are known.", "--yes")
}
