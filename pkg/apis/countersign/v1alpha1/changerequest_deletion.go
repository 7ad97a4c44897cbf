// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"knative.dev/pkg/apis"
)

// cleaners are the cluster's own users that delete what a person has already
// decided to delete: the contents of a namespace, and what belonged to an object
// that is gone. Refusing them would keep namespaces from ever going away.
var cleaners = []string{
	"system:serviceaccount:kube-system:namespace-controller",
	"system:serviceaccount:kube-system:generic-garbage-collector",
}

// ValidateChangeRequestDeletion refuses to delete a change request that is not
// over: a record may not vanish while a run could still act on it.
func ValidateChangeRequestDeletion(ctx context.Context, object *unstructured.Unstructured) error {
	state, _, err := unstructured.NestedString(object.Object, "status", "state")
	if err != nil {
		return fmt.Errorf("read the state of change request %s: %w", object.GetName(), err)
	}
	if ChangeState(state) == StateClosed || ChangeState(state) == StateCanceled {
		return nil
	}
	if user := apis.GetUserInfo(ctx); user != nil && slices.Contains(cleaners, user.Username) {
		return nil
	}
	if state == "" {
		state = string(StateNew)
	}
	return fmt.Errorf("change request %s is %s: it can be deleted once it is %s or %s", object.GetName(), state, StateClosed, StateCanceled)
}
