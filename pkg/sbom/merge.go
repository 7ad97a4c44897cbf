// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
)

// Bounds of a merge.
const (
	// MaxInputBytes is the largest bill of materials that is read.
	MaxInputBytes = 128 << 20
	// MaxConvertedBytes is the largest that is read if it must be converted
	// first: XML, and SPDX.
	MaxConvertedBytes = 32 << 20
	// MaxComponents is how many components all inputs may have together.
	MaxComponents = 1_000_000
	// MaxOutputBytes is the largest document that is written. Names of elements
	// are short in an input and long in the result.
	MaxOutputBytes = 1 << 30
)

// Input is one bill of materials to merge.
type Input struct {
	// Name says where it comes from, such as an inventory entry.
	Name string
	// Digest of the document, sha256:<hex>. If it is given, a document of another
	// digest is not taken. If not, it is worked out; for that a document is read
	// once more if another input has the same name.
	Digest string
	// Open opens the document. It is called when the document's turn comes, from
	// several goroutines, more than once for some inputs, and not at all for
	// others. At most MaxInputBytes are read.
	Open func(ctx context.Context) (io.ReadCloser, error)
	// BOM is the document, if Open is nil.
	BOM []byte
	// Problem, if set, says why the document could not be had.
	Problem string
}

// Merged is the outcome of a merge.
type Merged struct {
	// Components in the document, the root aside.
	Components int
	// Unreadable are the inputs that could not be used; the document names them
	// too.
	Unreadable []Unreadable
}

// Unreadable is an input that could not be used.
type Unreadable struct{ Name, Digest, Problem string }

// mergeRules is the version of the rules below. It is part of what the serial
// number is made of, and goes up when the same inputs give another document.
const mergeRules = "2"

// Merge joins bills of materials under one root and writes the result, CycloneDX
// 1.6 JSON, to w. Inputs are CycloneDX 1.2 to 1.7 as JSON, CycloneDX as XML, and
// SPDX 2 as JSON or tag-value. The rules:
//
//   - A component is identified by its purl, all of it; without one by its cpe;
//     without that by its SWID tag; else by type, group, name, version and
//     hashes. Components of one identity in different documents become one,
//     unless their hashes differ: if both have hashes, they must share one, and
//     contradict each other in none.
//   - Components of one document stay as many as they are. Merging never makes
//     the result smaller than any input.
//   - Every reference is rewritten to the one component or element that it
//     means. The result has no reference that leads nowhere, and no two elements
//     of one name. References to elements of other documents by serial number
//     (BOM-Links) are left as they are.
//   - The root depends on the root of every input. An input without a root gets
//     one, which depends on what nothing else in it depends on.
//   - Lists are joined: licences, hashes, properties, external references. Of
//     other fields the first that is set counts. Properties and external
//     references of a document go to its root.
//   - Components inside components become components of their own, and what they
//     were inside depends on them.
//   - Services, vulnerabilities, compositions and annotations are kept, each
//     content once.
//   - Left out are signatures, since they would no longer hold; what CycloneDX
//     1.6 does not allow; references that lead nowhere; and formulations,
//     declarations and definitions. The document says of which input what was
//     left out, and how often (property countersign:left-out).
//   - An input that cannot be read is named in the document
//     (countersign:unreadable-input), and is no error.
//
// The result depends on neither the order of the inputs nor the clock, but for
// the target's timestamp. The first of several is the first by name, then by
// digest. The serial number is made of the target without its timestamp, and of
// the inputs' names and digests.
//
// Errors are those of w, the context's, and inputs that together exceed a bound.
func Merge(ctx context.Context, w io.Writer, target Target, inputs []Input) (*Merged, error) {
	inputs = slices.Clone(inputs)
	slices.SortStableFunc(inputs, compareInputs)
	if err := addDigests(ctx, inputs); err != nil {
		return nil, err
	}
	slices.SortStableFunc(inputs, compareInputs)
	m := newMerger()
	var done []Input
	err := readInOrder(ctx, groupByDigest(inputs), func(read *reading) error {
		done = append(append(done, read.inputs...), read.failed...)
		return m.take(read)
	})
	if err != nil {
		return nil, fmt.Errorf("merging bills of materials: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("merging bills of materials: %w", err)
	}
	slices.SortStableFunc(done, compareInputs)
	if err := m.write(w, target, serialOf(target, done)); err != nil {
		return nil, fmt.Errorf("writing the merged bill of materials: %w", err)
	}
	merged := &Merged{Components: len(m.components)}
	for _, in := range done {
		if in.Problem != "" {
			merged.Unreadable = append(merged.Unreadable, Unreadable{in.Name, in.Digest, in.Problem})
		}
	}
	return merged, nil
}

func compareInputs(a, b Input) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Problem, b.Problem))
}

// serialOf makes the serial number of what a target and inputs determine.
func serialOf(target Target, inputs []Input) string {
	h := sha256.New()
	add := func(parts ...string) {
		for _, part := range parts {
			// With lengths, so that no two lists of parts are the same bytes.
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			h.Write([]byte(part))
		}
	}
	add(mergeRules, target.Name, target.Version)
	for _, p := range target.Properties {
		add("property", p.Name, p.Value)
	}
	for _, input := range inputs {
		add("input", input.Name, input.Digest, input.Problem)
	}
	return uuid(h.Sum(nil))
}

// uuid is a UUID (version 8) made of a hash, as a URN.
func uuid(sum []byte) string {
	sum = slices.Clone(sum[:16])
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum)
	return "urn:uuid:" + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
