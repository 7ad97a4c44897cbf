// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// WriteAttachment stores a tool's output and returns how evidence names it.
func (l *Locker) WriteAttachment(ctx context.Context, label string, content []byte) (AttachmentRef, error) {
	if int64(len(content)) > l.limits.AttachmentBytes {
		return AttachmentRef{}, fmt.Errorf("attachment %q has %d bytes: %w of %d bytes", label, len(content), ErrTooLarge, l.limits.AttachmentBytes)
	}
	id := AttachmentID(content)
	if err := l.create(ctx, l.layout.attachment(id), "application/octet-stream", content); err != nil {
		return AttachmentRef{}, err
	}
	return AttachmentRef{Hash: Text(id), Label: Text(label)}, nil
}

// WriteAsset stores an asset and returns its id, which follows from its URI.
// A record that is there already keeps everything it has; the links of the new
// one are added to it.
func (l *Locker) WriteAsset(ctx context.Context, asset Asset) (string, error) {
	uri, err := ParseURI(string(asset.URI))
	if err != nil {
		return "", fmt.Errorf("writing asset: %w", err)
	}
	if asset.ID != "" && string(asset.ID) != uri.ID {
		return "", fmt.Errorf("writing asset %q: its id is %s, not %q", uri.String, uri.ID, asset.ID)
	}
	for _, link := range slices.Concat(asset.Related, asset.Parents) {
		if !ValidID(link) {
			return "", fmt.Errorf("writing asset %q: link %q is not an asset id", uri.String, link)
		}
	}
	if _, err := asset.time(); err != nil {
		return "", fmt.Errorf("writing asset %q: %w", uri.String, err)
	}
	asset.Version, asset.ID, asset.URI = "1", Text(uri.ID), Text(uri.String)
	if asset.Type == "" {
		asset.Type = Text(uri.Type)
		if uri.Type == AssetArtifact || uri.Type == AssetPipelineRun {
			asset.Type = "generic"
		}
	}
	if err := l.mergeAsset(ctx, l.layout.asset(uri.ID), asset); err != nil {
		return "", fmt.Errorf("writing asset %q: %w", uri.String, err)
	}
	return uri.ID, nil
}

// mergeAttempts is how often a record is merged anew because somebody else
// wrote it in between.
const mergeAttempts = 50

// mergeAsset creates the record of an asset or adds the links to the one that
// is there. Whoever else does the same at the same time loses nothing: a record
// is replaced only while it is the one that was read, and else merged again.
func (l *Locker) mergeAsset(ctx context.Context, key string, asset Asset) error {
	unlock, err := l.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	return l.merge(ctx, key, asset)
}

func (l *Locker) merge(ctx context.Context, key string, asset Asset) error {
	for range mergeAttempts {
		existing, version, err := l.readVersion(ctx, key, l.limits.RecordBytes)
		switch {
		case errors.Is(err, ErrNotFound):
			var data []byte
			if data, err = marshal(asset); err != nil {
				return err
			}
			err = l.put(ctx, key, "application/json", data, &blob.WriterOptions{IfNotExist: true})
		case err != nil:
			return err
		default:
			merged, changed, mergeErr := addLinks(existing, asset)
			if mergeErr != nil {
				return fmt.Errorf("record %s that is there already: %w", key, mergeErr)
			}
			if !changed {
				return nil
			}
			err = l.put(ctx, key, "application/json", merged, replaceOnly(version))
		}
		if !errors.Is(err, errExists) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("record %s: others kept changing it through %d attempts; try again", key, mergeAttempts)
}

func (a *Asset) time() (string, error) {
	_, err := parseDate(string(a.Date))
	return string(a.Date), err
}

// addLinks adds an asset's links to a record and leaves its other fields, known
// or not, as they are.
func addLinks(record []byte, asset Asset) (merged []byte, changed bool, err error) {
	old, err := DecodeAsset(record)
	if err != nil {
		return nil, false, err
	}
	if old.ID != asset.ID {
		return nil, false, fmt.Errorf("it carries id %.80q", old.ID)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(record, &fields); err != nil {
		return nil, false, err
	}
	for name, links := range map[string][2]Links{
		"related": {old.Related, asset.Related},
		"parents": {old.Parents, asset.Parents},
	} {
		union := slices.Clone(links[0])
		for _, link := range links[1] {
			if !slices.Contains(union, link) {
				union = append(union, link)
			}
		}
		if len(union) == len(links[0]) {
			continue
		}
		changed = true
		if fields[name], err = json.Marshal(union); err != nil {
			return nil, false, err
		}
	}
	if !changed {
		return record, false, nil
	}
	merged, err = marshal(fields)
	return merged, true, err
}

// Complete checks an evidence made in this program and fills in what follows
// from the rest: version, scope, hash and URI of its assets, and its id, the
// sha256 of its content. Raw is the record as WriteEvidence stores it.
func Complete(e Evidence) (*Evidence, error) {
	if strings.TrimSpace(string(e.TypeID)) == "" {
		return nil, errors.New("writing evidence: no evidence type id")
	}
	if e.Result() == ResultUnknown {
		return nil, fmt.Errorf("writing evidence %s: result %q is not success, failure or pending", e.TypeID, e.Details.Result)
	}
	if _, err := e.Time(); err != nil {
		return nil, fmt.Errorf("writing evidence %s: %w", e.TypeID, err)
	}
	if len(e.Assets) == 0 {
		return nil, fmt.Errorf("writing evidence %s: it names no asset", e.TypeID)
	}
	e.Assets = slices.Clone(e.Assets)
	for i := range e.Assets {
		ref := &e.Assets[i]
		if uri, err := ParseURI(string(ref.URI)); err == nil {
			ref.Hash, ref.URI = Text(uri.ID), Text(uri.String)
		} else if ref.URI != "" || !ValidID(string(ref.Hash)) {
			return nil, fmt.Errorf("writing evidence %s: asset %q: %w", e.TypeID, ref.Hash, err)
		}
	}
	for _, ref := range e.Attachments {
		if !ValidID(string(ref.Hash)) {
			return nil, fmt.Errorf("writing evidence %s: attachment hash %q is not 64 hex digits", e.TypeID, ref.Hash)
		}
	}
	if e.Origin.Scope == "" && e.Origin.PipelineRunID != "" {
		e.Origin.Scope = Text(ScopeID(string(e.Origin.PipelineRunID)))
	}
	e.Version, e.ID, e.Raw, e.Signature = "2", "", nil, Signature{}
	content, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing evidence %s: %w", e.TypeID, err)
	}
	e.ID = Text(sha256Hex(content))
	if e.Raw, err = marshal(e); err != nil {
		return nil, fmt.Errorf("writing evidence %s: %w", e.TypeID, err)
	}
	return &e, nil
}

// WriteEvidence stores an evidence, completed as Complete does, and marks it on
// each of its assets; it returns the evidence's id. Writing the same twice stores
// it once.
//
// The record is written before its markers: an interrupted write leaves
// evidence that nobody finds, never a marker without evidence. Records of the
// assets are the caller's to write, before: see Begin and Conclude for all in
// one.
func (l *Locker) WriteEvidence(ctx context.Context, e Evidence) (string, error) {
	complete, err := Complete(e)
	if err != nil {
		return "", err
	}
	if err := l.writeRecord(ctx, complete); err != nil {
		return "", err
	}
	return string(complete.ID), l.mark(ctx, complete)
}

// writeRecord stores a complete evidence and its signature.
func (l *Locker) writeRecord(ctx context.Context, e *Evidence) error {
	if int64(len(e.Raw)) > l.limits.RecordBytes {
		return fmt.Errorf("writing evidence %s: the record has %d bytes: %w of %d bytes (store large output as an attachment)",
			e.TypeID, len(e.Raw), ErrTooLarge, l.limits.RecordBytes)
	}
	if err := l.create(ctx, l.layout.evidence(string(e.ID)), "application/json", e.Raw); err != nil {
		return err
	}
	return l.writeSignature(ctx, e)
}

// mark makes a stored evidence known to its assets.
func (l *Locker) mark(ctx context.Context, e *Evidence) error {
	for _, ref := range e.Assets {
		if err := l.create(ctx, l.layout.markers(string(ref.Hash))+string(e.ID), "application/octet-stream", nil); err != nil {
			return err
		}
	}
	return nil
}

func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return out.Bytes(), err
}

// errExists: the object is there already, or is no longer what it was.
var errExists = errors.New("the object is there already")

// create writes an object whose name follows from its content. One that is
// there already is left alone, for buckets may forbid overwriting, but must have
// the same content: somebody else's record in its place is not ours.
func (l *Locker) create(ctx context.Context, key, contentType string, data []byte) error {
	err := l.put(ctx, key, contentType, data, &blob.WriterOptions{IfNotExist: true})
	if !errors.Is(err, errExists) {
		return err
	}
	existing, err := l.read(ctx, key, max(int64(len(data)), 1))
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return err
	}
	if err != nil || !bytes.Equal(existing, data) {
		return fmt.Errorf("writing %s to evidence locker %s: it holds something else already (remove it, and find out who wrote it)", key, l.name)
	}
	return nil
}

// put writes an object; errExists if a condition in options does not hold.
func (l *Locker) put(ctx context.Context, key, contentType string, data []byte, options *blob.WriterOptions) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing %s to evidence locker %s: %w", key, l.name, err)
	}
	if options == nil {
		options = &blob.WriterOptions{}
	}
	options.ContentType, options.DisableContentTypeDetection = contentType, true
	err := l.bucket.WriteAll(ctx, key, data, options)
	switch {
	case err == nil:
		return nil
	case isCondition(err, options):
		return fmt.Errorf("writing %s to evidence locker %s: %w", key, l.name, errExists)
	case isConditional(options) && status(err) == http.StatusNotImplemented:
		return l.putWithout(ctx, key, contentType, data, options.IfNotExist)
	case gcerrors.Code(err) == gcerrors.PermissionDenied:
		return fmt.Errorf("writing %s to evidence locker %s: %w (the credentials need to write objects)", key, l.name, err)
	}
	return fmt.Errorf("writing %s to evidence locker %s: %w", key, l.name, err)
}

// putWithout writes to a storage that knows no conditions, such as an older S3
// server: between looking and writing, somebody else may write.
func (l *Locker) putWithout(ctx context.Context, key, contentType string, data []byte, onlyIfAbsent bool) error {
	if onlyIfAbsent {
		exists, err := l.bucket.Exists(ctx, key)
		if err != nil {
			return fmt.Errorf("looking for %s in evidence locker %s: %w%s", key, l.name, err, hint(err))
		}
		if exists {
			return fmt.Errorf("writing %s to evidence locker %s: %w", key, l.name, errExists)
		}
	}
	return l.put(ctx, key, contentType, data, nil)
}
