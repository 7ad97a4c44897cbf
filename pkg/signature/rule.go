// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"path"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

// Subject is what an inventory entry deploys, as far as signatures are
// concerned.
type Subject struct {
	// Entry is the entry's name.
	Entry string
	// Type is evidence.AssetImage, or evidence.AssetArtifact for all else.
	Type evidence.AssetType
	// Asset is the asset that evidence about the entry is about: the artifact,
	// or the commit of an entry that names no artifact. Zero if it names neither.
	Asset evidence.URI
	// References are the image references that the entry names, artifact first.
	References []string
	// Digest as sha256:<hex>; empty if the entry names none.
	Digest string
	// Signature is the entry's own, for what is no image.
	Signature string
	// Locations are URLs that the entry names as the artifact's place.
	Locations []string
	// RepositoryURL and CommitSHA are what it was built from.
	RepositoryURL string
	CommitSHA     string
}

// SubjectOf reads an entry.
func SubjectOf(e inventory.Entry) Subject {
	provenance := e.Provenance
	if provenance == "" {
		provenance = e.Artifact
	}
	own, _ := evidence.Component{
		Entry: e.Name, Type: e.Type, Provenance: provenance, RepositoryURL: e.RepositoryURL, CommitSHA: e.CommitSHA,
	}.Own()
	s := Subject{
		Entry: e.Name, Type: evidence.AssetArtifact, Digest: e.Digest, Signature: e.Signature,
		RepositoryURL: e.RepositoryURL, CommitSHA: e.CommitSHA,
	}
	if len(own) > 0 {
		s.Asset = own[0]
	}
	switch strings.ToLower(e.Type) {
	case "image", "docker", "container", "container_image":
		s.Type = evidence.AssetImage
	}
	if s.Asset.Type == evidence.AssetImage {
		s.Type = evidence.AssetImage
		if s.Digest == "" {
			s.Digest = "sha256:" + s.Asset.ID
		}
	}
	for _, place := range []string{e.Artifact, e.Provenance} {
		switch {
		case place == "":
		case s.Type == evidence.AssetImage:
			place = strings.TrimPrefix(place, "docker://")
			if !slices.Contains(s.References, place) {
				s.References = append(s.References, place)
			}
		case strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://"):
			if !slices.Contains(s.Locations, place) {
				s.Locations = append(s.Locations, place)
			}
		}
	}
	return s
}

// Item is a subject with what its rule demands.
type Item struct {
	Subject
	// Rule is the rule's place in the policy's list.
	Rule int
	// Authorities of which one must have signed, by name.
	Authorities []string
	// Sources are URL prefixes that content may be read from.
	Sources []string
}

// Select finds, for each entry, the first rule that holds for it. unruled are
// the names of entries that no rule holds for: these are not verified, and the
// caller says so.
func Select(entries []inventory.Entry, rules []v1alpha1.SignatureRule) (items []Item, unruled []string) {
	for _, e := range entries {
		subject := SubjectOf(e)
		i := slices.IndexFunc(rules, func(r v1alpha1.SignatureRule) bool { return holds(r, subject) })
		if i < 0 {
			unruled = append(unruled, e.Name)
			continue
		}
		items = append(items, Item{Subject: subject, Rule: i, Authorities: rules[i].Authorities, Sources: rules[i].Sources})
	}
	return items, unruled
}

func holds(rule v1alpha1.SignatureRule, s Subject) bool {
	if rule.AssetType != "" && rule.AssetType != string(s.Type) {
		return false
	}
	return len(rule.Entries) == 0 || slices.ContainsFunc(rule.Entries, func(pattern string) bool {
		return matchPath(strings.Split(pattern, "/"), strings.Split(s.Entry, "/"))
	})
}

// matchPath matches a path with a pattern, folder by folder. ** stands for any
// number of folders, none included. A pattern that path.Match does not
// understand matches nothing.
func matchPath(pattern, name []string) bool {
	// Only the last ** needs another try, with one folder more: what an earlier
	// one took can be taken by the later one as well.
	p, n := 0, 0
	star, taken := -1, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == "**" {
			star, taken = p, n
			p++
			continue
		}
		if p < len(pattern) {
			if ok, err := path.Match(pattern[p], name[n]); ok && err == nil {
				p++
				n++
				continue
			}
		}
		if star < 0 {
			return false
		}
		taken++
		p, n = star+1, taken
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}
