// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	staticImage  = registryAddress + "/base/static:1"
	busyboxImage = registryAddress + "/base/busybox:1"

	// nonroot is the user that images run as, by the convention of ko's and
	// Tekton's own bases.
	nonroot     = "65532"
	imagePath   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	hostRootCAs = "/etc/ssl/certs/ca-certificates.crt"
)

// entry is one file, folder or link of an image.
type entry struct {
	path    string // absolute
	mode    int64
	content []byte
	link    string
	folder  bool
}

// image is an image with a single layer. The same description always has the
// same digest: nothing in it depends on the time or on the machine.
type image struct {
	entries []entry
	config  v1.Config
}

// staticBase has what a static program wants: a user, root certificates, a
// folder for temporary files.
func staticBase(rootCAs []byte) image {
	return image{
		entries: []entry{
			{path: "/etc/passwd", mode: 0o644, content: []byte(
				"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")},
			{path: "/etc/group", mode: 0o644, content: []byte("root:x:0:\nnonroot:x:65532:\n")},
			{path: hostRootCAs, mode: 0o644, content: rootCAs},
			{path: "/home/nonroot", mode: 0o777, folder: true},
			{path: "/tmp", mode: 0o1777, folder: true},
		},
		config: v1.Config{
			User:       nonroot,
			WorkingDir: "/home/nonroot",
			Env:        []string{"PATH=" + imagePath, "HOME=/home/nonroot"},
		},
	}
}

// busyboxBase is the static base with a shell and its tools.
func busyboxBase(rootCAs, busybox []byte, applets []string) image {
	base := staticBase(rootCAs)
	base.entries = append(base.entries, entry{path: "/bin/busybox", mode: 0o755, content: busybox})
	for _, applet := range applets {
		// The program lists itself: a link would point to itself.
		if applet != "busybox" {
			base.entries = append(base.entries, entry{path: "/bin/" + applet, link: "/bin/busybox"})
		}
	}
	base.config.Cmd = []string{"/bin/sh"}
	return base
}

// pauseBase holds a pod's namespaces.
func pauseBase(pause []byte) image {
	return image{
		entries: []entry{{path: "/pause", mode: 0o755, content: pause}},
		config:  v1.Config{User: nonroot, Entrypoint: []string{"/pause"}},
	}
}

// commandImage is the static base with one command, laid out as ko does it.
func commandImage(rootCAs, binary []byte, command string) image {
	base := staticBase(rootCAs)
	program := "/ko-app/" + command
	base.entries = append(base.entries, entry{path: program, mode: 0o755, content: binary})
	base.config.Entrypoint = []string{program}
	base.config.Env = []string{"PATH=" + imagePath + ":/ko-app", "HOME=/home/nonroot"}
	return base
}

// build makes the image. Its layer is not compressed: it travels no further
// than from this machine to this machine.
func (i image) build() (v1.Image, error) {
	layer, err := tarball(i.entries)
	if err != nil {
		return nil, err
	}
	built := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	built = mutate.ConfigMediaType(built, types.OCIConfigJSON)
	if built, err = mutate.AppendLayers(built, static.NewLayer(layer, types.OCIUncompressedLayer)); err != nil {
		return nil, err
	}
	file, err := built.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = i.config
	return mutate.ConfigFile(built, file)
}

// tarball writes the entries, sorted, with every folder above them.
func tarball(entries []entry) ([]byte, error) {
	all := map[string]entry{}
	for _, e := range entries {
		for parent := path.Dir(e.path); parent != "/"; parent = path.Dir(parent) {
			if _, ok := all[parent]; !ok {
				all[parent] = entry{path: parent, mode: 0o755, folder: true}
			}
		}
		all[e.path] = e
	}
	paths := make([]string, 0, len(all))
	for p := range all {
		paths = append(paths, p)
	}
	slices.Sort(paths)

	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for _, p := range paths {
		e := all[p]
		header := &tar.Header{Name: strings.TrimPrefix(p, "/"), Mode: e.mode, ModTime: time.Unix(0, 0)}
		switch {
		case e.folder:
			header.Typeflag = tar.TypeDir
			header.Name += "/"
		case e.link != "":
			header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.link, 0o777
		default:
			header.Typeflag, header.Size = tar.TypeReg, int64(len(e.content))
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// push puts an image into the registry unless its tag is already that image,
// and returns its name by digest.
func push(ctx context.Context, reference string, i image) (string, error) {
	tag, err := name.NewTag(reference)
	if err != nil {
		return "", err
	}
	built, err := i.build()
	if err != nil {
		return "", err
	}
	want, err := built.Digest()
	if err != nil {
		return "", err
	}
	have, err := remote.Head(tag, remote.WithContext(ctx))
	if err != nil || have.Digest != want {
		if err := remote.Write(tag, built, remote.WithContext(ctx)); err != nil {
			return "", fmt.Errorf("pushing %s: %w", reference, err)
		}
	}
	return tag.Context().Digest(want.String()).String(), nil
}

// ensureBaseImages pushes the images that everything else stands on, and
// returns them by digest.
func (c *cluster) ensureBaseImages(ctx context.Context) (map[string]string, error) {
	rootCAs, err := readRootCAs()
	if err != nil {
		return nil, err
	}
	busybox, err := os.ReadFile(c.debianFile("busybox"))
	if err != nil {
		return nil, err
	}
	applets, err := run(ctx, c.debianFile("busybox"), "--list")
	if err != nil {
		return nil, err
	}
	pause, err := os.ReadFile(c.binary("pause", "pause"))
	if err != nil {
		return nil, err
	}
	pushed := map[string]string{}
	for reference, base := range map[string]image{
		pauseImage:   pauseBase(pause),
		staticImage:  staticBase(rootCAs),
		busyboxImage: busyboxBase(rootCAs, busybox, strings.Fields(applets)),
	} {
		if pushed[reference], err = push(ctx, reference, base); err != nil {
			return nil, err
		}
	}
	return pushed, nil
}

// readRootCAs reads the host's root certificates; a host without them is one
// whose pods need none.
func readRootCAs() ([]byte, error) {
	content, err := os.ReadFile(hostRootCAs)
	if os.IsNotExist(err) {
		return nil, nil
	}
	return content, err
}

// tektonImages maps Tekton's commands, as its manifests name them, to images.
type tektonImages map[string]string

// ensureTektonImages pushes Tekton's commands. What is in the registry is noted,
// so that the next start reads none of the half gigabyte.
func (c *cluster) ensureTektonImages(ctx context.Context) (tektonImages, error) {
	comp, err := findComponent("tekton")
	if err != nil {
		return nil, err
	}
	note := c.data("tekton-images.json")
	key := c.mustComponentDir("tekton")
	if images, ok := readTektonImages(ctx, note, key); ok {
		return images, nil
	}
	rootCAs, err := readRootCAs()
	if err != nil {
		return nil, err
	}
	images := tektonImages{}
	for _, pkg := range comp.packages {
		command := path.Base(pkg)
		binary, err := os.ReadFile(c.binary("tekton", command))
		if err != nil {
			return nil, err
		}
		reference := registryAddress + "/tekton/" + command + ":" + tektonVersion
		if images["ko://"+pkg], err = push(ctx, reference, commandImage(rootCAs, binary, command)); err != nil {
			return nil, err
		}
	}
	c.say("tekton", "pushed %d images", len(images))
	return images, writeFile(note, toJSON(map[string]any{"key": key, "images": images}), 0o644)
}

// readTektonImages reads the note and asks the registry whether it still holds.
func readTektonImages(ctx context.Context, note, key string) (tektonImages, bool) {
	var noted struct {
		Key    string       `json:"key"`
		Images tektonImages `json:"images"`
	}
	content, err := os.ReadFile(note)
	if err != nil || json.NewDecoder(bytes.NewReader(content)).Decode(&noted) != nil || noted.Key != key {
		return nil, false
	}
	for _, reference := range noted.Images {
		ref, err := name.NewDigest(reference)
		if err != nil {
			return nil, false
		}
		if _, err := remote.Head(ref, remote.WithContext(ctx)); err != nil {
			return nil, false
		}
	}
	return noted.Images, len(noted.Images) > 0
}
