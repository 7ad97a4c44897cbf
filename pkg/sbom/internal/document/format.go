// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// formats are the string formats of the schema. A check returns the value as it
// is written, and whether it is allowed.
var formats = map[string]func(string) (string, bool){
	"iri-reference": iriReference,
	"date-time":     dateTime,
	"idn-email":     email,
}

// inIRI are the ASCII characters that an IRI may contain anywhere.
var inIRI = func() (allowed [128]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#[]@!$&'()*+,;=%" {
		allowed[c] = true
	}
	return allowed
}()

// iriReference is an IRI or a relative reference (RFC 3987). Characters that it
// must not contain are percent-encoded, as real documents have addresses with
// spaces in them.
func iriReference(v string) (string, bool) {
	simple, colons, hashes := true, 0, 0
	for i := range len(v) {
		c := v[i]
		if c >= utf8.RuneSelf || !inIRI[c] || c == '%' || c == '[' || c == ']' {
			simple = false
			break
		}
		if c == ':' {
			colons++
		}
		if c == '#' {
			hashes++
		}
	}
	if simple && colons == 1 && hashes <= 1 && (strings.HasPrefix(v, "https://") || strings.HasPrefix(v, "http://")) && len(v) > len("https://") {
		return v, true
	}
	return unusualIRI(v)
}

// scpAddress is how Git writes an address of SSH: user@host:path.
var scpAddress = regexp.MustCompile(`^([A-Za-z0-9._-]+@[A-Za-z0-9.-]+):([^/:].*)$`)

func unusualIRI(v string) (string, bool) {
	if m := scpAddress.FindStringSubmatch(v); m != nil {
		v = "ssh://" + m[1] + "/" + m[2]
	}
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	hashes := 0
	for i := 0; i < len(v); {
		c := v[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(v[i:])
			if allowedInIRI(r) {
				out.WriteString(v[i : i+size])
			} else {
				for _, b := range []byte(v[i : i+size]) {
					out.Write([]byte{'%', hex[b>>4], hex[b&15]})
				}
			}
			i += size
			continue
		case c == '%' && (i+2 >= len(v) || !isHex(v[i+1]) || !isHex(v[i+2])),
			c == '#' && hashes > 0, !inIRI[c]:
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		default:
			out.WriteByte(c)
		}
		if c == '#' {
			hashes++
		}
		i++
	}
	fixed := out.String()
	u, err := url.Parse(fixed)
	if err != nil {
		return v, false
	}
	// Brackets belong around addresses of IPv6, without zones, and nowhere else.
	rest := fixed
	switch {
	case strings.HasPrefix(u.Host, "["):
		address, err := netip.ParseAddr(u.Hostname())
		if err != nil || !address.Is6() || address.Zone() != "" {
			return v, false
		}
		rest = strings.Replace(fixed, u.Host, "", 1)
	case strings.Contains(u.Hostname(), ":"):
		// One colon too many: the parser looks at the last one only.
		return v, false
	}
	return fixed, !strings.ContainsAny(rest, "[]")
}

// IRIReference is an address as the format allows it, if it is one.
func IRIReference(v string) (string, bool) { return iriReference(v) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// allowedInIRI is ucschar of RFC 3987.
func allowedInIRI(r rune) bool {
	switch {
	case r == utf8.RuneError:
		return false
	case r >= 0xa0 && r <= 0xd7ff, r >= 0xf900 && r <= 0xfdcf, r >= 0xfdf0 && r <= 0xffef:
		// Marks that turn the direction of text are not allowed.
		return r != 0x200e && r != 0x200f && (r < 0x202a || r > 0x202e)
	case r >= 0x10000 && r <= 0xefffd:
		return r&0xffff <= 0xfffd && (r < 0xe0000 || r > 0xe0fff)
	}
	return false
}

// dateTime is RFC 3339. What lacks its zone is taken as UTC, which several
// tools leave out.
func dateTime(v string) (string, bool) {
	if len(v) > 64 {
		return v, false
	}
	if validTime(v) {
		return v, true
	}
	if len(v) >= len("2006-01-02T15:04:05") && validTime(v+"Z") {
		return v + "Z", true
	}
	return v, false
}

func validTime(v string) bool {
	// The parser accepts a comma before the fraction, which RFC 3339 does not.
	if strings.ContainsRune(v, ',') {
		return false
	}
	_, err := time.Parse(time.RFC3339, v)
	return err == nil
}

// email is an address of mail.
func email(v string) (string, bool) {
	if len(v) > 254 {
		return v, false
	}
	address, err := mail.ParseAddress(v)
	if err != nil || address.Address != v || strings.ContainsAny(v, "\"()<>[] \\,;:") {
		return v, false
	}
	return v, true
}

// hashContent is the hex digits of a digest, in small letters.
func hashContent(v string) (string, bool) {
	switch len(v) {
	case 32, 40, 64, 96, 128:
	default:
		return v, false
	}
	upper := false
	for i := range len(v) {
		if !isHex(v[i]) {
			return v, false
		}
		upper = upper || v[i] >= 'A' && v[i] <= 'F'
	}
	if upper {
		return strings.ToLower(v), true
	}
	return v, true
}
