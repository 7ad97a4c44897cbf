// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"context"
	"sort"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// counted is a bucket that calls visit before each request to another one:
// read, list, head, write or create (a write if absent), with the key or prefix. An error of visit is the
// answer to the request.
func counted(bucket *blob.Bucket, visit func(operation, key string) error, keys ...string) *blob.Bucket {
	return blob.NewBucket(&countedBucket{bucket: bucket, visit: visit, keys: keys})
}

type countedBucket struct {
	driver.Bucket // the operations that lockers do not use: they would panic
	bucket        *blob.Bucket
	visit         func(operation, key string) error
	// keys, if any, are all that the bucket holds, sorted, to list from: a
	// bucket in memory sorts all its keys for every listing.
	keys []string
}

func (b *countedBucket) ErrorCode(err error) gcerrors.ErrorCode { return gcerrors.Code(err) }
func (b *countedBucket) As(any) bool                            { return false }
func (b *countedBucket) ErrorAs(error, any) bool                { return false }
func (b *countedBucket) Close() error                           { return nil }

func (b *countedBucket) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	if err := b.visit("head", key); err != nil {
		return nil, err
	}
	a, err := b.bucket.Attributes(ctx, key)
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{Size: a.Size, ModTime: a.ModTime}, nil
}

func (b *countedBucket) ListPaged(ctx context.Context, options *driver.ListOptions) (*driver.ListPage, error) {
	if err := b.visit("list", options.Prefix); err != nil {
		return nil, err
	}
	if b.keys != nil {
		page := &driver.ListPage{}
		for i := sort.SearchStrings(b.keys, options.Prefix); i < len(b.keys) && strings.HasPrefix(b.keys[i], options.Prefix); i++ {
			page.Objects = append(page.Objects, &driver.ListObject{Key: b.keys[i]})
		}
		return page, nil
	}
	token := options.PageToken
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	size := options.PageSize
	if size == 0 {
		size = 1000
	}
	objects, next, err := b.bucket.ListPage(ctx, token, size, &blob.ListOptions{Prefix: options.Prefix, Delimiter: options.Delimiter})
	page := &driver.ListPage{NextPageToken: next}
	for _, o := range objects {
		page.Objects = append(page.Objects, &driver.ListObject{Key: o.Key, Size: o.Size})
	}
	if err != nil && err.Error() == "EOF" {
		err = nil
	}
	return page, err
}

type countedReader struct{ *blob.Reader }

func (r countedReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: r.Size(), ModTime: r.ModTime()}
}

func (b *countedBucket) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	if err := b.visit("read", key); err != nil {
		return nil, err
	}
	r, err := b.bucket.NewRangeReader(ctx, key, offset, length, nil)
	if err != nil {
		return nil, err
	}
	return countedReader{r}, nil
}

func (b *countedBucket) NewTypedWriter(ctx context.Context, key, contentType string, options *driver.WriterOptions) (driver.Writer, error) {
	operation := "write"
	if options.IfNotExist {
		operation = "create"
	}
	if err := b.visit(operation, key); err != nil {
		return nil, err
	}
	return b.bucket.NewWriter(ctx, key, &blob.WriterOptions{ContentType: contentType, DisableContentTypeDetection: true, IfNotExist: options.IfNotExist})
}
