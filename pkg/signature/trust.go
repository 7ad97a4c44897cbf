// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// Limits bound what verification reads.
type Limits struct {
	// Parallel is how many items or images are worked on at once.
	Parallel int
	// ImageTime is how long one image, and everything attached to it, may take.
	ImageTime time.Duration
	// ContentTime is how long reading the content of one artifact may take.
	ContentTime time.Duration
	// Manifest, Payload, Statement and Content are bytes: of a manifest or list
	// of referrers, of a signature's payload, of an attestation or bundle, and of
	// an artifact's content.
	Manifest, Payload, Statement, Content int64
	// Attached is bytes, too: of all that is read of what is attached to one image
	// in one layout.
	Attached int64
	// Signatures and Attestations are how many of one image are looked at.
	Signatures, Attestations int
}

// DefaultLimits are far above what honest images need.
var DefaultLimits = Limits{
	Parallel:     16,
	ImageTime:    2 * time.Minute,
	ContentTime:  10 * time.Minute,
	Manifest:     4 << 20,
	Payload:      1 << 20,
	Statement:    16 << 20,
	Content:      1 << 30,
	Attached:     64 << 20,
	Signatures:   256,
	Attestations: 128,
}

// Option changes how a Trust works.
type Option func(*Trust)

// WithLimits replaces DefaultLimits.
func WithLimits(l Limits) Option { return func(t *Trust) { t.limits = l } }

// Trust is whom a policy trusts, ready to verify. It is safe for concurrent use
// and reuses its connections and registry logins.
type Trust struct {
	authorities map[string]*authority
	registry    *registry
	limits      Limits
}

// NewTrust reads the authorities of a policy. All faults of all authorities are
// reported at once, each with the authority's name. Of the outside world only
// key management services are asked, for public keys.
func NewTrust(ctx context.Context, authorities []v1alpha1.Authority, opts ...Option) (*Trust, error) {
	t := &Trust{authorities: map[string]*authority{}, limits: DefaultLimits}
	for _, opt := range opts {
		opt(t)
	}
	t.registry = newRegistry(t.limits)
	var faults []error
	for _, given := range authorities {
		if _, twice := t.authorities[given.Name]; twice {
			faults = append(faults, fmt.Errorf("authority %q is listed twice", given.Name))
			continue
		}
		a, err := newAuthority(ctx, given)
		if err != nil {
			for _, fault := range unjoin(err) {
				faults = append(faults, fmt.Errorf("authority %q: %w", given.Name, fault))
			}
			continue
		}
		t.authorities[given.Name] = a
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return t, nil
}

// named returns authorities by name, and the names that there are none of.
func (t *Trust) named(names []string) (found []*authority, unknown []string) {
	for _, name := range names {
		if a := t.authorities[name]; a != nil {
			found = append(found, a)
		} else {
			unknown = append(unknown, name)
		}
	}
	return found, unknown
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// describe lists authorities for messages.
func describe(authorities []*authority) string {
	texts := make([]string, 0, len(authorities))
	for _, a := range authorities {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, " or ")
}
