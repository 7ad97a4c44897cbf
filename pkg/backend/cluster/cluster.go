// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster is the backend for people who have no other: the ChangeRequest
// object is itself the official copy.
package cluster

import (
	"context"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/backend"
)

// Type is the backend's name in a ChangePolicy and in a record.
const Type = "cluster"

// Backend needs no settings.
type Backend struct{}

var _ backend.Backend = Backend{}

// Submit has nothing to send: the record is the object, under its own name. It has
// no URL, because a cluster has no page for it.
func (Backend) Submit(_ context.Context, change *v1alpha1.ChangeRequest) (v1alpha1.BackendStatus, error) {
	return v1alpha1.BackendStatus{Type: Type, ID: change.Name}, nil
}
