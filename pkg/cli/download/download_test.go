// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// upload puts content into a real registry and returns its attachment.
func upload(t *testing.T, content string) v1alpha1.Attachment {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	repository, err := name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/changes")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteLayer(repository, static.NewLayer([]byte(content), types.MediaType("text/plain"))); err != nil {
		t.Fatal(err)
	}
	digest := digestOf(content)
	return v1alpha1.Attachment{
		Name: "Delta Summary", FileName: "delta-summary.json", MediaType: "text/plain",
		Size: int64(len(content)), Digest: digest, Reference: repository.Name() + "@" + digest,
	}
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func openFolder(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir
}

// files lists what lies in a folder, with content.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[entry.Name()] = string(content)
	}
	return found
}

func TestSave(t *testing.T) {
	const content = "the summary\n"
	attachment := upload(t, content)
	folder, dir := openFolder(t)
	for _, want := range []Outcome{
		{File: "delta-summary.json"},
		{File: "delta-summary.json", Kept: true}, // the second time
	} {
		got, err := Registry{}.Save(context.Background(), folder, attachment, false)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(map[string]string{"delta-summary.json": content}, files(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSaveReplacesOnlyWhenAsked(t *testing.T) {
	attachment := upload(t, "new")
	folder, dir := openFolder(t)
	if err := folder.WriteFile("delta-summary.json", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Registry{}.Save(context.Background(), folder, attachment, false)
	if err == nil || !strings.Contains(err.Error(), "--overwrite") {
		t.Errorf("got error %v, want one that names --overwrite", err)
	}
	if diff := cmp.Diff(map[string]string{"delta-summary.json": "old"}, files(t, dir)); diff != "" {
		t.Errorf("unasked (-want +got):\n%s", diff)
	}
	if _, err := (Registry{}).Save(context.Background(), folder, attachment, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"delta-summary.json": "new"}, files(t, dir)); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// liar answers requests for blobs with content of its own.
type liar struct{ content string }

func (l liar) RoundTrip(request *http.Request) (*http.Response, error) {
	if !strings.Contains(request.URL.Path, "/blobs/") {
		return http.DefaultTransport.RoundTrip(request)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Request: request, ContentLength: -1,
		Body: io.NopCloser(strings.NewReader(l.content)),
	}, nil
}

func TestSaveRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		registry Registry
		mutate   func(*v1alpha1.Attachment)
		want     string
	}{
		"content with another digest":      {Registry{Transport: liar{"THE SUMMARY"}}, nil, "checksum"},
		"less content than promised":       {Registry{Transport: liar{"the"}}, nil, ""},
		"more content than promised":       {Registry{Transport: liar{strings.Repeat("x", 1<<20)}}, nil, "11 bytes"},
		"a record that understates a size": {Registry{}, func(a *v1alpha1.Attachment) { a.Size = 3 }, "3 bytes"},
		"a record that overstates a size":  {Registry{}, func(a *v1alpha1.Attachment) { a.Size = 30 }, "30 bytes"},
		"a reference to another digest": {Registry{}, func(a *v1alpha1.Attachment) {
			a.Digest = digestOf("other")
		}, "reference names"},
		"a reference by tag": {Registry{}, func(a *v1alpha1.Attachment) {
			a.Reference = strings.Replace(a.Reference, "@"+a.Digest, ":latest", 1)
		}, "not named by digest"},
		"what the registry does not have": {Registry{}, func(a *v1alpha1.Attachment) {
			a.Reference = strings.Replace(a.Reference, a.Digest, digestOf("x"), 1)
			a.Digest = digestOf("x")
		}, "within reach"},
	} {
		t.Run(name, func(t *testing.T) {
			attachment := upload(t, "the summary")
			if c.mutate != nil {
				c.mutate(&attachment)
			}
			folder, dir := openFolder(t)
			_, err := c.registry.Save(context.Background(), folder, attachment, false)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"Delta Summary"`) {
				t.Errorf("got error %v, want one with %q that names the attachment", err, c.want)
			}
			if left := files(t, dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestSaveStaysInItsFolder(t *testing.T) {
	attachment := upload(t, "evil")
	folder, dir := openFolder(t)
	outside := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "delta-summary.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := (Registry{}).Save(context.Background(), folder, attachment, true); err == nil {
		t.Error("a link that leads out of the folder was followed")
	}
	content, err := os.ReadFile(outside)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content, []byte("precious")) {
		t.Errorf("written outside the folder: %q", content)
	}
}

func TestFileName(t *testing.T) {
	digest := digestOf("")
	byDigest := strings.Replace(digest, ":", "-", 1)
	for in, want := range map[string]string{
		"delta-summary.json":       "delta-summary.json",
		"Größe.json":               "Größe.json",
		"folder/profile.yaml":      "profile.yaml",
		"../../etc/cron.d/x":       "x",
		`..\..\x`:                  "x",
		"":                         byDigest,
		"..":                       byDigest,
		".bashrc":                  byDigest,
		"-rf":                      byDigest,
		"a\x1b[2J":                 byDigest,
		"a\u202e":                  byDigest,
		"a\xff":                    byDigest,
		"c:x":                      byDigest,
		"folder/":                  byDigest,
		strings.Repeat("x", 1_000): byDigest,
	} {
		if got := FileName(v1alpha1.Attachment{FileName: in, Digest: digest}); got != want {
			t.Errorf("FileName(%q) = %q, want %q", in, got, want)
		}
	}
}
