// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"strings"
	"testing"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

func TestParseAskBoundsWhatItIsGiven(t *testing.T) {
	text := func(name, value string) Param { return Param{Name: name, Value: value, IsString: true} }
	huge := strings.Repeat("x", 1<<20)
	for _, id := range []string{"../../x", "A", "a/b", "..", "%2e", "a b", "chg-\x1b[31m", strings.Repeat("a", 64), huge} {
		ask, problems := ParseAsk(v1alpha1.KindOpenChange, []Param{text("change-request-id", id)})
		if len(problems) != 1 || len(problems[0]) > 500 || ask.ChangeRequest != "" {
			t.Errorf("%.80q: ask %.80q, problems %.500q", id, ask.ChangeRequest, problems)
		}
	}
	_, problems := ParseAsk(v1alpha1.KindApproveChange, []Param{
		text("change-request-id", "chg-a"), text("bundle", huge), text("gate", huge), text("approval-timeout", huge), text(huge, ""),
	})
	if size := len(strings.Join(problems, "")); len(problems) != 4 || size > 2000 {
		t.Errorf("%d problems of %d bytes, want four short ones", len(problems), size)
	}
}
