// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/jenkins-x/go-scm/scm"
)

// Bounds on what is read from a forge.
const (
	// MaxPages is how many pages of pull requests one listing reads.
	MaxPages = 100
	// DefaultPageSize is how many pull requests are asked for at a time: few,
	// since a body may be a megabyte.
	DefaultPageSize = 20
	// MaxResponse is the greatest answer that is read, in bytes.
	MaxResponse = 32 << 20
)

// ErrNotFound is wrapped by errors about a repository or pull request that does
// not exist or that the token cannot see; forges do not tell the two apart.
var ErrNotFound = errors.New("not found")

// ErrUnauthorized is wrapped by errors about a token that was refused.
var ErrUnauthorized = errors.New("not authorised")

// Options say which repository to read, and how.
type Options struct {
	// URL is the repository's clone URL: http or https without user info.
	URL string
	// Kind is the make of forge. Empty: guessed from the host's name, and where
	// that says nothing the host is asked (see Open).
	Kind Kind
	// Token is sent to the forge's host only. Empty: nothing is sent.
	Token string
	// CA is a PEM bundle trusted besides the system's.
	CA []byte
	// PageSize is how many pull requests are asked for at a time; 0 for
	// DefaultPageSize.
	PageSize int
	// Transport sends the requests; nil for one of its own. With one, CA is not
	// used.
	Transport http.RoundTripper
	// Wait waits between two tries; nil for a timer. For tests.
	Wait WaitFunc
}

// Client reads one repository of one forge.
type Client struct {
	// Kind of the forge, as given or as found.
	Kind Kind
	// Repo is the repository's full name, such as owner/repository.
	Repo string

	scm      *scm.Client
	dialect  dialect
	pageSize int
}

var (
	_ Forge   = (*Client)(nil)
	_ Reviews = (*Client)(nil)
)

// dialect is what differs from forge to forge: addresses and JSON.
type dialect interface {
	// listPath is the address of one page of closed pull requests, the most
	// recently updated first, relative to the API's base.
	listPath(repo, branch string, page, size int) string
	// onePath is the address of one pull request.
	onePath(repo string, number int) string
	// list and one read the answers.
	list([]byte) ([]PullRequest, error)
	one([]byte) (PullRequest, error)
	// reviews asks for everything about one pull request; with a label, for who
	// set and removed labels as well.
	reviews(ctx context.Context, c *Client, pr PullRequest, label string) (*ReviewHistory, error)
}

var dialects = map[Kind]dialect{GitHub: githubDialect{}, GitLab: gitlabDialect{}, Gitea: giteaDialect{}}

// Open prepares to read a repository. Where neither Options nor the host's name
// tell the make of forge, it sends up to three anonymous requests to the host to
// find out.
func Open(ctx context.Context, o Options) (*Client, error) {
	clone, err := CheckHTTPURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Kind == "" {
		o.Kind = GuessKind(clone.Hostname())
	}
	if o.Kind == "" {
		if o.Kind, err = probe(ctx, clone, o); err != nil {
			return nil, err
		}
	}
	base, repo, err := locate(o.Kind, clone)
	if err != nil {
		return nil, err
	}
	client, err := newHTTPClient(base, o.Kind, o)
	if err != nil {
		return nil, err
	}
	if o.PageSize <= 0 {
		o.PageSize = DefaultPageSize
	}
	return &Client{
		Kind:     o.Kind,
		Repo:     repo,
		scm:      &scm.Client{BaseURL: base, Client: client},
		dialect:  dialects[o.Kind],
		pageSize: o.PageSize,
	}, nil
}

// PullRequest implements Forge.
func (c *Client) PullRequest(ctx context.Context, number int) (*PullRequest, error) {
	what := fmt.Sprintf("reading pull request %d of %s", number, c.Repo)
	body, _, err := c.get(ctx, c.dialect.onePath(c.Repo, number))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	pr, err := c.dialect.one(body)
	if err != nil {
		return nil, fmt.Errorf("%s: the answer of %s is not what its API documents: %w", what, c.scm.BaseURL.Host, err)
	}
	if pr.Number != number {
		return nil, fmt.Errorf("%s: %s answered with pull request %d", what, c.scm.BaseURL.Host, pr.Number)
	}
	return &pr, nil
}

// MergedPullRequests implements Forge. It reads at most MaxPages pages and then
// yields an error that says so.
func (c *Client) MergedPullRequests(ctx context.Context, branch string) iter.Seq2[PullRequest, error] {
	return func(yield func(PullRequest, error) bool) {
		what := fmt.Sprintf("listing pull requests merged into branch %q of %s", clip(branch), c.Repo)
		for page := 1; page <= MaxPages; page++ {
			body, next, err := c.get(ctx, c.dialect.listPath(c.Repo, branch, page, c.pageSize))
			if err != nil {
				yield(PullRequest{}, fmt.Errorf("%s: %w", what, err))
				return
			}
			prs, err := c.dialect.list(body)
			if err != nil {
				yield(PullRequest{}, fmt.Errorf("%s: the answer of %s is not what its API documents: %w", what, c.scm.BaseURL.Host, err))
				return
			}
			for _, pr := range prs {
				// The forge was asked for this branch, but older ones ignore
				// the question.
				if !pr.Merged || pr.Base != branch {
					continue
				}
				if !yield(pr, nil) {
					return
				}
			}
			if !next || len(prs) == 0 {
				return
			}
		}
		yield(PullRequest{}, fmt.Errorf("%s: gave up after %d pages of %d", what, MaxPages, c.pageSize))
	}
}

// answer is what a forge sent.
type answer struct {
	body   []byte
	header http.Header
	// next is whether it names a further page.
	next bool
}

// get fetches one address below the API's base, and says whether a further page
// follows.
func (c *Client) get(ctx context.Context, path string) (body []byte, next bool, err error) {
	a, err := c.ask(ctx, path)
	return a.body, a.next, err
}

// ask fetches one address below the API's base.
func (c *Client) ask(ctx context.Context, path string) (answer, error) {
	res, err := c.scm.Do(ctx, &scm.Request{
		Method: http.MethodGet,
		Path:   path,
		Header: http.Header{"Accept": {"application/json"}},
	})
	if err != nil {
		return answer{}, fmt.Errorf("asking %s: %w", c.scm.BaseURL.Host, withoutURL(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer of %s: %w", c.scm.BaseURL.Host, err)
	}
	if err := c.statusError(res.Status, res.Header); err != nil {
		return answer{}, err
	}
	return answer{body: body, header: res.Header, next: res.Page.Next > 0}, nil
}

// statusError turns an HTTP status into what a person can act on.
func (c *Client) statusError(status int, header http.Header) error {
	host := c.scm.BaseURL.Host
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s refused the token (status 401): check key token of the forge Secret", ErrUnauthorized, host)
	case limited(status, header):
		return fmt.Errorf("%s limits the rate of requests (status %d): try again later, or give a token with a higher limit", host, status)
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: %s forbids it (status 403): the token needs read access to pull requests of %s", ErrUnauthorized, host, c.Repo)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %s knows no such object (status 404): check the URL, and that the token may read %s", ErrNotFound, host, c.Repo)
	default:
		return fmt.Errorf("%s answered with status %d %s", host, status, http.StatusText(status))
	}
}

// withoutURL takes the address out of an error of net/http: it is long, and the
// message already names host and purpose.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// probe finds out the make of a forge by asking, without a token, for what only
// one of them serves.
func probe(ctx context.Context, clone *url.URL, o Options) (Kind, error) {
	anonymous := o
	anonymous.Token = ""
	var failures []string
	for _, kind := range []Kind{Gitea, GitLab, GitHub} {
		base, _, err := locate(kind, clone)
		if err != nil {
			continue
		}
		client, err := newHTTPClient(base, kind, anonymous)
		if err != nil {
			return "", err
		}
		path := map[Kind]string{Gitea: "version", GitLab: "version", GitHub: "meta"}[kind]
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path).String(), nil)
		if err != nil {
			return "", err
		}
		res, err := client.Do(req)
		if err != nil {
			failures = append(failures, withoutURL(err).Error())
			continue
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		_ = res.Body.Close()
		if err == nil && recognises(kind, res, body) {
			return kind, nil
		}
		failures = append(failures, strconv.Itoa(res.StatusCode))
	}
	return "", fmt.Errorf("cannot tell which forge %s is (%s): say so with the forge option: %s, %s or %s",
		clone.Host, strings.Join(failures, "; "), GitHub, GitLab, Gitea)
}

// recognises judges an answer to a probe: Gitea tells its version to everyone
// (unless it requires signing in, which it says in its own header), GitLab and
// GitHub mark every answer of their API with a header.
func recognises(kind Kind, res *http.Response, body []byte) bool {
	switch kind {
	case Gitea:
		var v struct {
			Version string `json:"version"`
		}
		return res.StatusCode == http.StatusOK && json.Unmarshal(body, &v) == nil && v.Version != ""
	case GitLab:
		return res.Header.Get("X-Gitlab-Meta") != ""
	default:
		return res.Header.Get("X-Github-Request-Id") != ""
	}
}
