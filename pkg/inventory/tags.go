// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/storage/memory"

	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// Errors about tags.
var (
	// ErrTagNotFound: the clone has no such tag.
	ErrTagNotFound = errors.New("tag not found")
	// ErrTagMoved: the remote's tag is not where the caller knew it to be.
	ErrTagMoved = errors.New("tag was moved by someone else")
)

// TagName is the tag that marks what a target concluded last:
// <region>_<environment>_latest, or <environment>_latest without a region.
func TagName(target v1alpha1.Target) string {
	if target.Region == "" {
		return target.Environment + "_latest"
	}
	return target.Region + "_" + target.Environment + "_latest"
}

// CheckTag refuses names that git does not allow for tags or that could be taken
// for an option.
func CheckTag(name string) error {
	if name == "" || strings.HasPrefix(name, "-") || len(name) > 255 ||
		plumbing.NewTagReferenceName(name).Validate() != nil || strings.ContainsFunc(name, notGraphic) {
		return fmt.Errorf("tag %s is not a name that git allows", quote(name))
	}
	return nil
}

// ResolveTag returns the commit that a tag names, following annotated tags. The
// error wraps ErrTagNotFound if there is no such tag.
func (r *Repository) ResolveTag(name string) (string, error) {
	if err := CheckTag(name); err != nil {
		return "", err
	}
	ref, err := r.git.Reference(plumbing.NewTagReferenceName(name), false)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return "", fmt.Errorf("%w: %s has no tag %s", ErrTagNotFound, r.remote.name, quote(name))
	}
	if err != nil {
		return "", fmt.Errorf("reading tag %s: %w", quote(name), err)
	}
	hash := ref.Hash()
	// A tag of a tag is rare, a long chain of them hostile.
	for range 5 {
		tag, err := r.git.TagObject(hash)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("reading tag %s: %w", quote(name), err)
		}
		hash = tag.Target
	}
	if _, err := object.GetCommit(r.git.Storer, hash); err != nil {
		return "", fmt.Errorf("tag %s of %s does not name a commit: %w", quote(name), r.remote.name, err)
	}
	return hash.String(), nil
}

// TagUpdate is one tag to set on the remote.
type TagUpdate struct {
	// Name of the tag, without refs/tags/.
	Name string
	// New is the commit it is to name. The remote must have it already.
	New string
	// Old is the commit it must name now; empty if it must not exist yet. An
	// annotated tag counts by the commit it names.
	Old string
}

// PushTags sets tags on the remote, each only if it still is where the caller
// knew it to be; a tag that already names the new commit is left alone. If one
// is elsewhere, none is pushed and the error wraps ErrTagMoved.
//
// The old value travels with the push, so that a git server refuses a tag that
// somebody moves meanwhile (for several tags at once: all or none, where the
// server can). Nothing is uploaded: the commits must be on the remote.
func (r *Repository) PushTags(ctx context.Context, updates ...TagUpdate) error {
	if err := r.pushTags(ctx, updates); err != nil {
		return fmt.Errorf("pushing tags to the inventory: %w", err)
	}
	for _, u := range updates {
		ref := plumbing.NewHashReference(plumbing.NewTagReferenceName(u.Name), plumbing.NewHash(u.New))
		if err := r.git.Storer.SetReference(ref); err != nil {
			return fmt.Errorf("noting tag %s: %w", quote(u.Name), err)
		}
	}
	return nil
}

func (r *Repository) pushTags(ctx context.Context, updates []TagUpdate) (err error) {
	for _, u := range updates {
		if err := checkUpdate(u); err != nil {
			return err
		}
	}
	session, err := r.remote.transport.NewReceivePackSession(r.remote.endpoint, r.remote.auth)
	if err != nil {
		return r.remote.explain(err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	refs, err := r.remote.advertised(ctx, session)
	if err != nil {
		return err
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(refs.Capabilities)
	if req.Commands, err = commands(refs, r, updates); err != nil {
		return err
	}
	if len(req.Commands) == 0 {
		return nil
	}
	if len(req.Commands) > 1 && refs.Capabilities.Supports(capability.Atomic) {
		if err := req.Capabilities.Set(capability.Atomic); err != nil {
			return err
		}
	}
	if req.Packfile, err = emptyPack(); err != nil {
		return err
	}
	report, err := session.ReceivePack(ctx, req)
	if err == nil && report != nil {
		err = report.Error()
	}
	if err == nil {
		return nil
	}
	// Servers refuse a tag that moved in this very moment in words of their own.
	if moved := r.moved(ctx, updates); moved != nil {
		return moved
	}
	return r.remote.explain(err)
}

// moved looks again where the tags are; nil if they are where they should be, or
// cannot be read.
func (r *Repository) moved(ctx context.Context, updates []TagUpdate) error {
	session, err := r.remote.transport.NewReceivePackSession(r.remote.endpoint, r.remote.auth)
	if err != nil {
		return nil
	}
	defer session.Close()
	refs, err := r.remote.advertised(ctx, session)
	if err != nil {
		return nil
	}
	_, err = commands(refs, r, updates)
	return err
}

func checkUpdate(u TagUpdate) error {
	if err := CheckTag(u.Name); err != nil {
		return err
	}
	if _, err := parseCommit(u.New); err != nil {
		return fmt.Errorf("tag %s: %w", quote(u.Name), err)
	}
	if u.Old != "" {
		if _, err := parseCommit(u.Old); err != nil {
			return fmt.Errorf("tag %s: old %w", quote(u.Name), err)
		}
	}
	return nil
}

// commands compares what the remote has with what the caller knew.
func commands(refs *packp.AdvRefs, r *Repository, updates []TagUpdate) ([]*packp.Command, error) {
	var out []*packp.Command
	var moved []error
	for _, u := range updates {
		name := plumbing.NewTagReferenceName(u.Name)
		raw := refs.References[name.String()]
		current := raw
		if peeled, ok := refs.Peeled[name.String()]; ok {
			current = peeled
		} else if tag, err := r.git.TagObject(raw); err == nil {
			current = tag.Target
		}
		old := plumbing.NewHash(u.Old)
		switch {
		case current == plumbing.NewHash(u.New):
		case current != old:
			moved = append(moved, fmt.Errorf("%w: tag %s of %s is at %s, not %s: another run concluded this target meanwhile; compute the change again",
				ErrTagMoved, quote(u.Name), r.remote.name, orNowhere(current), orNowhere(old)))
		default:
			out = append(out, &packp.Command{Name: name, Old: raw, New: plumbing.NewHash(u.New)})
		}
	}
	return out, errors.Join(moved...)
}

func orNowhere(h plumbing.Hash) string {
	if h.IsZero() {
		return "nowhere"
	}
	return h.String()
}

// emptyPack is a pack without objects, which the protocol wants sent along.
func emptyPack() (io.ReadCloser, error) {
	var buf bytes.Buffer
	if _, err := packfile.NewEncoder(&buf, memory.NewStorage(), false).Encode(nil, 0); err != nil {
		return nil, err
	}
	return io.NopCloser(&buf), nil
}
