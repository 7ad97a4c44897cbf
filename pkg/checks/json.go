// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A checks file is read into a tree of values that know where they stand:
// encoding/json alone forgets it, and YAML's parser, which does not, would also
// take what is no JSON.

// kind of a JSON value, as an error names it.
type kind string

const (
	object kind = "an object"
	list   kind = "a list"
	text   kind = "text"
	number kind = "a number"
	truth  kind = "true or false"
	null   kind = "null"
)

// value is one JSON value.
type value struct {
	kind    kind
	text    string
	items   []value
	members []member
	at      Position
}

type member struct {
	key string
	at  Position
	value
}

// maxDepth is far deeper than any checks file.
const maxDepth = 16

// syntaxError is a problem that ends the reading of a file.
type syntaxError struct{ Problem }

func (e *syntaxError) Error() string { return e.String() }

// read parses one JSON document.
func read(data []byte) (value, error) {
	r := &reader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), at: Position{Line: 1, Column: 1}}
	r.decoder.UseNumber()
	if bad := invalidUTF8(data); bad >= 0 {
		return value{}, &syntaxError{Problem{Position: r.position(bad), Message: "this is not UTF-8"}}
	}
	v, err := r.value(0)
	if err != nil {
		return value{}, err
	}
	if _, at, err := r.token(); !errors.Is(err, io.EOF) {
		return value{}, &syntaxError{Problem{Position: at, Message: "there is something after the end of the document"}}
	}
	return v, nil
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

type reader struct {
	data    []byte
	decoder *json.Decoder
	// at is the position of offset; positions are asked for in rising order.
	at     Position
	offset int
}

// position of an offset.
func (r *reader) position(offset int) Position {
	if offset < r.offset {
		r.at, r.offset = Position{Line: 1, Column: 1}, 0
	}
	for r.offset < min(offset, len(r.data)) {
		c, size := utf8.DecodeRune(r.data[r.offset:])
		if c == '\n' {
			r.at.Line++
			r.at.Column = 1
		} else {
			r.at.Column++
		}
		r.offset += size
	}
	return r.at
}

// next is the offset at which the next token begins.
func (r *reader) next() int {
	offset := int(r.decoder.InputOffset())
	for offset < len(r.data) {
		switch r.data[offset] {
		case ' ', '\t', '\r', '\n', ',', ':':
			offset++
			continue
		}
		break
	}
	return offset
}

func (r *reader) token() (json.Token, Position, error) {
	next := r.next()
	at := r.position(next)
	token, err := r.decoder.Token()
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		// Its offset is behind the character that is wrong, or before the spaces
		// that precede it.
		return nil, at, &syntaxError{Problem{Position: r.position(max(int(syntax.Offset)-1, next)), Message: "this is not JSON: " + syntax.Error()}}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, at, r.ended(io.EOF)
	}
	return token, at, err
}

func (r *reader) value(depth int) (value, error) {
	token, at, err := r.token()
	if errors.Is(err, io.EOF) && depth == 0 {
		return value{}, &syntaxError{Problem{Position: at, Message: "this is not JSON: there is nothing here"}}
	}
	if err != nil {
		return value{}, r.ended(err)
	}
	v := value{at: at}
	switch t := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return value{}, &syntaxError{Problem{Position: at, Message: fmt.Sprintf("this nests deeper than %d levels", maxDepth)}}
		}
		if t == '[' {
			v.kind = list
			return r.list(v, depth+1)
		}
		v.kind = object
		return r.object(v, depth+1)
	case string:
		v.kind, v.text = text, t
	case json.Number:
		v.kind, v.text = number, t.String()
	case bool:
		v.kind = truth
	default:
		v.kind = null
	}
	return v, nil
}

func (r *reader) list(v value, depth int) (value, error) {
	for r.decoder.More() {
		item, err := r.value(depth)
		if err != nil {
			return value{}, err
		}
		v.items = append(v.items, item)
	}
	_, _, err := r.token()
	return v, r.ended(err)
}

func (r *reader) object(v value, depth int) (value, error) {
	for r.decoder.More() {
		key, at, err := r.token()
		if err != nil {
			return value{}, r.ended(err)
		}
		name, ok := key.(string)
		if !ok {
			return value{}, &syntaxError{Problem{Position: at, Message: "this is not JSON: a key is text"}}
		}
		inner, err := r.value(depth)
		if err != nil {
			return value{}, err
		}
		v.members = append(v.members, member{key: name, at: at, value: inner})
	}
	_, _, err := r.token()
	return v, r.ended(err)
}

// ended makes the end of input inside a document a problem.
func (r *reader) ended(err error) error {
	if errors.Is(err, io.EOF) {
		return &syntaxError{Problem{Position: r.position(len(r.data)), Message: "this is not JSON: the document ends in the middle"}}
	}
	return err
}
