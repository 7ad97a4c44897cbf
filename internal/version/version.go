// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package version says which build of Countersign a program is.
package version

import (
	"runtime/debug"
)

// Version is set by a release build:
// -ldflags "-X github.com/countersign-dev/countersign/internal/version.Version=v1.2.3".
var Version = ""

// String is the version: of the release, else of the module or the commit that the
// Go tool noted in the program, else "devel".
func String() string {
	if Version != "" {
		return Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return "devel-" + setting.Value[:min(12, len(setting.Value))]
		}
	}
	return "devel"
}
