// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// Pushed is a bundle that lies in a registry.
type Pushed struct {
	// Reference names the bundle: repository@sha256:….
	Reference string
	// Layers are its items, in the order in which they were given.
	Layers []Layer
}

// Push stores the items as a bundle in a repository, such as
// registry.example/team/changes. Pushing the same items again gives the same
// reference and sends nothing that is there already.
//
// Nothing is sent if an item is refused: a path that is not a plain relative
// one or occurs twice, a link that leads out of its folder, a size past the
// limits.
func Push(ctx context.Context, repository string, items []Item, opts ...Option) (*Pushed, error) {
	o := newOptions(opts)
	repo, err := name.NewRepository(repository, name.StrictValidation)
	if err == nil && hasScheme(repository) {
		err = errors.New("it has a scheme")
	}
	if err != nil {
		return nil, fmt.Errorf("bundle repository %q: %w: want registry/repository", repository, err)
	}
	layers, blobs, err := pack(repo.Name(), items, o.limits)
	if err != nil {
		return nil, fmt.Errorf("bundle for %s: %w", repo, err)
	}
	raw, err := json.Marshal(manifest(layers))
	if err != nil {
		return nil, fmt.Errorf("bundle for %s: manifest: %w", repo, err)
	}
	if int64(len(raw)) > o.limits.Manifest {
		return nil, fmt.Errorf("bundle for %s: its manifest is larger than %d bytes", repo, o.limits.Manifest)
	}

	pusher, err := remote.NewPusher(o.remote(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("push to %s: %w", repo, err)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, blob := range blobs {
		group.Go(func() error { return pusher.Upload(groupCtx, repo, blob) })
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("push to %s: %w", repo, err)
	}
	digest := repo.Digest(digestOf(raw).String())
	if err := pusher.Push(ctx, digest, rawManifest(raw)); err != nil {
		return nil, fmt.Errorf("push manifest %s: %w", digest, err)
	}
	return &Pushed{Reference: digest.Name(), Layers: layers}, nil
}

// pack turns items into layers and the blobs behind them, the empty config
// among them.
func pack(repository string, items []Item, limits Limits) ([]Layer, []v1.Layer, error) {
	if len(items) > limits.Items {
		return nil, nil, fmt.Errorf("%d items are more than %d", len(items), limits.Items)
	}
	blobs := []v1.Layer{static.NewLayer([]byte(emptyConfig), emptyMediaType)}
	layers := make([]Layer, 0, len(items))
	seen := tree{}
	var total int64
	for _, item := range items {
		if err := checkPath(item.path); err != nil {
			return nil, nil, err
		}
		if err := seen.add(item.path, false); err != nil {
			return nil, nil, err
		}
		content := item.content
		if item.folder {
			var err error
			if content, err = packFolder(item.path, item.members, limits); err != nil {
				return nil, nil, fmt.Errorf("folder %q: %w", item.path, err)
			}
		}
		size := int64(len(content))
		if size > limits.Blob {
			return nil, nil, fmt.Errorf("%q has %d bytes, more than %d", item.path, size, limits.Blob)
		}
		if total += size; total > limits.Total {
			return nil, nil, fmt.Errorf("the items are larger than %d bytes together", limits.Total)
		}
		digest := digestOf(content).String()
		layers = append(layers, Layer{
			Path:      item.path,
			MediaType: item.mediaType,
			Folder:    item.folder,
			Size:      size,
			Digest:    digest,
			Reference: repository + "@" + digest,
		})
		blobs = append(blobs, static.NewLayer(content, types.MediaType(item.mediaType)))
	}
	return layers, blobs, nil
}

func digestOf(content []byte) v1.Hash {
	sum := sha256.Sum256(content)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// rawManifest is a manifest as the registry client takes it.
type rawManifest []byte

func (m rawManifest) RawManifest() ([]byte, error)        { return m, nil }
func (m rawManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
