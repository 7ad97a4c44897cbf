// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package attachment checks that the documents of a record exist: each blob under
// its digest, with the size that the record says, in the registry that its
// reference names. Nothing is fetched.
//
// References come from runs, so a caller first makes sure that they lie under the
// policy's repository prefixes; this package asks whatever registry it is told to.
package attachment

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

const (
	// checkTimeout bounds one check of one record, however many attachments it has.
	checkTimeout = 10 * time.Second
	// checkParallel bounds the requests of one check.
	checkParallel = 4
	// maxChecks bounds the checks at one time, so that a registry that hangs cannot
	// keep the controller from its other work.
	maxChecks = 16
)

// CheckError says why the documents of a record are not in place.
type CheckError struct {
	// Reason is one of the API's SubmittedReason constants.
	Reason  string
	Message string
}

func (p *CheckError) Error() string { return p.Message }

// ErrBusy says that as many checks are under way as are allowed: try again soon.
var ErrBusy = errors.New("too many registry checks at once")

// Checker checks attachments.
type Checker struct {
	options []remote.Option
	slots   chan struct{}
}

// NewChecker uses the credentials of the Docker configuration in the folder that
// the environment variable DOCKER_CONFIG names, if there is one. It is read anew
// for each check, so a renewed Secret needs no restart.
func NewChecker() *Checker {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}
	roundTripper := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    3 * time.Second,
		ResponseHeaderTimeout:  5 * time.Second,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    maxChecks,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &Checker{
		slots: make(chan struct{}, maxChecks),
		options: []remote.Option{
			remote.WithTransport(roundTripper),
			remote.WithAuthFromKeychain(authn.DefaultKeychain),
			remote.WithUserAgent("countersign"),
			// The reconciler tries again, without holding a worker in between.
			remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Steps: 1}),
			remote.WithRetryPredicate(func(error) bool { return false }),
		},
	}
}

// Check looks for the bundle, unless it is empty, and for every attachment. It
// returns nil if all are there, a *CheckError that lists everything that is not, or
// ErrBusy.
func (c *Checker) Check(ctx context.Context, bundle string, attachments []v1alpha1.Attachment) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()

	puller, err := remote.NewPuller(c.options...)
	if err != nil {
		return fmt.Errorf("prepare to ask registries: %w", err)
	}
	var (
		mutex    sync.Mutex
		problems []*CheckError
		group    errgroup.Group
	)
	group.SetLimit(checkParallel)
	look := func(what, reference string, find func(name.Digest) error) {
		group.Go(func() error {
			digest, err := v1alpha1.ParseReference(reference)
			if err == nil {
				err = find(digest)
			}
			if err != nil {
				mutex.Lock()
				defer mutex.Unlock()
				problems = append(problems, classify(what, reference, err))
			}
			return nil
		})
	}
	if bundle != "" {
		look("bundle", bundle, func(digest name.Digest) error {
			_, err := puller.Head(ctx, digest)
			return err
		})
	}
	for _, attachment := range attachments {
		look("attachment "+attachment.Name, attachment.Reference, func(digest name.Digest) error {
			layer, err := puller.Layer(ctx, digest)
			if err != nil {
				return err
			}
			size, err := layer.Size()
			if err != nil {
				return err
			}
			// A registry may leave the length out.
			if size >= 0 && size != attachment.Size {
				return &sizeError{want: attachment.Size, got: size}
			}
			return nil
		})
	}
	_ = group.Wait()
	return join(problems)
}

type sizeError struct{ want, got int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("is %d bytes, the change request says %d", e.got, e.want)
}

func classify(what, reference string, err error) *CheckError {
	var size *sizeError
	var answered *transport.Error
	switch {
	case errors.As(err, &size):
		return &CheckError{v1alpha1.SubmittedReasonAttachmentMismatch, fmt.Sprintf("%s (%s) %v", what, reference, err)}
	case errors.As(err, &answered) && answered.StatusCode == http.StatusNotFound:
		return &CheckError{v1alpha1.SubmittedReasonAttachmentMissing, fmt.Sprintf("%s (%s) is not in the registry", what, reference)}
	}
	return &CheckError{v1alpha1.SubmittedReasonRegistryUnavailable, fmt.Sprintf("%s (%s) cannot be checked: %v", what, reference, err)}
}

// join makes one problem of several. What cannot be helped by waiting counts most,
// then what may never come, then what is likely to pass.
func join(problems []*CheckError) error {
	if len(problems) == 0 {
		return nil
	}
	weight := []string{
		v1alpha1.SubmittedReasonAttachmentMismatch,
		v1alpha1.SubmittedReasonAttachmentMissing,
		v1alpha1.SubmittedReasonRegistryUnavailable,
	}
	slices.SortFunc(problems, func(a, b *CheckError) int {
		if c := slices.Index(weight, a.Reason) - slices.Index(weight, b.Reason); c != 0 {
			return c
		}
		return strings.Compare(a.Message, b.Message)
	})
	messages := make([]string, len(problems))
	for i, problem := range problems {
		messages[i] = problem.Message
	}
	return &CheckError{Reason: problems[0].Reason, Message: strings.Join(messages, "; ")}
}
