// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Storage is what this package needs of a kind of storage beyond what
// gocloud.dev/blob offers for all. Package drivers has those of its drivers;
// programs that link others may add theirs.
type Storage struct {
	// Prepare is called with a bucket that Open has opened.
	Prepare func(*blob.Bucket)
	// Version identifies the content that a reader reads, empty if the reader is
	// another storage's.
	Version func(*blob.Reader) string
	// ReplaceOnly makes a write fail unless the object still has this version. It
	// is called before the write with the As of blob.WriterOptions.BeforeWrite,
	// and reports whether the write is this storage's.
	ReplaceOnly func(version string, as func(any) bool) bool
	// Status is the HTTP status that an error stands for, 0 if it is another's.
	Status func(error) int
}

var storages []Storage

// RegisterStorage adds a kind of storage. It is to be called from init.
func RegisterStorage(s Storage) { storages = append(storages, s) }

// versionOf identifies what a reader reads, as far as its storage can.
func versionOf(r *blob.Reader) string {
	for _, s := range storages {
		if s.Version != nil {
			if version := s.Version(r); version != "" {
				return version
			}
		}
	}
	return ""
}

// replaceOnly are options of a write that fails unless the object still has a
// version. Where the storage knows no versions they are empty; see lock.
func replaceOnly(version string) *blob.WriterOptions {
	if version == "" {
		return nil
	}
	return &blob.WriterOptions{BeforeWrite: func(as func(any) bool) error {
		for _, s := range storages {
			if s.ReplaceOnly != nil && s.ReplaceOnly(version, as) {
				return nil
			}
		}
		return errors.New("the storage gives objects versions, but cannot write on condition of one")
	}}
}

// isConditional reports whether a write has a condition.
func isConditional(options *blob.WriterOptions) bool {
	return options.IfNotExist || options.BeforeWrite != nil
}

// isCondition reports whether a write failed because its condition did not
// hold, and not for any other reason.
func isCondition(err error, options *blob.WriterOptions) bool {
	if !isConditional(options) {
		return false
	}
	if gcerrors.Code(err) == gcerrors.FailedPrecondition {
		return true
	}
	switch status(err) {
	case http.StatusPreconditionFailed, http.StatusConflict:
		return true
	case http.StatusNotFound:
		// What was to be replaced is gone; a missing bucket fails the next try.
		return options.BeforeWrite != nil
	}
	return false
}

// status is the HTTP status of an answer, 0 if the error is not about one.
func status(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	for _, s := range storages {
		if s.Status != nil {
			if code := s.Status(err); code != 0 {
				return code
			}
		}
	}
	return 0
}

// hint says what a person can do about an error of the storage.
func hint(err error) string {
	const credentials = " (check the credentials: they need to list the bucket and to read its objects)"
	text := err.Error()
	switch code := status(err); {
	case code == http.StatusForbidden || code == http.StatusUnauthorized || gcerrors.Code(err) == gcerrors.PermissionDenied,
		strings.Contains(text, "credential"), strings.Contains(text, "oauth2"),
		// What the Google library says where it found no credentials.
		strings.Contains(text, "private key should be"):
		return credentials
	case gcerrors.Code(err) == gcerrors.NotFound || code == http.StatusNotFound:
		return " (does the bucket exist?)"
	case errors.Is(err, context.DeadlineExceeded):
		return " (does the address answer from here?)"
	case strings.Contains(text, "AccountName is required"):
		return " (set storage_account=… in the locker's URL or AZURE_STORAGE_ACCOUNT)"
	case strings.Contains(text, "egion") && !strings.Contains(text, "query parameter"):
		return " (set region=… in the locker's URL or AWS_REGION)"
	}
	return ""
}

// inProcess serialises changes of records that this program makes itself.
var inProcess [64]sync.Mutex

// lock keeps others from changing a record at the same time, as far as they can
// be kept: all of this program and, in a folder, all programs of this machine.
// On object storage the conditions of writes do the same for everybody.
func (l *Locker) lock(ctx context.Context, key string) (unlock func(), err error) {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(key))
	mutex := &inProcess[hash.Sum32()%uint32(len(inProcess))]
	mutex.Lock()
	if l.folder == "" {
		return mutex.Unlock, nil
	}
	release, err := lockFolder(ctx, l.folder)
	if err != nil {
		mutex.Unlock()
		return nil, err
	}
	return func() { release(); mutex.Unlock() }, nil
}

// pause waits a moment, another one each time, so that writers that collided do
// not collide again.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(1+rand.IntN(20)) * time.Millisecond): //nolint:gosec // it spreads tries, it is no secret
		return nil
	}
}
