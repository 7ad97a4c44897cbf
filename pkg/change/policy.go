// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// ErrPolicyMissing is wrapped by the error of SelectPolicy: not exactly one
// policy selects the namespace.
var ErrPolicyMissing = errors.New("not exactly one ChangePolicy selects the namespace")

// SelectPolicy finds the one policy that selects a namespace by its labels. With
// none or several there is no policy, and nothing passes.
func SelectPolicy(policies []*v1alpha1.ChangePolicy, namespace string, namespaceLabels map[string]string) (*v1alpha1.ChangePolicy, error) {
	var selecting []*v1alpha1.ChangePolicy
	for _, policy := range policies {
		// A selector that is absent selects nothing; one that cannot be read, which
		// the webhook does not let in, must not open anything either.
		selector, err := metav1.LabelSelectorAsSelector(policy.Spec.NamespaceSelector)
		if err == nil && selector.Matches(labels.Set(namespaceLabels)) {
			selecting = append(selecting, policy)
		}
	}
	switch len(selecting) {
	case 1:
		return selecting[0], nil
	case 0:
		return nil, fmt.Errorf("%w: none selects namespace %s; an administrator must create one or label the namespace", ErrPolicyMissing, namespace)
	}
	names := make([]string, len(selecting))
	for i, policy := range selecting {
		names[i] = policy.Name
	}
	slices.Sort(names)
	return nil, fmt.Errorf("%w: %s all select namespace %s; an administrator must leave one", ErrPolicyMissing, strings.Join(names, ", "), namespace)
}
