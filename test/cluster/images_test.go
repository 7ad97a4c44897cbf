// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// files lists what an image unpacks to.
func files(t *testing.T, i image) map[string]string {
	t.Helper()
	built, err := i.build()
	if err != nil {
		t.Fatal(err)
	}
	stream := mutate.Extract(built)
	defer stream.Close()
	found := map[string]string{}
	for reader := tar.NewReader(stream); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		switch header.Typeflag {
		case tar.TypeSymlink:
			found[header.Name] = "-> " + header.Linkname
		case tar.TypeReg:
			found[header.Name] = string(content)
		}
	}
}

func TestBusyboxBase(t *testing.T) {
	i := busyboxBase([]byte("roots"), []byte("program"), []string{"busybox", "sh", "ls"})
	got := files(t, i)
	delete(got, "etc/passwd")
	delete(got, "etc/group")
	want := map[string]string{
		"bin/busybox":                       "program",
		"bin/ls":                            "-> /bin/busybox",
		"bin/sh":                            "-> /bin/busybox",
		"etc/ssl/certs/ca-certificates.crt": "roots",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestImagesAreReproducible(t *testing.T) {
	var digests []string
	for range 2 {
		built, err := commandImage([]byte("roots"), []byte("program"), "controller").build()
		if err != nil {
			t.Fatal(err)
		}
		digest, err := built.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	if digests[0] != digests[1] {
		t.Errorf("the same image has the digests %v", digests)
	}
}

// The restricted Pod Security Standard lets a pod run only as a user that the
// kubelet can see is not root: a number.
func TestImagesRunAsANumberedUser(t *testing.T) {
	for name, i := range map[string]image{
		"static":  staticBase(nil),
		"busybox": busyboxBase(nil, nil, nil),
		"pause":   pauseBase(nil),
		"command": commandImage(nil, nil, "x"),
	} {
		built, err := i.build()
		if err != nil {
			t.Fatal(err)
		}
		file, err := built.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if file.Config.User != "65532" {
			t.Errorf("%s runs as %q", name, file.Config.User)
		}
	}
}

func TestTarballHasEveryFolderOnce(t *testing.T) {
	layer, err := tarball([]entry{{path: "/a/b/c", content: []byte("x"), mode: 0o644}, {path: "/a/b", mode: 0o700, folder: true}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for reader := tar.NewReader(bytes.NewReader(layer)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.ModTime.Unix() != 0 {
			t.Errorf("%s has the time %v; a time of its own changes the digest", header.Name, header.ModTime)
		}
		got = append(got, header.FileInfo().Mode().String()+" "+header.Name)
	}
	want := []string{"drwxr-xr-x a/", "drwx------ a/b/", "-rw-r--r-- a/b/c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
