// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/review"
)

func at(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }

func person(login string, emails ...string) forge.Account {
	return forge.Account{Login: login, Emails: emails}
}

func machine(login string) forge.Account { return forge.Account{Login: login, Machine: true} }

// by is a member's approval of the commit that was merged.
func by(login string, minute int) forge.Review {
	return forge.Review{Reviewer: person(login), State: forge.ReviewApproved, Commit: "head", Time: at(minute), Member: true}
}

func with(r forge.Review, change func(*forge.Review)) forge.Review {
	change(&r)
	return r
}

func state(s forge.ReviewState) func(*forge.Review) {
	return func(r *forge.Review) { r.State = s }
}

// adas is ada's pull request 7, of one commit of hers, merged as "merge".
func adas(reviews ...forge.Review) review.PullRequest {
	return review.PullRequest{
		PullRequest: forge.PullRequest{Number: 7, URL: "https://forge.example/7", Title: "t", Author: "ada", MergeCommit: "merge", Merged: true},
		Head:        "head",
		History: forge.ReviewHistory{
			Head:    "head",
			Commits: []forge.PullCommit{{SHA: "head", Author: person("ada", "ada@example.com"), Committer: person("ada", "ada@example.com")}},
			Reviews: reviews,
		},
	}
}

func input(prs ...review.PullRequest) review.Input {
	in := review.Input{
		Query: review.Query{Branch: "prod", From: "from", To: "merge", Policy: v1alpha1.PeerReviewPolicy{
			Approvals: 1, ExemptLabel: "exempt", AutomatedAuthors: []string{"CI@robots.example"},
		}},
		PullRequests: prs,
	}
	for _, pr := range prs {
		in.Commits = append(in.Commits,
			review.Commit{SHA: pr.MergeCommit, Parents: []string{"from", "head"}, Message: "Merge", AuthorEmail: "bob@example.com", PullRequests: []int{pr.Number}},
			review.Commit{SHA: "head", Parents: []string{"from"}, Message: "change", AuthorEmail: "ada@example.com", PullRequests: []int{pr.Number}})
	}
	return in
}

func TestApprovals(t *testing.T) {
	two := func(in *review.Input) { in.Policy.Approvals = 2 }
	type outcome struct {
		OK        bool
		Approvals []string
		Ignored   []review.Reason
	}
	good := func(logins ...string) outcome { return outcome{OK: true, Approvals: logins} }
	bad := func(reasons ...review.Reason) outcome { return outcome{Approvals: []string{}, Ignored: reasons} }
	for name, c := range map[string]struct {
		reviews []forge.Review
		change  func(*review.Input)
		want    outcome
	}{
		"one, and one is needed":          {[]forge.Review{by("bob", 1)}, nil, good("bob")},
		"none":                            {nil, nil, bad()},
		"a policy without a number":       {nil, func(in *review.Input) { in.Policy.Approvals = 0 }, bad()},
		"a comment":                       {[]forge.Review{with(by("bob", 1), state(forge.ReviewComment))}, nil, bad()},
		"a state that nobody knows":       {[]forge.Review{with(by("bob", 1), state("hooray"))}, nil, bad(review.ReasonNotApproved)},
		"a request for changes":           {[]forge.Review{with(by("bob", 1), state(forge.ReviewChangesRequested))}, nil, bad()},
		"two, and two are needed":         {[]forge.Review{by("bob", 1), by("eve", 2)}, two, good("bob", "eve")},
		"one, and two are needed":         {[]forge.Review{by("bob", 1)}, two, outcome{false, []string{"bob"}, nil}},
		"twice by one, two are needed":    {[]forge.Review{by("bob", 1), by("bob", 2), by("BOB", 3)}, two, outcome{false, []string{"BOB"}, nil}},
		"the author's own":                {[]forge.Review{by("ada", 1)}, nil, bad(review.ReasonOwnPullRequest)},
		"the author's own, in capitals":   {[]forge.Review{by("ADA", 1)}, nil, bad(review.ReasonOwnPullRequest)},
		"of an earlier commit":            {[]forge.Review{with(by("bob", 1), func(r *forge.Review) { r.Commit = "before" })}, nil, bad(review.ReasonOtherCommit)},
		"of no known commit":              {[]forge.Review{with(by("bob", 1), func(r *forge.Review) { r.Commit = "" })}, nil, bad(review.ReasonCommitUnknown)},
		"of a commit with equal content":  {[]forge.Review{with(by("bob", 1), func(r *forge.Review) { r.Commit = "before" })}, func(in *review.Input) { in.PullRequests[0].Equivalent = []string{"before"} }, good("bob")},
		"dismissed":                       {[]forge.Review{with(by("bob", 1), state(forge.ReviewDismissed))}, nil, bad(review.ReasonDismissed)},
		"dismissed, and given once more":  {[]forge.Review{with(by("bob", 1), state(forge.ReviewDismissed)), by("bob", 2)}, nil, good("bob")},
		"taken back":                      {[]forge.Review{by("bob", 1), with(by("bob", 2), state(forge.ReviewChangesRequested))}, nil, bad(review.ReasonChangesRequested)},
		"taken back, told in disorder":    {[]forge.Review{with(by("bob", 2), state(forge.ReviewChangesRequested)), by("bob", 1)}, nil, bad(review.ReasonChangesRequested)},
		"after a request for changes":     {[]forge.Review{with(by("bob", 1), state(forge.ReviewChangesRequested)), by("bob", 2)}, nil, good("bob")},
		"and a comment afterwards":        {[]forge.Review{by("bob", 1), with(by("bob", 2), state(forge.ReviewComment))}, nil, good("bob")},
		"somebody else asks for changes":  {[]forge.Review{by("bob", 1), with(by("eve", 2), state(forge.ReviewChangesRequested))}, nil, good("bob")},
		"by somebody who may not decide":  {[]forge.Review{with(by("bob", 1), func(r *forge.Review) { r.Member = false })}, nil, bad(review.ReasonNotAMember)},
		"by a machine":                    {[]forge.Review{with(by("bot", 1), func(r *forge.Review) { r.Reviewer = machine("bot") })}, nil, bad(review.ReasonMachine)},
		"by an account that is gone":      {[]forge.Review{with(by("", 1), func(*forge.Review) {})}, nil, bad(review.ReasonAccountUnknown)},
		"an author's account is gone":     {[]forge.Review{by("bob", 1)}, func(in *review.Input) { in.PullRequests[0].Author = "" }, good("bob")},
		"both accounts are gone":          {[]forge.Review{by("", 1)}, func(in *review.Input) { in.PullRequests[0].Author = "" }, bad(review.ReasonAccountUnknown)},
		"by who wrote a commit":           {[]forge.Review{by("bob", 1)}, commit(forge.PullCommit{SHA: "c", Author: person("Bob")}), bad(review.ReasonOwnCommit)},
		"by who committed one":            {[]forge.Review{by("bob", 1)}, commit(forge.PullCommit{SHA: "c", Committer: person("bob")}), bad(review.ReasonOwnCommit)},
		"by who is a co-author":           {[]forge.Review{by("bob", 1)}, commit(forge.PullCommit{SHA: "c", Message: "x\n\nCo-authored-by: B <12+Bob@users.noreply.github.com>\n"}), bad(review.ReasonOwnCommit)},
		"by who wrote under a forge's":    {[]forge.Review{by("bob", 1)}, commit(forge.PullCommit{SHA: "c", Author: person("", "3-bob@users.noreply.gitlab.example")}), bad(review.ReasonOwnCommit)},
		"by who has a commit's address":   {[]forge.Review{with(by("bob", 1), func(r *forge.Review) { r.Reviewer.Emails = []string{"B@x.example"} })}, commit(forge.PullCommit{SHA: "c", Author: person("", "b@X.example")}), bad(review.ReasonOwnCommit)},
		"by who made a merge with change": {[]forge.Review{by("bob", 1)}, commit(forge.PullCommit{SHA: "c", Author: person("bob"), Parents: []string{"1", "2"}}), bad(review.ReasonOwnCommit)},
		"by who brought it up to date": {[]forge.Review{by("bob", 1)}, func(in *review.Input) {
			commit(forge.PullCommit{SHA: "c", Author: person("bob"), Parents: []string{"1", "2"}})(in)
			in.PullRequests[0].Clean = []string{"c"}
		}, good("bob")},
		"by who pushed":                       {[]forge.Review{by("bob", 1)}, func(in *review.Input) { in.PullRequests[0].History.Pushers = []forge.Account{person("BOB")} }, bad(review.ReasonOwnPush)},
		"one that counts beside many that do": {[]forge.Review{by("ada", 1), by("eve", 2), with(by("bob", 3), state(forge.ReviewDismissed))}, nil, outcome{true, []string{"eve"}, []review.Reason{review.ReasonOwnPullRequest, review.ReasonDismissed}}},
		"of a merge with other content":       {[]forge.Review{by("bob", 1)}, func(in *review.Input) { in.PullRequests[0].Problem = review.ProblemContent }, outcome{false, []string{"bob"}, nil}},
		"of nobody knows what":                {[]forge.Review{by("bob", 1)}, func(in *review.Input) { in.PullRequests[0].Problem, in.PullRequests[0].Head = review.ProblemHead, "" }, bad(review.ReasonOtherCommit)},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(adas(c.reviews...))
			if c.change != nil {
				c.change(&in)
			}
			result := review.Check(in)
			pr := result.PullRequests[0]
			got := outcome{OK: pr.OK, Approvals: pr.Approvals}
			for _, i := range pr.Ignored {
				got.Ignored = append(got.Ignored, i.Reason)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, commit := range result.Commits {
				if commit.OK != c.want.OK || commit.PullRequest != 7 || commit.OK != (commit.Remedy == "") || commit.Message == "" {
					t.Errorf("commit: %+v", commit)
				}
			}
			if result.OK != c.want.OK || pr.OK != (pr.Remedy == "") || pr.OK != (pr.Reason == review.ReasonApproved) || pr.Message == "" {
				t.Errorf("result: %+v", result)
			}
		})
	}
}

func commit(c forge.PullCommit) func(*review.Input) {
	return func(in *review.Input) {
		h := &in.PullRequests[0].History
		h.Commits = append(h.Commits, c)
	}
}

func TestExemptionLabel(t *testing.T) {
	set := func(who string, minute int) forge.LabelEvent {
		return forge.LabelEvent{Label: "Exempt", Actor: person(who), Added: true, Time: at(minute)}
	}
	removed := func(who string, minute int) forge.LabelEvent {
		return forge.LabelEvent{Label: "exempt", Actor: person(who), Time: at(minute)}
	}
	for name, c := range map[string]struct {
		labels  []string
		events  []forge.LabelEvent
		change  func(*review.Input)
		ignored review.Reason
		ok      bool
	}{
		"set by somebody else":              {[]string{"x", "EXEMPT"}, []forge.LabelEvent{set("eve", 59)}, nil, "", true},
		"not there":                         {[]string{"x"}, []forge.LabelEvent{set("eve", 1)}, nil, "", false},
		"the policy has none":               {[]string{"exempt", ""}, []forge.LabelEvent{set("eve", 1)}, func(in *review.Input) { in.Policy.ExemptLabel = "" }, "", false},
		"set by the author":                 {[]string{"exempt"}, []forge.LabelEvent{set("Ada", 1)}, nil, review.ReasonOwnPullRequest, false},
		"set by who wrote a commit":         {[]string{"exempt"}, []forge.LabelEvent{set("bob", 1)}, commit(forge.PullCommit{SHA: "c", Author: person("bob")}), review.ReasonOwnCommit, false},
		"set by a machine":                  {[]string{"exempt"}, []forge.LabelEvent{{Label: "exempt", Actor: machine("bot"), Added: true}}, nil, review.ReasonMachine, false},
		"set by nobody knows whom":          {[]string{"exempt"}, nil, nil, review.ReasonSetterUnknown, false},
		"set by an account that is gone":    {[]string{"exempt"}, []forge.LabelEvent{set("", 1)}, nil, review.ReasonSetterUnknown, false},
		"removed, it seems":                 {[]string{"exempt"}, []forge.LabelEvent{set("eve", 1), removed("eve", 2)}, nil, review.ReasonSetterUnknown, false},
		"set again by the author":           {[]string{"exempt"}, []forge.LabelEvent{set("eve", 1), removed("ada", 2), set("ada", 3)}, nil, review.ReasonOwnPullRequest, false},
		"set again by somebody else":        {[]string{"exempt"}, []forge.LabelEvent{set("eve", 3), set("ada", 1), removed("eve", 2)}, nil, "", true},
		"another label set by somebody":     {[]string{"exempt"}, []forge.LabelEvent{{Label: "other", Actor: person("eve"), Added: true}}, nil, review.ReasonSetterUnknown, false},
		"does not vouch for another's work": {[]string{"exempt"}, []forge.LabelEvent{set("eve", 1)}, func(in *review.Input) { in.PullRequests[0].Problem = review.ProblemContent }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			pr := adas()
			pr.Labels, pr.History.Labels = c.labels, c.events
			in := input(pr)
			if c.change != nil {
				c.change(&in)
			}
			result := review.Check(in)
			got := result.PullRequests[0]
			var ignored review.Reason
			if len(got.Ignored) == 1 && got.Ignored[0].Label {
				ignored = got.Ignored[0].Reason
			}
			if result.OK != c.ok || ignored != c.ignored || c.ok != (got.Reason == review.ReasonExempt) || c.ok != (got.ExemptBy == "eve") || c.ok != (got.ExemptAt != nil) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestCommits(t *testing.T) {
	robot := func(sha string, change func(*review.Commit)) review.Commit {
		c := review.Commit{SHA: sha, Parents: []string{"from"}, Message: "build\n\n##AUTOMATED_COMMIT##", AuthorEmail: "ci@robots.example", CommitterEmail: "ci@ROBOTS.example"}
		if change != nil {
			change(&c)
		}
		return c
	}
	for name, c := range map[string]struct {
		change func(*review.Input)
		want   map[string]review.Reason
		ok     bool
	}{
		"no commits":                          {func(in *review.Input) { in.Commits, in.PullRequests = nil, nil }, map[string]review.Reason{}, true},
		"of an approved pull request":         {nil, map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved}, true},
		"one pushed besides":                  {add(review.Commit{SHA: "x"}), map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved, "x": review.ReasonDirectPush}, false},
		"of a pull request that is not there": {add(review.Commit{SHA: "x", PullRequests: []int{8}}), map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved, "x": review.ReasonDirectPush}, false},
		"an automated one":                    {add(robot("x", nil)), map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved, "x": review.ReasonAutomated}, true},
		"an automated one, without the mark":  {add(robot("x", func(c *review.Commit) { c.Message = "build" })), map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved, "x": review.ReasonDirectPush}, false},
		"the mark by somebody else":           {add(robot("x", func(c *review.Commit) { c.AuthorEmail = "ada@example.com" })), map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved, "x": review.ReasonDirectPush}, false},
		"the mark, committed by another":      {add(robot("x", func(c *review.Commit) { c.CommitterEmail = "ada@example.com" })), map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved, "x": review.ReasonDirectPush}, false},
		"the mark, and no automated authors":  {func(in *review.Input) { add(robot("x", nil))(in); in.Policy.AutomatedAuthors = nil }, map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved, "x": review.ReasonDirectPush}, false},
		"the mark, and an empty address": {func(in *review.Input) {
			add(robot("x", func(c *review.Commit) { c.AuthorEmail, c.CommitterEmail = "", "" }))(in)
			in.Policy.AutomatedAuthors = []string{""}
		}, map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved, "x": review.ReasonDirectPush}, false},
		"a pull request of automated ones alone": {func(in *review.Input) {
			in.PullRequests[0].History.Reviews = nil
			in.Commits[1] = robot("head", func(c *review.Commit) { c.PullRequests = []int{7} })
		}, map[string]review.Reason{"merge": review.ReasonAutomated, "head": review.ReasonAutomated}, true},
		"a pull request of automated ones, squashed by somebody": {func(in *review.Input) {
			in.PullRequests[0].History.Reviews = nil
			in.Commits = in.Commits[:1]
			in.Commits[0].Parents = []string{"from"}
		}, map[string]review.Reason{"merge": review.ReasonNotApproved}, false},
		"a pull request of which all but the last were automated": {func(in *review.Input) {
			in.PullRequests[0].History.Reviews = nil
			in.Commits[0].Parents = []string{"head"}
			in.Commits[1] = robot("head", func(c *review.Commit) { c.PullRequests = []int{7} })
		}, map[string]review.Reason{"merge": review.ReasonNotApproved, "head": review.ReasonAutomated}, false},
		"an automated one in a pull request that nobody approved": {func(in *review.Input) {
			in.PullRequests[0].History.Reviews = nil
			add(robot("x", func(c *review.Commit) { c.PullRequests = []int{7} }))(in)
		}, map[string]review.Reason{"merge": review.ReasonNotApproved, "head": review.ReasonNotApproved, "x": review.ReasonAutomated}, false},
		"of two pull requests, one approved": {func(in *review.Input) {
			other := adas()
			other.Number, other.MergeCommit = 8, "other"
			in.PullRequests = append(in.PullRequests, other)
			in.Commits[1].PullRequests = []int{8, 7}
		}, map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved}, true},
		"a merge with other content": {func(in *review.Input) {
			in.PullRequests[0].Problem, in.PullRequests[0].Paths = review.ProblemContent, []string{"a\x1b[31m"}
			in.Commits[0].PullRequests = nil
		}, map[string]review.Reason{"merge": review.ReasonMergeChangesContent, "head": review.ReasonMergeChangesContent}, false},
		"a merge of nobody knows what": {func(in *review.Input) {
			in.PullRequests[0].Problem = review.ProblemHead
			in.Commits[0].PullRequests = nil
		}, map[string]review.Reason{"merge": review.ReasonHeadUnknown, "head": review.ReasonHeadUnknown}, false},
		"more than are looked at": {func(in *review.Input) { in.More = true }, map[string]review.Reason{"merge": review.ReasonApproved, "head": review.ReasonApproved}, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(adas(by("bob", 1)))
			if c.change != nil {
				c.change(&in)
			}
			result := review.Check(in)
			got := map[string]review.Reason{}
			for _, commit := range result.Commits {
				got[commit.SHA] = commit.Reason
				if commit.OK != (commit.Remedy == "") {
					t.Errorf("%+v", commit)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || result.OK != c.ok || result.Message == "" {
				t.Errorf("%s: OK %v (-want +got):\n%s", result.Message, result.OK, diff)
			}
		})
	}
}

func add(c review.Commit) func(*review.Input) {
	return func(in *review.Input) { in.Commits = append(in.Commits, c) }
}

func TestEvidence(t *testing.T) {
	change, err := evidence.CommitURI("https://forge.example/o/inventory.git", strings.Repeat("a", 40))
	if err != nil {
		t.Fatal(err)
	}
	in := input(adas())
	for i := range 3 * review.MaxListed {
		add(review.Commit{SHA: fmt.Sprint(i)})(&in)
		pr := adas(by("bob", 1))
		pr.Number = 100 + i
		in.PullRequests = append(in.PullRequests, pr)
	}
	result := review.Check(in)
	record := result.Evidence(change, evidence.Origin{PipelineRunID: "run-1"}, at(0))
	if record.Result() != evidence.ResultFailure || record.TypeID != "com.ibm.peer_review" || record.Date != "2026-01-02T03:00:00Z" ||
		record.Origin.Scope != evidence.Text(evidence.ScopeID("run-1")) || string(record.Assets[0].Hash) != change.ID {
		t.Errorf("got %+v", record)
	}
	data, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Details struct {
			Result, Tool, Message, From, To string
			Required                        int  `json:"required_approvals"`
			Commits, Unreviewed             int  //nolint:tagliatelle // as written
			More                            bool `json:"more_commits"`
			UnreviewedCommits               []struct {
				SHA, Reason, Message, Remedy string
			} `json:"unreviewed_commits"`
			PullRequests []struct {
				Number int
				OK     bool
				Reason string
			} `json:"pull_requests"`
		}
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	d := got.Details
	if d.Result != "failure" || d.Tool != review.Tool || d.Message != result.Message || d.From != "from" || d.To != "merge" || d.Required != 1 ||
		d.Commits != 302 || d.Unreviewed != 302 || len(d.UnreviewedCommits) != review.MaxListed || len(d.PullRequests) != review.MaxListed {
		t.Errorf("got %+v", d)
	}
	if d.PullRequests[0].OK || d.PullRequests[0].Number != 7 || d.PullRequests[0].Reason != "NotApproved" || !d.PullRequests[1].OK {
		t.Errorf("what failed does not come first: %+v", d.PullRequests[:2])
	}
	if len(data) > 1<<20 {
		t.Errorf("%d bytes", len(data))
	}
	if record := review.Check(review.Input{}).Evidence(change, evidence.Origin{}, at(0)); record.Result() != evidence.ResultSuccess {
		t.Errorf("nothing to review: %+v", record)
	}
}

// TestNothingHostileIsTold: whatever people and servers write, a result is
// harmless lines of bounded length.
func TestNothingHostileIsTold(t *testing.T) {
	hostile := strings.Repeat("\x1b]0;x\a\u202e\n<b>", 5000)
	pr := adas()
	pr.URL, pr.Title, pr.Author, pr.Labels = hostile, hostile, hostile, []string{hostile}
	for i := range 200 {
		pr.History.Reviews = append(pr.History.Reviews, with(by(fmt.Sprint(i)+hostile, i), func(r *forge.Review) { r.Commit = hostile }))
	}
	pr.Problem, pr.Paths = review.ProblemContent, []string{hostile, hostile}
	in := input(pr, adas(pr.History.Reviews...))
	in.Policy.ExemptLabel = hostile
	in.Commits = append(in.Commits, review.Commit{SHA: "x", Author: hostile, AuthorEmail: hostile, Message: hostile + review.AutomatedMarker})
	data, err := json.Marshal(review.Check(in))
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 100_000 {
		t.Errorf("%d bytes", len(data))
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		case string:
			if plaintext.Line(v) != v {
				t.Errorf("not harmless: %.100q", v)
			}
		}
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	walk(all)
}
