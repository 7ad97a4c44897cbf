// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// code is text as a Markdown code span in a table cell. Nothing in it is
// markup, a mention or a link.
func code(s string, limit int) string {
	s = plaintext.Clip(s, limit)
	if s == "" {
		return ""
	}
	s = strings.NewReplacer("`", "'", "|", "¦").Replace(s)
	return "`" + s + "`"
}
