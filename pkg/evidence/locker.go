// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Limits bound what a locker may make this program read. A zero field means
// the default.
type Limits struct {
	// Concurrency is how many objects are read at once. Default 64.
	Concurrency int
	// RecordBytes is the largest asset or evidence record. Default 4 MiB.
	RecordBytes int64
	// AttachmentBytes is the largest attachment. Default 64 MiB.
	AttachmentBytes int64
	// Assets is how many assets one Read may reach. Default 20000.
	Assets int
	// EvidencesPerAsset is how many markers one asset may have. Default 2000.
	EvidencesPerAsset int
	// Evidences is how many evidence records one Read may take. Default 50000.
	Evidences int
	// TotalBytes is how much of records one Read may hold. Default 512 MiB.
	TotalBytes int64
}

func (l Limits) withDefaults() Limits {
	l.Concurrency = orDefault(l.Concurrency, 64)
	l.RecordBytes = orDefault(l.RecordBytes, 4<<20)
	l.AttachmentBytes = orDefault(l.AttachmentBytes, 64<<20)
	l.Assets = orDefault(l.Assets, 20_000)
	l.EvidencesPerAsset = orDefault(l.EvidencesPerAsset, 2_000)
	l.Evidences = orDefault(l.Evidences, 50_000)
	l.TotalBytes = orDefault(l.TotalBytes, 512<<20)
	return l
}

func orDefault[T int | int64](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Locker is an open evidence locker. It is safe for concurrent use.
type Locker struct {
	bucket *blob.Bucket
	name   string
	limits Limits
	layout layout
	verify RecordVerifier
	sign   RecordSigner
	// folder is where a locker of files is, to lock it while records change.
	folder string
}

// Option changes how a locker is read.
type Option func(*Locker)

// WithLimits replaces the default limits.
func WithLimits(limits Limits) Option {
	return func(l *Locker) { l.limits = limits.withDefaults() }
}

// Open opens the locker at a URL:
//
//	s3://bucket?region=…&endpoint=https://…&use_path_style=true&prefix=team-a
//	gs://bucket?prefix=team-a
//	azblob://container?storage_account=…&prefix=team-a
//	file:///folder
//
// Every query parameter of the gocloud.dev drivers works; credentials come from
// the usual environment variables and files of each service, never from the URL.
// Two parameters are for any locker: prefix is the folder inside the bucket, and
// layout=flat reads lockers that keep assets/<id>/… in place of
// raw/assets/<2 hex>/<62 hex>/….
//
// The locker is listed once, so that a wrong bucket, endpoint or credential is
// an error here and not a verdict that says no evidence was found. A service that
// does not answer within a minute is an error.
func Open(ctx context.Context, lockerURL string, options ...Option) (*Locker, error) {
	u, err := url.Parse(lockerURL)
	if err != nil {
		return nil, fmt.Errorf("locker URL %q cannot be parsed: expected s3://bucket?…, gs://bucket, azblob://container?… or file:///folder", lockerURL)
	}
	name := redacted(u)
	if u.Scheme == "" {
		return nil, fmt.Errorf("locker URL %q has no scheme: expected s3://bucket?…, gs://bucket, azblob://container?… or file:///folder", name)
	}
	if !slices.Contains(blob.DefaultURLMux().BucketSchemes(), u.Scheme) {
		return nil, fmt.Errorf("locker URL %q: no storage driver for scheme %q: this program has %s",
			name, u.Scheme, strings.Join(blob.DefaultURLMux().BucketSchemes(), ", "))
	}
	query := u.Query()
	how, err := parseLayout(query.Get("layout"))
	if err != nil {
		return nil, fmt.Errorf("locker URL %q: %w", name, err)
	}
	query.Del("layout")
	if prefix := strings.Trim(query.Get("prefix"), "/"); prefix != "" {
		query.Set("prefix", prefix+"/")
	}
	switch u.Scheme {
	case "s3":
		// Checksums beyond what an operation requires are an AWS service that
		// other S3 servers do not all have.
		for _, parameter := range []string{"request_checksum_calculation", "response_checksum_validation"} {
			if !query.Has(parameter) {
				query.Set(parameter, "when_required")
			}
		}
	case "file":
		// Write next to the target, where a rename works on any mount, and
		// leave no side files that other readers of the folder would trip over.
		if !query.Has("no_tmp_dir") {
			query.Set("no_tmp_dir", "true")
		}
		if !query.Has("metadata") {
			query.Set("metadata", "skip")
		}
	}
	u.RawQuery = query.Encode()
	bucket, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("opening evidence locker %s: %w%s", name, err, hint(err))
	}
	l := New(bucket, name, append([]Option{func(l *Locker) { l.layout = how }}, options...)...)
	if u.Scheme == "file" {
		l.folder = u.Path
	}
	for _, s := range storages {
		if s.Prepare != nil {
			s.Prepare(bucket)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if _, _, err := bucket.ListPage(ctx, blob.FirstPageToken, 1, &blob.ListOptions{Prefix: l.layout.root()}); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("listing evidence locker %s: %w%s", name, err, hint(err)), bucket.Close())
	}
	return l, nil
}

// openTimeout bounds the first request: some drivers would try for ever.
const openTimeout = time.Minute

// New makes a locker of a bucket that is already open; name is what errors
// call it. Close closes the bucket.
func New(bucket *blob.Bucket, name string, options ...Option) *Locker {
	l := &Locker{bucket: bucket, name: name, limits: Limits{}.withDefaults()}
	for _, option := range options {
		option(l)
	}
	return l
}

// Close releases the locker.
func (l *Locker) Close() error { return l.bucket.Close() }

// redacted is a URL without what might be secret in it.
func redacted(u *url.URL) string {
	clean := *u
	clean.User = nil
	return clean.String()
}

// layout says where records lie.
type layout int

const (
	// splitLayout is the documented one, raw/assets/<2 hex>/<62 hex>/….
	splitLayout layout = iota
	// flatLayout is the one of some buckets, assets/<id>/….
	flatLayout
)

func parseLayout(s string) (layout, error) {
	switch s {
	case "", "split":
		return splitLayout, nil
	case "flat":
		return flatLayout, nil
	}
	return 0, fmt.Errorf("layout %q is unknown: use split (the default) or flat", s)
}

func (y layout) root() string {
	if y == flatLayout {
		return ""
	}
	return "raw/"
}

// folder is where a record lies. The id must be a valid one.
func (y layout) folder(kind, id string) string {
	if y == flatLayout {
		return kind + "/" + id + "/"
	}
	return "raw/" + kind + "/" + id[:2] + "/" + id[2:] + "/"
}

func (y layout) signature(id string) string  { return y.folder("evidences", id) + signatureObject }
func (y layout) asset(id string) string      { return y.folder("assets", id) + "index.json" }
func (y layout) markers(id string) string    { return y.folder("assets", id) + "evidences/" }
func (y layout) evidence(id string) string   { return y.folder("evidences", id) + "index.json" }
func (y layout) attachment(id string) string { return y.folder("attachments", id) + "content" }

// Errors of single objects.
var (
	// ErrNotFound: the locker has no such object.
	ErrNotFound = errors.New("not in the locker")
	// ErrTooLarge: the object is larger than the limit for its kind.
	ErrTooLarge = errors.New("larger than the limit")
	// ErrWrongDigest: an attachment's content is not what its id says.
	ErrWrongDigest = errors.New("content does not match its digest")
)

// read returns an object of at most limit bytes. A larger one is refused by
// the size the storage declares or, where that lies, after limit bytes.
func (l *Locker) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	data, _, err := l.readVersion(ctx, key, limit)
	return data, err
}

// readVersion also says which version was read, where the storage has versions.
func (l *Locker) readVersion(ctx context.Context, key string, limit int64) (data []byte, version string, err error) {
	// Not every driver looks at its context.
	if err := ctx.Err(); err != nil {
		return nil, "", fmt.Errorf("reading %s from evidence locker %s: %w", key, l.name, err)
	}
	r, err := l.bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound && status(err) != http.StatusForbidden {
		return nil, "", fmt.Errorf("%s: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading %s from evidence locker %s: %w%s", key, l.name, err, hint(err))
	}
	defer r.Close()
	if r.Size() > limit {
		return nil, "", fmt.Errorf("%s has %d bytes: %w of %d bytes", key, r.Size(), ErrTooLarge, limit)
	}
	data, err = io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, "", fmt.Errorf("reading %s from evidence locker %s: %w", key, l.name, err)
	}
	if int64(len(data)) > limit {
		return nil, "", fmt.Errorf("%s has more than %d bytes: %w of %d bytes", key, limit, ErrTooLarge, limit)
	}
	return data, versionOf(r), nil
}
