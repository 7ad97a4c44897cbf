// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package policy finds the one ChangePolicy of a namespace in the informers'
// caches.
package policy

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	namespaceinformer "knative.dev/pkg/client/injection/kube/informers/core/v1/namespace"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
	policyinformer "github.com/countersign-dev/countersign/pkg/client/injection/informers/countersign/v1alpha1/changepolicy"
	listers "github.com/countersign-dev/countersign/pkg/client/listers/countersign/v1alpha1"
)

// Source finds policies.
type Source struct {
	Policies   listers.ChangePolicyLister
	Namespaces corelisters.NamespaceLister
}

// NewSource uses the informers of a controller's context.
func NewSource(ctx context.Context) *Source {
	return &Source{
		Policies:   policyinformer.Get(ctx).Lister(),
		Namespaces: namespaceinformer.Get(ctx).Lister(),
	}
}

// For finds the policy of a namespace. Any error means that there is none, and
// says why.
func (s *Source) For(namespace string) (*v1alpha1.ChangePolicy, error) {
	policies, err := s.Policies.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list ChangePolicies: %w", err)
	}
	found, err := s.Namespaces.Get(namespace)
	if err != nil {
		return nil, fmt.Errorf("read the labels of namespace %s: %w", namespace, err)
	}
	return change.SelectPolicy(policies, namespace, found.Labels)
}
