// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// parallel is how many blobs are sent or fetched at once: enough to hide the
// round trips of a registry, few enough not to be throttled by one.
const parallel = 4

// Option changes how a registry is talked to.
type Option func(*options)

type options struct {
	limits Limits
}

// WithLimits replaces DefaultLimits.
func WithLimits(l Limits) Option {
	return func(o *options) { o.limits = l }
}

func newOptions(opts []Option) options {
	o := options{limits: DefaultLimits}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// remote is how the library asks: with the credentials of the Docker config.json
// in the folder that DOCKER_CONFIG names, or in $HOME/.docker.
func (o options) remote(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(manifestLimit{next: remote.DefaultTransport, limit: o.limits.Manifest}),
		remote.WithUserAgent("countersign"),
		remote.WithJobs(parallel),
	}
}

// manifestLimit ends the reading of a manifest at a limit. The library's own is
// 100 MiB, held in memory.
type manifestLimit struct {
	next  http.RoundTripper
	limit int64
}

var errManifestTooLarge = errors.New("manifest is too large")

func (t manifestLimit) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/manifests/") {
		return resp, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: t.limit, err: fmt.Errorf("%w: more than %d bytes", errManifestTooLarge, t.limit)}
	return resp, nil
}

// limitedBody fails, rather than ends, when there is more than left; and, if
// short is set, when there is less.
type limitedBody struct {
	io.ReadCloser
	left  int64
	err   error
	short error
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, b.err
	}
	if errors.Is(err, io.EOF) && b.left > 0 && b.short != nil {
		return n, b.short
	}
	return n, err
}
