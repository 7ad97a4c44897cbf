// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package reconciler_test

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	faketekton "github.com/tektoncd/pipeline/pkg/client/injection/client/fake"
	_ "github.com/tektoncd/pipeline/pkg/client/injection/informers/pipeline/v1/pipelinerun/fake"
	_ "github.com/tektoncd/pipeline/pkg/client/injection/informers/pipeline/v1beta1/customrun/fake"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"knative.dev/pkg/apis"
	fakekube "knative.dev/pkg/client/injection/kube/client/fake"
	_ "knative.dev/pkg/client/injection/kube/informers/core/v1/namespace/fake"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection"
	knativetesting "knative.dev/pkg/reconciler/testing"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	fakeclient "github.com/countersign-dev/countersign/pkg/client/injection/client/fake"
	_ "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changeapproval/fake"
	_ "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changeconclusion/fake"
	_ "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changepolicy/fake"
	_ "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changerequest/fake"
	"github.com/countersign-dev/countersign/pkg/reconciler/approvechange"
	"github.com/countersign-dev/countersign/pkg/reconciler/changeconclusion"
	"github.com/countersign-dev/countersign/pkg/reconciler/changerequest"
	"github.com/countersign-dev/countersign/pkg/reconciler/openchange"
	rt "github.com/countersign-dev/countersign/pkg/reconciler/reconcilertest"
)

var constructors = []injection.ControllerConstructor{
	changerequest.NewController, changeconclusion.NewController, openchange.NewController, approvechange.NewController,
}

// Queues with one name would have one Lease between them, and all but one
// reconciler would never lead.
func TestControllersHaveQueuesOfTheirOwn(t *testing.T) {
	ctx, _ := knativetesting.SetupFakeContext(t)
	seen := map[string]bool{}
	for _, construct := range constructors {
		impl := construct(ctx, configmap.NewStaticWatcher())
		if seen[impl.Name] {
			t.Errorf("two controllers have the queue %s", impl.Name)
		}
		seen[impl.Name] = true
	}
}

// bundle is one that exists, in a registry of its own.
func bundle(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	digest, err := empty.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	reference, err := name.NewDigest(strings.TrimPrefix(server.URL, "http://") + "/shop/bundles@" + digest.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference, empty.Image); err != nil {
		t.Fatal(err)
	}
	return reference.String()
}

// All controllers together take a change from its creation to its end, each step
// brought about by nothing but the event before it.
func TestControllersWakeEachOther(t *testing.T) {
	ctx, cancel, informers := knativetesting.SetupFakeContextWithCancel(t)
	controllers := make([]*controller.Impl, len(constructors))
	for i, construct := range constructors {
		controllers[i] = construct(ctx, configmap.NewStaticWatcher())
	}
	stopped, err := knativetesting.RunAndSyncInformers(ctx, informers...)
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan error, 1)
	go func() { running <- controller.StartAll(ctx, controllers...) }()
	defer func() {
		cancel()
		stopped()
		if err := <-running; err != nil {
			t.Error(err)
		}
	}()

	client, tekton := fakeclient.Get(ctx), faketekton.Get(ctx)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	reference := bundle(t)
	repository, _, _ := strings.Cut(reference, "/shop")

	run := rt.Run(func(run *tektonv1.PipelineRun) {
		now := metav1.Now()
		run.Status.StartTime = &now
		run.Status.PipelineSpec = &tektonv1.PipelineSpec{Tasks: []tektonv1.PipelineTask{{Name: "deploy"}, {Name: "acceptance-test"}}}
	})
	must(fakekube.Get(ctx).CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: rt.Namespace}}, metav1.CreateOptions{}))
	must(tekton.TektonV1().PipelineRuns(rt.Namespace).Create(ctx, run, metav1.CreateOptions{}))
	change := rt.Change(func(change *v1alpha1.ChangeRequest) {
		change.Spec.Bundle, change.Spec.Attachments = reference, nil
		change.Spec.Readiness = v1alpha1.ReadinessVerdict{Blocked: 1}
	})
	must(client.CountersignV1alpha1().ChangeRequests(rt.Namespace).Create(ctx, change, metav1.CreateOptions{}))

	state := func(want v1alpha1.ChangeState) {
		t.Helper()
		var got v1alpha1.ChangeState
		eventually(ctx, t, func() bool {
			found, err := client.CountersignV1alpha1().ChangeRequests(rt.Namespace).Get(ctx, "chg-a", metav1.GetOptions{})
			must(found, err)
			got = found.Status.State
			return got == want
		}, func() string { return "the change request is " + string(got) + ", want " + string(want) })
	}
	task := func(kind string, params ...string) string {
		t.Helper()
		created := rt.Task(kind, params...)
		created.Name = strings.ToLower(kind)
		must(tekton.TektonV1beta1().CustomRuns(rt.Namespace).Create(ctx, created, metav1.CreateOptions{}))
		return created.Name
	}
	reason := func(name, want string) {
		t.Helper()
		var got *v1beta1.CustomRun
		eventually(ctx, t, func() bool {
			var err error
			got, err = tekton.TektonV1beta1().CustomRuns(rt.Namespace).Get(ctx, name, metav1.GetOptions{})
			must(got, err)
			return got.Status.GetCondition(apis.ConditionSucceeded).GetReason() == want
		}, func() string {
			return name + " is " + got.Status.GetCondition(apis.ConditionSucceeded).GetReason() + ": " + got.Status.GetCondition(apis.ConditionSucceeded).GetMessage() + ", want " + want
		})
	}

	state(v1alpha1.StateNew) // there is no policy yet
	must(client.CountersignV1alpha1().ChangePolicies().Create(ctx, &v1alpha1.ChangePolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "default"},
		Spec: v1alpha1.ChangePolicySpec{
			NamespaceSelector: &metav1.LabelSelector{},
			Bundles:           v1alpha1.BundlePolicy{RepositoryPrefixes: []string{repository}},
		},
	}, metav1.CreateOptions{}))
	state(v1alpha1.StateAuthorize)

	reason(task(v1alpha1.KindOpenChange, "change-request-id", "chg-a"), v1alpha1.ReasonOpened)
	gate := task(v1alpha1.KindApproveChange, "change-request-id", "chg-a", "bundle", reference)
	reason(gate, v1alpha1.ReasonAwaitingApproval)

	must(client.CountersignV1alpha1().ChangeApprovals(rt.Namespace).Create(ctx, &v1alpha1.ChangeApproval{
		ObjectMeta: metav1.ObjectMeta{Name: "a1"},
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: "chg-a", ContentHash: change.Spec.ContentHash, Decision: v1alpha1.DecisionApprove, Approver: v1alpha1.Approver{Username: "ann"},
		},
	}, metav1.CreateOptions{}))
	reason(gate, v1alpha1.ReasonApproved)
	state(v1alpha1.StateImplement)

	for _, ended := range []string{"deploy", "acceptance-test"} {
		taskRun := &tektonv1.TaskRun{ObjectMeta: metav1.ObjectMeta{Name: "cd-1-" + ended, OwnerReferences: rt.OwnerOf(run)}}
		taskRun.Status.SetCondition(&apis.Condition{Type: apis.ConditionSucceeded, Status: corev1.ConditionTrue})
		must(tekton.TektonV1().TaskRuns(rt.Namespace).Create(ctx, taskRun, metav1.CreateOptions{}))
		run.Status.ChildReferences = append(run.Status.ChildReferences, tektonv1.ChildStatusReference{TypeMeta: runtime.TypeMeta{Kind: "TaskRun"}, Name: taskRun.Name, PipelineTaskName: ended})
	}
	must(tekton.TektonV1().PipelineRuns(rt.Namespace).UpdateStatus(ctx, run, metav1.UpdateOptions{}))
	must(client.CountersignV1alpha1().ChangeConclusions(rt.Namespace).Create(ctx, &v1alpha1.ChangeConclusion{
		ObjectMeta: metav1.ObjectMeta{Name: "chg-a-x"},
		Spec:       v1alpha1.ChangeConclusionSpec{ChangeRequest: "chg-a", Run: rt.Ref(run), Readiness: &v1alpha1.ReadinessVerdict{Ready: true}},
	}, metav1.CreateOptions{}))
	state(v1alpha1.StateClosed)
	var conclusion *v1alpha1.ChangeConclusion
	eventually(ctx, t, func() bool {
		var err error
		conclusion, err = client.CountersignV1alpha1().ChangeConclusions(rt.Namespace).Get(ctx, "chg-a-x", metav1.GetOptions{})
		must(conclusion, err)
		return conclusion.Status.Recorded
	}, func() string { return "the conclusion is not recorded: " + conclusion.Status.Message })
	if !conclusion.Status.Closed || conclusion.Status.CloseCategory != v1alpha1.CategorySuccessful {
		t.Errorf("closed %v, category %q, want true, successful", conclusion.Status.Closed, conclusion.Status.CloseCategory)
	}
}

func eventually(ctx context.Context, t *testing.T, holds func() bool, otherwise func() string) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) { return holds(), nil }); err != nil {
		t.Fatal(otherwise())
	}
}
