// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review_test

import (
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// writeCommit makes a commit whose tree holds blobs that are there already, and
// files.
func writeCommit(t testing.TB, store storer.EncodedObjectStorer, blobs map[string]plumbing.Hash, files map[string]string, message string, when time.Time, parents ...plumbing.Hash) plumbing.Hash {
	t.Helper()
	all := maps.Clone(blobs)
	if all == nil {
		all = map[string]plumbing.Hash{}
	}
	for path, content := range files {
		all[path] = store1(t, store, func(o plumbing.EncodedObject) error {
			o.SetType(plumbing.BlobObject)
			w, err := o.Writer()
			if err != nil {
				return err
			}
			_, err = io.WriteString(w, content)
			return err
		})
	}
	who := object.Signature{Name: "Ada", Email: "ada@example.com", When: when}
	c := &object.Commit{Author: who, Committer: who, Message: message, TreeHash: writeTree(t, store, all), ParentHashes: parents}
	return store1(t, store, c.Encode)
}

func writeTree(t testing.TB, store storer.EncodedObjectStorer, files map[string]plumbing.Hash) plumbing.Hash {
	t.Helper()
	folders := map[string]map[string]plumbing.Hash{}
	tree := &object.Tree{}
	for path, hash := range files {
		folder, rest, nested := strings.Cut(path, "/")
		if !nested {
			tree.Entries = append(tree.Entries, object.TreeEntry{Name: path, Mode: filemode.Regular, Hash: hash})
			continue
		}
		if folders[folder] == nil {
			folders[folder] = map[string]plumbing.Hash{}
		}
		folders[folder][rest] = hash
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: folder, Mode: filemode.Dir, Hash: writeTree(t, store, folders[folder])})
	}
	// Git sorts folders as if their names ended with a slash.
	key := func(e object.TreeEntry) string {
		if e.Mode == filemode.Dir {
			return e.Name + "/"
		}
		return e.Name
	}
	slices.SortFunc(tree.Entries, func(a, b object.TreeEntry) int { return strings.Compare(key(a), key(b)) })
	return store1(t, store, tree.Encode)
}

func store1(t testing.TB, store storer.EncodedObjectStorer, encode func(plumbing.EncodedObject) error) plumbing.Hash {
	t.Helper()
	o := store.NewEncodedObject()
	if err := encode(o); err != nil {
		t.Fatal(err)
	}
	hash, err := store.SetEncodedObject(o)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}
