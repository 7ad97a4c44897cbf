// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
	"knative.dev/pkg/apis"
)

// Bounds of what one object may hold. They keep every object, its status
// included, well under the 1.5 MiB that etcd takes, and every line of a list
// readable.
const (
	// maxSpecBytes bounds a whole spec, as JSON.
	maxSpecBytes = 768 << 10
	// maxTextBytes bounds a text that people write or that is collected for them.
	maxTextBytes = 256 << 10
	// maxLineBytes bounds a text of one line.
	maxLineBytes = 1024
	// maxURLBytes bounds a URL or reference.
	maxURLBytes = 2048
	// maxNameBytes bounds the name of a change request: it is also a label value.
	maxNameBytes = 63
)

var (
	digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	commitPattern = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	// labelPattern is what Kubernetes allows as the value of a label.
	labelPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)
	// branchPattern is a safe subset of git's rules for branch names.
	branchPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,254}$`)
)

// checkSize bounds a whole spec.
func checkSize(spec any) *apis.FieldError {
	encoded, err := json.Marshal(spec)
	if err != nil {
		return apis.ErrGeneric(fmt.Sprintf("cannot be written as JSON: %v", err), apis.CurrentField)
	}
	if len(encoded) > maxSpecBytes {
		return apis.ErrGeneric(fmt.Sprintf("is %d bytes of JSON, more than %d: keep long texts in an attachment", len(encoded), maxSpecBytes), apis.CurrentField)
	}
	return nil
}

// checkLine checks a text of one line: no control characters, and none of the
// characters that make a terminal or a browser show something else than is there.
func checkLine(value, field string, required bool) *apis.FieldError {
	if value == "" {
		if required {
			return apis.ErrMissingField(field)
		}
		return nil
	}
	if len(value) > maxLineBytes {
		return tooLong(value, field, maxLineBytes)
	}
	for _, r := range value {
		if r == utf8.RuneError || unicode.IsControl(r) || isBidi(r) {
			return apis.ErrGeneric(fmt.Sprintf("holds the character %U, which is not allowed in a line of text", r), field)
		}
	}
	return nil
}

// checkText checks a text of many lines, which is escaped where it is shown.
func checkText(value, field string) *apis.FieldError {
	if len(value) > maxTextBytes {
		return tooLong(value, field, maxTextBytes)
	}
	return nil
}

func tooLong(value, field string, limit int) *apis.FieldError {
	return apis.ErrGeneric(fmt.Sprintf("is %d bytes long, more than %d", len(value), limit), field)
}

// isBidi tells the characters that change the direction of text (Trojan Source,
// CVE-2021-42574).
func isBidi(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' || (r >= '\u202a' && r <= '\u202e') || (r >= '\u2066' && r <= '\u2069')
}

func checkDigest(value, field string, required bool) *apis.FieldError {
	if value == "" {
		if required {
			return apis.ErrMissingField(field)
		}
		return nil
	}
	if !digestPattern.MatchString(value) {
		return apis.ErrInvalidValue(clip(value), field, "want sha256: and 64 hexadecimal digits in lower case")
	}
	return nil
}

func checkCommit(value, field string, required bool) *apis.FieldError {
	if value == "" {
		if required {
			return apis.ErrMissingField(field)
		}
		return nil
	}
	if !commitPattern.MatchString(value) {
		return apis.ErrInvalidValue(clip(value), field, "want a full git commit hash")
	}
	return nil
}

// checkLabel checks a value that also becomes a label.
func checkLabel(value, field string, required bool) *apis.FieldError {
	if value == "" {
		if required {
			return apis.ErrMissingField(field)
		}
		return nil
	}
	if !labelPattern.MatchString(value) {
		return apis.ErrInvalidValue(clip(value), field, "want at most 63 letters, digits, '.', '_' and '-', with a letter or digit at both ends")
	}
	return nil
}

func checkBranch(value, field string) *apis.FieldError {
	if value == "" {
		return apis.ErrMissingField(field)
	}
	if !branchPattern.MatchString(value) || strings.Contains(value, "..") || strings.Contains(value, "//") || strings.HasSuffix(value, "/") || strings.HasSuffix(value, ".lock") {
		return apis.ErrInvalidValue(clip(value), field, "want the name of a git branch")
	}
	return nil
}

// checkPath checks a slash-separated path that must stay inside its folder.
func checkPath(value, field string) *apis.FieldError {
	if value == "" {
		return apis.ErrMissingField(field)
	}
	if err := checkLine(value, field, true); err != nil {
		return err
	}
	if path.IsAbs(value) || path.Clean(value) != value || value == "." || value == ".." || strings.HasPrefix(value, "../") || strings.Contains(value, `\`) {
		return apis.ErrInvalidValue(clip(value), field, "want a clean relative path that stays inside its folder")
	}
	return nil
}

// checkURL checks the address of something that people open or that a step
// clones. Credentials in it would end up in a record that many may read.
func checkURL(value, field string, required bool, schemes ...string) *apis.FieldError {
	if value == "" {
		if required {
			return apis.ErrMissingField(field)
		}
		return nil
	}
	if err := checkToken(value, field); err != nil {
		return err
	}
	parsed, err := url.Parse(value)
	if err != nil {
		// The parser's own message would repeat a password.
		return apis.ErrGeneric("is not a URL", field)
	}
	if _, hasPassword := parsed.User.Password(); hasPassword {
		return apis.ErrGeneric("has a password in it: use a Secret", field)
	}
	for _, scheme := range schemes {
		if parsed.Scheme == scheme {
			return nil
		}
	}
	return apis.ErrInvalidValue(clip(value), field, "want a URL that begins with "+strings.Join(schemes, ":// or ")+"://")
}

// checkToken checks text without spaces, as long as a URL at most.
func checkToken(value, field string) *apis.FieldError {
	if len(value) > maxURLBytes {
		return tooLong(value, field, maxURLBytes)
	}
	for _, r := range value {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r) || isBidi(r) {
			return apis.ErrGeneric(fmt.Sprintf("holds the character %U, which is not allowed here", r), field)
		}
	}
	return nil
}

// repositoryPattern is the distribution specification's rule for the path of a
// repository. Its elements have a letter or digit at both ends, so that none of
// them is "." or ".." and leads out of a prefix.
var repositoryPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// ParseReference reads the reference of a bundle or an attachment:
// registry/repository@sha256:… and nothing else. The registry must be spelled out,
// because a reference without one would silently mean a public registry.
func ParseReference(reference string) (name.Digest, error) {
	digest, err := name.NewDigest(reference, name.StrictValidation)
	if err != nil || !repositoryPattern.MatchString(digest.RepositoryStr()) || !digestPattern.MatchString(digest.DigestStr()) ||
		digest.Context().Name()+"@"+digest.DigestStr() != reference {
		return name.Digest{}, fmt.Errorf("%q is no reference: want registry/repository@sha256:…, with the registry spelled out and without a tag", clip(reference))
	}
	return digest, nil
}

// checkReference checks a reference and returns its digest.
func checkReference(value, field string) (string, *apis.FieldError) {
	if value == "" {
		return "", apis.ErrMissingField(field)
	}
	if err := checkToken(value, field); err != nil {
		return "", err
	}
	digest, err := ParseReference(value)
	if err != nil {
		return "", apis.ErrInvalidValue(clip(value), field, "want registry/repository@sha256:…, with the registry spelled out and without a tag")
	}
	return digest.DigestStr(), nil
}

// oneOf checks an enumeration. The schema checks it too; this one also holds
// where an object never met the schema, and lists what is allowed.
func oneOf[T ~string](value T, field string, allowed ...T) *apis.FieldError {
	if value == "" {
		return apis.ErrMissingField(field)
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		if value == a {
			return nil
		}
		words[i] = string(a)
	}
	return apis.ErrInvalidValue(clip(string(value)), field, "want "+strings.Join(words, ", "))
}

// clip keeps hostile values from filling an error message.
func clip(value string) string {
	const limit = 120
	quoted := fmt.Sprintf("%+q", value)
	quoted = quoted[1 : len(quoted)-1]
	if len(quoted) > limit {
		return quoted[:limit] + "…"
	}
	return quoted
}
