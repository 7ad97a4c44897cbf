// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package kms links the key management services that authorities may name, and
// that records may be signed with. Import it for its effect:
//
//	import _ "github.com/countersign-dev/countersign/pkg/signature/kms"
//
// Each takes its credentials from where its own tools take them: environment
// variables, files, or the machine's identity.
package kms

import (
	_ "github.com/sigstore/sigstore/pkg/signature/kms/aws"        // awskms://
	_ "github.com/sigstore/sigstore/pkg/signature/kms/azure"      // azurekms://
	_ "github.com/sigstore/sigstore/pkg/signature/kms/gcp"        // gcpkms://
	_ "github.com/sigstore/sigstore/pkg/signature/kms/hashivault" // hashivault://
)
