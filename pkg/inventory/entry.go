// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	v1alpha1 "github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// MaxEntrySize is the greatest entry that is read, in bytes.
const MaxEntrySize = 256 << 10

// maxField is the longest value that names something.
const maxField = 1024

// Entry is one deployable component at one version, as its file says.
//
// Entries are read leniently, because real ones deviate from the documented
// form: keys may be missing, a digest may lack its "sha256:", a number may be
// written as a string, and signature and provenance may sit in app_artifacts.
// Keys unknown here are kept.
type Entry struct {
	// Name is the file's path in the inventory: what the entry is called,
	// whatever key "name" says.
	Name string
	// Title is the key "name".
	Title string
	// Type is image for container images, in lower case; other types are the
	// user's own. An entry without a type that names an image by digest is one.
	Type string
	// Artifact is what is deployed; for images name:tag@sha256:….
	Artifact string
	Version  string
	// RepositoryURL and CommitSHA are the source that it was built from.
	RepositoryURL string
	CommitSHA     string
	// BuildNumber is a number, or text.
	BuildNumber   string
	PipelineRunID string
	// Digest is key "sha256", or else the digest in provenance or artifact, as
	// sha256:<hex>; empty if the entry names none.
	Digest string
	// Provenance identifies the asset that evidence is about.
	Provenance string
	Signature  string
	// AppArtifacts is the object of that key, values as they were written.
	AppArtifacts map[string]json.RawMessage
	// Locations are image references by environment.
	Locations map[string]string
	// Extra are the keys that have no field here.
	Extra map[string]json.RawMessage
	// Raw is the file, unchanged.
	Raw []byte
}

// Subject is the entry as a change request lists it. Action is deploy or delete.
func (e Entry) Subject(action string) v1alpha1.Subject {
	artifact := e.Artifact
	if e.Type == "image" && e.Provenance != "" {
		artifact = e.Provenance
	}
	return v1alpha1.Subject{Name: e.Name, Action: action, Version: e.Version, Artifact: artifact, Digest: e.Digest}
}

// imageTypes are the words that entries have for container images.
var imageTypes = []string{"image", "docker", "container", "container_image"}

var (
	bareDigest  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	inReference = regexp.MustCompile(`@([A-Za-z0-9+._-]+:[0-9A-Fa-f]{32,})$`)
	commitHash  = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
)

// ParseEntry reads one entry. Its name is the file's path. All problems of the
// entry are returned; with an error among them the Entry holds no more than its
// Name and Raw.
func ParseEntry(name string, raw []byte) (Entry, []Problem) {
	bad := Entry{Name: name, Raw: raw}
	if len(raw) > MaxEntrySize {
		return bad, []Problem{problem(name, ReasonTooLarge, "%d bytes, more than the %d allowed", len(raw), MaxEntrySize)}
	}
	keys, err := oneObject(raw)
	if err != nil {
		return bad, []Problem{problem(name, ReasonNotJSON, "%v: correct the file, or list it in %s if it is not an entry", err, DefaultIgnoreFile)}
	}
	p := &parser{name: name, keys: keys}
	e := Entry{
		Name:          name,
		Raw:           raw,
		Title:         p.text("name"),
		Type:          strings.ToLower(p.text("type")),
		Artifact:      p.text("artifact"),
		Version:       p.text("version"),
		RepositoryURL: p.text("repository_url"),
		CommitSHA:     strings.ToLower(p.text("commit_sha")),
		BuildNumber:   p.text("build_number"),
		PipelineRunID: p.text("pipeline_run_id"),
		Provenance:    p.text("provenance"),
		Signature:     p.long("signature"),
		AppArtifacts:  p.object("app_artifacts"),
	}
	digest := p.text("sha256")
	e.Locations = p.texts("locations")
	nested := &parser{name: name, prefix: "app_artifacts.", keys: e.AppArtifacts, keep: true}
	if e.Provenance == "" {
		e.Provenance = nested.text("provenance")
	}
	if e.Signature == "" {
		e.Signature = nested.long("signature")
	}
	p.problems = append(p.problems, nested.problems...)
	p.digest(&e, digest)
	if e.CommitSHA != "" && !commitHash.MatchString(e.CommitSHA) {
		p.warn(ReasonInvalidField, "commit_sha %s is not a full commit hash: evidence of the source will not be found", quote(e.CommitSHA))
	}
	if len(p.keys) > 0 {
		e.Extra = p.keys
	}
	sortProblems(p.problems)
	if len(Errors(p.problems)) > 0 {
		return bad, p.problems
	}
	return e, p.problems
}

// parser takes known keys out of an object and notes what is wrong with them.
type parser struct {
	name     string
	prefix   string
	keys     map[string]json.RawMessage
	keep     bool // leave the keys where they are
	problems []Problem
}

func (p *parser) fail(reason Reason, format string, args ...any) {
	p.problems = append(p.problems, problem(p.name, reason, format, args...))
}

func (p *parser) warn(reason Reason, format string, args ...any) {
	w := problem(p.name, reason, format, args...)
	w.Severity = SeverityWarning
	p.problems = append(p.problems, w)
}

// take removes a key; null counts as absent.
func (p *parser) take(key string) json.RawMessage {
	raw, ok := p.keys[key]
	if !ok {
		return nil
	}
	if !p.keep {
		delete(p.keys, key)
	}
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// scalar reads a string, or a number or truth value as it was written.
func (p *parser) scalar(key string) string {
	raw := p.take(key)
	if raw == nil {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			p.fail(ReasonInvalidField, "%s%s cannot be read: %v", p.prefix, key, err)
			return ""
		}
		return strings.TrimSpace(s)
	case '{', '[':
		p.fail(ReasonInvalidField, "%s%s is %s: write a string", p.prefix, key, kindOf(raw))
		return ""
	default:
		return string(raw)
	}
}

// text reads a value that names something and may be shown anywhere.
func (p *parser) text(key string) string {
	s := p.scalar(key)
	switch {
	case len(s) > maxField:
		p.fail(ReasonInvalidField, "%s%s has %d bytes, more than the %d allowed", p.prefix, key, len(s), maxField)
		return ""
	case strings.ContainsFunc(s, invisible):
		p.fail(ReasonInvalidField, "%s%s holds control or invisible characters: %s", p.prefix, key, quote(s))
		return ""
	}
	return s
}

// long reads a value that is only ever compared or handed on.
func (p *parser) long(key string) string { return p.scalar(key) }

func (p *parser) object(key string) map[string]json.RawMessage {
	raw := p.take(key)
	if raw == nil || string(raw) == `""` {
		return nil
	}
	var out map[string]json.RawMessage
	if json.Unmarshal(raw, &out) != nil {
		p.fail(ReasonInvalidField, "%s%s is %s: write an object", p.prefix, key, kindOf(raw))
	}
	return out
}

func (p *parser) texts(key string) map[string]string {
	inner := p.object(key)
	if len(inner) == 0 {
		return nil
	}
	sub := &parser{name: p.name, prefix: p.prefix + key + ".", keys: inner, keep: true}
	out := map[string]string{}
	for k := range inner {
		out[k] = sub.text(k)
	}
	p.problems = append(p.problems, sub.problems...)
	return out
}

// digest settles the entry's digest and type.
func (p *parser) digest(e *Entry, written string) {
	named := p.named(e)
	if e.Type == "" && named != "" {
		e.Type = "image"
	}
	if written != "" {
		hex := strings.TrimPrefix(strings.ToLower(written), "sha256:")
		if !bareDigest.MatchString(hex) {
			p.fail(ReasonInvalidField, "sha256 %s is not sha256: and 64 hex digits", quote(written))
			return
		}
		e.Digest = "sha256:" + hex
	}
	switch {
	case e.Digest == "":
		e.Digest = named
	case slices.Contains(imageTypes, e.Type) && named != "" && named != e.Digest:
		p.fail(ReasonDigestMismatch, "sha256 says %s and provenance or artifact says %s: what would be deployed is not clear", e.Digest, named)
	}
	if e.Digest == "" && e.Type == "image" {
		p.warn(ReasonMissingDigest, "the image has no digest in sha256, provenance or artifact: no evidence can be matched with it")
	}
}

// named is the digest that the entry's references name, as sha256:<hex>. Evidence
// is about provenance, and others are what is deployed: where one names an image
// by digest, the rest must not name another.
func (p *parser) named(e *Entry) string {
	digestIn := func(ref string) string {
		if m := inReference.FindStringSubmatch(ref); m != nil {
			return strings.ToLower(m[1])
		}
		return ""
	}
	references := []struct{ key, ref string }{{"artifact", e.Artifact}}
	for _, where := range slices.Sorted(maps.Keys(e.Locations)) {
		references = append(references, struct{ key, ref string }{"locations." + where, e.Locations[where]})
	}
	about := cmp.Or(e.Provenance, e.Artifact)
	first := digestIn(about)
	for _, r := range references {
		other := digestIn(r.ref)
		// A tag where a digest is due is readiness's to block. Things of other
		// kinds may have two addresses, of which one names a digest.
		image := !strings.Contains(strings.TrimPrefix(r.ref, "docker://"), "://")
		if other != "" && other != first && (first != "" || image && strings.Contains(about, "://")) {
			p.fail(ReasonDigestMismatch, "%s says %s, and evidence is about %s: what would be deployed is not clear", r.key, quote(r.ref), quote(about))
		}
	}
	if !strings.HasPrefix(first, "sha256:") || !bareDigest.MatchString(strings.TrimPrefix(first, "sha256:")) {
		return ""
	}
	return first
}

// oneObject reads exactly one JSON object, each key once.
func oneObject(raw []byte) (map[string]json.RawMessage, error) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	switch {
	case len(bytes.TrimSpace(raw)) == 0:
		return nil, errors.New("the file is empty, not JSON")
	case !utf8.Valid(raw):
		return nil, errors.New("not JSON: the file is not UTF-8 text")
	case bytes.HasPrefix(raw, []byte("version https://git-lfs")):
		return nil, errors.New("not JSON: the file is a Git LFS pointer")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	first, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if first != json.Delim('{') {
		return nil, errors.New("JSON, but not an object")
	}
	out := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		key, _ := token.(string)
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("key %s appears twice", quote(key))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		out[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: text follows the object")
	}
	return out, nil
}

func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a truth value"
	default:
		return "a number"
	}
}

// invisible finds control characters, bidi controls and other characters that
// have no picture, and what was not UTF-8.
func invisible(r rune) bool {
	return r == utf8.RuneError || !unicode.IsGraphic(r)
}
