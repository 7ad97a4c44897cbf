// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package steptest is a small world to test steps in: real git repositories on
// disk, a real evidence locker in a folder, a real registry in this process, and
// in-memory stand-ins for the forge and the Kubernetes API alone.
package steptest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/google/go-containerregistry/pkg/registry"
	tektonfake "github.com/tektoncd/pipeline/pkg/client/clientset/versioned/fake"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/step/cluster"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	countersignfake "github.com/countersign-dev/countersign/pkg/client/clientset/versioned/fake"
	"github.com/countersign-dev/countersign/pkg/evidence"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers" // file://
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

// Now is the time in this world.
var Now = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

// Namespace of the run.
const Namespace = "team"

// GoodBody is a promotion pull request without a fault.
const GoodBody = `<priority>Low</priority> <assignedto>jane@example.com</assignedto>
<description>Faster $(params.x) ` + "`id`" + `; rm -rf /</description> <purpose>p</purpose> <impact>i</impact>
<customerimpact>No_Impact</customerimpact> <deploymentimpact>Small</deploymentimpact> <backoutplan>revert</backoutplan>`

// GoodConfig is a configuration repository without a fault.
func GoodConfig() map[string]string {
	return map[string]string{
		".pipeline-config.yaml": "version: '1'\ndeploy: {image: tools:1, script: ./deploy.sh}\nacceptance-test: {image: tools:1, script: 'true'}\nrollback: {image: tools:2, script: 'true'}\n",
		"deploy.sh":             "#!/bin/sh\n",
		"checks/prod.json":      `{"version":"2.0","pre-deployment":[{"evidence_type_id":"com.ibm.unit_tests","rules":[{"asset_type":"commit","required":[{"name":"tool","values":["*"]}]}]}]}`,
		"profile.yaml":          "profile: x\n",
	}
}

// World is everything that a step reaches.
type World struct {
	t testing.TB

	Inventory, Config *Repository
	LockerDir         string
	Registry          string
	Forge             *Forge
	Countersign       *countersignfake.Clientset
	Tekton            *tektonfake.Clientset
	Policy            *v1alpha1.ChangePolicy
	Log               bytes.Buffer
}

// New makes a world with two entries on branch prod, promoted by a good pull
// request, with good evidence.
func New(t testing.TB) *World {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	w := &World{t: t, LockerDir: t.TempDir(), Registry: strings.TrimPrefix(server.URL, "http://") + "/changes", Forge: &Forge{}}
	w.Inventory = NewRepository(t, "prod")
	w.Config = NewRepository(t, "main")
	w.Config.Commit(GoodConfig())
	w.Policy = &v1alpha1.ChangePolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "all"},
		Spec: v1alpha1.ChangePolicySpec{
			NamespaceSelector: &metav1.LabelSelector{},
			Bundles:           v1alpha1.BundlePolicy{RepositoryPrefixes: []string{w.Registry}},
		},
	}
	w.Countersign = countersignfake.NewSimpleClientset(w.Policy)
	w.Tekton = tektonfake.NewSimpleClientset()
	w.Promote(map[string]string{"a": Entry("a", "1"), "dir/b": Entry("b", "1")}, GoodBody)
	w.Evidence("a", "success")
	w.Evidence("b", "success")
	return w
}

// Params are those of a run that has no fault.
func (w *World) Params(uid string) *assess.Params {
	return &assess.Params{
		InventoryURL: w.Inventory.URL, TargetEnvironment: "prod", SourceEnvironment: "master", Region: "eu", EnvironmentPurpose: "production", EnvironmentDetail: "shop",
		ConfigURL: w.Config.URL, ConfigRevision: "main", LockerURL: "file://" + w.LockerDir, BundleRepository: w.Registry,
		ChangeRequestID: assess.NoChangeRequest, ChangeRequestDuration: "30", OutageDuration: "0 00:00:00", ForceRedeploy: "false",
		DeployTask: assess.RunStage, AcceptanceTestTask: assess.RunStage, RollbackTask: assess.RunStage, RollbackEnabled: "0",
		Run: v1alpha1.RunRef{Name: "run-" + uid, UID: types.UID("uid-" + uid)}, Namespace: Namespace, WorkDir: w.t.TempDir(),
	}
}

// Clients are the edges of this world.
func (w *World) Clients() *assess.Clients {
	now := func() time.Time { return Now }
	return &assess.Clients{
		Cluster: &cluster.Clients{
			Kubernetes:  kubernetesfake.NewSimpleClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}),
			Countersign: w.Countersign,
			Tekton:      w.Tekton,
		},
		OpenForge: func(context.Context, forge.Options) (forge.Forge, error) { return w.Forge, nil },
		Now:       now,
		Progress:  step.NewProgress(&w.Log, now),
	}
}

// Promote commits entries to branch prod as the merge of a pull request.
func (w *World) Promote(entries map[string]string, body string) string {
	w.t.Helper()
	commit := w.Inventory.Commit(entries)
	number := len(w.Forge.PRs) + 1
	w.Forge.PRs = append([]forge.PullRequest{{
		Number: number, URL: fmt.Sprintf("https://forge.example/pulls/%d", number), Title: "promote", Body: body, Author: "jane",
		Base: "prod", Merged: true, MergeCommit: commit, MergedAt: Now.Add(-time.Hour), Updated: Now.Add(-time.Hour),
	}}, w.Forge.PRs...)
	return commit
}

// Digest and commit of the component of a name.
func digest(name string) string { return strings.Repeat(fmt.Sprintf("%x", name[0]%16), 64) }

func commitOf(name string) string { return strings.Repeat(fmt.Sprintf("%x", name[0]%16), 40) }

// Entry is an inventory entry without a fault.
func Entry(name, version string) string {
	image := "registry.example/" + name + ":" + version + "@sha256:" + digest(name)
	return fmt.Sprintf(`{"name":%q,"type":"image","version":%q,"artifact":%q,"provenance":%q,"sha256":"sha256:%s","repository_url":"https://forge.example/%s.git","commit_sha":%q,"pipeline_run_id":"ci-1"}`,
		name, version, image, image, digest(name), name, commitOf(name))
}

// Evidence records every required check of a component with a result.
func (w *World) Evidence(name, result string) {
	w.t.Helper()
	ctx := w.t.Context()
	locker, err := evidence.Open(ctx, "file://"+w.LockerDir)
	w.must(err)
	defer locker.Close()
	commit, err := evidence.CommitURI("https://forge.example/"+name+".git", commitOf(name))
	w.must(err)
	image, err := evidence.ParseURI("registry.example/" + name + "@sha256:" + digest(name))
	w.must(err)
	date := evidence.Text(Now.Add(-time.Minute).Format(time.RFC3339))
	_, err = locker.WriteAsset(ctx, evidence.Asset{URI: evidence.Text(commit.String), Type: "commit", Date: date})
	w.must(err)
	_, err = locker.WriteAsset(ctx, evidence.Asset{URI: evidence.Text(image.String), Type: "image", Date: date, Related: evidence.Links{commit.ID}})
	w.must(err)
	for _, required := range readiness.BuiltinRequired() {
		uri := commit
		if required.AssetType == "image" {
			uri = image
		}
		for _, check := range required.EvidenceTypes {
			e := evidence.Evidence{
				Version: "2", Date: date, TypeID: evidence.Text(check), TypeVersion: "1",
				Details: evidence.Details{Result: evidence.Text(result), Tool: "tool"},
				Assets:  []evidence.AssetRef{{Hash: evidence.Text(uri.ID), URI: evidence.Text(uri.String)}},
			}
			if check == evidence.TypeCodeBOM {
				ref, err := locker.WriteAttachment(ctx, "sbom.json", fmt.Appendf(nil, `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"metadata":{"component":{"type":"application","name":%q,"bom-ref":"root"}},"components":[{"type":"library","name":"lib","version":"1","purl":"pkg:golang/lib@1","bom-ref":"lib"}]}`, name))
				w.must(err)
				e.Attachments = []evidence.AttachmentRef{ref}
			}
			_, err := locker.WriteEvidence(ctx, e)
			w.must(err)
		}
	}
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Forge has the pull requests that it was given.
type Forge struct{ PRs []forge.PullRequest }

// MergedPullRequests implements forge.Forge.
func (f *Forge) MergedPullRequests(_ context.Context, branch string) iter.Seq2[forge.PullRequest, error] {
	return func(yield func(forge.PullRequest, error) bool) {
		for _, pr := range f.PRs {
			if pr.Base == branch && !yield(pr, nil) {
				return
			}
		}
	}
}

// PullRequest implements forge.Forge.
func (f *Forge) PullRequest(_ context.Context, number int) (*forge.PullRequest, error) {
	for _, pr := range f.PRs {
		if pr.Number == number {
			return &pr, nil
		}
	}
	return nil, forge.ErrNotFound
}

// Repository is a git repository on disk.
type Repository struct {
	t   testing.TB
	dir string
	git *git.Repository

	URL string
}

// NewRepository makes an empty one whose HEAD is a branch.
func NewRepository(t testing.TB, branch string) *Repository {
	t.Helper()
	dir := t.TempDir()
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName(branch)}})
	if err != nil {
		t.Fatal(err)
	}
	return &Repository{t: t, dir: dir, git: repo, URL: "file://" + dir}
}

// Commit writes files, removes those that are empty, and returns the commit.
func (r *Repository) Commit(files map[string]string) string {
	r.t.Helper()
	tree, err := r.git.Worktree()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(r.dir, name)
		if files[name] == "" {
			_, err = tree.Remove(name)
		} else {
			if err = os.MkdirAll(filepath.Dir(path), 0o750); err == nil {
				err = os.WriteFile(path, []byte(files[name]), 0o600)
			}
			if err == nil {
				_, err = tree.Add(name)
			}
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return r.commit(tree)
}

// Symlink commits a symbolic link.
func (r *Repository) Symlink(name, target string) string {
	r.t.Helper()
	tree, err := r.git.Worktree()
	if err == nil {
		err = os.Symlink(target, filepath.Join(r.dir, name))
	}
	if err == nil {
		_, err = tree.Add(name)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return r.commit(tree)
}

func (r *Repository) commit(tree *git.Worktree) string {
	r.t.Helper()
	hash, err := tree.Commit("change", &git.CommitOptions{Author: &object.Signature{Name: "Jane", Email: "jane@example.com", When: Now.Add(-time.Hour)}})
	if err != nil {
		r.t.Fatal(err)
	}
	return hash.String()
}

// Tag sets a tag.
func (r *Repository) Tag(name, commit string) {
	r.t.Helper()
	if err := r.git.Storer.SetReference(plumbing.NewHashReference(plumbing.NewTagReferenceName(name), plumbing.NewHash(commit))); err != nil {
		r.t.Fatal(err)
	}
}

// TagAt is the commit that a tag names, empty if there is none.
func (r *Repository) TagAt(name string) string {
	ref, err := r.git.Tag(name)
	if err != nil {
		return ""
	}
	return ref.Hash().String()
}
