// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sort"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"
)

// DefaultMaxBytes is how much a server may send for one clone, where Options do
// not say.
const DefaultMaxBytes = 512 << 20

// ErrCommitNotFound is wrapped by errors about a commit that the clone lacks.
var ErrCommitNotFound = errors.New("commit not found")

// Options say what to clone.
type Options struct {
	// URL of the inventory; see CheckURL.
	URL string
	// Branch to clone, with its whole history and all tags.
	Branch string
	// Auth for the server; not used for local repositories.
	Auth Auth
	// Dir is an empty or missing folder for a bare clone. Empty: the clone is
	// kept in memory.
	Dir string
	// MaxBytes bounds what the server may send; 0 for DefaultMaxBytes.
	MaxBytes int64
}

// Repository is a clone of one branch and all tags.
type Repository struct {
	// URL and Branch as given.
	URL    string
	Branch string

	head   plumbing.Hash
	git    *git.Repository
	remote *remote
}

// Head is the commit that the branch was at when it was cloned, as 40 hex digits.
func (r *Repository) Head() string { return r.head.String() }

// Clone fetches a branch. Its errors wrap ErrAuth, ErrRepositoryNotFound,
// ErrUnreachable, ErrBranchNotFound or ErrTooLarge where one of them is the
// cause, and say what to do.
func Clone(ctx context.Context, o Options) (*Repository, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if err := CheckBranch(o.Branch); err != nil {
		return nil, fmt.Errorf("cloning the inventory: %w", err)
	}
	remote, err := openRemote(o.URL, o.Auth, o.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("cloning the inventory: %w", err)
	}
	store, err := newStore(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("cloning the inventory: %w", err)
	}
	head, err := remote.fetch(ctx, store, o.Branch)
	if err != nil {
		return nil, fmt.Errorf("cloning branch %s of the inventory: %w", quote(o.Branch), err)
	}
	repo, err := git.Open(store, nil)
	if err != nil {
		return nil, fmt.Errorf("cloning the inventory: %w", err)
	}
	out := &Repository{URL: o.URL, Branch: o.Branch, head: head, git: repo, remote: remote}
	if _, err := repo.CommitObject(head); err != nil {
		return nil, fmt.Errorf("cloning the inventory: branch %s of %s: commit %s did not arrive: %w", quote(o.Branch), remote.name, head, err)
	}
	return out, nil
}

func newStore(dir string) (storage.Storer, error) {
	var store storage.Storer = memory.NewStorage()
	if dir != "" {
		if files, err := os.ReadDir(dir); err == nil && len(files) > 0 {
			return nil, fmt.Errorf("folder %s is not empty", dir)
		}
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, err
		}
		store = filesystem.NewStorage(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRUDefault())
	}
	if _, err := git.Init(store, nil); err != nil {
		return nil, err
	}
	return store, nil
}

// fetch stores a branch with its history and all tags, and returns the branch's
// commit.
func (r *remote) fetch(ctx context.Context, store storage.Storer, branch string) (_ plumbing.Hash, err error) {
	session, err := r.transport.NewUploadPackSession(r.endpoint, r.auth)
	if err != nil {
		return plumbing.ZeroHash, r.explain(err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	refs, err := r.advertised(ctx, session)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	name := plumbing.NewBranchReferenceName(branch)
	head, ok := refs.References[name.String()]
	if !ok {
		return plumbing.ZeroHash, fmt.Errorf("%w: %s has no such branch; it has %s", ErrBranchNotFound, r.name, branches(refs))
	}
	wanted := map[plumbing.Hash]bool{head: true}
	tags := map[plumbing.ReferenceName]plumbing.Hash{}
	for ref, hash := range refs.References {
		if tag := plumbing.ReferenceName(ref); tag.IsTag() && tag.Validate() == nil {
			tags[tag] = hash
			wanted[hash] = true
		}
	}
	if err := r.fetchObjects(ctx, session, refs, store, wanted); err != nil {
		return plumbing.ZeroHash, r.explain(err)
	}
	tags[name] = head
	for ref, hash := range tags {
		if err := store.SetReference(plumbing.NewHashReference(ref, hash)); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	return head, store.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, name))
}

func (r *remote) fetchObjects(ctx context.Context, session transport.UploadPackSession, refs *packp.AdvRefs, store storage.Storer, wanted map[plumbing.Hash]bool, haves ...plumbing.Hash) (err error) {
	req := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	// A pack is to be whole by itself, whatever is there already.
	req.Capabilities.Delete(capability.ThinPack)
	req.Haves = append(req.Haves, haves...)
	if refs.Capabilities.Supports(capability.Sideband64k) {
		if err := req.Capabilities.Set(capability.Sideband64k); err != nil {
			return err
		}
	}
	for hash := range wanted {
		req.Wants = append(req.Wants, hash)
	}
	sort.Slice(req.Wants, func(i, j int) bool { return req.Wants[i].String() < req.Wants[j].String() })
	response, err := session.UploadPack(ctx, req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Close()) }()
	var pack io.Reader = response
	if req.Capabilities.Supports(capability.Sideband64k) {
		pack = sideband.NewDemuxer(sideband.Sideband64k, response)
	}
	return packfile.UpdateObjectStorage(store, pack)
}

// branches names some branches, for the person who misspelt one.
func branches(refs *packp.AdvRefs) string {
	var names []string
	for ref := range refs.References {
		if name := plumbing.ReferenceName(ref); name.IsBranch() {
			names = append(names, quote(name.Short()))
		}
	}
	if len(names) == 0 {
		return "no branches"
	}
	sort.Strings(names)
	const most = 10
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// parseCommit takes a full commit hash, nothing that git would have to guess.
func parseCommit(commit string) (plumbing.Hash, error) {
	if !fullSHA.MatchString(commit) {
		return plumbing.ZeroHash, fmt.Errorf("commit %s is not 40 lower-case hex digits", quote(commit))
	}
	return plumbing.NewHash(commit), nil
}
