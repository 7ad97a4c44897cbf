// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package customtask

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	"k8s.io/client-go/tools/cache"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// byChange is the name of the index of CustomRuns by namespace/change request.
const byChange = "countersign.dev/change-request"

// AddIndex makes CustomRuns findable by the change request that they name. It may
// be called by every controller that shares the informer, before the informer is
// started.
func AddIndex(informer cache.SharedIndexInformer) error {
	if _, ok := informer.GetIndexer().GetIndexers()[byChange]; ok {
		return nil
	}
	if err := informer.AddIndexers(cache.Indexers{byChange: changeKeys}); err != nil {
		return fmt.Errorf("index CustomRuns by change request: %w", err)
	}
	return nil
}

// ByChange lists the CustomRuns of a kind that name a change request, oldest
// first. Objects are shared and must not be changed.
func ByChange(indexer cache.Indexer, kind, namespace, changeRequest string) ([]*v1beta1.CustomRun, error) {
	objects, err := indexer.ByIndex(byChange, namespace+"/"+changeRequest)
	if err != nil {
		return nil, fmt.Errorf("list the CustomRuns of change request %s/%s: %w", namespace, changeRequest, err)
	}
	var runs []*v1beta1.CustomRun
	for _, object := range objects {
		if run, ok := object.(*v1beta1.CustomRun); ok && Is(run, kind) {
			runs = append(runs, run)
		}
	}
	slices.SortFunc(runs, func(a, b *v1beta1.CustomRun) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return runs, nil
}

// ChangeOf is the name of the change request that an object of the CustomRun
// informer names, empty if it is none of ours.
func ChangeOf(object any) (namespace, changeRequest string) {
	run, ok := object.(*v1beta1.CustomRun)
	if !ok || kindOf(run) == "" {
		return "", ""
	}
	for _, param := range run.Spec.Params {
		if param.Name == v1alpha1.ParamChangeRequestID {
			return run.Namespace, param.Value.StringVal
		}
	}
	return "", ""
}

func changeKeys(object any) ([]string, error) {
	if namespace, name := ChangeOf(object); name != "" {
		return []string{namespace + "/" + name}, nil
	}
	return nil, nil
}
