// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package inventory reads and marks an inventory: a git repository with one
// branch for each environment and one file for each deployable component.
//
// The way through it:
//
//	repo, err := inventory.Clone(ctx, inventory.Options{URL: url, Branch: "prod"})
//	last, err := repo.ResolveTag(inventory.TagName(target))  // what the target concluded last
//	to, err   := repo.Snapshot(ctx, repo.Head(), inventory.SnapshotOptions{})
//	from, err := repo.Snapshot(ctx, last, inventory.SnapshotOptions{})
//	delta     := inventory.Diff(from, to)                    // by blob hash, nothing parsed
//	entries, problems := to.Entries(ctx, delta.Changed)      // parsed, leniently
//	…deploy…
//	err = repo.PushTags(ctx, inventory.TagUpdate{Name: …, New: repo.Head(), Old: last})
//
// Git is spoken by go-git alone: no program is started and no hook, filter,
// submodule or attribute of the repository is honoured. Everything in the
// repository is taken for hostile: names, sizes, depths and contents are
// checked, and what is wrong with an entry is a Problem value, so that all of
// them can be told at once and none is silently left out.
package inventory
