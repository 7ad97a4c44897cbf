// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package changerequest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"
	"knative.dev/pkg/apis"
	"knative.dev/pkg/controller"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/backend"
	"github.com/countersign-dev/countersign/pkg/backend/cluster"
	"github.com/countersign-dev/countersign/pkg/reconciler/attachment"
	"github.com/countersign-dev/countersign/pkg/reconciler/customtask"
	rt "github.com/countersign-dev/countersign/pkg/reconciler/reconcilertest"
)

// registry answers as a test wants, and counts how often it is asked.
type registry struct {
	err   error
	asked int
}

func (r *registry) Check(context.Context, string, []v1alpha1.Attachment) error {
	r.asked++
	return r.err
}

// bench is a reconciler among things that a test controls.
type bench struct {
	*rt.Cluster
	r        *Reconciler
	registry *registry
}

func newBench(t *testing.T) *bench {
	t.Helper()
	c := rt.New(t)
	c.AddPipelineRun(rt.Run())
	documents := &registry{}
	customRuns := cache.NewSharedIndexInformer(nil, &v1beta1.CustomRun{}, 0, cache.Indexers{})
	if err := customtask.AddIndex(customRuns); err != nil {
		t.Fatal(err)
	}
	byName := func() cache.Indexer {
		return cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{byChange: changeKeys})
	}
	return &bench{Cluster: c, registry: documents, r: &Reconciler{
		Clock: c.Clock, Client: c.Client, Policies: c.Policies(),
		Backends: backend.Set{cluster.Type: cluster.Backend{}}, Attachments: documents,
		Pauses:    flowcontrol.NewFakeBackOff(firstPause, longestPause, c.Clock),
		Approvals: byName(), Conclusions: byName(), CustomRuns: customRuns.GetIndexer(), PipelineRuns: c.PipelineRuns(),
	}}
}

// pass reconciles what is stored once, and says when it wants to look again.
func (b *bench) pass() time.Duration {
	b.T.Helper()
	err := b.r.ReconcileKind(b.Context(), b.Change("chg-a"))
	if again, after := controller.IsRequeueKey(err); again {
		return after
	}
	if err != nil {
		b.T.Fatal(err)
	}
	return 0
}

func (b *bench) add(indexer cache.Indexer, object any) {
	b.T.Helper()
	if err := indexer.Add(object); err != nil {
		b.T.Fatal(err)
	}
}

func (b *bench) open() {
	b.add(b.r.CustomRuns, rt.Task(v1alpha1.KindOpenChange, "change-request-id", "chg-a"))
}

func (b *bench) gate(edits ...func(*v1beta1.CustomRun)) {
	task := rt.Task(v1alpha1.KindApproveChange, "change-request-id", "chg-a", "bundle", rt.Bundle)
	task.Name = "gate"
	for _, edit := range edits {
		edit(task)
	}
	b.add(b.r.CustomRuns, task)
}

func (b *bench) wantSubmitted(status metav1.ConditionStatus, reason string) {
	b.T.Helper()
	got := meta.FindStatusCondition(b.Change("chg-a").Status.Conditions, v1alpha1.ConditionSubmitted)
	if got == nil || got.Status != status || got.Reason != reason {
		b.T.Errorf("condition Submitted is %v, want %s %s", got, status, reason)
	}
}

func TestReconcileAutomaticApproval(t *testing.T) {
	b := newBench(t)
	b.AddChange(rt.Change())
	b.open()
	b.gate()
	if again := b.pass(); again != 0 {
		t.Errorf("looks again after %v, but an event will tell", again)
	}
	got := b.Change("chg-a").Status
	if got.State != v1alpha1.StateImplement || !got.Approval.Automatic || got.Implementing.UID != rt.Run().UID {
		t.Errorf("state %s, approval %v, implementing %v", got.State, got.Approval, got.Implementing)
	}
	b.wantSubmitted(metav1.ConditionTrue, v1alpha1.SubmittedReasonDone)
	// Nothing new: nothing is asked or written.
	b.Client.ClearActions()
	asked := b.registry.asked
	b.pass()
	for _, action := range b.Client.Actions() {
		if action.GetVerb() == "update" {
			t.Error("a pass without news wrote")
		}
	}
	if b.registry.asked != asked {
		t.Error("a record that is in place was checked again")
	}
	var events []string
	for len(b.Events.Events) > 0 {
		event := <-b.Events.Events
		events = append(events, strings.Join(strings.Fields(event)[:2], " "))
	}
	if diff := cmp.Diff([]string{"Normal Created", "Normal Approved", "Normal Opened", "Normal Submitted", "Normal Implementing"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestReconcileApproval(t *testing.T) {
	b := newBench(t)
	b.AddChange(rt.Opened(rt.Undecided))
	b.gate()
	b.pass()
	if got := b.Change("chg-a").Status.State; got != v1alpha1.StateAuthorize {
		t.Fatalf("state %s before a decision", got)
	}
	b.add(b.r.Approvals, &v1alpha1.ChangeApproval{
		ObjectMeta: metav1.ObjectMeta{Name: "a1", Namespace: rt.Namespace, CreationTimestamp: rt.Now},
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: "chg-a", ContentHash: rt.Change().Spec.ContentHash, Decision: v1alpha1.DecisionApprove,
			Approver: v1alpha1.Approver{Username: "ann"},
		},
	})
	b.pass()
	got := b.Change("chg-a").Status
	if got.State != v1alpha1.StateImplement || got.Approval.State != v1alpha1.ApprovalApproved || len(got.Approval.Decisions) != 1 {
		t.Errorf("state %s, approval %v", got.State, got.Approval)
	}
}

func TestReconcileDoesNotListenToUnsoundGates(t *testing.T) {
	for name, edit := range map[string]func(*v1beta1.CustomRun){
		"cancelled":      func(run *v1beta1.CustomRun) { run.Spec.Status = v1beta1.CustomRunSpecStatusCancelled },
		"of another run": func(run *v1beta1.CustomRun) { run.OwnerReferences[0].UID = "uid-2" },
		"of no run":      func(run *v1beta1.CustomRun) { run.OwnerReferences = nil },
		"with a workspace": func(run *v1beta1.CustomRun) {
			run.Spec.Workspaces = []v1beta1.WorkspaceBinding{{Name: "x", EmptyDir: &corev1.EmptyDirVolumeSource{}}}
		},
		"of another bundle": func(run *v1beta1.CustomRun) { run.Spec.Params[1].Value.StringVal += "0" },
		"out of time": func(run *v1beta1.CustomRun) {
			run.Status.ExtraFields.Raw = []byte(`{"params":{"change-request-id":"chg-a","bundle":"` + rt.Bundle + `"},"terms":{"mode":"wait","deadline":"2026-05-04T12:00:00Z"}}`)
		},
		"with edited parameters": func(run *v1beta1.CustomRun) {
			run.Status.ExtraFields.Raw = []byte(`{"params":{"change-request-id":"chg-b","bundle":"` + rt.Bundle + `"},"terms":{"mode":"wait"}}`)
		},
		"that ended": func(run *v1beta1.CustomRun) { run.Status.MarkCustomRunFailed(v1alpha1.ReasonExpired, "late") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.AddChange(rt.Opened())
			b.gate(edit)
			b.pass()
			if got := b.Change("chg-a").Status; got.State != v1alpha1.StateScheduled || got.Implementing != nil {
				t.Errorf("state %s, implementing %v", got.State, got.Implementing)
			}
		})
	}
}

func TestReconcileOutage(t *testing.T) {
	b := newBench(t)
	b.AddChange(rt.Change())
	b.open()
	b.registry.err = &attachment.CheckError{Reason: v1alpha1.SubmittedReasonRegistryUnavailable, Message: "away"}
	if again := b.pass(); again != firstPause {
		t.Errorf("tries again after %v, want %v", again, firstPause)
	}
	b.wantSubmitted(metav1.ConditionFalse, v1alpha1.SubmittedReasonRegistryUnavailable)

	// Other events do not hurry it.
	asked := b.registry.asked
	b.pass()
	if b.registry.asked != asked {
		t.Error("the registry was asked again before the pause was over")
	}
	var pauses []time.Duration
	for range 7 {
		b.Clock.SetTime(b.Clock.Now().Add(longestPause + time.Second))
		pauses = append(pauses, b.pass())
	}
	if last := pauses[len(pauses)-1]; last != longestPause {
		t.Errorf("pauses %v, want them to grow to %v", pauses, longestPause)
	}
	b.registry.err = nil
	b.Clock.SetTime(b.Clock.Now().Add(longestPause + time.Second))
	if again := b.pass(); again != 0 {
		t.Errorf("tries again after %v", again)
	}
	b.wantSubmitted(metav1.ConditionTrue, v1alpha1.SubmittedReasonDone)
}

func TestReconcileWhatWaitingDoesNotHelp(t *testing.T) {
	b := newBench(t)
	b.AddChange(rt.Change(func(change *v1alpha1.ChangeRequest) { change.Spec.Bundle = "registry.example/shopping@" + rt.Digest }))
	if again := b.pass(); again != 0 || b.registry.asked != 0 {
		t.Errorf("tries again after %v, asked a registry %d times", again, b.registry.asked)
	}
	b.wantSubmitted(metav1.ConditionFalse, v1alpha1.SubmittedReasonReferenceRefused)

	b = newBench(t)
	b.AddChange(rt.Change())
	b.registry.err = &attachment.CheckError{Reason: v1alpha1.SubmittedReasonAttachmentMismatch, Message: "size"}
	b.pass()
	b.Clock.SetTime(b.Clock.Now().Add(time.Hour))
	if again := b.pass(); again != 0 || b.registry.asked != 1 {
		t.Errorf("tries again after %v, asked %d times", again, b.registry.asked)
	}
	b.wantSubmitted(metav1.ConditionFalse, v1alpha1.SubmittedReasonAttachmentMismatch)
}

func TestReconcileWithManyOthersAtTheRegistry(t *testing.T) {
	b := newBench(t)
	b.AddChange(rt.Change())
	b.registry.err = attachment.ErrBusy
	if again := b.pass(); again <= 0 || again >= firstPause {
		t.Errorf("tries again after %v, want soon", again)
	}
	b.wantSubmitted(metav1.ConditionFalse, v1alpha1.SubmittedReasonPending)
}

type brokenBackend struct{}

func (brokenBackend) Submit(context.Context, *v1alpha1.ChangeRequest) (v1alpha1.BackendStatus, error) {
	return v1alpha1.BackendStatus{}, errors.New("no answer")
}

func TestReconcileBackendOutage(t *testing.T) {
	b := newBench(t)
	b.AddChange(rt.Change())
	b.r.Backends = backend.Set{cluster.Type: brokenBackend{}}
	if again := b.pass(); again != firstPause {
		t.Errorf("tries again after %v, want %v", again, firstPause)
	}
	b.wantSubmitted(metav1.ConditionFalse, v1alpha1.SubmittedReasonBackendUnavailable)
}

func TestReconcileWithoutPolicy(t *testing.T) {
	b := newBench(t)
	b.AddChange(rt.Change())
	b.open()
	b.gate()
	b.SetPolicy()
	if again := b.pass(); again != 0 || b.registry.asked != 0 {
		t.Errorf("tries again after %v, asked %d times", again, b.registry.asked)
	}
	b.wantSubmitted(metav1.ConditionFalse, v1alpha1.SubmittedReasonPolicyMissing)
	if got := b.Change("chg-a").Status; got.State != v1alpha1.StateNew || got.Implementing != nil {
		t.Errorf("state %s, implementing %v", got.State, got.Implementing)
	}
}

func TestReconcileFreesTheWayOnceARunHasEnded(t *testing.T) {
	second := rt.Run(func(run *tektonv1.PipelineRun) { run.Name, run.UID = "cd-2", "uid-2" })
	start := func(t *testing.T) *bench {
		b := newBench(t)
		b.AddPipelineRun(second)
		b.AddChange(rt.Opened(rt.Implemented, func(s *v1alpha1.ChangeRequestStatus) {
			s.Runs = append(s.Runs, v1alpha1.RunStatus{RunRef: rt.Ref(second), Adopted: true})
		}))
		b.gate(func(run *v1beta1.CustomRun) { run.OwnerReferences = rt.OwnerOf(second) })
		return b
	}
	b := start(t)
	b.pass()
	if got := b.Change("chg-a").Status.Implementing; got.Name != "cd-1" {
		t.Errorf("%s was let through beside a run that goes on", got.Name)
	}
	ended := rt.Run()
	ended.Status.SetCondition(&apis.Condition{Type: apis.ConditionSucceeded, Status: corev1.ConditionFalse})
	b.AddCachedPipelineRun(ended)
	b.pass()
	if got := b.Change("chg-a").Status.Implementing; got.Name != "cd-2" {
		t.Errorf("still implemented by %s, which has ended", got.Name)
	}
}

// A status that could not be stored is worked out again, not forced.
func TestReconcileDoesNotOverwrite(t *testing.T) {
	b := newBench(t)
	b.AddChange(rt.Change())
	tries := 0
	b.Client.PrependReactor("update", "changerequests", func(clienttesting.Action) (bool, runtime.Object, error) {
		tries++
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "changerequests"}, "chg-a", nil)
	})
	if err := b.r.ReconcileKind(b.Context(), b.Change("chg-a")); !apierrors.IsConflict(err) || tries != 1 {
		t.Errorf("error %v after %d tries, want a conflict after one", err, tries)
	}
	if len(b.Events.Events) != 0 {
		t.Errorf("told %q, which was not stored", <-b.Events.Events)
	}
}
