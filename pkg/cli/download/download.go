// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package download fetches the documents of a change request from the registry
// that keeps them, each by the digest that the record names.
//
// What a record says is foreign text: a file name never leads out of the
// folder, nothing that exists is replaced unasked, and a file appears under its
// name only once every byte of it was checked.
package download

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
)

// Registry is how registries are talked to.
type Registry struct {
	// Keychain has the credentials; nil stands for those of Docker's
	// configuration file.
	Keychain authn.Keychain
	// Transport is the HTTP transport; nil stands for the library's own.
	Transport http.RoundTripper
}

// Outcome is what became of one attachment.
type Outcome struct {
	// File is the name of the file in the folder.
	File string
	// Kept is true if the file was there before, with exactly this content.
	Kept bool
}

// Save fetches an attachment into a folder, under its file name. An existing
// file with other content is an error unless overwrite is set.
func (r Registry) Save(ctx context.Context, folder *os.Root, attachment v1alpha1.Attachment, overwrite bool) (Outcome, error) {
	outcome := Outcome{File: FileName(attachment)}
	wrap := func(err error) error {
		return fmt.Errorf("download attachment %q: %w", attachment.Name, err)
	}
	_, digest, err := bundle.Reference(attachment.Reference)
	if err != nil {
		return outcome, wrap(err)
	}
	if digest != attachment.Digest {
		return outcome, wrap(fmt.Errorf("its reference names %s, but its digest is %s", digest, attachment.Digest))
	}
	switch existing, err := fileDigest(folder, outcome.File); {
	case err == nil && existing == digest:
		outcome.Kept = true
		return outcome, nil
	case err == nil && !overwrite:
		return outcome, wrap(fmt.Errorf("%s exists with other content: choose another folder, or --overwrite", outcome.File))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return outcome, wrap(err)
	}
	content, err := r.open(ctx, attachment.Reference)
	if err != nil {
		return outcome, wrap(err)
	}
	defer func() { _ = content.Close() }()
	if err := store(folder, outcome.File, content, attachment.Size, digest); err != nil {
		return outcome, wrap(err)
	}
	return outcome, nil
}

// Read fetches an attachment of at most limit bytes, to be looked at.
func (r Registry) Read(ctx context.Context, attachment v1alpha1.Attachment, limit int64) ([]byte, error) {
	wrap := func(err error) error {
		return fmt.Errorf("fetch attachment %q: %w", attachment.Name, err)
	}
	_, digest, err := bundle.Reference(attachment.Reference)
	switch {
	case err != nil:
		return nil, wrap(err)
	case digest != attachment.Digest:
		return nil, wrap(fmt.Errorf("its reference names %s, but its digest is %s", digest, attachment.Digest))
	case attachment.Size > limit:
		return nil, wrap(fmt.Errorf("it has %d bytes, and at most %d are looked at: download it with tkn change attachments", attachment.Size, limit))
	}
	content, err := r.open(ctx, attachment.Reference)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = content.Close() }()
	var all bytes.Buffer
	if err := check(&all, content, attachment.Size, digest); err != nil {
		return nil, wrap(err)
	}
	return all.Bytes(), nil
}

func (r Registry) open(ctx context.Context, reference string) (io.ReadCloser, error) {
	options := []remote.Option{remote.WithContext(ctx), remote.WithUserAgent("tkn-change")}
	if r.Keychain == nil {
		r.Keychain = authn.DefaultKeychain
	}
	options = append(options, remote.WithAuthFromKeychain(r.Keychain))
	if r.Transport != nil {
		options = append(options, remote.WithTransport(r.Transport))
	}
	blob, err := name.NewDigest(reference, name.StrictValidation)
	if err != nil {
		return nil, err
	}
	layer, err := remote.Layer(blob, options...)
	if err != nil {
		return nil, fmt.Errorf("%w (the registry must be within reach of this machine)", err)
	}
	content, err := layer.Compressed()
	if err != nil {
		return nil, fmt.Errorf("%w (the registry must be within reach of this machine, and readable with Docker's credentials)", err)
	}
	return content, nil
}

// store writes content beside its place, checks it, and then puts it there.
func store(folder *os.Root, file string, content io.Reader, size int64, digest string) (err error) {
	temporary := ".tkn-change-" + rand.Text()
	out, err := folder.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, folder.Remove(temporary))
		}
	}()
	if err := errors.Join(check(out, content, size, digest), out.Close()); err != nil {
		return err
	}
	return folder.Rename(temporary, file)
}

// check copies content and makes sure that it is what was promised.
func check(out io.Writer, content io.Reader, size int64, digest string) error {
	hash := sha256.New()
	// One byte more than promised shows that there is more.
	written, err := io.Copy(io.MultiWriter(out, hash), io.LimitReader(content, size+1))
	if err != nil {
		return err
	}
	if written != size {
		return fmt.Errorf("the registry sent other than the %d bytes that the record names", size)
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != digest {
		return fmt.Errorf("the registry sent content with digest %s, but the record names %s", got, digest)
	}
	return nil
}

func fileDigest(folder *os.Root, file string) (string, error) {
	in, err := folder.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, in); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil)), nil
}

// FileName is the name under which an attachment is stored: its own without
// folders, or its digest if that name could mean something else to a file
// system or a shell's reader.
func FileName(attachment v1alpha1.Attachment) string {
	file := attachment.FileName
	if i := strings.LastIndexAny(file, `/\`); i >= 0 {
		file = file[i+1:]
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`:*?"<>|`, r) }
	if file == "" || len(file) > 200 || strings.HasPrefix(file, ".") || strings.HasPrefix(file, "-") ||
		strings.ToValidUTF8(file, "") != file || strings.ContainsFunc(file, odd) {
		return strings.ReplaceAll(attachment.Digest, ":", "-")
	}
	return file
}
