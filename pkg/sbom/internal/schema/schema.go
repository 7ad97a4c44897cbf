// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package schema has the official JSON schema of CycloneDX 1.6; see README.md for
// where it comes from.
package schema

import "embed"

// Names of the files.
const (
	CycloneDX = "bom-1.6.SNAPSHOT.schema.json"
	SPDX      = "spdx.SNAPSHOT.schema.json"
	JSF       = "jsf-0.82.SNAPSHOT.schema.json"
)

// Files are the schema and those it refers to.
//
//go:embed *.schema.json
var Files embed.FS
