// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"

	"knative.dev/pkg/apis"
)

var (
	_ apis.Defaultable = (*ChangeRequest)(nil)
	_ apis.HasSpec     = (*ChangeRequest)(nil)
)

// SetDefaults fills in the content hash of a new change request.
func (c *ChangeRequest) SetDefaults(ctx context.Context) {
	if apis.IsInCreate(ctx) && c.Spec.ContentHash == "" {
		c.Spec.ContentHash = ContentHash(&c.Spec)
	}
}

// GetUntypedSpec makes the webhook stamp who created the change request, as the
// annotation countersign.AnnotationCreator.
func (c *ChangeRequest) GetUntypedSpec() interface{} {
	return c.Spec
}
