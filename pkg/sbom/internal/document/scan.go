// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep values may be inside each other.
const maxDepth = 200

// scanner reads JSON from memory, and is strict about it: RFC 8259, with what
// is not UTF-8 replaced. Errors are thrown as a syntaxError, which Parse
// catches, so that the code on the way needs no checks.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

type syntaxError struct{ error }

func (s *scanner) fail(format string, args ...any) {
	line, column := 1, 1
	for _, c := range s.data[:min(s.pos, len(s.data))] {
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
	}
	panic(syntaxError{fmt.Errorf("line %d, column %d: %w", line, column, fmt.Errorf(format, args...))})
}

// peek skips space and returns the next byte.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case '\n':
			// Indentation follows, eight spaces at a time.
			s.pos++
			for s.pos+8 <= len(s.data) && binary.LittleEndian.Uint64(s.data[s.pos:]) == lowBits*' ' {
				s.pos += 8
			}
		case ' ', '\t', '\r':
			s.pos++
		default:
			return c
		}
	}
	s.fail("the document ends too early")
	return 0
}

func (s *scanner) expect(want byte) {
	if c := s.peek(); c != want {
		s.fail("%q where %q should be", c, want)
	}
	s.pos++
}

func (s *scanner) enter() {
	if s.depth++; s.depth > maxDepth {
		s.fail("values inside each other more than %d deep", maxDepth)
	}
}

func (s *scanner) leave() { s.depth-- }

// more is called before each element of a list or object; first says that there
// was none before. It eats the comma or the end.
func (s *scanner) more(first bool, end byte) bool {
	c := s.peek()
	if c == end {
		s.pos++
		return false
	}
	if first {
		return true
	}
	if c != ',' {
		s.fail("%q where %q or %q should be", c, ',', end)
	}
	s.pos++
	if s.peek() == end {
		s.fail("a comma before %q", end)
	}
	return true
}

// text is a string as it stands in the input, and what it takes to read it.
type text struct {
	raw []byte // between the quotes
	// simple: it means what it says, no escapes, and can be copied.
	simple bool
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// str reads a string.
func (s *scanner) str() text {
	s.expect('"')
	start, data := s.pos, s.data
	i, simple, ascii := start, true, true
	for {
		// Eight bytes at a time, as long as nothing in them is special: a
		// quote, a backslash, a control character, or not ASCII.
		for i+8 <= len(data) {
			x := binary.LittleEndian.Uint64(data[i:])
			quote, slash := x^(lowBits*'"'), x^(lowBits*'\\')
			if ((quote-lowBits)&^quote|(slash-lowBits)&^slash|(x-lowBits*0x20)&^x|x)&highBits != 0 {
				break
			}
			i += 8
		}
		// The bytes of the word that has one, up to it.
		for i < len(data) {
			c := data[i]
			if c == '"' || c == '\\' || c < 0x20 {
				break
			}
			if c >= utf8.RuneSelf {
				ascii = false
			}
			i++
			if (i-start)&7 == 0 {
				break
			}
		}
		if i >= len(data) {
			s.pos = i
			s.fail("a string without end")
		}
		switch c := data[i]; {
		case c == '"':
			s.pos = i + 1
			if !ascii && simple {
				simple = utf8.Valid(data[start:i])
			}
			return text{data[start:i], simple}
		case c == '\\':
			simple = false
			i += s.escape(i)
		case c < 0x20:
			s.pos = i
			s.fail("control character %#x in a string", c)
		}
	}
}

// escape checks the escape sequence at i and returns its length.
func (s *scanner) escape(i int) int {
	if i+1 < len(s.data) {
		switch s.data[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			return 2
		case 'u':
			if i+6 <= len(s.data) && isHex(s.data[i+2]) && isHex(s.data[i+3]) && isHex(s.data[i+4]) && isHex(s.data[i+5]) {
				return 6
			}
		}
	}
	s.pos = i
	s.fail("a broken escape sequence in a string")
	return 0
}

// decode returns what a string means.
func (t text) decode() string {
	if t.simple {
		return string(t.raw)
	}
	out := make([]byte, 0, len(t.raw))
	for i := 0; i < len(t.raw); {
		switch c := t.raw[i]; {
		case c == '\\' && t.raw[i+1] == 'u':
			r := hex4(t.raw[i+2:])
			i += 6
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+6 <= len(t.raw) && t.raw[i] == '\\' && t.raw[i+1] == 'u' {
					low = hex4(t.raw[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		case c == '\\':
			out = append(out, unescaped[t.raw[i+1]])
			i += 2
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, size := utf8.DecodeRune(t.raw[i:])
			out = utf8.AppendRune(out, r)
			i += size
		}
	}
	return string(out)
}

var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func hex4(b []byte) rune {
	v, err := strconv.ParseUint(string(b[:4]), 16, 32)
	if err != nil {
		return utf8.RuneError
	}
	return rune(v)
}

// AppendString writes a string in the one way in which this package writes it.
func AppendString(out []byte, v string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := 0; i < len(v); {
		switch c := v[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
			i++
		case c == '\n':
			out = append(out, '\\', 'n')
			i++
		case c < 0x20:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(v[i:])
			out = utf8.AppendRune(out, r)
			i += size
		}
	}
	return append(out, '"')
}

// number reads a number and returns how it is written.
func (s *scanner) number() []byte {
	start, data := s.pos, s.data
	i := start
	digits := func() {
		from := i
		for i < len(data) && data[i] >= '0' && data[i] <= '9' {
			i++
		}
		if i == from {
			s.pos = i
			s.fail("a broken number")
		}
	}
	if data[i] == '-' {
		i++
	}
	if i < len(data) && data[i] == '0' {
		i++
	} else {
		digits()
	}
	if i < len(data) && data[i] == '.' {
		i++
		digits()
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		digits()
	}
	s.pos = i
	return data[start:i]
}

// appendNumber writes a number in one way, whatever way it was written.
func appendNumber(out []byte, v float64) []byte {
	if v == 0 {
		v = 0 // no minus
	}
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.AppendInt(out, int64(v), 10)
	}
	return strconv.AppendFloat(out, v, 'g', -1, 64)
}

func (s *scanner) word(want string) {
	if len(s.data)-s.pos < len(want) || string(s.data[s.pos:s.pos+len(want)]) != want {
		s.fail("not JSON")
	}
	s.pos += len(want)
}

// skip reads past a value.
func (s *scanner) skip() {
	switch c := s.peek(); c {
	case '"':
		s.str()
	case '{':
		s.pos++
		s.enter()
		for first := true; s.more(first, '}'); first = false {
			s.str()
			s.expect(':')
			s.skip()
		}
		s.leave()
	case '[':
		s.pos++
		s.enter()
		for first := true; s.more(first, ']'); first = false {
			s.skip()
		}
		s.leave()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			s.fail("%q is not the start of a value", c)
		}
		s.number()
	}
}

// kindAt is the kind of the next value; 0 for null and for what is no value.
func (s *scanner) kindAt() kind {
	switch c := s.peek(); c {
	case '"':
		return kindString
	case '{':
		return kindObject
	case '[':
		return kindArray
	case 't', 'f':
		return kindBoolean
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return kindNumber
		}
		return 0
	}
}
