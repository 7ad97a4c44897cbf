// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"sort"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// builder writes a bare repository object by object, so that tests can make what
// git itself would refuse.
type builder struct {
	t     testing.TB
	dir   string
	store *filesystem.Storage
	clock time.Time
}

func newBuilder(t testing.TB) *builder {
	t.Helper()
	dir := t.TempDir()
	store := filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRUDefault())
	if _, err := git.Init(store, nil); err != nil {
		t.Fatal(err)
	}
	return &builder{t: t, dir: dir, store: store, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (b *builder) url() string { return "file://" + b.dir }

func (b *builder) object(kind plumbing.ObjectType, content []byte) plumbing.Hash {
	b.t.Helper()
	o := b.store.NewEncodedObject()
	o.SetType(kind)
	w, err := o.Writer()
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		b.t.Fatal(err)
	}
	hash, err := b.store.SetEncodedObject(o)
	if err != nil {
		b.t.Fatal(err)
	}
	return hash
}

// raw is a tree entry as it is written, whatever its name.
type raw struct {
	mode string
	name string
	hash plumbing.Hash
}

func (b *builder) rawTree(entries ...raw) plumbing.Hash {
	var content []byte
	for _, e := range entries {
		content = append(content, e.mode+" "+e.name+"\x00"...)
		content = append(content, e.hash[:]...)
	}
	return b.object(plumbing.TreeObject, content)
}

// tree writes files given by path.
func (b *builder) tree(files map[string]string) plumbing.Hash {
	here := map[string]string{}
	below := map[string]map[string]string{}
	for name, content := range files {
		for i := range name {
			if name[i] == '/' {
				if below[name[:i]] == nil {
					below[name[:i]] = map[string]string{}
				}
				below[name[:i]][name[i+1:]] = content
				name = ""
				break
			}
		}
		if name != "" {
			here[name] = content
		}
	}
	var entries []raw
	for name, content := range here {
		entries = append(entries, raw{"100644", name, b.object(plumbing.BlobObject, []byte(content))})
	}
	for name, inner := range below {
		entries = append(entries, raw{"40000", name, b.tree(inner)})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].name < entries[j].name })
	return b.rawTree(entries...)
}

func (b *builder) commitTree(message string, tree plumbing.Hash, parents ...string) string {
	b.t.Helper()
	b.clock = b.clock.Add(time.Minute)
	who := gitobject.Signature{Name: "Ada", Email: "ada@example.com", When: b.clock}
	c := &gitobject.Commit{Author: who, Committer: who, Message: message, TreeHash: tree}
	for _, p := range parents {
		c.ParentHashes = append(c.ParentHashes, plumbing.NewHash(p))
	}
	o := b.store.NewEncodedObject()
	if err := c.Encode(o); err != nil {
		b.t.Fatal(err)
	}
	hash, err := b.store.SetEncodedObject(o)
	if err != nil {
		b.t.Fatal(err)
	}
	return hash.String()
}

func (b *builder) commit(message string, files map[string]string, parents ...string) string {
	b.t.Helper()
	return b.commitTree(message, b.tree(files), parents...)
}

func (b *builder) ref(name, commit string) {
	b.t.Helper()
	if err := b.store.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(name), plumbing.NewHash(commit))); err != nil {
		b.t.Fatal(err)
	}
}

// annotate makes an annotated tag.
func (b *builder) annotate(name, commit string) {
	b.t.Helper()
	tag := &gitobject.Tag{
		Name: name, Message: "by hand", TargetType: plumbing.CommitObject, Target: plumbing.NewHash(commit),
		Tagger: gitobject.Signature{Name: "Ada", When: b.clock},
	}
	o := b.store.NewEncodedObject()
	if err := tag.Encode(o); err != nil {
		b.t.Fatal(err)
	}
	hash, err := b.store.SetEncodedObject(o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.ref("refs/tags/"+name, hash.String())
}

// clone puts prod at a commit and clones it.
func (b *builder) clone(commit string) *Repository {
	b.t.Helper()
	b.ref("refs/heads/prod", commit)
	repo, err := Clone(context.Background(), Options{URL: b.url(), Branch: "prod"})
	if err != nil {
		b.t.Fatal(err)
	}
	return repo
}

func (b *builder) snapshot(repo *Repository, commit string) *Snapshot {
	b.t.Helper()
	s, err := repo.Snapshot(context.Background(), commit, SnapshotOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}
