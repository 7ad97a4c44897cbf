// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"

	"knative.dev/pkg/apis"
)

var _ apis.Defaultable = (*ChangeConclusion)(nil)

// SetDefaults does nothing: a conclusion has no defaults.
func (c *ChangeConclusion) SetDefaults(context.Context) {}
