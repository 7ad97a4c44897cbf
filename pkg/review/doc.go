// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package review decides whether what is deployed was reviewed: whether every
// commit between the one that a target concluded last and the one to deploy came
// through a pull request that enough people other than its authors approved.
//
//	input, err := review.Gather(ctx, forge, repository, review.Query{…}) // git and forge
//	result     := review.Check(*input)                                   // pure
//	record     := result.Evidence(change, origin, now)                   // com.ibm.peer_review
//
// Which commits there are is read from git alone, so that nothing which reached
// the branch can be left out. Who opened, pushed, approved and labelled is read
// from the forge. The two are brought together by content, not by claims: a
// merge counts as the merge of a pull request only if its files are what git's
// three-way merge makes of the branch before it and of the commit that was
// proposed. So neither a commit slipped into a merge, nor a merge that somebody
// made by hand and had marked as the pull request's, passes for what was
// reviewed. That covers all ways to merge: with a merge commit, squashed,
// rebased, rebased with a merge commit, fast-forward.
//
// An approval counts if it was given for the very commit that was merged, by a
// person whom the forge lets decide, who neither opened the pull request nor
// wrote or pushed any of its commits, and who did not take it back. What cannot
// be read or understood never counts.
package review
