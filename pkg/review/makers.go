// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"regexp"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/pkg/forge"
)

// makers are those who had a hand in a pull request, by login and by address.
// Accounts of commits are matched by login where the forge knows whose address
// it is, else by address: one that an author made up leads nowhere, which is why
// pushers count too.
type makers struct {
	author          string
	logins, pushers map[string]bool
	emails          map[string]bool
}

func makersOf(pr PullRequest) makers {
	m := makers{author: strings.ToLower(pr.Author), logins: map[string]bool{}, pushers: map[string]bool{}, emails: map[string]bool{}}
	for _, c := range pr.History.Commits {
		if slices.Contains(pr.Clean, c.SHA) {
			continue
		}
		m.add(c.Author)
		m.add(c.Committer)
		for _, email := range coAuthors(c.Message) {
			m.email(email)
		}
	}
	for _, p := range pr.History.Pushers {
		if p.Login != "" {
			m.pushers[strings.ToLower(p.Login)] = true
		}
	}
	return m
}

func (m makers) add(a forge.Account) {
	if a.Login != "" {
		m.logins[strings.ToLower(a.Login)] = true
	}
	for _, email := range a.Emails {
		m.email(email)
	}
}

func (m makers) email(address string) {
	address = strings.ToLower(strings.TrimSpace(address))
	if address == "" {
		return
	}
	m.emails[address] = true
	if login := noReplyLogin(address); login != "" {
		m.logins[login] = true
	}
}

// part says what part an account had in the pull request; an empty reason if
// none. A machine is nobody's second pair of eyes.
func (m makers) part(a forge.Account) (Reason, string) {
	login := strings.ToLower(a.Login)
	switch {
	case login == "":
		return ReasonAccountUnknown, "is an account that is gone"
	case a.Machine:
		return ReasonMachine, "is a machine"
	case login == m.author:
		return ReasonOwnPullRequest, "opened the pull request"
	case m.logins[login], slices.ContainsFunc(a.Emails, func(e string) bool { return m.emails[strings.ToLower(e)] }):
		return ReasonOwnCommit, "wrote or committed part of it"
	case m.pushers[login]:
		return ReasonOwnPush, "pushed to it"
	}
	return "", ""
}

// Forges give accounts addresses that name them: 12+ada@users.noreply.github.com,
// 12-ada@users.noreply.gitlab.example, 12+ada@noreply.gitea.example and, for
// accounts of long ago, without the number.
var noReply = regexp.MustCompile(`^(?:[0-9]+[+-])?([a-z0-9][a-z0-9._-]*)@(?:users\.)?noreply\.[a-z0-9.-]+$`)

func noReplyLogin(address string) string {
	if match := noReply.FindStringSubmatch(address); match != nil {
		return match[1]
	}
	return ""
}

var coAuthor = regexp.MustCompile(`(?im)^[ \t]*co-authored-by:[^<\n]*<([^<>\n]{3,254})>[ \t\r]*$`)

// maxCoAuthors bounds what one message can name.
const maxCoAuthors = 100

// coAuthors are the addresses that the trailers of a message name.
func coAuthors(message string) []string {
	var out []string
	for _, match := range coAuthor.FindAllStringSubmatch(message, maxCoAuthors) {
		out = append(out, match[1])
	}
	return out
}
