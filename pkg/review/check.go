// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/forge"
)

// Bounds on the texts of a result, in bytes, and on the people that it names of
// one pull request. No policy asks for so many.
const (
	maxName   = 100
	maxText   = 250
	maxURL    = 1024
	maxPeople = 20
)

// Remedies, for people.
const (
	remedyDirect  = "take the commit off the branch and bring it by a pull request, or have the change request approved in spite of it"
	remedyContent = "take the merge off the branch and merge again with the forge's merge button, or have the change request approved in spite of it"
)

// Check judges every pull request and every commit. A result without commits is
// OK: nothing is deployed that the target did not conclude before.
func Check(in Input) Result {
	r := Result{From: in.From, To: in.To, Required: max(in.Policy.Approvals, 1), TooMany: in.More}
	byNumber := make(map[int]int, len(in.PullRequests))
	for _, pr := range in.PullRequests {
		byNumber[pr.Number] = len(r.PullRequests)
		r.PullRequests = append(r.PullRequests, checkPullRequest(in, pr, r.Required))
	}
	bad := 0
	for _, c := range in.Commits {
		out := checkCommit(in, c, func(number int) *PullRequestOutcome {
			if i, ok := byNumber[number]; ok {
				return &r.PullRequests[i]
			}
			return nil
		})
		if !out.OK {
			bad++
		}
		r.Commits = append(r.Commits, out)
	}
	r.OK = bad == 0 && !r.TooMany
	r.Message = summary(r, bad)
	return r
}

func summary(r Result, bad int) string {
	switch {
	case r.TooMany:
		return fmt.Sprintf("there are more than %d commits since the last concluded one: not all were looked at", len(r.Commits))
	case len(r.Commits) == 0:
		return "no commit is new to the target"
	case bad == 0:
		return fmt.Sprintf("all of %s in %s were reviewed", count(len(r.Commits), "commit"), count(len(r.PullRequests), "pull request"))
	default:
		return fmt.Sprintf("%d of %s not reviewed: %s", bad, count(len(r.Commits), "commit"), faults(r))
	}
}

// faults says what is wrong, the first few of it: once for each pull request,
// and for each commit that none brought.
func faults(r Result) string {
	const most = 3
	var texts []string
	for _, c := range r.Commits {
		if c.OK {
			continue
		}
		text := c.Message
		if c.PullRequest == 0 {
			text = fmt.Sprintf("commit %.12s: %s", c.SHA, c.Message)
		}
		if slices.Contains(texts, text) {
			continue
		}
		if len(texts) == most {
			return strings.Join(texts, "; ") + "; and others"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// checkCommit judges one commit: of the pull requests that brought it one must
// pass, unless it is an automated author's.
func checkCommit(in Input, c Commit, find func(int) *PullRequestOutcome) CommitOutcome {
	subject, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	out := CommitOutcome{SHA: c.SHA, Subject: plaintext.Clip(subject, maxText), Author: plaintext.Clip(c.Author, maxName)}
	var failed *PullRequestOutcome
	for _, number := range c.PullRequests {
		pr := find(number)
		if pr == nil {
			continue
		}
		if pr.OK {
			out.OK, out.PullRequest, out.Reason = true, pr.Number, pr.Reason
			out.Message = fmt.Sprintf("pull request %d: %s", pr.Number, pr.Message)
			return out
		}
		failed = pr
	}
	if automated(in, c) {
		out.OK, out.Reason, out.Message = true, ReasonAutomated, "an automated author's commit, marked "+AutomatedMarker
		return out
	}
	if failed != nil {
		out.PullRequest, out.Reason, out.Remedy = failed.Number, failed.Reason, failed.Remedy
		out.Message = fmt.Sprintf("pull request %d: %s", failed.Number, failed.Message)
		return out
	}
	out.Reason, out.Message, out.Remedy = ReasonDirectPush, "no merged pull request brought it: it was pushed to the branch", remedyDirect
	if strings.Contains(c.Message, AutomatedMarker) {
		out.Message += fmt.Sprintf("; its mark %s does not count, as author %s and committer %s are not both among the policy's automatedAuthors",
			AutomatedMarker, orNobody(c.AuthorEmail), orNobody(c.CommitterEmail))
	}
	for _, pr := range in.PullRequests {
		if pr.MergeCommit != c.SHA || pr.Problem == "" {
			continue
		}
		out.PullRequest, out.Remedy = pr.Number, remedyContent
		out.Reason, out.Message = problem(pr)
		break
	}
	return out
}

func problem(pr PullRequest) (Reason, string) {
	if pr.Problem == ProblemContent {
		return ReasonMergeChangesContent, fmt.Sprintf("the merge of pull request %d has content that is neither the branch's nor the pull request's, in %s", pr.Number, paths(pr.Paths))
	}
	return ReasonHeadUnknown, fmt.Sprintf("what pull request %d proposed is not known any more, so the merge cannot be compared with it", pr.Number)
}

func paths(all []string) string {
	const most = 5
	var shown []string
	for _, path := range all[:min(len(all), most)] {
		shown = append(shown, fmt.Sprintf("%q", plaintext.Clip(path, maxName)))
	}
	switch {
	case len(shown) == 0:
		return "files that are not known"
	case len(all) > most:
		return strings.Join(shown, ", ") + " and others"
	}
	return strings.Join(shown, ", ")
}

func orNobody(email string) string {
	if email == "" {
		return "(none)"
	}
	return plaintext.Clip(email, maxName)
}

// automated asks for the mark and for both addresses: whoever else rewrites or
// passes on an automated commit becomes its committer.
func automated(in Input, c Commit) bool {
	if !strings.Contains(c.Message, AutomatedMarker) {
		return false
	}
	known := func(email string) bool {
		return email != "" && slices.ContainsFunc(in.Policy.AutomatedAuthors, func(a string) bool { return strings.EqualFold(a, email) })
	}
	return known(c.AuthorEmail) && known(c.CommitterEmail)
}

// checkPullRequest judges one pull request, whoever's commits it brought.
func checkPullRequest(in Input, pr PullRequest, required int) PullRequestOutcome {
	out := PullRequestOutcome{
		Number: pr.Number, URL: plaintext.Clip(pr.URL, maxURL), Title: plaintext.Clip(pr.Title, maxText), Author: plaintext.Clip(pr.Author, maxName),
		Head: pr.Head, Approvals: []string{},
	}
	makers := makersOf(pr)
	approvals(pr, makers, &out)
	label := exempt(in, pr, makers, &out)
	needed := fmt.Sprintf("%d of %s", len(out.Approvals), count(required, "approval"))
	switch {
	case pr.Problem != "":
		out.Reason, out.Message = problem(pr)
		out.Remedy = remedyContent
	case len(out.Approvals) >= required:
		out.OK, out.Reason, out.Message = true, ReasonApproved, needed+" by people other than its authors"
	case label != nil:
		at := label.Time.UTC()
		out.OK, out.Reason, out.ExemptBy, out.ExemptAt = true, ReasonExempt, plaintext.Clip(label.Actor.Login, maxName), &at
		out.Message = fmt.Sprintf("label %q was set by %s", plaintext.Clip(in.Policy.ExemptLabel, maxName), out.ExemptBy)
	case onlyAutomated(in, pr):
		out.OK, out.Reason, out.Message = true, ReasonAutomated, "all that it brought are automated authors' commits"
	default:
		out.Reason, out.Message = ReasonNotApproved, needed+" by people other than its authors"+why(out.Ignored)
		out.Remedy = "have the change request approved in spite of it"
		if in.Policy.ExemptLabel != "" {
			out.Remedy = fmt.Sprintf("let somebody who had no part in it review it now and set label %q, or %s", plaintext.Clip(in.Policy.ExemptLabel, maxName), out.Remedy)
		}
	}
	return out
}

func why(ignored []Ignored) string {
	const most = 3
	var texts []string
	for _, i := range ignored[:min(len(ignored), most)] {
		texts = append(texts, i.Message)
	}
	if len(ignored) > most {
		texts = append(texts, "and others")
	}
	if len(texts) == 0 {
		return ""
	}
	return ": " + strings.Join(texts, "; ")
}

// onlyAutomated reports whether a pull request brought automated authors' commits
// and nothing else but its own merge, which was compared.
func onlyAutomated(in Input, pr PullRequest) bool {
	any := false
	for _, c := range in.Commits {
		if !slices.Contains(c.PullRequests, pr.Number) || c.SHA == pr.MergeCommit && len(c.Parents) > 1 {
			continue
		}
		if !automated(in, c) {
			return false
		}
		any = true
	}
	return any
}

// approvals sorts a pull request's approvals into those that count and those
// that do not. Of each person the last decision holds, so nobody counts twice.
func approvals(pr PullRequest, m makers, out *PullRequestOutcome) {
	last := map[string]forge.Review{}
	approved := map[string]bool{}
	for _, review := range inOrder(pr.History.Reviews) {
		if review.State == forge.ReviewComment {
			continue
		}
		login := strings.ToLower(review.Reviewer.Login)
		if login == "" {
			if review.State == forge.ReviewApproved {
				out.ignore(review.Reviewer, ReasonAccountUnknown, "an approval is of an account that is gone")
			}
			continue
		}
		last[login] = review
		approved[login] = approved[login] || review.State != forge.ReviewChangesRequested
	}
	logins := make([]string, 0, len(last))
	for login := range last {
		if approved[login] {
			logins = append(logins, login)
		}
	}
	slices.Sort(logins)
	for _, login := range logins {
		review := last[login]
		if reason, message := discount(pr, m, review); reason != "" {
			out.ignore(review.Reviewer, reason, message)
			continue
		}
		if len(out.Approvals) < maxPeople {
			out.Approvals = append(out.Approvals, plaintext.Clip(review.Reviewer.Login, maxName))
		}
	}
}

func inOrder(reviews []forge.Review) []forge.Review {
	reviews = slices.Clone(reviews)
	slices.SortStableFunc(reviews, func(a, b forge.Review) int { return a.Time.Compare(b.Time) })
	return reviews
}

// discount says why a person's decision does not count as an approval; an empty
// reason if it does.
func discount(pr PullRequest, m makers, review forge.Review) (Reason, string) {
	who := plaintext.Clip(review.Reviewer.Login, maxName)
	if reason, part := m.part(review.Reviewer); reason != "" {
		return reason, who + " " + part
	}
	switch {
	case review.State == forge.ReviewDismissed:
		return ReasonDismissed, fmt.Sprintf("the approval of %s was dismissed", who)
	case review.State == forge.ReviewChangesRequested:
		return ReasonChangesRequested, who + " asked for changes after approving"
	case review.State != forge.ReviewApproved:
		return ReasonNotApproved, who + " did not approve"
	case !review.Member:
		return ReasonNotAMember, fmt.Sprintf("the forge does not let %s decide", who)
	case review.Commit == "":
		return ReasonCommitUnknown, fmt.Sprintf("the forge does not tell which commit %s approved", who)
	case pr.Head == "" || review.Commit != pr.Head && !slices.Contains(pr.Equivalent, review.Commit):
		return ReasonOtherCommit, fmt.Sprintf("%s approved commit %s, and %s was merged", who, short(review.Commit), short(pr.Head))
	}
	return "", ""
}

func short(commit string) string {
	if commit == "" {
		return "another one"
	}
	return plaintext.Clip(commit[:min(len(commit), 12)], 24)
}

// exempt returns the setting of the exemption label that counts, if any. A label
// may be set after the merge: that is how somebody vouches in retrospect.
func exempt(in Input, pr PullRequest, m makers, out *PullRequestOutcome) *forge.LabelEvent {
	name := in.Policy.ExemptLabel
	if name == "" || !slices.ContainsFunc(pr.Labels, func(l string) bool { return strings.EqualFold(l, name) }) {
		return nil
	}
	events := slices.DeleteFunc(slices.Clone(pr.History.Labels), func(e forge.LabelEvent) bool { return !strings.EqualFold(e.Label, name) })
	slices.SortStableFunc(events, func(a, b forge.LabelEvent) int { return a.Time.Compare(b.Time) })
	if len(events) == 0 || !events[len(events)-1].Added || events[len(events)-1].Actor.Login == "" {
		out.ignoreLabel(forge.Account{}, ReasonSetterUnknown, fmt.Sprintf("label %q counts only if the forge tells who set it", plaintext.Clip(name, maxName)))
		return nil
	}
	event := events[len(events)-1]
	if reason, part := m.part(event.Actor); reason != "" {
		out.ignoreLabel(event.Actor, reason, fmt.Sprintf("label %q was set by %s, who %s", plaintext.Clip(name, maxName), plaintext.Clip(event.Actor.Login, maxName), part))
		return nil
	}
	return &event
}

func (o *PullRequestOutcome) ignore(who forge.Account, reason Reason, message string) {
	if len(o.Ignored) < maxPeople {
		o.Ignored = append(o.Ignored, Ignored{By: plaintext.Clip(who.Login, maxName), Reason: reason, Message: message})
	}
}

func (o *PullRequestOutcome) ignoreLabel(who forge.Account, reason Reason, message string) {
	o.Ignored = append(o.Ignored, Ignored{By: plaintext.Clip(who.Login, maxName), Reason: reason, Label: true, Message: message})
}
