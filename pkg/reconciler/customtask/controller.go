// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package customtask

import (
	"context"

	pipelineclient "github.com/tektoncd/pipeline/pkg/client/injection/client"
	pipelineruninformer "github.com/tektoncd/pipeline/pkg/client/injection/informers/pipeline/v1/pipelinerun"
	customruninformer "github.com/tektoncd/pipeline/pkg/client/injection/informers/pipeline/v1beta1/customrun"
	customrunreconciler "github.com/tektoncd/pipeline/pkg/client/injection/reconciler/pipeline/v1beta1/customrun"
	tektoncontroller "github.com/tektoncd/pipeline/pkg/controller"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/kmeta"
	"knative.dev/pkg/logging"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	client "github.com/countersign-dev/countersign/pkg/client/injection/client"
	changeinformer "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changerequest"
	"github.com/countersign-dev/countersign/pkg/reconciler/policy"
)

// NewController makes the controller of one kind. It is woken by the CustomRuns of
// the kind, and by change requests for the CustomRuns that name them.
//
// It fills in r, which is part of own: a reconciler of the kind's own type. The
// type's name becomes that of the queue and of the Lease, so two kinds that shared
// a type would have one leader between them, and one of them would do nothing.
func NewController(ctx context.Context, kind Kind, r *Reconciler, own customrunreconciler.Interface) *controller.Impl {
	logger := logging.FromContext(ctx)
	customRuns := customruninformer.Get(ctx).Informer()
	if err := AddIndex(customRuns); err != nil {
		logger.Panicw("Cannot index CustomRuns", "error", err)
	}
	changes := changeinformer.Get(ctx)

	*r = Reconciler{
		Kind:         kind,
		Clock:        clock.RealClock{},
		Tekton:       pipelineclient.Get(ctx),
		Client:       client.Get(ctx),
		Changes:      changes.Lister(),
		Policies:     policy.NewSource(ctx),
		PipelineRuns: pipelineruninformer.Get(ctx).Lister(),
	}
	ours := tektoncontroller.FilterCustomRunRef(v1alpha1.SchemeGroupVersion.String(), kind.Name())
	impl := customrunreconciler.NewImpl(ctx, own, func(impl *controller.Impl) controller.Options {
		return controller.Options{
			AgentName:         "countersign",
			SkipStatusUpdates: true, // written here, with the version that was read
			PromoteFilterFunc: ours,
		}
	})

	handle(ctx, customRuns, cache.FilteringResourceEventHandler{
		FilterFunc: ours,
		Handler:    controller.HandleAll(impl.Enqueue),
	})
	handle(ctx, changes.Informer(), controller.HandleAll(func(object any) {
		accessor, err := kmeta.DeletionHandlingAccessor(object)
		if err != nil {
			return
		}
		runs, err := ByChange(customRuns.GetIndexer(), kind.Name(), accessor.GetNamespace(), accessor.GetName())
		if err != nil {
			logger.Errorw("Cannot find the CustomRuns of a change request", "error", err)
		}
		for _, run := range runs {
			if !run.IsDone() {
				impl.Enqueue(run)
			}
		}
	}))
	return impl
}

func handle(ctx context.Context, informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) {
	if _, err := informer.AddEventHandler(handler); err != nil {
		logging.FromContext(ctx).Panicw("Cannot watch", "error", err)
	}
}
