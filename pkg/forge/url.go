// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// CheckHTTPURL parses a repository's http or https URL and refuses what could
// leak a credential or trick a program: user info, control characters, a missing
// host, a query or fragment, and plain http to anything but a private address
// (see AllowsPlainHTTP). Errors never repeat user info.
func CheckHTTPURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("the repository URL is empty")
	}
	if strings.HasPrefix(raw, "-") {
		return nil, fmt.Errorf("repository URL %q begins with '-': not a URL", clip(raw))
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return nil, errors.New("the repository URL holds control characters or spaces")
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's message repeats the URL, which may hold a password.
		return nil, errors.New("the repository URL cannot be parsed: use https://host/owner/repository.git")
	}
	switch u.Scheme {
	case "https", "http":
	default:
		return nil, fmt.Errorf("repository URL with scheme %q: use https://host/owner/repository.git", clip(u.Scheme))
	}
	if u.User != nil {
		return nil, fmt.Errorf("the repository URL of host %q holds a user name or password: put them into the Secret of the workspace instead", clip(u.Hostname()))
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("repository URL %q names no host", clip(raw))
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("repository URL %q has a query or fragment: give the clone URL alone", clip(raw))
	}
	if u.Scheme == "http" && !AllowsPlainHTTP(u.Hostname()) {
		return nil, fmt.Errorf("repository URL %q uses plain http to a public host: use https", clip(raw))
	}
	return u, nil
}

// AllowsPlainHTTP reports whether a host may be spoken to without TLS: a
// loopback, link-local or private address, localhost, a name without dots, or a
// name inside the cluster or a local network (.svc, .cluster.local, .local,
// .internal, .localhost, .test).
func AllowsPlainHTTP(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" {
		return false
	}
	if !strings.Contains(host, ".") {
		return true
	}
	for _, suffix := range []string{".svc", ".cluster.local", ".local", ".internal", ".localhost", ".test"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// GuessKind tells the forge from a host's name, and "" where the name does not
// say or says two things.
func GuessKind(host string) Kind {
	host = strings.ToLower(host)
	var found []Kind
	for _, candidate := range []struct {
		kind  Kind
		words []string
	}{
		{GitHub, []string{"github"}},
		{GitLab, []string{"gitlab"}},
		{Gitea, []string{"gitea", "forgejo", "codeberg.org"}},
	} {
		for _, word := range candidate.words {
			if strings.Contains(host, word) {
				found = append(found, candidate.kind)
				break
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// locate splits a clone URL into the base of the forge's REST API (with a final
// slash) and the repository's full name. On GitHub and Gitea a repository is the
// last two parts of the path, and what precedes them is where Gitea is mounted;
// on GitLab the whole path is the project, as groups nest.
func locate(kind Kind, clone *url.URL) (api *url.URL, repo string, err error) {
	path := strings.TrimSuffix(strings.Trim(clone.Path, "/"), ".git")
	parts := strings.Split(path, "/")
	for _, part := range parts {
		if part == "" || part == "." || part == ".." {
			return nil, "", fmt.Errorf("repository URL %q: path is not owner/repository", clip(clone.String()))
		}
	}
	if len(parts) < 2 {
		return nil, "", fmt.Errorf("repository URL %q: path is not owner/repository", clip(clone.String()))
	}
	api = &url.URL{Scheme: clone.Scheme, Host: clone.Host}
	last := parts[len(parts)-2:]
	switch kind {
	case GitHub:
		if len(parts) != 2 {
			return nil, "", fmt.Errorf("repository URL %q: on GitHub the path is owner/repository", clip(clone.String()))
		}
		api.Path = "/api/v3/"
		if host := strings.ToLower(clone.Host); host == "github.com" || host == "www.github.com" {
			api.Host, api.Path = "api.github.com", "/"
		}
		return api, strings.Join(last, "/"), nil
	case GitLab:
		api.Path = "/api/v4/"
		return api, path, nil
	case Gitea:
		api.Path = "/" + strings.Join(append(append([]string(nil), parts[:len(parts)-2]...), "api", "v1"), "/") + "/"
		return api, strings.Join(last, "/"), nil
	}
	return nil, "", fmt.Errorf("unknown forge %q: use %s, %s or %s", kind, GitHub, GitLab, Gitea)
}

// clip keeps hostile text short in a message.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
