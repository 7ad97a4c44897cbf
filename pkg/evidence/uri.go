// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// AssetType is the kind of thing that an asset is.
type AssetType string

// The types of assets. Policies name the first three.
const (
	AssetImage    AssetType = "image"
	AssetCommit   AssetType = "commit"
	AssetArtifact AssetType = "artifact"
	// AssetPipelineRun is a run's own asset, for logs and run data. It is
	// listed, and never gates.
	AssetPipelineRun AssetType = "pipelinerun"
	// AssetUnknown is an asset whose record is missing or does not tell.
	AssetUnknown AssetType = "unknown"
)

// URI is an asset's name, normalised, with what follows from it.
type URI struct {
	Type AssetType
	// String is the normalised URI.
	String string
	// ID is where the locker keeps the asset.
	ID string
}

var (
	idPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
	// A commit is named by its full SHA-1 or SHA-256.
	commitPattern = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	// An image name as registries take it: host and path, perhaps a tag.
	imagePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.\-_:/\[\]]*$`)
	schemeStart  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.\-]*://`)
	scpPattern   = regexp.MustCompile(`^(?:[A-Za-z0-9._\-]+@)([A-Za-z0-9.\-]+):([^/].*)$`)
)

const maxURILength = 4096

// ValidID reports whether s is an id of the locker: 64 lower-case hex digits.
func ValidID(s string) bool { return idPattern.MatchString(s) }

// ScopeID is the scope of the records that a pipeline run writes: the sha256
// of its id, in hex.
func ScopeID(pipelineRunID string) string { return sha256Hex([]byte(pipelineRunID)) }

// AttachmentID is the id of an attachment: the sha256 of its content, in hex.
func AttachmentID(content []byte) string { return sha256Hex(content) }

// CommitID is the id of a commit's asset: the sha256 of the commit's SHA
// written in hex. The repository has no part in it, so a commit and its copy
// in a fork are one asset.
func CommitID(commitSHA string) string { return sha256Hex([]byte(strings.ToLower(commitSHA))) }

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ParseURI reads the URI of an asset:
//
//	docker://name[:tag]@sha256:<hex>    image; also without docker://
//	https://host/repo.git#<commit>      commit
//	pipelinerun://<pipeline>/<run>      pipeline run
//	any other URI with a scheme         artifact
//
// Credentials in a URI are dropped, so that they reach no report. An image is
// identified by its digest alone; a name without one is an error, because a tag
// may name another image tomorrow.
func ParseURI(s string) (URI, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return URI{}, errors.New("empty asset URI")
	case len(s) > maxURILength:
		return URI{}, fmt.Errorf("asset URI of %d bytes: at most %d are allowed", len(s), maxURILength)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }):
		return URI{}, fmt.Errorf("asset URI %.200q contains spaces or control characters", s)
	}
	if name, ok := strings.CutPrefix(s, "docker://"); ok {
		return imageURI(name)
	}
	if !schemeStart.MatchString(s) {
		if strings.Contains(s, "@sha256:") {
			return imageURI(s)
		}
		return URI{}, fmt.Errorf("%.200q names no asset: an image needs its digest (name@sha256:…), anything else a URI with a scheme", s)
	}
	u, err := url.Parse(s)
	if err != nil {
		return URI{}, fmt.Errorf("asset URI %.200q cannot be parsed", s)
	}
	hasUser := u.User != nil
	u.User = nil
	switch {
	case u.Scheme == "pipelinerun":
		return URI{Type: AssetPipelineRun, String: s, ID: sha256Hex([]byte(s))}, nil
	case commitPattern.MatchString(strings.ToLower(u.Fragment)):
		sha := u.Fragment
		u.Fragment = ""
		return CommitURI(u.String(), sha)
	}
	// The id is over the URI as its writer wrote it.
	normal := s
	if hasUser {
		if u.Host == "" {
			return URI{}, errors.New("asset URI has credentials, but no host that they could be for")
		}
		normal = u.String()
	}
	return URI{Type: AssetArtifact, String: normal, ID: sha256Hex([]byte(normal))}, nil
}

func imageURI(name string) (URI, error) {
	ref, digest, ok := strings.Cut(name, "@")
	if !ok {
		return URI{}, fmt.Errorf("image %.200q has no digest: evidence is about name@sha256:…, not about a tag", name)
	}
	hexDigest, ok := strings.CutPrefix(digest, "sha256:")
	hexDigest = strings.ToLower(hexDigest)
	if !ok || !ValidID(hexDigest) {
		return URI{}, fmt.Errorf("image %.200q has digest %.80q, which is not sha256:<64 hex digits>", ref, digest)
	}
	if !imagePattern.MatchString(ref) {
		return URI{}, fmt.Errorf("image name %.200q is not a name that a registry takes", ref)
	}
	return URI{Type: AssetImage, String: "docker://" + ref + "@sha256:" + hexDigest, ID: hexDigest}, nil
}

// CommitURI names the asset of a commit: https://host/path.git#<commit>. The
// repository may be written as an https, http or ssh URL or in scp form.
func CommitURI(repositoryURL, commitSHA string) (URI, error) {
	sha := strings.ToLower(strings.TrimSpace(commitSHA))
	if !commitPattern.MatchString(sha) {
		return URI{}, fmt.Errorf("commit %.80q is not a full commit id of 40 or 64 hex digits", commitSHA)
	}
	repo := strings.TrimSpace(repositoryURL)
	if len(repo) > maxURILength {
		return URI{}, fmt.Errorf("repository URL of %d bytes: at most %d are allowed", len(repo), maxURILength)
	}
	if m := scpPattern.FindStringSubmatch(repo); m != nil && !schemeStart.MatchString(repo) {
		repo = "https://" + m[1] + "/" + m[2]
	}
	u, err := url.Parse(repo)
	if err != nil || u.Host == "" {
		return URI{}, fmt.Errorf("repository %.200q of commit %s is not a URL such as https://host/group/repo", repositoryURL, sha)
	}
	if u.Scheme == "ssh" || u.Scheme == "git" {
		u.Scheme, u.Host = "https", u.Hostname()
	}
	u.User, u.Fragment, u.RawQuery = nil, "", ""
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), ".git") + ".git"
	u.RawPath = ""
	return URI{Type: AssetCommit, String: u.String() + "#" + sha, ID: CommitID(sha)}, nil
}
