// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"
)

// AttachmentOf is an attachment together with the evidence that carries it.
type AttachmentOf struct {
	AttachmentRef
	// Entry is the first component that the evidence speaks for.
	Entry string
	// AssetID and AssetURI are what the evidence is about.
	AssetID, AssetURI string
	Evidence          *Evidence
}

// Problem says what is wrong with an attachment, given the error of reading or
// checking it.
func (a AttachmentOf) Problem(err error) Problem {
	p := Problem{
		Reason: ReasonAttachmentWrong, Entry: a.Entry, AssetID: a.AssetID,
		EvidenceID: string(a.Evidence.ID), TypeID: string(a.Evidence.TypeID),
		Message: fmt.Sprintf("attachment %.200q of evidence %s: %v", string(a.Label), a.Evidence.ID, err),
	}
	switch {
	case errors.Is(err, ErrNotFound):
		p.Reason = ReasonAttachmentMissing
	case errors.Is(err, ErrTooLarge):
		p.Reason = ReasonTooLarge
	}
	return p
}

// Attachments lists the attachments of the newest evidence of one type, each
// content once, in the order of the components.
func (c *Collection) Attachments(typeID string, now time.Time) []AttachmentOf {
	var out []AttachmentOf
	seen := map[string]bool{}
	for _, component := range c.Components {
		for _, link := range component.Assets {
			asset := c.Assets[link.ID]
			current, _ := Newest(asset.Evidences, now)
			for _, e := range current {
				if string(e.TypeID) != typeID {
					continue
				}
				for _, ref := range e.Attachments {
					if seen[string(ref.Hash)] {
						continue
					}
					seen[string(ref.Hash)] = true
					out = append(out, AttachmentOf{
						AttachmentRef: ref, Entry: component.Entry,
						AssetID: asset.ID, AssetURI: asset.String, Evidence: e.Evidence,
					})
				}
			}
		}
	}
	return out
}

// CheckAttachments reports which of some attachments are not there: removed,
// moved away, too large or named by something that is no hash. It asks for the
// size of each, one request side by side, and reads none: that the content is
// what its hash says is checked by ReadAttachment. The problems are in the
// order of the attachments; the error is about the locker as a whole.
func (l *Locker) CheckAttachments(ctx context.Context, attachments []AttachmentOf) ([]Problem, error) {
	wrong := make([]error, len(attachments))
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(l.limits.Concurrency)
	for i, a := range attachments {
		group.Go(func() error {
			var err error
			wrong[i], err = l.checkAttachment(inGroup, a.AttachmentRef)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var problems []Problem
	for i, err := range wrong {
		if err != nil {
			problems = append(problems, attachments[i].Problem(err))
		}
	}
	return problems, nil
}

func (l *Locker) checkAttachment(ctx context.Context, ref AttachmentRef) (wrong, err error) {
	key, wrong := l.attachmentKey(ref)
	if wrong != nil {
		return wrong, nil
	}
	attributes, err := l.bucket.Attributes(ctx, key)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return fmt.Errorf("attachment %s: %w", key, ErrNotFound), nil
	case err != nil:
		return nil, fmt.Errorf("looking for %s in evidence locker %s: %w%s", key, l.name, err, hint(err))
	case attributes.Size > l.limits.AttachmentBytes:
		return fmt.Errorf("attachment %s has %d bytes: %w of %d bytes", key, attributes.Size, ErrTooLarge, l.limits.AttachmentBytes), nil
	}
	return nil, nil
}

func (l *Locker) attachmentKey(ref AttachmentRef) (string, error) {
	id := strings.TrimPrefix(string(ref.Hash), "sha256:")
	if !ValidID(id) {
		return "", fmt.Errorf("attachment hash %.80q is not 64 hex digits: %w", string(ref.Hash), ErrWrongDigest)
	}
	return l.layout.attachment(id), nil
}

// ReadAttachment returns the content that an evidence's attachment names,
// checked against its hash. Errors wrap ErrNotFound, ErrTooLarge or
// ErrWrongDigest where these are the cause.
func (l *Locker) ReadAttachment(ctx context.Context, ref AttachmentRef) ([]byte, error) {
	key, err := l.attachmentKey(ref)
	if err != nil {
		return nil, err
	}
	data, err := l.read(ctx, key, l.limits.AttachmentBytes)
	if err != nil {
		return nil, fmt.Errorf("attachment %w", err)
	}
	if got := AttachmentID(data); got != strings.TrimPrefix(string(ref.Hash), "sha256:") {
		return nil, fmt.Errorf("attachment %s has sha256 %s: %w", key, got, ErrWrongDigest)
	}
	return data, nil
}
