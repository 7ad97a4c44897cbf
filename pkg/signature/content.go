// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// content is an artifact's content in a temporary file.
type content struct{ file *os.File }

func (c *content) close() {
	_ = c.file.Close()
	_ = os.Remove(c.file.Name())
}

// content reads an artifact from the first of its locations that lies under one
// of the rule's sources, and compares it with the entry's digest before anybody
// looks at it. No credentials are sent.
func (t *Trust) content(ctx context.Context, item Item) (*content, error) {
	prefixes, err := parsePrefixes(item.Sources)
	if err != nil {
		return nil, refuse(ReasonContentNeeded, "the rule's sources: %w", err)
	}
	place := ""
	for _, location := range item.Locations {
		if under(location, prefixes) {
			place = location
			break
		}
	}
	switch {
	case len(prefixes) == 0:
		return nil, refuse(ReasonContentNeeded, "this signature can only be verified over the content, and the rule has no sources to read it from")
	case place == "" && len(item.Locations) == 0:
		return nil, refuse(ReasonContentNeeded, "this signature can only be verified over the content, and the entry's artifact is no URL to read it from")
	case place == "":
		return nil, refuse(ReasonContentNeeded, "this signature can only be verified over the content, and %q lies under none of the rule's sources", clipped(item.Locations[0]))
	}
	ctx, cancel := context.WithTimeout(ctx, t.limits.ContentTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, refuse(ReasonContentNeeded, "%q is no URL", clipped(place))
	}
	req.Header.Set("User-Agent", "countersign")
	client := &http.Client{CheckRedirect: func(next *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= 5:
			return errors.New("redirected too often")
		case !under(next.URL.String(), prefixes):
			return fmt.Errorf("redirected to %q, which lies under none of the rule's sources", clipped(next.URL.String()))
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", clipped(place), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading %s: the server answers %d", clipped(place), resp.StatusCode)
	}
	file, err := os.CreateTemp("", "countersign-content-*")
	if err != nil {
		return nil, fmt.Errorf("keeping the content of %s: %w", clipped(place), err)
	}
	kept := &content{file: file}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, hash), io.LimitReader(resp.Body, t.limits.Content+1))
	got := "sha256:" + hex.EncodeToString(hash.Sum(nil))
	switch {
	case err != nil:
		err = fmt.Errorf("reading %s: %w", clipped(place), err)
	case n > t.limits.Content:
		err = refuse(ReasonTooLarge, "%s has more than the %d bytes that are read", clipped(place), t.limits.Content)
	case got != item.Digest:
		err = refuse(ReasonDigestMismatch, "%s has digest %s: its content is not what the entry names", clipped(place), got)
	}
	if err != nil {
		kept.close()
		return nil, err
	}
	return kept, nil
}

func parsePrefixes(sources []string) ([]*url.URL, error) {
	var prefixes []*url.URL
	for _, source := range sources {
		u, err := url.Parse(source)
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.Path, "/"):
			return nil, fmt.Errorf("%q is no prefix of URLs that ends with a slash", clipped(source))
		case !mayRead(u):
			return nil, fmt.Errorf("%q is neither https nor at a private address", clipped(source))
		}
		prefixes = append(prefixes, u)
	}
	return prefixes, nil
}

// mayRead allows https, and http at a private address, as for registries.
func mayRead(u *url.URL) bool {
	switch u.Scheme {
	case "https":
		return true
	case "http":
		host, err := name.NewRegistry(u.Host)
		return err == nil && host.Scheme() == "http"
	}
	return false
}

// under reports whether a URL lies under a prefix. A path that could be read as
// leaving the prefix's folder does not.
func under(text string, prefixes []*url.URL) bool {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	if escaped := strings.ToLower(u.EscapedPath()); strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") || strings.Contains(u.Path, `\`) {
		return false
	}
	for _, segment := range strings.Split(u.Path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	for _, prefix := range prefixes {
		if u.Scheme == prefix.Scheme && strings.EqualFold(u.Host, prefix.Host) && strings.HasPrefix(u.Path, prefix.Path) {
			return true
		}
	}
	return false
}
