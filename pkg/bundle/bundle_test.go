// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/rand"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// newRepository starts a registry in this process.
func newRepository(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/team/changes"
}

func someItems() []Item {
	return []Item{
		File("delta.json", "application/json", []byte(`["a","b"]`)),
		File("empty.txt", "text/plain", nil),
		Folder("config", []Member{
			{Path: "scripts/deploy.sh", Executable: true, Content: []byte("#!/bin/sh\n")},
			{Path: "README.md", Content: []byte("hello\n")},
			{Path: "scripts/latest", Link: "../README.md"},
		}),
		Folder("nothing", nil),
	}
}

func TestWhatIsPushedIsFetchedUnchanged(t *testing.T) {
	ctx, repository := t.Context(), newRepository(t)
	pushed, err := Push(ctx, repository, someItems())
	if err != nil {
		t.Fatal(err)
	}
	b, err := Fetch(ctx, pushed.Reference)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(pushed.Layers, b.List()); d != "" {
		t.Errorf("layers -pushed +fetched: %s", d)
	}
	if !strings.HasPrefix(pushed.Reference, repository+"@sha256:") {
		t.Errorf("reference %s is not one by digest in %s", pushed.Reference, repository)
	}

	// A file's blob is the file.
	want := Layer{
		Path: "delta.json", MediaType: "application/json", Size: 9,
		Digest:    digestOf([]byte(`["a","b"]`)).String(),
		Reference: repository + "@" + digestOf([]byte(`["a","b"]`)).String(),
	}
	if d := cmp.Diff(want, b.List()[0]); d != "" {
		t.Errorf("layer -want +got: %s", d)
	}
	content, err := b.ReadFile(ctx, "delta.json")
	if err != nil || string(content) != `["a","b"]` {
		t.Errorf("ReadFile = %q, %v", content, err)
	}
	if _, err := b.ReadFile(ctx, "config/README.md"); !errors.Is(err, ErrNotFound) {
		t.Errorf("ReadFile of a member: %v, want ErrNotFound", err)
	}

	dir := filepath.Join(t.TempDir(), "new")
	if err := b.Extract(ctx, dir); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, path := range []string{"delta.json", "empty.txt", "config/scripts/deploy.sh", "config/README.md", "config/scripts/latest"} {
		content, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Error(err)
		}
		got[path] = string(content)
	}
	wantFiles := map[string]string{
		"delta.json": `["a","b"]`, "empty.txt": "", "config/scripts/deploy.sh": "#!/bin/sh\n",
		"config/README.md": "hello\n", "config/scripts/latest": "hello\n",
	}
	if d := cmp.Diff(wantFiles, got); d != "" {
		t.Errorf("files -want +got: %s", d)
	}
	info, err := os.Stat(filepath.Join(dir, "config/scripts/deploy.sh"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("deploy.sh: %v, %v, want 0755", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "nothing")); err != nil || !info.IsDir() {
		t.Errorf("the empty folder: %v, %v", info, err)
	}

	// Extracting again would replace files.
	if err := b.Extract(ctx, dir); err == nil {
		t.Error("a second Extract into the same folder replaced files")
	}
}

func TestSameItemsGiveTheSameDigest(t *testing.T) {
	ctx, repository := t.Context(), newRepository(t)
	first, err := Push(ctx, repository, someItems())
	if err != nil {
		t.Fatal(err)
	}
	items := someItems()
	m := items[2].members
	m[0], m[2] = m[2], m[0]
	second, err := Push(ctx, repository, items)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("-first +second: %s", d)
	}
}

func TestPushRefuses(t *testing.T) {
	for sentence, tc := range map[string]struct {
		items []Item
		want  string
	}{
		"a path that walks upward":        {[]Item{File("../x", "", nil)}, "plain relative path"},
		"an absolute path":                {[]Item{File("/etc/passwd", "", nil)}, "plain relative path"},
		"a path with a line break":        {[]Item{File("a\nb", "", nil)}, "cannot be printed"},
		"a path with a bidi override":     {[]Item{File("a\u202eb", "", nil)}, "cannot be printed"},
		"the same path twice":             {[]Item{File("a", "", nil), File("a", "", nil)}, "occurs twice"},
		"a file below a file":             {[]Item{File("a", "", nil), File("a/b", "", nil)}, "not a folder"},
		"a member below a link":           {[]Item{Folder("f", []Member{{Path: "a", Link: "b"}, {Path: "a/c"}})}, "not a folder"},
		"a link out of the folder":        {[]Item{Folder("f", []Member{{Path: "a", Link: "../x"}})}, "outside the folder"},
		"an absolute link":                {[]Item{Folder("f", []Member{{Path: "a", Link: "/etc/passwd"}})}, "relative target"},
		"a link through another and back": {[]Item{Folder("f", []Member{{Path: "a", Link: "."}, {Path: "b", Link: "a/../x"}})}, "outside the folder"},
		"a file past the limit":           {[]Item{File("a", "", make([]byte, 101))}, "more than 100"},
		"files past the total":            {[]Item{File("a", "", make([]byte, 90)), File("b", "", make([]byte, 90))}, "together"},
		"a folder past the limit":         {[]Item{Folder("f", []Member{{Path: "a", Content: make([]byte, 201)}})}, "larger than 200"},
		"too many members":                {[]Item{Folder("f", make([]Member, 5))}, "5 members"},
		"too many items":                  {make([]Item, 5), "5 items"},
	} {
		t.Run(sentence, func(t *testing.T) {
			limits := Limits{Manifest: 1 << 20, Items: 4, Blob: 100, Total: 150, Unpacked: 200, Members: 4}
			_, err := Push(t.Context(), newRepository(t), tc.items, WithLimits(limits))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestReferencesAreByDigestOnly(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for sentence, tc := range map[string]struct {
		ref string
		ok  bool
	}{
		"repository and digest":      {"registry.example/team/changes" + digest, true},
		"a tag":                      {"registry.example/team/changes:latest", false},
		"a tag and a digest":         {"registry.example/team/changes:latest" + digest, false},
		"no registry":                {"team/changes" + digest, false},
		"a short digest":             {"registry.example/team/changes@sha256:abc", false},
		"another algorithm":          {"registry.example/team/changes@sha512:" + strings.Repeat("a", 128), false},
		"nothing":                    {"", false},
		"a scheme in front":          {"https://registry.example/team/changes" + digest, false},
		"upper-case digits":          {"registry.example/team/changes@sha256:" + strings.Repeat("A", 64), false},
		"a line break at the end":    {"registry.example/team/changes" + digest + "\n", false},
		"an option instead of a ref": {"--registry", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if _, _, err := Reference(tc.ref); (err == nil) != tc.ok {
				t.Errorf("Reference(%q) = %v", tc.ref, err)
			}
		})
	}
}

// put stores a manifest that Push would never make, with the blobs that it
// names.
func put(t *testing.T, repository string, m any, blobs ...[]byte) string {
	t.Helper()
	repo, err := name.NewRepository(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range append(blobs, []byte(emptyConfig)) {
		if err := remote.WriteLayer(repo, static.NewLayer(blob, types.OCILayer)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	ref := repo.Digest(digestOf(raw).String())
	pusher, err := remote.NewPusher()
	if err != nil {
		t.Fatal(err)
	}
	if err := pusher.Put(t.Context(), ref, rawManifest(raw)); err != nil {
		t.Fatal(err)
	}
	return ref.Name()
}

func TestFetchRefusesHostileManifests(t *testing.T) {
	content := []byte("content")
	layer := Layer{Path: "a", MediaType: "text/plain", Size: int64(len(content)), Digest: digestOf(content).String()}
	for sentence, tc := range map[string]struct {
		change func(*v1.Manifest)
		want   string
	}{
		"a title that walks upward":   {func(m *v1.Manifest) { m.Layers[0].Annotations[AnnotationTitle] = "../../etc/cron.d/x" }, "plain relative path"},
		"no title":                    {func(m *v1.Manifest) { m.Layers[0].Annotations = nil }, "plain relative path"},
		"the same title twice":        {func(m *v1.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) }, "occurs twice"},
		"a negative size":             {func(m *v1.Manifest) { m.Layers[0].Size = -1 }, "size -1"},
		"a size that overflows a sum": {func(m *v1.Manifest) { m.Layers[0].Size = 1<<63 - 1 }, "want 0 to"},
		"another algorithm":           {func(m *v1.Manifest) { m.Layers[0].Digest.Algorithm = "md5" }, "md5"},
		"content kept elsewhere":      {func(m *v1.Manifest) { m.Layers[0].URLs = []string{"http://169.254.169.254/"} }, "elsewhere"},
		"another artifact type":       {func(m *v1.Manifest) { m.ArtifactType = "application/x" }, "artifact type"},
		"a subject, itself or other":  {func(m *v1.Manifest) { m.Subject = &m.Config }, "subject"},
		"a real image's config":       {func(m *v1.Manifest) { m.Config.MediaType = types.OCIConfigJSON }, "config"},
		"an index instead":            {func(m *v1.Manifest) { m.MediaType = types.OCIImageIndex }, "media type"},
		"a hundred thousand items": {func(m *v1.Manifest) {
			for range 100_000 {
				m.Layers = append(m.Layers, v1.Descriptor{Digest: m.Layers[0].Digest})
			}
		}, "manifest is too large"},
		"one item too many": {func(m *v1.Manifest) {
			for range DefaultLimits.Items {
				m.Layers = append(m.Layers, v1.Descriptor{Digest: m.Layers[0].Digest})
			}
		}, "more than 256"},
		"a manifest larger than the limit": {func(m *v1.Manifest) {
			m.Annotations = map[string]string{"x": strings.Repeat("x", int(DefaultLimits.Manifest))}
		}, "manifest is too large"},
	} {
		t.Run(sentence, func(t *testing.T) {
			repository := newRepository(t)
			m := manifest([]Layer{layer})
			tc.change(&m)
			_, err := Fetch(t.Context(), put(t, repository, m, content))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %.200v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestContentIsComparedWithItsManifest(t *testing.T) {
	content := []byte("content")
	for sentence, size := range map[string]int64{"larger than named": 3, "smaller than named": 30} {
		t.Run(sentence, func(t *testing.T) {
			repository := newRepository(t)
			m := manifest([]Layer{{Path: "a", MediaType: "text/plain", Size: size, Digest: digestOf(content).String()}})
			b, err := Fetch(t.Context(), put(t, repository, m, content))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.ReadFile(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "does not have") {
				t.Errorf("ReadFile: %v", err)
			}
			if err := b.Extract(t.Context(), t.TempDir()); err == nil {
				t.Error("Extract accepted it")
			}
		})
	}

	t.Run("other content under the digest", func(t *testing.T) {
		lying := newLyingBlobs()
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(lying)))
		defer server.Close()
		pushed, err := Push(t.Context(), strings.TrimPrefix(server.URL, "http://")+"/x/y", []Item{
			File("a", "text/plain", content),
			Folder("f", []Member{{Path: "b", Content: content}}),
		})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Fetch(t.Context(), pushed.Reference)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.ReadFile(t.Context(), "a"); err == nil {
			t.Errorf("ReadFile accepted %q", got)
		}
		if err := b.Extract(t.Context(), t.TempDir()); err == nil {
			t.Error("Extract accepted it")
		}
		// Of a folder by itself: what is changed lies behind the archive's end.
		for _, l := range b.List() {
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if err := b.extract(t.Context(), root, l); err == nil {
				t.Errorf("%s was extracted", l.Path)
			}
		}
	})
}

// lyingBlobs hands out blobs with their last byte changed. The last bytes of a gzip
// archive are behind the end of the tar archive in it.
type lyingBlobs struct {
	registry.BlobHandler
	registry.BlobPutHandler
	registry.BlobStatHandler
}

func newLyingBlobs() lyingBlobs {
	memory := registry.NewInMemoryBlobHandler()
	return lyingBlobs{memory, memory.(registry.BlobPutHandler), memory.(registry.BlobStatHandler)}
}

func (b lyingBlobs) Get(ctx context.Context, repo string, h v1.Hash) (io.ReadCloser, error) {
	r, err := b.BlobHandler.Get(ctx, repo, h)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	if len(content) > 0 {
		content = bytes.Clone(content)
		content[len(content)-1] ^= 1
	}
	return io.NopCloser(bytes.NewReader(content)), err
}

func TestExtractRefusesHostileArchives(t *testing.T) {
	type entry struct {
		tar.Header
		content string
	}
	for sentence, tc := range map[string]struct {
		entries []entry
		want    string
	}{
		"a path that walks upward":       {[]entry{{Header: tar.Header{Name: "f/../../x"}}}, "plain relative path"},
		"an absolute path":               {[]entry{{Header: tar.Header{Name: "/x"}}}, "does not lie in it"},
		"another folder's file":          {[]entry{{Header: tar.Header{Name: "g/x"}}}, "does not lie in it"},
		"a folder whose name goes on":    {[]entry{{Header: tar.Header{Name: "fg"}}}, "does not lie in it"},
		"the folder itself as a file":    {[]entry{{Header: tar.Header{Name: "f"}}}, "does not lie in it"},
		"a link out":                     {[]entry{{Header: tar.Header{Name: "f/a", Typeflag: tar.TypeSymlink, Linkname: "../../x"}}}, "outside"},
		"a file written through a link":  {[]entry{{Header: tar.Header{Name: "f/a", Typeflag: tar.TypeSymlink, Linkname: "."}}, {Header: tar.Header{Name: "f/a/b"}}}, "not a folder"},
		"a folder in place of a link":    {[]entry{{Header: tar.Header{Name: "f/a", Typeflag: tar.TypeSymlink, Linkname: "."}}, {Header: tar.Header{Name: "f/a/", Typeflag: tar.TypeDir}}}, "occurs twice"},
		"a hard link":                    {[]entry{{Header: tar.Header{Name: "f/a", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}}}, "neither a file"},
		"a device":                       {[]entry{{Header: tar.Header{Name: "f/a", Typeflag: tar.TypeChar}}}, "neither a file"},
		"a pipe":                         {[]entry{{Header: tar.Header{Name: "f/a", Typeflag: tar.TypeFifo}}}, "neither a file"},
		"the same file twice":            {[]entry{{Header: tar.Header{Name: "f/a"}}, {Header: tar.Header{Name: "f/a"}}}, "occurs twice"},
		"more than the limit, unpacked":  {[]entry{{Header: tar.Header{Name: "f/a", Size: 2000}, content: strings.Repeat("x", 2000)}}, "larger than 1000"},
		"more members than the limit":    {[]entry{{Header: tar.Header{Name: "f/a"}}, {Header: tar.Header{Name: "f/b"}}, {Header: tar.Header{Name: "f/c"}}, {Header: tar.Header{Name: "f/d"}}}, "more than 2"},
		"a name with a control sequence": {[]entry{{Header: tar.Header{Name: "f/\x1b[2J"}}}, "cannot be printed"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var buffer bytes.Buffer
			compressor := gzip.NewWriter(&buffer)
			archive := tar.NewWriter(compressor)
			for _, e := range tc.entries {
				if e.Typeflag == 0 {
					e.Typeflag = tar.TypeReg
				}
				e.Mode = 0o6777
				if err := archive.WriteHeader(&e.Header); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(archive, e.content); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(archive.Close(), compressor.Close()); err != nil {
				t.Fatal(err)
			}
			m := manifest([]Layer{{Path: "f", MediaType: FolderMediaType, Folder: true, Size: int64(buffer.Len()), Digest: digestOf(buffer.Bytes()).String()}})
			limits := DefaultLimits
			limits.Unpacked, limits.Members = 1000, 2
			b, err := Fetch(t.Context(), put(t, newRepository(t), m, buffer.Bytes()), WithLimits(limits))
			if err != nil {
				t.Fatal(err)
			}
			outside := t.TempDir()
			err = b.Extract(t.Context(), filepath.Join(outside, "dir"))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			if entries, _ := os.ReadDir(outside); len(entries) != 1 {
				t.Errorf("something was written outside the folder: %v", entries)
			}
		})
	}
}

func TestReadFolderNeverFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	for path, content := range map[string]string{secret: "s", filepath.Join(dir, "a"): "A"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	members, err := ReadFolder(dir, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := []Member{{Path: "a", Content: []byte("A")}, {Path: "b", Link: secret}}
	if d := cmp.Diff(want, members); d != "" {
		t.Errorf("-want +got: %s", d)
	}
	if _, err := Push(t.Context(), newRepository(t), []Item{Folder("f", members)}); err == nil {
		t.Error("a link to a file outside was packed")
	}
	if _, err := ReadFolder(dir, Limits{Unpacked: 0, Members: 9}); err == nil {
		t.Error("a file past the limit was read")
	}
}

func BenchmarkPushAndFetch50MB(b *testing.B) {
	content := make([]byte, 50<<20)
	random := rand.New(rand.NewSource(1))
	_, _ = random.Read(content)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		// A registry of its own each time, since nothing is sent twice.
		repository := newRepository(b)
		pushed, err := Push(b.Context(), repository, []Item{File("sbom.json", "application/json", content)})
		if err != nil {
			b.Fatal(err)
		}
		fetched, err := Fetch(b.Context(), pushed.Reference)
		if err != nil {
			b.Fatal(err)
		}
		if err := fetched.Extract(b.Context(), b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}
