// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// MaxFetch is how many commits one Fetch asks for.
const MaxFetch = 1000

// Fetch asks the server for commits that the clone lacks, with their history:
// those that a pull request proposed and that reached the branch only as copies.
// It returns those that the server does not give, sorted; the error is about
// everything else.
//
// Servers refuse a whole request for one commit that they do not have, and not
// all say which; so after a refusal each is asked for by itself.
func (r *Repository) Fetch(ctx context.Context, commits []string) (missing []string, err error) {
	var wanted []plumbing.Hash
	for _, commit := range commits {
		hash, err := parseCommit(commit)
		if err != nil {
			return nil, fmt.Errorf("fetching a commit of the inventory: %w", err)
		}
		if _, err := r.git.CommitObject(hash); err == nil || slices.Contains(wanted, hash) {
			continue
		}
		wanted = append(wanted, hash)
	}
	if len(wanted) > MaxFetch {
		return nil, fmt.Errorf("fetching commits of the inventory: %d of them: at most %d are fetched", len(wanted), MaxFetch)
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	refused := r.fetch(ctx, wanted...)
	if refused == nil || len(wanted) == 1 {
		return r.absent(wanted, refused)
	}
	for _, hash := range wanted {
		// What matters is whether the commit is there afterwards.
		if err := r.fetch(ctx, hash); err != nil && stopsFetching(err) {
			return nil, err
		}
	}
	return r.absent(wanted, refused)
}

// stopsFetching tells errors that another try would meet again.
func stopsFetching(err error) bool {
	for _, stop := range []error{context.Canceled, context.DeadlineExceeded, ErrAuth, ErrUnreachable, ErrTooLarge} {
		if errors.Is(err, stop) {
			return true
		}
	}
	return false
}

func (r *Repository) absent(wanted []plumbing.Hash, refused error) ([]string, error) {
	if refused != nil && stopsFetching(refused) {
		return nil, refused
	}
	var missing []string
	for _, hash := range wanted {
		if _, err := r.git.CommitObject(hash); err != nil {
			missing = append(missing, hash.String())
		}
	}
	slices.Sort(missing)
	return missing, nil
}

func (r *Repository) fetch(ctx context.Context, commits ...plumbing.Hash) (err error) {
	session, err := r.remote.transport.NewUploadPackSession(r.remote.endpoint, r.remote.auth)
	if err != nil {
		return fmt.Errorf("fetching from the inventory: %w", r.remote.explain(err))
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	refs, err := r.remote.advertised(ctx, session)
	if err != nil {
		return fmt.Errorf("fetching from the inventory: %w", err)
	}
	wanted := map[plumbing.Hash]bool{}
	for _, hash := range commits {
		wanted[hash] = true
	}
	if err := r.remote.fetchObjects(ctx, session, refs, r.git.Storer, wanted, r.head); err != nil {
		return fmt.Errorf("fetching from the inventory: %w", r.remote.explain(err))
	}
	return nil
}
