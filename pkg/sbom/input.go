// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/countersign-dev/countersign/pkg/sbom/internal/convert"
	"github.com/countersign-dev/countersign/pkg/sbom/internal/document"
)

func (in *Input) open(ctx context.Context) (io.ReadCloser, error) {
	if in.Open != nil {
		return in.Open(ctx)
	}
	return io.NopCloser(bytes.NewReader(in.BOM)), nil
}

func digestOf(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// addDigests reads the inputs, sorted by name, that have neither a digest nor a
// name of their own: their order depends on it.
func addDigests(ctx context.Context, inputs []Input) error {
	sameName := func(i, j int) bool {
		return 0 <= j && j < len(inputs) && inputs[i].Name == inputs[j].Name
	}
	return concurrently(ctx, len(inputs), func(i int) {
		in := &inputs[i]
		if in.Digest != "" || in.Problem != "" || !sameName(i, i-1) && !sameName(i, i+1) {
			return
		}
		err := func() error {
			reader, err := in.open(ctx)
			if err != nil {
				return err
			}
			defer reader.Close()
			h := sha256.New()
			n, err := io.Copy(h, io.LimitReader(reader, MaxInputBytes+1))
			if err != nil {
				return err
			}
			if n > MaxInputBytes {
				return errTooLarge(MaxInputBytes)
			}
			in.Digest = digestOf(h.Sum(nil))
			return nil
		}()
		if err != nil {
			in.Problem = problem(err)
		}
	})
}

// problem is an error's text, which may quote the document.
func problem(err error) string {
	const longest = 300
	text := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

func errTooLarge(limit int) error { return fmt.Errorf("larger than the limit of %d bytes", limit) }

// concurrently calls do for 0 to n-1, as many at a time as there are processors.
func concurrently(ctx context.Context, n int, do func(i int)) error {
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wait.Wait()
	return ctx.Err()
}

// groupByDigest lists the inputs, those of one document together, in the order of
// the first of each. A document that several entries carry is read once.
func groupByDigest(inputs []Input) [][]Input {
	var groups [][]Input
	byDigest := map[string]int{}
	for _, in := range inputs {
		if in.Problem != "" || in.Digest == "" {
			groups = append(groups, []Input{in})
			continue
		}
		if i, known := byDigest[in.Digest]; known {
			groups[i] = append(groups[i], in)
			continue
		}
		byDigest[in.Digest] = len(groups)
		groups = append(groups, []Input{in})
	}
	return groups
}

// reading is a document that was read, with what the merge wants to know of it.
type reading struct {
	// inputs are the names under which the document is there; failed are those
	// under which it is not, and why.
	inputs, failed []Input

	document *document.Document
	// left are things that a conversion left out.
	left []string
	// identities and hashes of its components.
	identities []string
	hashes     []hashKey
}

// hashKey stands for a set of hashes; the zero value is the empty set.
type hashKey [2]uint64

// readInOrder reads the documents, several at a time, and gives them to take in
// their order.
func readInOrder(ctx context.Context, groups [][]Input, take func(*reading) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// What is in memory at a time: texts that are being read, and documents that
	// are, or wait for their turn.
	workers := runtime.GOMAXPROCS(0)
	texts := make(chan []byte, workers)
	for range workers {
		texts <- nil
	}
	copies := make(chan []byte, workers+1)
	for range workers + 1 {
		copies <- nil
	}
	results := make([]chan *reading, len(groups))
	for i := range results {
		results[i] = make(chan *reading, 1)
	}
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	wait.Go(func() {
		for i, group := range groups {
			var buffer []byte
			select {
			case buffer = <-copies:
			case <-ctx.Done():
				return
			}
			wait.Go(func() {
				text := <-texts
				read, text := readOne(ctx, group, text, buffer)
				texts <- text
				results[i] <- read
			})
		}
	})
	for _, result := range results {
		select {
		case read := <-result:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := take(read); err != nil {
				return err
			}
			copies <- read.buffer()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *reading) buffer() []byte {
	if r.document == nil {
		return nil
	}
	return r.document.Buffer()
}

// readOne reads the document that several inputs have, from the first of them
// that has it. It returns the text buffer, for the next.
func readOne(ctx context.Context, group []Input, text, buffer []byte) (*reading, []byte) {
	r := &reading{}
	for i := range group {
		in := &group[i]
		if r.document != nil {
			r.inputs = append(r.inputs, *in)
			continue
		}
		var err error
		text, err = r.read(ctx, in, text, buffer)
		if err != nil {
			in.Problem = problem(err)
			r.failed = append(r.failed, *in)
			continue
		}
		r.inputs = append(r.inputs, *in)
	}
	return r, text
}

func (r *reading) read(ctx context.Context, in *Input, text, buffer []byte) ([]byte, error) {
	if in.Problem != "" {
		return text, errors.New(in.Problem)
	}
	text, err := in.appendTo(ctx, text[:0])
	if err != nil {
		return text, err
	}
	sum := sha256.Sum256(text)
	digest := digestOf(sum[:])
	if in.Digest == "" {
		in.Digest = digest
	}
	if digest != in.Digest {
		return text, fmt.Errorf("its digest is %s, not %s", digest, in.Digest)
	}
	converted, err := r.toCycloneDX(text)
	if err != nil {
		return text, err
	}
	r.document, err = document.Parse(converted, buffer, document.Limits{Components: MaxComponents})
	if err != nil {
		return text, err
	}
	r.identify()
	return text, nil
}

// appendTo reads the document behind what is in the buffer.
func (in *Input) appendTo(ctx context.Context, buffer []byte) ([]byte, error) {
	reader, err := in.open(ctx)
	if err != nil {
		return buffer, err
	}
	defer reader.Close()
	limited := io.LimitReader(reader, MaxInputBytes+1)
	for {
		if len(buffer) == cap(buffer) {
			buffer = slices.Grow(buffer, max(512<<10, len(buffer)/2))
		}
		n, err := limited.Read(buffer[len(buffer):cap(buffer)])
		if buffer = buffer[:len(buffer)+n]; len(buffer) > MaxInputBytes {
			return buffer, errTooLarge(MaxInputBytes)
		}
		if err == io.EOF {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
	}
}

// toCycloneDX is the document as CycloneDX JSON.
func (r *reading) toCycloneDX(text []byte) ([]byte, error) {
	start := bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), " \t\r\n")
	var convertTo func([]byte) (*convert.Result, error)
	switch {
	case len(start) > 0 && start[0] == '{':
		format, err := document.FormatOf(start)
		switch {
		case err != nil:
			return nil, fmt.Errorf("not JSON: %w", err)
		case format == document.FormatSPDX2:
			convertTo = convert.SPDXJSON
		case format == document.FormatSPDX3:
			return nil, errors.New("SPDX 3 is not read: make the document as SPDX 2.3 or CycloneDX")
		default:
			return start, nil
		}
	case len(start) > 0 && start[0] == '<':
		convertTo = convert.CycloneDXXML
	case convert.IsTagValue(start):
		convertTo = convert.SPDXTagValue
	default:
		return nil, errors.New("neither CycloneDX (JSON, XML) nor SPDX 2 (JSON, tag-value)")
	}
	if len(start) > MaxConvertedBytes {
		return nil, errTooLarge(MaxConvertedBytes)
	}
	result, err := convertTo(start)
	if err != nil {
		return nil, err
	}
	r.left = result.LeftOut
	return result.CycloneDX, nil
}
