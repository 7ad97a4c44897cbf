// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// errNotFound is a registry's answer that there is no such thing. errTooLarge is
// ours.
var (
	errNotFound = errors.New("not found")
	errTooLarge = errors.New("too large")
)

// registry fetches small things from registries, each within a limit. It logs
// in to each repository once.
type registry struct {
	limits    Limits
	transport http.RoundTripper

	mu     sync.Mutex
	puller *remote.Puller
}

func newRegistry(limits Limits) *registry {
	pool := remote.DefaultTransport
	if shared, ok := pool.(*http.Transport); ok {
		// As many connections to one registry as there are workers, kept open.
		own := shared.Clone()
		own.MaxIdleConnsPerHost = max(limits.Parallel, own.MaxIdleConnsPerHost)
		pool = own
	}
	return &registry{limits: limits, transport: manifestLimit{next: pool, limit: limits.Manifest}}
}

// options are how the library asks: with the credentials of the Docker
// config.json in the folder that DOCKER_CONFIG names, or in $HOME/.docker.
func (r *registry) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(r.transport),
		remote.WithUserAgent("countersign"),
	}
}

// session returns the logins so far. A failed login stays failed in a session,
// so that a registry that is down is not asked for each image again; forget
// begins a new one.
func (r *registry) session(ctx context.Context) (*remote.Puller, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.puller == nil {
		puller, err := remote.NewPuller(r.options(context.WithoutCancel(ctx))...)
		if err != nil {
			return nil, err
		}
		r.puller = puller
	}
	return r.puller, nil
}

func (r *registry) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.puller = nil
}

// head asks what a tag names now.
func (r *registry) head(ctx context.Context, tag name.Reference) (digest string, err error) {
	puller, err := r.session(ctx)
	if err != nil {
		return "", err
	}
	desc, err := puller.Head(ctx, tag)
	if err != nil {
		return "", notFound(err)
	}
	return desc.Digest.String(), nil
}

// manifest fetches an image manifest, errNotFound if there is none.
func (r *registry) manifest(ctx context.Context, ref name.Reference) (*v1.Manifest, error) {
	puller, err := r.session(ctx)
	if err != nil {
		return nil, err
	}
	desc, err := puller.Get(ctx, ref)
	if err != nil {
		return nil, notFound(err)
	}
	if desc.MediaType != types.OCIManifestSchema1 && desc.MediaType != types.DockerManifestSchema2 {
		return nil, fmt.Errorf("%s is no manifest with signatures: its type is %.100q", ref, desc.MediaType)
	}
	m, err := v1.ParseManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", ref, err)
	}
	return m, nil
}

// referrers lists what refers to an image.
func (r *registry) referrers(ctx context.Context, image name.Digest) ([]v1.Descriptor, error) {
	puller, err := r.session(ctx)
	if err != nil {
		return nil, err
	}
	index, err := remote.Referrers(image, remote.Reuse(puller), remote.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("referrers of %s: %w", image, err)
	}
	return m.Manifests, nil
}

// blob fetches a blob of at most limit bytes and compares its digest.
func (r *registry) blob(ctx context.Context, repo name.Repository, desc v1.Descriptor, limit int64) ([]byte, error) {
	if desc.Size > limit {
		return nil, fmt.Errorf("blob %s of %s: %w: %d bytes, more than the %d allowed", desc.Digest, repo, errTooLarge, desc.Size, limit)
	}
	// What the manifest says is what was counted; more is not read.
	limit = max(desc.Size, 0)
	puller, err := r.session(ctx)
	if err != nil {
		return nil, err
	}
	layer, err := puller.Layer(ctx, repo.Digest(desc.Digest.String()))
	if err != nil {
		return nil, err
	}
	body, err := layer.Compressed()
	if err != nil {
		return nil, notFound(err)
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s of %s: %w", desc.Digest, repo, err)
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("blob %s of %s: %w: more than the %d bytes allowed", desc.Digest, repo, errTooLarge, limit)
	}
	got, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil || got != desc.Digest {
		return nil, fmt.Errorf("blob %s of %s: the registry sent %s", desc.Digest, repo, got)
	}
	return content, nil
}

func notFound(err error) error {
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return errNotFound
	}
	return err
}

// manifestLimit ends the reading of what the library holds in memory at a
// limit. The library's own is 100 MiB.
type manifestLimit struct {
	next  http.RoundTripper
	limit int64
}

func (t manifestLimit) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet || strings.Contains(req.URL.Path, "/blobs/") {
		return resp, err
	}
	if strings.Contains(req.URL.Path, "/manifests/") || strings.Contains(req.URL.Path, "/referrers/") {
		resp.Body = &limitedBody{ReadCloser: resp.Body, left: t.limit}
	}
	return resp, nil
}

// limitedBody fails, rather than ends, when there is more than left.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, fmt.Errorf("manifest: %w", errTooLarge)
	}
	return n, err
}
