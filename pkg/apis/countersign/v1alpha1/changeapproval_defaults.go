// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"knative.dev/pkg/apis"

	"github.com/countersign-dev/countersign/pkg/apis/countersign"
)

var _ apis.Defaultable = (*ChangeApproval)(nil)

// SetDefaults stamps who decides: the authenticated user of the request, whatever
// the body says. It also labels the decision with its change request.
func (a *ChangeApproval) SetDefaults(ctx context.Context) {
	if !apis.IsInCreate(ctx) {
		return
	}
	a.Spec.Approver = Approver{}
	if user := apis.GetUserInfo(ctx); user != nil {
		a.Spec.Approver = Approver{
			Username: user.Username,
			UID:      types.UID(user.UID),
			Groups:   slices.Clone(user.Groups),
		}
	}
	if a.Labels == nil {
		a.Labels = map[string]string{}
	}
	a.Labels[countersign.LabelChangeRequest] = a.Spec.ChangeRequest
}
