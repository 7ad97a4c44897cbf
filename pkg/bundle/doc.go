// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package bundle hands files from one stage of a run to the next through an OCI
// registry, and keeps the documents of a change where any OCI client finds them.
//
// A bundle is an OCI 1.1 artifact: an image manifest with an artifactType, an
// empty config and one layer per item. A file's layer is the file, byte for
// byte, so that the digest of the blob is the digest of the document and
//
//	crane blob registry.example/changes@sha256:… > delta-summary.json
//
// downloads it. A folder's layer is a tar+gzip archive of it, made so that the
// same folder always gives the same bytes. The path of an item is the layer's
// org.opencontainers.image.title; folders carry the annotation by which ORAS
// unpacks them.
//
// Bundles are named by digest only, repository@sha256:…: a tag can be moved
// after somebody approved what it named.
//
// Nothing read from a registry is trusted. Sizes are bounded before and while
// reading, every digest is checked, and unpacking stays inside its folder: no
// path and no symbolic link leads out of it, nothing that exists is replaced,
// and only plain files, folders and symbolic links are made.
package bundle
