// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/pkg/sbom/internal/document"
)

// maxName bounds the names of elements in the result, as each may be written
// many times.
const maxName = 200

// identify works out the identities and hashes of a document's components.
func (r *reading) identify() {
	d := r.document
	r.identities = make([]string, len(d.Components))
	r.hashes = make([]hashKey, len(d.Components))
	for i := range d.Components {
		r.identities[i], r.hashes[i] = identify(d.JSON(&d.Components[i].Element))
	}
}

// identity is what makes components of different documents the same thing,
// hashes aside. It is the name of the component in the result, too; all
// identities differ by their start.
func identify(component []byte) (string, hashKey) {
	var typ, group, name, version, cpe, purl, swid, hashes []byte
	document.Members(component, func(member string, value []byte) {
		switch member {
		case "type":
			typ = value
		case "group":
			group = value
		case "name":
			name = value
		case "version":
			version = value
		case "cpe":
			cpe = value
		case "purl":
			purl = value
		case "swid":
			document.Members(value, func(member string, value []byte) {
				if member == "tagId" {
					swid = value
				}
			})
		case "hashes":
			hashes = value
		}
	})
	list := hashList(hashes)
	key := keyOf(list)
	switch {
	case len(purl) > 2:
		return bounded("pkg:", "purl=", text(purl)), key
	case len(cpe) > 2:
		return bounded("cpe:", "cpe=", text(cpe)), key
	case len(swid) > 2:
		return bounded("swid:", "swid:", text(swid)), key
	}
	h := sha256.New()
	for _, part := range append([][]byte{typ, group, name, version}, list...) {
		h.Write(part) // JSON, which shows where it ends
		h.Write([]byte{0})
	}
	readable := ""
	if s := text(name); len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		readable = s + ":"
	}
	return "component:" + readable + hex.EncodeToString(h.Sum(nil)[:16]), key
}

// bounded is an identity by a value that has a prefix by its own rules; that is
// not trusted, as identities of different kinds must not be the same.
func bounded(prefix, otherwise, value string) string {
	if !strings.HasPrefix(value, prefix) || prefix == otherwise {
		value = otherwise + value
	}
	if len(value) > maxName {
		sum := sha256.Sum256([]byte(value))
		return otherwise + "sha256:" + hex.EncodeToString(sum[:])
	}
	return value
}

// text is what a JSON string means.
func text(value []byte) string {
	if !bytes.Contains(value, []byte{'\\'}) {
		return string(value[1 : len(value)-1])
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return string(value)
	}
	return s
}

// hashList are the hashes of a component in order, each once.
func hashList(hashes []byte) [][]byte {
	if len(hashes) <= 2 {
		return nil
	}
	var list [][]byte
	document.Items(hashes, func(item []byte) { list = append(list, item) })
	if len(list) > 1 {
		slices.SortFunc(list, bytes.Compare)
		list = slices.CompactFunc(list, bytes.Equal)
	}
	return list
}

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// keyOf is the key of a list of hashes. Keys are only compared, within one
// process, and by their seeds nobody can make two that are the same.
func keyOf(list [][]byte) hashKey {
	switch len(list) {
	case 0:
		return hashKey{}
	case 1:
		return keyOfBytes(list[0])
	}
	return keyOfBytes(bytes.Join(list, []byte{0}))
}

func keyOfBytes(b []byte) hashKey {
	return hashKey{maphash.Bytes(seeds[0], b), maphash.Bytes(seeds[1], b)}
}

// algorithmOf is the algorithm of a hash.
func algorithmOf(hash []byte) string {
	algorithm := ""
	document.Members(hash, func(member string, value []byte) {
		if member == "alg" {
			algorithm = string(value)
		}
	})
	return algorithm
}

// compatible reports whether two components of one identity can be one thing. If
// one of them has no hashes, they can; otherwise they must share one, and no
// algorithm may have other values in one than in the other.
func compatible(a, b [][]byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	values := map[string][2]int{}
	shared := false
	count := func(list [][]byte, side int) {
		for _, hash := range list {
			n := values[algorithmOf(hash)]
			n[side]++
			values[algorithmOf(hash)] = n
		}
	}
	count(a, 0)
	count(b, 1)
	same := map[string]int{}
	for _, hash := range a {
		if _, found := slices.BinarySearchFunc(b, hash, bytes.Compare); found {
			shared = true
			same[algorithmOf(hash)]++
		}
	}
	for algorithm, n := range values {
		if n[0] > 0 && n[1] > 0 && (same[algorithm] != n[0] || same[algorithm] != n[1]) {
			return false
		}
	}
	return shared
}

// hashesOf are the hashes of a component in order.
func hashesOf(component []byte) [][]byte {
	var hashes []byte
	document.Members(component, func(member string, value []byte) {
		if member == "hashes" {
			hashes = value
		}
	})
	return hashList(hashes)
}
