// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import "context"

// PutObject writes any object, as other programs do.
func PutObject(ctx context.Context, l *Locker, key, content string) error {
	return l.put(ctx, key, "application/json", []byte(content), nil)
}
