// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package reconcilertest is a small cluster for tests of reconcilers: objects in
// caches and in fake clients, both filled by the test. Caches do not follow the
// clients by themselves, so a test decides how far they lag behind.
package reconcilertest

import (
	"context"
	"testing"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	faketekton "github.com/tektoncd/pipeline/pkg/client/clientset/versioned/fake"
	tektonlisters "github.com/tektoncd/pipeline/pkg/client/listers/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"
	"knative.dev/pkg/controller"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	fakeclient "github.com/countersign-dev/countersign/pkg/client/clientset/versioned/fake"
	listers "github.com/countersign-dev/countersign/pkg/client/listers/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/reconciler/policy"
)

const (
	// Namespace that everything lies in.
	Namespace = "shop"
	// Digest to be used where one is needed.
	Digest = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	// Bundle that change requests are about.
	Bundle = "registry.example/shop/bundles@" + Digest
)

// Now is the time in every test.
var Now = metav1.NewTime(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))

// Cluster is what a reconciler sees.
type Cluster struct {
	T      *testing.T
	Clock  *clocktesting.FakeClock
	Client *fakeclient.Clientset
	Tekton *faketekton.Clientset
	Events *record.FakeRecorder

	namespaces, policies, changes, pipelineRuns cache.Indexer
}

// New is a cluster with a namespace and a policy that selects it.
func New(t *testing.T) *Cluster {
	t.Helper()
	indexer := func() cache.Indexer {
		return cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	}
	c := &Cluster{
		T:          t,
		Clock:      clocktesting.NewFakeClock(Now.Time),
		Client:     fakeclient.NewSimpleClientset(),
		Tekton:     faketekton.NewSimpleClientset(),
		Events:     record.NewFakeRecorder(100),
		namespaces: indexer(), policies: indexer(), changes: indexer(), pipelineRuns: indexer(),
	}
	c.cache(c.namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}})
	c.SetPolicy(&v1alpha1.ChangePolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "default"},
		Spec: v1alpha1.ChangePolicySpec{
			NamespaceSelector: &metav1.LabelSelector{},
			Approval:          v1alpha1.ApprovalPolicy{Required: 1, RiskLimit: v1alpha1.RiskModerate},
			Gate:              v1alpha1.GatePolicy{Mode: v1alpha1.GateWait, Timeout: metav1.Duration{Duration: 30 * time.Minute}},
			Bundles:           v1alpha1.BundlePolicy{RepositoryPrefixes: []string{"registry.example/shop"}},
		},
	})
	return c
}

// Context carries the recorder of Events.
func (c *Cluster) Context() context.Context {
	return controller.WithEventRecorder(c.T.Context(), c.Events)
}

func (c *Cluster) cache(indexer cache.Indexer, object runtime.Object) {
	c.T.Helper()
	if err := indexer.Add(object); err != nil {
		c.T.Fatal(err)
	}
}

// SetPolicy replaces all policies.
func (c *Cluster) SetPolicy(policies ...*v1alpha1.ChangePolicy) {
	c.T.Helper()
	if err := c.policies.Replace(nil, ""); err != nil {
		c.T.Fatal(err)
	}
	for _, policy := range policies {
		c.cache(c.policies, policy)
	}
}

// Policies finds policies in the caches.
func (c *Cluster) Policies() *policy.Source {
	return &policy.Source{Policies: listers.NewChangePolicyLister(c.policies), Namespaces: corelisters.NewNamespaceLister(c.namespaces)}
}

// Changes lists change requests from the cache.
func (c *Cluster) Changes() listers.ChangeRequestLister {
	return listers.NewChangeRequestLister(c.changes)
}

// PipelineRuns lists PipelineRuns from the cache.
func (c *Cluster) PipelineRuns() tektonlisters.PipelineRunLister {
	return tektonlisters.NewPipelineRunLister(c.pipelineRuns)
}

// AddChange stores a change request, in the cache too.
func (c *Cluster) AddChange(change *v1alpha1.ChangeRequest) {
	c.T.Helper()
	c.StoreChange(change)
	c.cache(c.changes, change)
}

// StoreChange stores a change request that the cache has not heard of.
func (c *Cluster) StoreChange(change *v1alpha1.ChangeRequest) {
	c.T.Helper()
	if _, err := c.Client.CountersignV1alpha1().ChangeRequests(change.Namespace).Create(c.T.Context(), change, metav1.CreateOptions{}); err != nil {
		c.T.Fatal(err)
	}
}

// AddPipelineRun stores a PipelineRun, in the cache too.
func (c *Cluster) AddPipelineRun(run *tektonv1.PipelineRun) {
	c.T.Helper()
	if _, err := c.Tekton.TektonV1().PipelineRuns(run.Namespace).Create(c.T.Context(), run, metav1.CreateOptions{}); err != nil {
		c.T.Fatal(err)
	}
	c.cache(c.pipelineRuns, run)
}

// AddTaskRun stores a TaskRun.
func (c *Cluster) AddTaskRun(run *tektonv1.TaskRun) {
	c.T.Helper()
	if _, err := c.Tekton.TektonV1().TaskRuns(run.Namespace).Create(c.T.Context(), run, metav1.CreateOptions{}); err != nil {
		c.T.Fatal(err)
	}
}

// AddCustomRun stores a CustomRun.
func (c *Cluster) AddCustomRun(run *v1beta1.CustomRun) {
	c.T.Helper()
	if _, err := c.Tekton.TektonV1beta1().CustomRuns(run.Namespace).Create(c.T.Context(), run, metav1.CreateOptions{}); err != nil {
		c.T.Fatal(err)
	}
}

// CustomRun reads a CustomRun as it is stored.
func (c *Cluster) CustomRun(name string) *v1beta1.CustomRun {
	c.T.Helper()
	run, err := c.Tekton.TektonV1beta1().CustomRuns(Namespace).Get(c.T.Context(), name, metav1.GetOptions{})
	if err != nil {
		c.T.Fatal(err)
	}
	return run
}

// Change reads a change request as it is stored.
func (c *Cluster) Change(name string) *v1alpha1.ChangeRequest {
	c.T.Helper()
	change, err := c.Client.CountersignV1alpha1().ChangeRequests(Namespace).Get(c.T.Context(), name, metav1.GetOptions{})
	if err != nil {
		c.T.Fatal(err)
	}
	return change
}

// Run is PipelineRun cd-1, which began ten minutes ago and may take two hours.
func Run(edits ...func(*tektonv1.PipelineRun)) *tektonv1.PipelineRun {
	started := metav1.NewTime(Now.Add(-10 * time.Minute))
	run := &tektonv1.PipelineRun{
		ObjectMeta: metav1.ObjectMeta{Name: "cd-1", Namespace: Namespace, UID: "uid-1"},
		Spec: tektonv1.PipelineRunSpec{
			PipelineRef: &tektonv1.PipelineRef{Name: "cd"},
			Timeouts:    &tektonv1.TimeoutFields{Pipeline: &metav1.Duration{Duration: 2 * time.Hour}},
		},
		Status: tektonv1.PipelineRunStatus{PipelineRunStatusFields: tektonv1.PipelineRunStatusFields{StartTime: &started}},
	}
	for _, edit := range edits {
		edit(run)
	}
	return run
}

// Ref names a run.
func Ref(run *tektonv1.PipelineRun) v1alpha1.RunRef {
	return v1alpha1.RunRef{Name: run.Name, UID: run.UID}
}

// OwnerOf makes a run the owner of an object.
func OwnerOf(run *tektonv1.PipelineRun) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "tekton.dev/v1", Kind: "PipelineRun", Name: run.Name, UID: run.UID, Controller: &yes}}
}

// Task is a CustomRun of a kind that PipelineRun cd-1 made a minute ago, with
// parameters in pairs of name and value.
func Task(kind string, params ...string) *v1beta1.CustomRun {
	run := &v1beta1.CustomRun{
		ObjectMeta: metav1.ObjectMeta{
			Name: "task", Namespace: Namespace, UID: "uid-task",
			CreationTimestamp: metav1.NewTime(Now.Add(-time.Minute)), OwnerReferences: OwnerOf(Run()),
		},
		Spec: v1beta1.CustomRunSpec{
			CustomRef: &v1beta1.TaskRef{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: v1beta1.TaskKind(kind)},
		},
	}
	for i := 0; i < len(params); i += 2 {
		run.Spec.Params = append(run.Spec.Params, v1beta1.Param{Name: params[i], Value: *v1beta1.NewStructuredValues(params[i+1])})
	}
	return run
}

// Change is change request chg-a of run cd-1, not looked at yet.
func Change(edits ...func(*v1alpha1.ChangeRequest)) *v1alpha1.ChangeRequest {
	change := &v1alpha1.ChangeRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "chg-a", Namespace: Namespace, UID: "uid-chg", Generation: 1, CreationTimestamp: Now},
		Spec: v1alpha1.ChangeRequestSpec{
			Summary:     "deploy",
			Readiness:   v1alpha1.ReadinessVerdict{Ready: true, Passed: 3},
			Fields:      v1alpha1.Fields{Risk: v1alpha1.RiskLow},
			Bundle:      Bundle,
			Attachments: []v1alpha1.Attachment{{Name: "Delta Summary", Size: 3, Digest: Digest, Reference: Bundle}},
			Run:         Ref(Run()),
		},
	}
	change.Spec.ContentHash = v1alpha1.ContentHash(&change.Spec)
	for _, edit := range edits {
		edit(change)
	}
	return change
}

// Opened is change request chg-a, in place, opened by run cd-1 and approved.
func Opened(edits ...func(*v1alpha1.ChangeRequestStatus)) *v1alpha1.ChangeRequest {
	return Change(func(change *v1alpha1.ChangeRequest) {
		change.Status = v1alpha1.ChangeRequestStatus{
			ObservedGeneration: 1,
			State:              v1alpha1.StateScheduled,
			Approval:           v1alpha1.ApprovalStatus{State: v1alpha1.ApprovalApproved, Automatic: true, Required: 1, Reasons: []string{"ready"}},
			Runs:               []v1alpha1.RunStatus{{RunRef: Ref(Run())}},
			Backend:            v1alpha1.BackendStatus{Type: "cluster", ID: "chg-a"},
			Conditions: []metav1.Condition{{
				Type: v1alpha1.ConditionSubmitted, Status: metav1.ConditionTrue, Reason: v1alpha1.SubmittedReasonDone, LastTransitionTime: Now,
			}},
		}
		for _, edit := range edits {
			edit(&change.Status)
		}
	})
}

// Undecided waits for people.
func Undecided(status *v1alpha1.ChangeRequestStatus) {
	status.State = v1alpha1.StateAuthorize
	status.Approval = v1alpha1.ApprovalStatus{State: v1alpha1.ApprovalRequested, Required: 1, Reasons: []string{"not ready"}}
}

// Implemented says that run cd-1 implements the change.
func Implemented(status *v1alpha1.ChangeRequestStatus) {
	ref := Ref(Run())
	status.State, status.Implementing = v1alpha1.StateImplement, &ref
}

// Results of a CustomRun by name.
func Results(run *v1beta1.CustomRun) map[string]string {
	results := map[string]string{}
	for _, result := range run.Status.Results {
		results[result.Name] = result.Value
	}
	return results
}

// AddCachedPipelineRun puts a PipelineRun into the cache only.
func (c *Cluster) AddCachedPipelineRun(run *tektonv1.PipelineRun) {
	c.T.Helper()
	c.cache(c.pipelineRuns, run)
}
