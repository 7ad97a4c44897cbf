// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strings"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// UnderPrefix tells whether a reference, repository@sha256:…, lies in or below
// one of the repository prefixes. A prefix matches whole path elements:
// registry.example/a holds registry.example/a and registry.example/a/b, but not
// registry.example/ab. No prefix holds anything if there is none.
func UnderPrefix(reference string, prefixes []string) bool {
	digest, err := v1alpha1.ParseReference(reference)
	if err != nil {
		return false
	}
	repository := digest.Context().Name()
	for _, prefix := range prefixes {
		prefix = strings.TrimSuffix(prefix, "/")
		if prefix != "" && (repository == prefix || strings.HasPrefix(repository, prefix+"/")) {
			return true
		}
	}
	return false
}

// RefusedReferences lists the references that lie under none of the prefixes, as
// one message for people; empty if there are none.
func RefusedReferences(references, prefixes []string) string {
	var refused []string
	for _, reference := range references {
		if !UnderPrefix(reference, prefixes) {
			refused = append(refused, reference)
		}
	}
	if len(refused) == 0 {
		return ""
	}
	allowed := strings.Join(prefixes, ", ")
	if allowed == "" {
		allowed = "nothing"
	}
	return fmt.Sprintf("outside the policy's repository prefixes (%s): %s; ask an administrator to extend the ChangePolicy, or keep bundles elsewhere", allowed, strings.Join(refused, ", "))
}
