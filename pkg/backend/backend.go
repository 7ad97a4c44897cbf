// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package backend is what the controller needs of a system of record: the system
// that keeps the official copy of a change request.
//
// The ChangeRequest object is the intent and is stored before any backend is
// asked; a backend is its mirror. So a method here brings the backend in line
// with an object, can be called any number of times, and when it fails it is
// called again later: an outage delays a record and never loses one.
package backend

import (
	"context"
	"fmt"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// Backend keeps the official copy of change requests.
type Backend interface {
	// Submit makes sure that the backend has exactly one record for the change
	// request, with its fields, and says where. A second call for the same change
	// request finds the record of the first.
	Submit(ctx context.Context, change *v1alpha1.ChangeRequest) (v1alpha1.BackendStatus, error)
}

// Set holds the backends that a controller knows, by their type in a policy.
type Set map[string]Backend

// For finds the backend that a policy chooses.
func (s Set) For(policy *v1alpha1.ChangePolicy) (Backend, error) {
	kind := policy.Spec.Backend.Type
	if kind == "" {
		kind = v1alpha1.DefaultBackend
	}
	found, ok := s[kind]
	if !ok {
		return nil, fmt.Errorf("ChangePolicy %s chooses backend %q, which this controller does not have", policy.Name, kind)
	}
	return found, nil
}
