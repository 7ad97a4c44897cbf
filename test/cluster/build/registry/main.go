// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command registry is the distribution registry with only the storage that a
// test cluster uses: a folder.
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}
