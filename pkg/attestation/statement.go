// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package attestation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"
)

// The types of statements that are read.
const (
	StatementV1  = "https://in-toto.io/Statement/v1"
	StatementV01 = "https://in-toto.io/Statement/v0.1"
)

// Bounds of a statement.
const (
	// MaxSize is the largest statement, in bytes.
	MaxSize     = 16 << 20
	maxSubjects = 1024
	maxDigests  = 32
)

// Statement is an in-toto statement.
type Statement struct {
	Type          string          `json:"_type"`
	PredicateType string          `json:"predicateType"`
	Subjects      []Subject       `json:"subject"`
	Predicate     json.RawMessage `json:"predicate"`

	// Digest is the sha256 of the statement's bytes, in hex: its identity.
	Digest string `json:"-"`
}

// Subject is one thing that a statement is about.
type Subject struct {
	Name string `json:"name"`
	// Digest by algorithm, in hex.
	Digest map[string]string `json:"digest"`
}

// Parse reads a statement. It is strict where two readers could disagree: no
// field may appear twice, and names of fields match exactly.
func Parse(data []byte) (*Statement, error) {
	switch {
	case len(data) > MaxSize:
		return nil, fmt.Errorf("statement of %d bytes, more than the %d allowed", len(data), MaxSize)
	case !utf8.Valid(data):
		return nil, errors.New("statement is not UTF-8 text")
	}
	var s Statement
	if err := object(data, &s); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if s.Type != StatementV1 && s.Type != StatementV01 {
		return nil, fmt.Errorf("statement is of type %q, which is neither %s nor %s", clip(s.Type), StatementV1, StatementV01)
	}
	if s.PredicateType == "" {
		return nil, errors.New("statement has no predicateType")
	}
	if len(s.Subjects) == 0 || len(s.Subjects) > maxSubjects {
		return nil, fmt.Errorf("statement has %d subjects: 1 to %d are allowed", len(s.Subjects), maxSubjects)
	}
	for i, subject := range s.Subjects {
		if len(subject.Digest) == 0 || len(subject.Digest) > maxDigests {
			return nil, fmt.Errorf("statement's subject %d has %d digests: 1 to %d are allowed", i, len(subject.Digest), maxDigests)
		}
	}
	sum := sha256.Sum256(data)
	s.Digest = hex.EncodeToString(sum[:])
	return &s, nil
}

// About reports whether a digest, sha256:<hex>, is one of the statement's
// subjects. Names play no part.
func (s *Statement) About(digest string) bool {
	algorithm, value, ok := strings.Cut(digest, ":")
	if !ok || value == "" {
		return false
	}
	for _, subject := range s.Subjects {
		if strings.EqualFold(subject.Digest[algorithm], value) {
			return true
		}
	}
	return false
}

// predicate decodes the predicate, strictly.
func (s *Statement) predicate(into any) error {
	if len(s.Predicate) == 0 || string(s.Predicate) == "null" {
		return errors.New("the statement has no predicate")
	}
	return object(s.Predicate, into)
}

// object decodes one JSON object, names of fields exactly as they are and each
// once.
func object(data []byte, into any) error {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("not a JSON object")
	}
	strict, err := kjson.UnmarshalStrict(data, into, kjson.DisallowDuplicateFields)
	if err != nil {
		return err
	}
	if len(strict) > 0 {
		return strict[0]
	}
	return nil
}
