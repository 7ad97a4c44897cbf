// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// Bundle is a bundle in a registry, ready to be read. It is safe for use by
// several goroutines.
type Bundle struct {
	// Reference names the bundle: repository@sha256:….
	Reference string

	layers     []Layer
	repository name.Repository
	puller     *remote.Puller
	limits     Limits
}

// Fetch reads the manifest of a bundle, named by digest. Items are read when
// they are asked for, under the same context's credentials and limits.
func Fetch(ctx context.Context, ref string, opts ...Option) (*Bundle, error) {
	o := newOptions(opts)
	digest, err := parseReference(ref)
	if err != nil {
		return nil, err
	}
	puller, err := remote.NewPuller(o.remote(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("fetch bundle %s: %w", ref, err)
	}
	// The client compares the manifest with the digest.
	descriptor, err := puller.Get(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("fetch bundle %s: %w", ref, err)
	}
	m, err := v1.ParseManifest(bytes.NewReader(descriptor.Manifest))
	if err != nil {
		return nil, fmt.Errorf("bundle %s: broken manifest: %w", ref, err)
	}
	layers, err := layersOf(digest.Context().Name(), m, o.limits)
	if err != nil {
		return nil, fmt.Errorf("bundle %s is refused: %w", ref, err)
	}
	return &Bundle{Reference: ref, layers: layers, repository: digest.Context(), puller: puller, limits: o.limits}, nil
}

// List returns the items of the bundle.
func (b *Bundle) List() []Layer {
	return append([]Layer(nil), b.layers...)
}

// Open reads one item's blob: a file's content, or a folder's archive. Reading
// ends with an error instead of io.EOF if the content is not what the digest
// names. The error is ErrNotFound if there is no such item.
func (b *Bundle) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	for _, l := range b.layers {
		if l.Path == path {
			return b.open(ctx, l)
		}
	}
	return nil, fmt.Errorf("bundle %s: %q: %w", b.Reference, path, ErrNotFound)
}

func (b *Bundle) open(ctx context.Context, l Layer) (io.ReadCloser, error) {
	blob, err := b.puller.Layer(ctx, b.repository.Digest(l.Digest))
	if err != nil {
		return nil, fmt.Errorf("fetch %q of bundle %s: %w", l.Path, b.Reference, err)
	}
	content, err := blob.Compressed()
	if err != nil {
		return nil, fmt.Errorf("fetch %q of bundle %s: %w", l.Path, b.Reference, err)
	}
	wrongSize := fmt.Errorf("fetch %q of bundle %s: it does not have the %d bytes that its manifest names", l.Path, b.Reference, l.Size)
	return &limitedBody{ReadCloser: content, left: l.Size, err: wrongSize, short: wrongSize}, nil
}

// ReadFile reads the whole of one item.
func (b *Bundle) ReadFile(ctx context.Context, path string) ([]byte, error) {
	r, err := b.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read %q of bundle %s: %w", path, b.Reference, err)
	}
	return content, nil
}

// Extract writes all items into a folder, which is made if there is none:
// files under their paths, folders unpacked. Nothing that exists is replaced.
// After an error the folder may hold some of the items, unchecked ones among
// them, and must not be used.
func (b *Bundle) Extract(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return fmt.Errorf("extract bundle: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("extract bundle: %w", err)
	}
	defer root.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, l := range b.layers {
		group.Go(func() error {
			if err := b.extract(ctx, root, l); err != nil {
				return fmt.Errorf("extract %q of bundle %s into %s: %w", l.Path, b.Reference, dir, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (b *Bundle) extract(ctx context.Context, root *os.Root, l Layer) error {
	blob, err := b.open(ctx, l)
	if err != nil {
		return err
	}
	defer blob.Close()
	if !l.Folder {
		if err := root.MkdirAll(path.Dir(l.Path), folderMode); err != nil {
			return err
		}
		return writeFile(root, l.Path, fileMode, blob)
	}
	if err := unpackFolder(root, l.Path, blob, b.limits); err != nil {
		return err
	}
	// The digest is checked at the end of the blob, which lies behind the end of
	// the archive.
	_, err = io.Copy(io.Discard, blob)
	return err
}
