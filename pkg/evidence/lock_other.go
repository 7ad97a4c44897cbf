// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin && !freebsd

package evidence

import "context"

// lockFolder does nothing where folders cannot be locked.
func lockFolder(context.Context, string) (release func(), err error) {
	return func() {}, nil
}
