// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import "strconv"

// quote shows a parameter's value, shortened.
func quote(value string) string {
	if len(value) > 80 {
		value = value[:80] + "…"
	}
	return strconv.Quote(value)
}
