// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

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
	key := l.layout.asset(uri.ID)
	existing, err := l.read(ctx, key, l.limits.RecordBytes)
	switch {
	case errors.Is(err, ErrNotFound):
		data, err := marshal(asset)
		if err != nil {
			return "", fmt.Errorf("writing asset %q: %w", uri.String, err)
		}
		return uri.ID, l.create(ctx, key, "application/json", data)
	case err != nil:
		return "", fmt.Errorf("writing asset %q: %w", uri.String, err)
	}
	merged, changed, err := addLinks(existing, asset)
	if err != nil {
		return "", fmt.Errorf("writing asset %q: record %s that is there already: %w", uri.String, key, err)
	}
	if !changed {
		return uri.ID, nil
	}
	return uri.ID, l.write(ctx, key, "application/json", merged, false)
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

// WriteEvidence stores an evidence and marks it on each of its assets. Its id
// is the sha256 of its content, so that writing the same twice stores it once.
// Its assets are named by hash or URI; hash and URI are both filled in.
//
// The record is written before its markers: an interrupted write leaves
// evidence that nobody finds, never a marker without evidence.
func (l *Locker) WriteEvidence(ctx context.Context, e Evidence) (string, error) {
	if e.TypeID == "" {
		return "", errors.New("writing evidence: no evidence type id")
	}
	if e.Result() == ResultUnknown {
		return "", fmt.Errorf("writing evidence %s: result %q is not success, failure or pending", e.TypeID, e.Details.Result)
	}
	if _, err := e.Time(); err != nil {
		return "", fmt.Errorf("writing evidence %s: %w", e.TypeID, err)
	}
	if len(e.Assets) == 0 {
		return "", fmt.Errorf("writing evidence %s: it names no asset", e.TypeID)
	}
	e.Assets = slices.Clone(e.Assets)
	for i := range e.Assets {
		ref := &e.Assets[i]
		if uri, err := ParseURI(string(ref.URI)); err == nil {
			ref.Hash, ref.URI = Text(uri.ID), Text(uri.String)
		} else if ref.URI != "" || !ValidID(string(ref.Hash)) {
			return "", fmt.Errorf("writing evidence %s: asset %q: %w", e.TypeID, ref.Hash, err)
		}
	}
	for _, ref := range e.Attachments {
		if !ValidID(string(ref.Hash)) {
			return "", fmt.Errorf("writing evidence %s: attachment hash %q is not 64 hex digits", e.TypeID, ref.Hash)
		}
	}
	if e.Origin.Scope == "" && e.Origin.PipelineRunID != "" {
		e.Origin.Scope = Text(ScopeID(string(e.Origin.PipelineRunID)))
	}
	if e.Attachments == nil {
		e.Attachments = []AttachmentRef{}
	}
	e.Version, e.ID, e.Raw = "2", "", nil
	content, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("writing evidence %s: %w", e.TypeID, err)
	}
	id := sha256Hex(content)
	e.ID = Text(id)
	data, err := marshal(e)
	if err != nil {
		return "", fmt.Errorf("writing evidence %s: %w", e.TypeID, err)
	}
	if err := l.create(ctx, l.layout.evidence(id), "application/json", data); err != nil {
		return "", err
	}
	for _, ref := range e.Assets {
		if err := l.create(ctx, l.layout.markers(string(ref.Hash))+id, "application/octet-stream", nil); err != nil {
			return "", err
		}
	}
	return id, nil
}

func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return out.Bytes(), err
}

// create writes an object whose name follows from its content. One that is
// there already is left alone: buckets may forbid overwriting.
func (l *Locker) create(ctx context.Context, key, contentType string, data []byte) error {
	return l.write(ctx, key, contentType, data, true)
}

func (l *Locker) write(ctx context.Context, key, contentType string, data []byte, onlyIfAbsent bool) error {
	if onlyIfAbsent {
		exists, err := l.bucket.Exists(ctx, key)
		if err != nil {
			return fmt.Errorf("looking for %s in evidence locker %s: %w%s", key, l.name, err, hint(err))
		}
		if exists {
			return nil
		}
	}
	err := l.bucket.WriteAll(ctx, key, data, &blob.WriterOptions{ContentType: contentType, DisableContentTypeDetection: true})
	if err != nil && gcerrors.Code(err) == gcerrors.PermissionDenied {
		return fmt.Errorf("writing %s to evidence locker %s: %w (the credentials need to write objects)", key, l.name, err)
	}
	if err != nil {
		return fmt.Errorf("writing %s to evidence locker %s: %w", key, l.name, err)
	}
	return nil
}
