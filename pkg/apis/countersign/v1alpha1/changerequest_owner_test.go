// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"
)

// An owner that does not exist makes the garbage collector, which may delete
// anything, delete an open record.
func TestChangeRequestHasNoOwner(t *testing.T) {
	const refused = "a record has no owner that it would be deleted with: metadata.ownerReferences"
	owned := goodChange()
	owned.SetDefaults(as("runner"))
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "1"}}
	checkError(t, owned.Validate(as("runner")), []string{refused})

	before := goodChange()
	checkError(t, owned.Validate(apis.WithinUpdate(context.Background(), before)), []string{refused})
	// Whoever takes one away, or edits something else, is not kept from it.
	checkError(t, owned.Validate(apis.WithinUpdate(context.Background(), owned.DeepCopy())), nil)
	checkError(t, before.Validate(apis.WithinUpdate(context.Background(), owned)), nil)
}
