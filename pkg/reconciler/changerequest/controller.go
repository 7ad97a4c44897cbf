// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package changerequest

import (
	"context"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	pipelineruninformer "github.com/tektoncd/pipeline/pkg/client/injection/informers/pipeline/v1/pipelinerun"
	customruninformer "github.com/tektoncd/pipeline/pkg/client/injection/informers/pipeline/v1beta1/customrun"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	namespaceinformer "knative.dev/pkg/client/injection/kube/informers/core/v1/namespace"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/logging"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/backend"
	"github.com/countersign-dev/countersign/pkg/backend/cluster"
	"github.com/countersign-dev/countersign/pkg/change"
	client "github.com/countersign-dev/countersign/pkg/client/injection/client"
	approvalinformer "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changeapproval"
	conclusioninformer "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changeconclusion"
	policyinformer "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changepolicy"
	changeinformer "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changerequest"
	changereconciler "github.com/countersign-dev/countersign/pkg/client/injection/reconciler/countersign/v1alpha1/changerequest"
	"github.com/countersign-dev/countersign/pkg/reconciler/attachment"
	"github.com/countersign-dev/countersign/pkg/reconciler/customtask"
	"github.com/countersign-dev/countersign/pkg/reconciler/policy"
)

const (
	// byChange indexes approvals and conclusions by namespace/change request.
	byChange = "countersign.dev/change-request"
	// byRun indexes change requests by the UIDs of the runs in their status.
	byRun = "countersign.dev/run"
	// The pause between two attempts to put a record in place.
	firstPause, longestPause = time.Second, 30 * time.Second
)

// NewController makes the controller. It is woken by change requests and by
// everything that a decision about one depends on: approvals, conclusions, custom
// tasks, the runs in its status, and, while nothing was decided yet, policies and
// namespaces.
func NewController(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	changes := changeinformer.Get(ctx)
	approvals := approvalinformer.Get(ctx).Informer()
	conclusions := conclusioninformer.Get(ctx).Informer()
	customRuns := customruninformer.Get(ctx).Informer()
	pipelineRuns := pipelineruninformer.Get(ctx)

	index(ctx, customtask.AddIndex(customRuns))
	index(ctx, approvals.AddIndexers(cache.Indexers{byChange: changeKeys}))
	index(ctx, conclusions.AddIndexers(cache.Indexers{byChange: changeKeys}))
	index(ctx, changes.Informer().AddIndexers(cache.Indexers{byRun: runKeys}))

	r := &Reconciler{
		Clock:        clock.RealClock{},
		Client:       client.Get(ctx),
		Policies:     policy.NewSource(ctx),
		Backends:     backend.Set{cluster.Type: cluster.Backend{}},
		Attachments:  attachment.NewChecker(),
		Pauses:       flowcontrol.NewBackOff(firstPause, longestPause),
		Approvals:    approvals.GetIndexer(),
		Conclusions:  conclusions.GetIndexer(),
		CustomRuns:   customRuns.GetIndexer(),
		PipelineRuns: pipelineRuns.Lister(),
	}
	impl := changereconciler.NewImpl(ctx, r, func(*controller.Impl) controller.Options {
		return controller.Options{
			AgentName:         "countersign",
			SkipStatusUpdates: true, // written here, with the version that was read
		}
	})

	handle(ctx, changes.Informer(), controller.HandleAll(impl.Enqueue))
	enqueueChange := controller.HandleAll(func(object any) {
		if namespace, name := changeOf(object); name != "" {
			impl.EnqueueKey(types.NamespacedName{Namespace: namespace, Name: name})
		}
	})
	handle(ctx, approvals, enqueueChange)
	handle(ctx, conclusions, enqueueChange)
	handle(ctx, customRuns, enqueueChange)
	enqueueChangesOf := func(object any) {
		run, ok := unwrap(object).(*tektonv1.PipelineRun)
		if !ok {
			return
		}
		found, err := changes.Informer().GetIndexer().ByIndex(byRun, string(run.UID))
		if err != nil {
			logging.FromContext(ctx).Errorw("Cannot find the change requests of a run", "error", err)
		}
		for _, object := range found {
			impl.Enqueue(object)
		}
	}
	// Runs are updated often; what matters is that one has ended or is gone.
	handle(ctx, pipelineRuns.Informer(), cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, now any) {
			if run, ok := now.(*tektonv1.PipelineRun); ok && run.IsDone() {
				enqueueChangesOf(run)
			}
		},
		DeleteFunc: enqueueChangesOf,
	})
	enqueueUndecided := func(namespace string) {
		list, err := changes.Lister().ChangeRequests(namespace).List(labels.Everything())
		if err != nil {
			logging.FromContext(ctx).Errorw("Cannot list change requests", "error", err)
		}
		for _, object := range list {
			if !change.Over(object.Status.State) {
				impl.Enqueue(object)
			}
		}
	}
	handle(ctx, policyinformer.Get(ctx).Informer(), controller.HandleAll(func(any) {
		enqueueUndecided(corev1.NamespaceAll)
	}))
	handle(ctx, namespaceinformer.Get(ctx).Informer(), cache.ResourceEventHandlerFuncs{
		// A change request may become known before its namespace does.
		AddFunc: func(object any) {
			if namespace, ok := object.(*corev1.Namespace); ok {
				enqueueUndecided(namespace.Name)
			}
		},
		UpdateFunc: func(before, after any) {
			old, okOld := before.(*corev1.Namespace)
			now, okNow := after.(*corev1.Namespace)
			if okOld && okNow && !labels.Equals(old.Labels, now.Labels) {
				enqueueUndecided(now.Name)
			}
		},
	})
	return impl
}

func unwrap(object any) any {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		return tombstone.Obj
	}
	return object
}

// changeOf is the change request that an object is about.
func changeOf(object any) (namespace, name string) {
	switch o := unwrap(object).(type) {
	case *v1alpha1.ChangeApproval:
		return o.Namespace, o.Spec.ChangeRequest
	case *v1alpha1.ChangeConclusion:
		return o.Namespace, o.Spec.ChangeRequest
	default:
		return customtask.ChangeOf(o)
	}
}

func changeKeys(object any) ([]string, error) {
	if namespace, name := changeOf(object); name != "" {
		return []string{namespace + "/" + name}, nil
	}
	return nil, nil
}

func runKeys(object any) ([]string, error) {
	request, ok := object.(*v1alpha1.ChangeRequest)
	if !ok {
		return nil, nil
	}
	keys := make([]string, 0, len(request.Status.Runs))
	for _, run := range request.Status.Runs {
		keys = append(keys, string(run.UID))
	}
	return keys, nil
}

func handle(ctx context.Context, informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) {
	if _, err := informer.AddEventHandler(handler); err != nil {
		logging.FromContext(ctx).Panicw("Cannot watch", "error", err)
	}
}

func index(ctx context.Context, err error) {
	if err != nil {
		logging.FromContext(ctx).Panicw("Cannot index", "error", err)
	}
}
