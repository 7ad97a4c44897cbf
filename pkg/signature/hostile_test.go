// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
)

// hostileProof has a number where the library takes a string for granted.
var hostileProof = &cosignbundle.RekorBundle{SignedEntryTimestamp: []byte("x"), Payload: cosignbundle.RekorPayload{Body: 7}}
