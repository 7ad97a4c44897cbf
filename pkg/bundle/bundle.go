// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// ArtifactType marks a manifest as a bundle.
	ArtifactType = "application/vnd.countersign.bundle.v1"

	// FolderMediaType is the media type of a folder's layer.
	FolderMediaType = "application/vnd.oci.image.layer.v1.tar+gzip"

	// AnnotationTitle holds the path of an item within the bundle.
	// https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md
	AnnotationTitle = "org.opencontainers.image.title"

	// AnnotationUnpack is "true" on the layers that are folders. ORAS unpacks a
	// layer with this annotation when it pulls an artifact.
	AnnotationUnpack = "io.deis.oras.content.unpack"

	// emptyMediaType and emptyConfig are the config of an artifact that has none.
	// https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidance-for-an-empty-descriptor
	emptyMediaType = types.MediaType("application/vnd.oci.empty.v1+json")
	emptyConfig    = "{}"

	// maxPathLength bounds a path; no file system takes longer ones.
	maxPathLength = 1024
)

// Limits bound what a bundle may hold, in both directions. They are far above
// what a run needs and far below what hurts a pod.
type Limits struct {
	// Manifest is the greatest size of a manifest, in bytes.
	Manifest int64
	// Items is the greatest number of files and folders at the top.
	Items int
	// Blob is the greatest size of one item as it is stored, in bytes.
	Blob int64
	// Total is the greatest size of all items as they are stored, in bytes.
	Total int64
	// Unpacked is the greatest size of one folder's files, in bytes.
	Unpacked int64
	// Members is the greatest number of files, folders and links in one folder.
	Members int
}

// DefaultLimits apply unless WithLimits says otherwise.
var DefaultLimits = Limits{
	Manifest: 1 << 20,
	Items:    256,
	Blob:     256 << 20,
	Total:    512 << 20,
	Unpacked: 512 << 20,
	Members:  100_000,
}

// Item is one file or one folder to be put into a bundle. Make it with File or
// Folder.
type Item struct {
	path      string
	mediaType string
	content   []byte
	folder    bool
	members   []Member
}

// File is an item with the given content. The path is relative and separated
// by slashes.
func File(path, mediaType string, content []byte) Item {
	return Item{path: path, mediaType: mediaType, content: content}
}

// Folder is an item with the given members, whose paths are relative to it.
// Their order does not matter; folders in between need not be listed.
func Folder(path string, members []Member) Item {
	return Item{path: path, mediaType: FolderMediaType, folder: true, members: members}
}

// Member is a file, or a symbolic link, in a folder.
type Member struct {
	// Path relative to the folder, separated by slashes.
	Path string
	// Executable is all that is kept of a file's permissions.
	Executable bool
	// Link is the target of a symbolic link. It is relative and leads to
	// somewhere in the folder. Empty for a file.
	Link string
	// Content of a file.
	Content []byte
}

// Layer is one item of a bundle as it lies in the registry.
type Layer struct {
	// Path of the item within the bundle.
	Path string
	// MediaType of a file's content; FolderMediaType for a folder.
	MediaType string
	// Folder is true if the blob is an archive of a folder.
	Folder bool
	// Size of the blob in bytes.
	Size int64
	// Digest of the blob as sha256:<hex>. For a file it is the digest of the
	// file.
	Digest string
	// Reference names the blob for any OCI client: repository@digest.
	Reference string
}

// ErrNotFound is returned where a bundle has no item of that path.
var ErrNotFound = errors.New("no such item in the bundle")

// Reference checks the name of a bundle, repository@sha256:<hex>, and returns
// its parts. The registry must be spelled out, and a tag is refused.
func Reference(ref string) (repository, digest string, err error) {
	d, err := parseReference(ref)
	if err != nil {
		return "", "", err
	}
	return d.Context().Name(), d.DigestStr(), nil
}

func parseReference(ref string) (name.Digest, error) {
	d, err := name.NewDigest(ref, name.StrictValidation)
	if err != nil || !strings.HasPrefix(d.DigestStr(), "sha256:") || hasScheme(ref) {
		return name.Digest{}, fmt.Errorf("bundle %q is not named by digest: want registry/repository@sha256:<64 hex digits>", ref)
	}
	// A name with a tag besides the digest reads as if the tag mattered.
	if d.Context().Name()+"@"+d.DigestStr() != ref {
		return name.Digest{}, fmt.Errorf("bundle %q has more than a repository and a digest: want %s@%s", ref, d.Context().Name(), d.DigestStr())
	}
	return d, nil
}

// hasScheme notices https://registry/…, in which the library takes "https:" for
// a registry.
func hasScheme(ref string) bool { return strings.Contains(ref, "//") }

// checkPath accepts the paths that mean the same everywhere: relative, with no
// element that walks upward, and printable.
func checkPath(p string) error {
	switch {
	case p == "" || p == "." || !fs.ValidPath(p):
		return fmt.Errorf("path %q is not a plain relative path", p)
	case len(p) > maxPathLength:
		return fmt.Errorf("path %.40q… is longer than %d bytes", p, maxPathLength)
	case strings.ContainsRune(p, '\\'):
		return fmt.Errorf("path %q holds a backslash", p)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("path %q holds characters that cannot be printed", p)
	}
	return nil
}

// checkLink accepts the targets that cannot lead out of the folder, wherever
// other links in it lead. Upward steps may only come first: from a real folder
// they lead to a real folder, and what follows goes down. "a/../x" is refused
// because a may itself be a link.
func checkLink(member, target string) error {
	if target == "" || len(target) > maxPathLength || strings.HasPrefix(target, "/") || strings.ContainsAny(target, "\\\x00") {
		return fmt.Errorf("symbolic link %q leads to %.80q: want a relative target inside the folder", member, target)
	}
	depth := strings.Count(member, "/")
	down := false
	for _, element := range strings.Split(target, "/") {
		switch element {
		case "", ".":
		case "..":
			depth--
			if down || depth < 0 {
				return fmt.Errorf("symbolic link %q leads to %q, which may be outside the folder: want a target inside it", member, target)
			}
		default:
			down = true
		}
	}
	return nil
}

// tree notices when two paths of one bundle or folder get in each other's way:
// the same path twice, or something below what is not a folder.
type tree map[string]bool // true: a folder

// add records a path and those above it.
func (t tree) add(p string, folder bool) error {
	if wasFolder, found := t[p]; found {
		if folder && wasFolder {
			return nil
		}
		return fmt.Errorf("path %q occurs twice", p)
	}
	for parent := path.Dir(p); parent != "."; parent = path.Dir(parent) {
		isFolder, found := t[parent]
		if found && !isFolder {
			return fmt.Errorf("path %q lies below %q, which is not a folder", p, parent)
		}
		if found {
			break
		}
		t[parent] = true
	}
	t[p] = folder
	return nil
}

// manifest builds the manifest of a bundle. Its bytes depend on the layers
// alone.
func manifest(layers []Layer) v1.Manifest {
	m := v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  ArtifactType,
		Config: v1.Descriptor{
			MediaType: emptyMediaType,
			Size:      int64(len(emptyConfig)),
			Digest:    digestOf([]byte(emptyConfig)),
			Data:      []byte(emptyConfig),
		},
	}
	for _, l := range layers {
		hash, _ := v1.NewHash(l.Digest) // our own digest: always well-formed
		annotations := map[string]string{AnnotationTitle: l.Path}
		if l.Folder {
			annotations[AnnotationUnpack] = "true"
		}
		m.Layers = append(m.Layers, v1.Descriptor{
			MediaType:   types.MediaType(l.MediaType),
			Size:        l.Size,
			Digest:      hash,
			Annotations: annotations,
		})
	}
	return m
}

// layersOf reads a manifest that somebody else may have written.
func layersOf(repository string, m *v1.Manifest, limits Limits) ([]Layer, error) {
	if m.ArtifactType != ArtifactType {
		return nil, fmt.Errorf("its artifact type is %.80q, want %q", m.ArtifactType, ArtifactType)
	}
	if m.SchemaVersion != 2 || m.MediaType != types.OCIManifestSchema1 {
		return nil, fmt.Errorf("its media type is %.80q, want %q", m.MediaType, types.OCIManifestSchema1)
	}
	if m.Config.MediaType != emptyMediaType {
		return nil, fmt.Errorf("its config is %.80q, want %q", m.Config.MediaType, emptyMediaType)
	}
	if m.Subject != nil {
		return nil, errors.New("it refers to another manifest as its subject")
	}
	if len(m.Layers) > limits.Items {
		return nil, fmt.Errorf("it has %d items, more than %d", len(m.Layers), limits.Items)
	}
	var (
		layers []Layer
		total  int64
		seen   = tree{}
	)
	for i, d := range m.Layers {
		title := d.Annotations[AnnotationTitle]
		if err := checkPath(title); err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
		folder := d.Annotations[AnnotationUnpack] == "true"
		if folder && d.MediaType != FolderMediaType {
			return nil, fmt.Errorf("folder %q has media type %.80q, want %q", title, d.MediaType, FolderMediaType)
		}
		// A folder's content is not known yet, so nothing else may lie in it.
		if err := seen.add(title, false); err != nil {
			return nil, err
		}
		if len(d.URLs) > 0 {
			return nil, fmt.Errorf("item %q is to be fetched from elsewhere", title)
		}
		if d.Digest.Algorithm != "sha256" {
			return nil, fmt.Errorf("item %q has digest %.80q, want sha256", title, d.Digest)
		}
		if d.Size < 0 || d.Size > limits.Blob {
			return nil, fmt.Errorf("item %q has size %d, want 0 to %d bytes", title, d.Size, limits.Blob)
		}
		if total += d.Size; total > limits.Total {
			return nil, fmt.Errorf("its items are larger than %d bytes together", limits.Total)
		}
		layers = append(layers, Layer{
			Path:      title,
			MediaType: string(d.MediaType),
			Folder:    folder,
			Size:      d.Size,
			Digest:    d.Digest.String(),
			Reference: repository + "@" + d.Digest.String(),
		})
	}
	return layers, nil
}
