// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import "context"

// PutObject writes any object, as other programs do.
func PutObject(ctx context.Context, l *Locker, key, content string) error {
	return l.put(ctx, key, "application/json", []byte(content), nil)
}

// AddLink adds a link to an asset without the lock that keeps writers of one
// process apart, as a writer on another machine would.
func AddLink(ctx context.Context, l *Locker, assetURI, link string) error {
	uri, err := ParseURI(assetURI)
	if err != nil {
		return err
	}
	return l.merge(ctx, l.layout.asset(uri.ID), Asset{ID: Text(uri.ID), URI: Text(uri.String), Related: Links{link}})
}
