// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Bounds on how long a busy forge is asked again.
const (
	// MaxTries is how often one request is sent.
	MaxTries = 4
	// MaxWait is the longest pause between two tries, whatever Retry-After says.
	MaxWait = 30 * time.Second
	// maxRedirects is how many redirects are followed.
	maxRedirects = 5
	// requestTimeout bounds one request with all its tries and pauses.
	requestTimeout = 3 * time.Minute
)

// WaitFunc waits for a duration, or returns the context's error.
type WaitFunc func(ctx context.Context, d time.Duration) error

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// NewTransport returns an HTTP transport that trusts a PEM bundle besides the
// system's certificates and gives up on a server that does not answer. Other
// packages that speak to the same server use it too.
func NewTransport(ca []byte) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	if len(ca) == 0 {
		return t, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the CA bundle holds no certificate in PEM form: check key ca.crt of the Secret")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

func newHTTPClient(base *url.URL, kind Kind, o Options) (*http.Client, error) {
	next := o.Transport
	if next == nil {
		t, err := NewTransport(o.CA)
		if err != nil {
			return nil, err
		}
		next = t
	}
	pause := o.Wait
	if pause == nil {
		pause = wait
	}
	return &http.Client{
		Timeout:       requestTimeout,
		Transport:     &guarded{base: base, kind: kind, token: o.Token, next: next, wait: pause},
		CheckRedirect: checkRedirect,
	}, nil
}

// checkRedirect keeps redirects few and never lets one leave TLS.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("refused a redirect from https to http")
	}
	return nil
}

// guarded adds the token for the forge's own origin alone, asks again where the
// forge is busy, and bounds what is read. Every request through it is a GET, so
// repeating one is harmless.
type guarded struct {
	base  *url.URL
	kind  Kind
	token string
	next  http.RoundTripper
	wait  WaitFunc
}

// RoundTrip implements http.RoundTripper.
func (g *guarded) RoundTrip(in *http.Request) (*http.Response, error) {
	req := in.Clone(in.Context())
	// go-scm writes paths with an escaped slash into Opaque, which proxies do
	// not understand; the URL's RawPath holds the same escaping.
	req.URL.Opaque = ""
	req.Header.Del("Authorization")
	if g.token != "" && req.URL.Scheme == g.base.Scheme && req.URL.Host == g.base.Host {
		scheme := "Bearer"
		if g.kind == Gitea {
			scheme = "token"
		}
		req.Header.Set("Authorization", scheme+" "+g.token)
	}
	for try := 1; ; try++ {
		res, err := g.next.RoundTrip(req)
		last := try == MaxTries || req.Context().Err() != nil
		if err != nil {
			if last {
				return nil, err
			}
			if err := g.wait(req.Context(), backoff(try)); err != nil {
				return nil, err
			}
			continue
		}
		pause, again := retry(res, try)
		if !again || last {
			res.Body = &bounded{body: res.Body, left: MaxResponse, host: req.URL.Host}
			return res, nil
		}
		_, _ = io.CopyN(io.Discard, res.Body, 1<<16)
		_ = res.Body.Close()
		if err := g.wait(req.Context(), pause); err != nil {
			return nil, err
		}
	}
}

// retry decides whether an answer is worth asking again for, and after how long.
func retry(res *http.Response, try int) (time.Duration, bool) {
	switch {
	case limited(res.StatusCode, res.Header):
	case res.StatusCode == http.StatusInternalServerError,
		res.StatusCode == http.StatusBadGateway,
		res.StatusCode == http.StatusServiceUnavailable,
		res.StatusCode == http.StatusGatewayTimeout:
	default:
		return 0, false
	}
	pause := backoff(try)
	if after, ok := retryAfter(res.Header, time.Now()); ok {
		// A forge that asks for longer than we wait has nothing to gain from
		// being asked earlier.
		if after > MaxWait {
			return 0, false
		}
		pause = max(after, 0)
	}
	return pause, true
}

// limited tells a rate limit from a refusal: GitHub answers 403 for both.
func limited(status int, header http.Header) bool {
	if status == http.StatusTooManyRequests {
		return true
	}
	return status == http.StatusForbidden &&
		(header.Get("Retry-After") != "" || header.Get("X-Ratelimit-Remaining") == "0")
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110).
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	value := header.Get("Retry-After")
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now), true
	}
	return 0, false
}

// backoff doubles from half a second, with up to a fifth of jitter so that many
// runs do not come back at once.
func backoff(try int) time.Duration {
	d := 500 * time.Millisecond << (try - 1)
	return d + rand.N(d/5) //nolint:gosec // jitter is no secret
}

// bounded fails, rather than ends, where an answer is too long: a cut answer
// must not be taken for a whole one.
type bounded struct {
	body io.ReadCloser
	left int64
	host string
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("the answer of %s is longer than %d bytes", b.host, MaxResponse)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, fmt.Errorf("the answer of %s is longer than %d bytes", b.host, MaxResponse)
	}
	return n, err
}

// Close implements io.Closer.
func (b *bounded) Close() error { return b.body.Close() }
