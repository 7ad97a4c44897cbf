// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package closing_test

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"knative.dev/pkg/apis"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/closing"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/steptest"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
)

// opened is a world in which run 1 has opened a change request.
func opened(t *testing.T) (*steptest.World, *v1alpha1.ChangeRequest) {
	t.Helper()
	return openedIn(t, steptest.New(t))
}

func openedIn(t *testing.T, w *steptest.World) (*steptest.World, *v1alpha1.ChangeRequest) {
	t.Helper()
	p := w.Params("1")
	if _, err := assess.Run(t.Context(), p, w.Clients()); err != nil {
		t.Fatal(err)
	}
	cr, err := w.Countersign.CountersignV1alpha1().ChangeRequests(steptest.Namespace).Get(t.Context(), assess.Name(p.Run, p.Target()), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	addRun(t, w, &tektonv1.PipelineRun{ObjectMeta: metav1.ObjectMeta{Name: "run-1", Namespace: steptest.Namespace, UID: "uid-1"}})
	w.Log.Reset()
	return w, cr
}

func addRun(t *testing.T, w *steptest.World, run *tektonv1.PipelineRun) {
	t.Helper()
	if run.Status.PipelineSpec == nil {
		run.Status.PipelineSpec = &tektonv1.PipelineSpec{}
	}
	run.Spec.PipelineRef = &tektonv1.PipelineRef{Name: "cd"}
	if err := w.Tekton.Tracker().Add(run); err != nil {
		t.Fatal(err)
	}
}

// answer plays the controller: conclusions are recorded with this outcome.
func answer(w *steptest.World, outcome v1alpha1.Outcome) {
	w.Countersign.PrependReactor("create", "changeconclusions", func(action clienttesting.Action) (bool, runtime.Object, error) {
		created, ok := action.(clienttesting.CreateAction).GetObject().(*v1alpha1.ChangeConclusion)
		if ok {
			created.Status = v1alpha1.ChangeConclusionStatus{Recorded: true, Outcome: outcome}
		}
		return false, nil, nil
	})
}

func params(w *steptest.World, deploy string) *closing.Params {
	return &closing.Params{
		Run: v1alpha1.RunRef{Name: "run-1", UID: "uid-1"}, Namespace: steptest.Namespace, ChangeRequestID: assess.NoChangeRequest,
		DeployStatus: deploy, LockerURL: "file://" + w.LockerDir, BundleRepository: w.Registry,
		RollbackWait: time.Minute, RecordWait: time.Minute,
	}
}

func conclusion(t *testing.T, w *steptest.World, cr *v1alpha1.ChangeRequest) *v1alpha1.ChangeConclusion {
	t.Helper()
	found, err := w.Countersign.CountersignV1alpha1().ChangeConclusions(steptest.Namespace).Get(t.Context(), closing.ConclusionName(cr.Name, "uid-1"), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheEndIsJudgedByTheRulesOfTheBeginning(t *testing.T) {
	const strict = `{"version":"2.0","pre-deployment":[],"post-deployment":[{"evidence_type_id":"com.ibm.acceptance_tests","rules":[{"asset_type":"image","required":[{"name":"tool","values":["*"]}]}]}]}`
	w := steptest.New(t)
	w.Config.Commit(map[string]string{"validation.json": strict})
	w, cr := openedIn(t, w)
	if !cr.Spec.Readiness.Ready {
		t.Fatalf("the section for the end was judged at the beginning: %+v", cr.Spec.Readiness)
	}
	answer(w, v1alpha1.OutcomeDeployed)
	// Whoever weakens the rules meanwhile changes the next deployment, not this one.
	w.Config.Commit(map[string]string{"validation.json": `{"version":"2.0","pre-deployment":[],"post-deployment":[]}`})
	if err := closing.Run(t.Context(), params(w, "Succeeded"), w.Clients()); err != nil {
		t.Fatalf("%v\n%s", err, &w.Log)
	}
	verdict := conclusion(t, w, cr).Spec.Readiness
	missing := slices.ContainsFunc(verdict.Blocking, func(c v1alpha1.CheckResult) bool { return c.Check == "com.ibm.acceptance_tests" })
	if verdict.Ready || !missing {
		t.Errorf("verdict at the end %+v", verdict)
	}
}

func TestADeploymentIsConcludedWithItsArtefactsAndTheTagMoves(t *testing.T) {
	w, cr := opened(t)
	answer(w, v1alpha1.OutcomeDeployed)
	if err := closing.Run(t.Context(), params(w, "Succeeded"), w.Clients()); err != nil {
		t.Fatalf("%v\n%s", err, &w.Log)
	}
	c := conclusion(t, w, cr)
	want := &v1alpha1.ReadinessVerdict{Ready: true, Passed: 14, EvaluatedAt: metav1.NewTime(steptest.Now)}
	if d := cmp.Diff(want, c.Spec.Readiness); d != "" {
		t.Errorf("readiness -want +got: %s", d)
	}
	b, err := bundle.Fetch(t.Context(), c.Spec.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, a := range c.Spec.Attachments {
		names = append(names, a.Name+" "+a.FileName)
		content, err := b.ReadFile(t.Context(), a.FileName)
		if err != nil || (path.Ext(a.FileName) == ".json" && !json.Valid(content)) || a.Digest != b.List()[i].Digest {
			t.Errorf("%s: %.80s, %v", a.Name, content, err)
		}
	}
	if d := cmp.Diff([]string{"Closing Summary closing-summary.json", "Closing Summary (Markdown) closing-summary.md", "Merged SBOM merged-sbom.json"}, names); d != "" {
		t.Errorf("attachments -want +got: %s", d)
	}
	if err := c.Validate(t.Context()); err != nil {
		t.Errorf("the webhook would refuse it: %v", err)
	}
	for _, tag := range []string{"eu_prod_latest", cr.Name} {
		if got := w.Inventory.TagAt(tag); got != cr.Spec.Inventory.To {
			t.Errorf("tag %s is at %q, want %s", tag, got, cr.Spec.Inventory.To)
		}
	}

	t.Run("and again without harm", func(t *testing.T) {
		if err := closing.Run(t.Context(), params(w, "Succeeded"), w.Clients()); err != nil {
			t.Error(err)
		}
	})
}

func TestTheTagDoesNotMoveUnlessTheRecordSaysDeployed(t *testing.T) {
	for _, outcome := range []v1alpha1.Outcome{v1alpha1.OutcomeDeployFailed, v1alpha1.OutcomeNotAccepted, v1alpha1.OutcomeNotStarted} {
		t.Run(string(outcome), func(t *testing.T) {
			w, cr := opened(t)
			answer(w, outcome)
			// Whatever the pod was told of how deploy ended.
			if err := closing.Run(t.Context(), params(w, "Succeeded"), w.Clients()); err != nil {
				t.Fatal(err)
			}
			if got := w.Inventory.TagAt("eu_prod_latest") + w.Inventory.TagAt(cr.Name); got != "" {
				t.Errorf("tags are at %s", got)
			}
		})
	}
}

func TestATagThatSomebodyMovedFailsClosed(t *testing.T) {
	w, cr := opened(t)
	answer(w, v1alpha1.OutcomeDeployed)
	moved := w.Promote(map[string]string{"c": steptest.Entry("c", "1")}, "")
	w.Inventory.Tag("eu_prod_latest", moved)
	err := closing.Run(t.Context(), params(w, "Succeeded"), w.Clients())
	if err == nil || !strings.Contains(err.Error(), "eu_prod_latest") {
		t.Errorf("error %v", err)
	}
	if got := w.Inventory.TagAt("eu_prod_latest"); got != moved {
		t.Errorf("the tag is at %s", got)
	}
	if conclusion(t, w, cr) == nil {
		t.Error("the conclusion is lost")
	}
}

func TestAGateThatStoppedIsToldHowToGoOn(t *testing.T) {
	w, cr := opened(t)
	answer(w, v1alpha1.OutcomeNotStarted)
	p := params(w, "None")
	p.LockerURL, p.BundleRepository = "", "" // not needed
	if err := closing.Run(t.Context(), p, w.Clients()); err != nil {
		t.Fatal(err)
	}
	c := conclusion(t, w, cr)
	if c.Spec.Readiness != nil || c.Spec.Bundle != "" || len(c.Spec.Attachments) != 0 {
		t.Errorf("artefacts of a deployment that never was: %+v", c.Spec)
	}
	for _, want := range []string{cr.Name, "tkn pipeline start cd", "change-request-id=" + cr.Name, "tkn change approve"} {
		if !strings.Contains(w.Log.String(), want) {
			t.Errorf("%q is not told in: %s", want, &w.Log)
		}
	}
}

func TestARunWithoutAChangeRequestHasNothingToConclude(t *testing.T) {
	w, cr := opened(t)
	p := params(w, "None")
	p.Run = v1alpha1.RunRef{Name: "run-2", UID: "uid-2"}
	// It was given one, and did not take it up.
	p.ChangeRequestID = cr.Name
	if err := closing.Run(t.Context(), p, w.Clients()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.Log.String(), "nothing to conclude") {
		t.Errorf("log: %s", &w.Log)
	}
}

func TestARollbackIsWaitedFor(t *testing.T) {
	for sentence, tc := range map[string]struct {
		status []corev1.ConditionStatus // of the rollback, look by look
		budget time.Duration
		want   string
	}{
		"that succeeds":                     {[]corev1.ConditionStatus{corev1.ConditionUnknown, corev1.ConditionTrue}, time.Hour, "Rollback: succeeded"},
		"that fails":                        {[]corev1.ConditionStatus{corev1.ConditionFalse}, time.Hour, "Rollback: FAILED"},
		"no longer than there is time left": {[]corev1.ConditionStatus{corev1.ConditionUnknown}, time.Second, "Rollback: UNFINISHED"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := steptest.New(t)
			if _, err := assess.Run(t.Context(), w.Params("1"), w.Clients()); err != nil {
				t.Fatal(err)
			}
			start := metav1.NewTime(steptest.Now.Add(-10 * time.Second))
			run := &tektonv1.PipelineRun{ObjectMeta: metav1.ObjectMeta{Name: "run-1", Namespace: steptest.Namespace, UID: "uid-1"}}
			run.Spec.Timeouts = &tektonv1.TimeoutFields{Finally: &metav1.Duration{Duration: tc.budget}}
			run.Status.FinallyStartTime = &start
			run.Status.PipelineSpec = &tektonv1.PipelineSpec{Finally: []tektonv1.PipelineTask{{Name: "rollback"}, {Name: "close-change"}}}
			run.Status.ChildReferences = []tektonv1.ChildStatusReference{{Name: "run-1-rollback", PipelineTaskName: "rollback"}}
			addRun(t, w, run)
			looks := 0
			w.Tekton.PrependReactor("get", "taskruns", func(clienttesting.Action) (bool, runtime.Object, error) {
				task := &tektonv1.TaskRun{}
				task.Status.SetCondition(&apis.Condition{Type: apis.ConditionSucceeded, Status: tc.status[min(looks, len(tc.status)-1)]})
				looks++
				return true, task, nil
			})
			answer(w, v1alpha1.OutcomeDeployFailed)
			if err := closing.Run(t.Context(), params(w, "Failed"), w.Clients()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(w.Log.String(), tc.want) {
				t.Errorf("want %q in: %s", tc.want, &w.Log)
			}
		})
	}
}

func TestWithoutArtefactsNothingIsHandedIn(t *testing.T) {
	w, cr := opened(t)
	answer(w, v1alpha1.OutcomeDeployed)
	p := params(w, "Succeeded")
	p.LockerURL = "file:///no/such/locker"
	if err := closing.Run(t.Context(), p, w.Clients()); err == nil || !strings.Contains(err.Error(), "run Task close-change again") {
		t.Errorf("error %v", err)
	}
	if conclusion(t, w, cr) != nil {
		t.Error("a conclusion without its artefacts was handed in, and can never be corrected")
	}
}

func TestAConclusionThatIsNotRecordedIsAnError(t *testing.T) {
	w, _ := opened(t)
	p := params(w, "None")
	p.RecordWait = -time.Second
	err := closing.Run(t.Context(), p, w.Clients())
	if err == nil || !strings.Contains(err.Error(), "not recorded") || step.ExitCode(err) != step.ExitFailed {
		t.Errorf("error %v", err)
	}
}
