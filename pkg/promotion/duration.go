// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/internal/plaintext"
)

// Bounds of durations.
const (
	// MaxOutage is the longest outage that can be planned.
	MaxOutage = 365 * 24 * time.Hour
	// MaxChange is the longest window that a change can be planned for.
	MaxChange = 30 * 24 * time.Hour
)

const (
	outageForm = `"d HH:mm:ss", such as "0 01:30:00", or "none"`
	changeForm = `a whole number of minutes from 1 to 43200, such as "30"`
)

var outageSyntax = regexp.MustCompile(`^([0-9]{1,3}) ([0-9]{2}):([0-9]{2}):([0-9]{2})$`)

// ParseOutageDuration reads parameter outage-duration: days, hours, minutes and
// seconds as "d HH:mm:ss", or "none" for zero.
func ParseOutageDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if strings.EqualFold(s, "none") {
		return 0, nil
	}
	m := outageSyntax.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf(`outage duration "%s" is not %s`, plaintext.Clip(s, maxFound), outageForm)
	}
	var (
		d    time.Duration
		part [4]int
	)
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return 0, fmt.Errorf(`outage duration "%s": %w`, plaintext.Clip(s, maxFound), err)
		}
		part[i] = n
		d += time.Duration(n) * unit
	}
	if part[1] > 23 || part[2] > 59 || part[3] > 59 || d > MaxOutage {
		return 0, fmt.Errorf(`outage duration "%s" is out of range: at most 365 days, hours to 23, minutes and seconds to 59`, s)
	}
	return d, nil
}

// ParseChangeDuration reads parameter change-request-duration: minutes.
func ParseChangeDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	n, err := strconv.ParseUint(s, 10, 31)
	d := time.Duration(n) * time.Minute
	if err != nil || d < time.Minute || d > MaxChange {
		return 0, fmt.Errorf(`change request duration "%s" is not %s`, plaintext.Clip(s, maxFound), changeForm)
	}
	return d, nil
}
