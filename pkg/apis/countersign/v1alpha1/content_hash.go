// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ContentHash is what approvals are bound to, as sha256:<hex>: the JSON of the
// spec without the run, the planned window and the hash itself. Two runs that
// would deploy the same content on the same evidence so have the same hash.
//
// It is the same before and after a trip through the API server: fields that are
// left out when empty do not count, times are whole seconds of UTC.
func ContentHash(spec *ChangeRequestSpec) string {
	content := spec.DeepCopy()
	content.Run = RunRef{}
	content.PlannedStart = metav1.Time{}
	content.PlannedEnd = metav1.Time{}
	content.ContentHash = ""

	// The spec is strings, numbers, booleans, times and durations, none of which
	// can fail to be written as JSON.
	encoded, err := json.Marshal(content)
	if err != nil {
		panic(fmt.Sprintf("write a change request's content as JSON: %v", err))
	}
	sum := sha256.Sum256(encoded)
	return "sha256:" + hex.EncodeToString(sum[:])
}
