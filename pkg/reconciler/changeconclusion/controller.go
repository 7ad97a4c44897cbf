// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package changeconclusion

import (
	"context"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	pipelineclient "github.com/tektoncd/pipeline/pkg/client/injection/client"
	pipelineruninformer "github.com/tektoncd/pipeline/pkg/client/injection/informers/pipeline/v1/pipelinerun"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/logging"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	client "github.com/countersign-dev/countersign/pkg/client/injection/client"
	conclusioninformer "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changeconclusion"
	changeinformer "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changerequest"
	conclusionreconciler "github.com/countersign-dev/countersign/pkg/client/injection/reconciler/countersign/v1alpha1/changeconclusion"
	"github.com/countersign-dev/countersign/pkg/reconciler/attachment"
	"github.com/countersign-dev/countersign/pkg/reconciler/policy"
)

const (
	// ofChange and ofRun index conclusions by namespace/change request and by the
	// UID of their run.
	ofChange = "countersign.dev/conclusions-of-change"
	ofRun    = "countersign.dev/conclusions-of-run"
	// The pause between two attempts to check a conclusion.
	firstPause, longestPause = time.Second, 30 * time.Second
)

// NewController makes the controller. It is woken by conclusions, by the change
// requests that they are about, and by their runs.
func NewController(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	conclusions := conclusioninformer.Get(ctx).Informer()
	changes := changeinformer.Get(ctx)
	if err := conclusions.AddIndexers(cache.Indexers{ofChange: changeKeys, ofRun: runKeys}); err != nil {
		logging.FromContext(ctx).Panicw("Cannot index conclusions", "error", err)
	}

	r := &Reconciler{
		Clock:       clock.RealClock{},
		Client:      client.Get(ctx),
		Tekton:      pipelineclient.Get(ctx),
		Changes:     changes.Lister(),
		Policies:    policy.NewSource(ctx),
		Attachments: attachment.NewChecker(),
		Pauses:      flowcontrol.NewBackOff(firstPause, longestPause),
	}
	impl := conclusionreconciler.NewImpl(ctx, r, func(*controller.Impl) controller.Options {
		return controller.Options{
			AgentName:         "countersign",
			SkipStatusUpdates: true, // written here, with the version that was read
		}
	})

	handle(ctx, conclusions, controller.HandleAll(impl.Enqueue))
	enqueue := func(index, key string) {
		found, err := conclusions.GetIndexer().ByIndex(index, key)
		if err != nil {
			logging.FromContext(ctx).Errorw("Cannot find conclusions", "error", err)
		}
		for _, object := range found {
			if conclusion, ok := object.(*v1alpha1.ChangeConclusion); ok && unfinished(conclusion) {
				impl.Enqueue(conclusion)
			}
		}
	}
	handle(ctx, changes.Informer(), controller.HandleAll(func(object any) {
		if request, ok := object.(*v1alpha1.ChangeRequest); ok {
			enqueue(ofChange, request.Namespace+"/"+request.Name)
		}
	}))
	handle(ctx, pipelineruninformer.Get(ctx).Informer(), controller.HandleAll(func(object any) {
		if run, ok := object.(*tektonv1.PipelineRun); ok {
			enqueue(ofRun, string(run.UID))
		}
	}))
	return impl
}

// unfinished conclusions still wait for something.
func unfinished(conclusion *v1alpha1.ChangeConclusion) bool {
	return !conclusion.Status.Recorded || conclusion.Status.Rollback == ""
}

func changeKeys(object any) ([]string, error) {
	conclusion, ok := object.(*v1alpha1.ChangeConclusion)
	if !ok {
		return nil, nil
	}
	return []string{conclusion.Namespace + "/" + conclusion.Spec.ChangeRequest}, nil
}

func runKeys(object any) ([]string, error) {
	conclusion, ok := object.(*v1alpha1.ChangeConclusion)
	if !ok {
		return nil, nil
	}
	return []string{string(conclusion.Spec.Run.UID)}, nil
}

func handle(ctx context.Context, informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) {
	if _, err := informer.AddEventHandler(handler); err != nil {
		logging.FromContext(ctx).Panicw("Cannot watch", "error", err)
	}
}
