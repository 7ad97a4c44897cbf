// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/countersign-dev/countersign/pkg/forge"
)

// Errors that Clone and PushTags wrap, for callers that act on them.
var (
	// ErrAuth: the server wants credentials, or refused those given.
	ErrAuth = errors.New("authentication failed")
	// ErrRepositoryNotFound: no such repository, or not visible to the token.
	ErrRepositoryNotFound = errors.New("repository not found")
	// ErrUnreachable: the host is unknown or does not answer.
	ErrUnreachable = errors.New("host not reachable")
	// ErrBranchNotFound: the repository has no such branch.
	ErrBranchNotFound = errors.New("branch not found")
	// ErrTooLarge: the server sent more than the limit.
	ErrTooLarge = errors.New("repository too large")
)

// Auth is how to authenticate to the git server, over HTTP.
type Auth struct {
	// Username for the token. Forges that look at the token alone take any;
	// empty stands for "x-access-token".
	Username string
	// Token is a password or access token. Empty: anonymous.
	Token string
	// CA is a PEM bundle trusted besides the system's.
	CA []byte
}

// remote is one repository on one server.
type remote struct {
	// name is its URL for messages; it holds no credentials, as CheckURL refuses
	// those.
	name      string
	transport transport.Transport
	endpoint  *transport.Endpoint
	auth      transport.AuthMethod
}

// CheckURL parses the URL of an inventory and refuses what is not plainly a
// repository: http and https as forge.CheckHTTPURL allows them, and file:///… or
// an absolute path for local use. Everything else (ssh, git, ext::, remote
// helpers, options) is refused.
func CheckURL(raw string) (*url.URL, error) {
	if strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "file://") {
		if strings.ContainsFunc(raw, unicode.IsControl) {
			return nil, errors.New("the inventory path holds control characters")
		}
		path := strings.TrimPrefix(raw, "file://")
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("inventory URL %s: a local repository is file:///absolute/path", quote(raw))
		}
		return &url.URL{Scheme: "file", Path: filepath.Clean(path)}, nil
	}
	if strings.HasPrefix(raw, "ssh://") || strings.HasPrefix(raw, "git@") {
		return nil, fmt.Errorf("inventory URL %s uses ssh: give the https URL of the repository and a token", quote(raw))
	}
	return forge.CheckHTTPURL(raw)
}

// CheckBranch refuses names that git does not allow for branches or that could
// be taken for an option.
func CheckBranch(name string) error {
	switch {
	case name == "":
		return errors.New("the branch name is empty")
	case strings.HasPrefix(name, "-"):
		return fmt.Errorf("branch %s begins with '-': not a branch name", quote(name))
	case len(name) > 255:
		return fmt.Errorf("branch %s is longer than 255 bytes", quote(name))
	}
	if plumbing.NewBranchReferenceName(name).Validate() != nil || strings.ContainsFunc(name, notGraphic) {
		return fmt.Errorf("branch %s is not a name that git allows", quote(name))
	}
	return nil
}

func notGraphic(r rune) bool {
	return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r)
}

func openRemote(raw string, auth Auth, maxBytes int64) (*remote, error) {
	u, err := CheckURL(raw)
	if err != nil {
		return nil, err
	}
	endpoint, err := transport.NewEndpoint(u.String())
	if err != nil {
		return nil, fmt.Errorf("inventory URL %s: %w", quote(raw), err)
	}
	out := &remote{name: u.String(), endpoint: endpoint}
	if u.Scheme == "file" {
		out.transport = server.NewServer(localLoader{})
		return out, nil
	}
	base, err := forge.NewTransport(auth.CA)
	if err != nil {
		return nil, err
	}
	// go-git drops the credentials itself where a redirect leaves the origin,
	// and follows redirects for the first request only.
	out.transport = githttp.NewClient(&http.Client{Transport: &limitedTransport{next: base, most: maxBytes}})
	if auth.Token != "" {
		user := auth.Username
		if user == "" {
			user = "x-access-token"
		}
		out.auth = &githttp.BasicAuth{Username: user, Password: auth.Token}
	}
	return out, nil
}

// explain turns an error of go-git into one that says what to do.
func (r *remote) explain(err error) error {
	// go-git wraps causes in a type that errors.Is and errors.As cannot see into.
	var unexpected *plumbing.UnexpectedError
	if errors.As(err, &unexpected) {
		err = unexpected.Err
	}
	var dns *net.DNSError
	var netErr *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s did not finish in time: %w", r.name, err)
	case errors.Is(err, ErrTooLarge):
		return err
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed), errors.Is(err, transport.ErrInvalidAuthMethod):
		if r.auth == nil {
			return fmt.Errorf("%w: %s wants credentials and none were given: bind the workspace with a Secret whose key token may use the repository", ErrAuth, r.name)
		}
		return fmt.Errorf("%w: %s refused the token: check keys token and username of the Secret, and what the token may do", ErrAuth, r.name)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%w: %s: check the URL, and that the token may see it", ErrRepositoryNotFound, r.name)
	case errors.As(err, &dns):
		return fmt.Errorf("%w: no address is known for host %q of %s: check the URL and the cluster's DNS", ErrUnreachable, dns.Name, r.name)
	case errors.As(err, &netErr):
		return fmt.Errorf("%w: %s: %w: check the address and network policies", ErrUnreachable, r.name, netErr)
	}
	// Answers of HTTP servers may be long and hold anything: quote them.
	var httpErr *githttp.Err
	if errors.As(err, &httpErr) && httpErr.Response != nil {
		return fmt.Errorf("%s answered with status %d: %s", r.name, httpErr.Response.StatusCode, quote(httpErr.Reason))
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return fmt.Errorf("%s: %w", r.name, ue.Err)
	}
	return fmt.Errorf("%s: %w", r.name, err)
}

// advertised lists what a service of the remote has.
func (r *remote) advertised(ctx context.Context, s transport.Session) (*packp.AdvRefs, error) {
	refs, err := s.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return nil, fmt.Errorf("%w: repository %s is empty", ErrBranchNotFound, r.name)
	}
	return refs, r.explain(err)
}

// localLoader serves repositories of this machine's disk from this process, so
// that no git program is needed: bare ones, and the .git folder of others.
type localLoader struct{}

// Load implements server.Loader.
func (localLoader) Load(ep *transport.Endpoint) (storer.Storer, error) {
	for _, dir := range []string{ep.Path, filepath.Join(ep.Path, ".git")} {
		if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
			return filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRUDefault()), nil
		}
	}
	return nil, transport.ErrRepositoryNotFound
}

// limitedTransport bounds what all answers of one session together may send.
type limitedTransport struct {
	next http.RoundTripper
	most int64
}

// RoundTrip implements http.RoundTripper.
func (t *limitedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	most := t.most
	if res.StatusCode >= 300 {
		// go-git reads the whole answer into its error.
		most = 1 << 16
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, most), res.Body}
		return res, nil
	}
	res.Body = &limitedBody{ReadCloser: res.Body, left: most, most: most, host: req.URL.Host}
	return res, nil
}

type limitedBody struct {
	io.ReadCloser
	left, most int64
	host       string
}

// Read implements io.Reader; it fails where the limit is passed, as a cut pack
// must not be taken for a whole one.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, fmt.Errorf("%w: %s sent more than %d bytes", ErrTooLarge, b.host, b.most)
	}
	return n, err
}
