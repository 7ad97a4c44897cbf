// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/step/cluster"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/change"
)

// GatherPolicy finds the one policy of a namespace. Without one no change
// request could be opened, so none is begun.
func GatherPolicy(ctx context.Context, clients *cluster.Clients, namespace string) (*v1alpha1.ChangePolicy, error) {
	found, err := clients.Kubernetes.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read namespace %s: %w%s", namespace, err, permission(err, "get namespaces"))
	}
	list, err := clients.Countersign.CountersignV1alpha1().ChangePolicies().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the ChangePolicies: %w%s", err, permission(err, "list changepolicies.countersign.dev in the whole cluster"))
	}
	policies := make([]*v1alpha1.ChangePolicy, len(list.Items))
	for i := range list.Items {
		policies[i] = &list.Items[i]
	}
	policy, err := change.SelectPolicy(policies, namespace, found.Labels)
	if errors.Is(err, change.ErrPolicyMissing) {
		return nil, step.Invalid(err.Error())
	}
	return policy, err
}

// permission adds the remedy to an error about a right that the run's
// ServiceAccount lacks.
func permission(err error, right string) string {
	if apierrors.IsForbidden(err) {
		return ": the run's ServiceAccount needs to " + right
	}
	return ""
}

// checkRepository tells before anything is pushed that the policy does not
// allow bundles there: the controller would refuse the change request.
func checkRepository(repository string, policy *v1alpha1.ChangePolicy) error {
	if repository == "" || policy == nil {
		return nil
	}
	prefixes := policy.Spec.Bundles.RepositoryPrefixes
	if change.UnderPrefix(repository+"@sha256:"+strings.Repeat("0", 64), prefixes) {
		return nil
	}
	allowed := "none: an administrator has to set spec.bundles.repositoryPrefixes"
	if len(prefixes) > 0 {
		allowed = strings.Join(prefixes, ", ")
	}
	return step.Invalid(fmt.Sprintf("parameter bundle-repository is %.120q; ChangePolicy %s allows repositories under %s", repository, policy.Name, allowed))
}
