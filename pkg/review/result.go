// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package review

import "time"

// Reason is why something passes or does not; the values are part of the API.
type Reason string

// The reasons that pass.
const (
	// ReasonApproved: enough people approved the pull request.
	ReasonApproved Reason = "Approved"
	// ReasonExempt: somebody other than its authors set the exemption label.
	ReasonExempt Reason = "Exempt"
	// ReasonAutomated: an automated author's commit that says so; of a pull
	// request: all that it brought.
	ReasonAutomated Reason = "Automated"
)

// The reasons that do not.
const (
	// ReasonDirectPush: no merged pull request brought the commit.
	ReasonDirectPush Reason = "DirectPush"
	// ReasonNotApproved: too few approvals count.
	ReasonNotApproved Reason = "NotApproved"
	// ReasonMergeChangesContent: the merge has content that nobody reviewed.
	ReasonMergeChangesContent Reason = "MergeChangesContent"
	// ReasonHeadUnknown: what was proposed cannot be compared with what was
	// merged.
	ReasonHeadUnknown Reason = "HeadUnknown"
	// ReasonTooMany: there are more commits than are looked at.
	ReasonTooMany Reason = "TooManyCommits"
)

// The reasons why one approval or one exemption label does not count.
const (
	// ReasonOwnPullRequest: the pull request is the person's own.
	ReasonOwnPullRequest Reason = "OwnPullRequest"
	// ReasonOwnCommit: the person wrote or committed part of it.
	ReasonOwnCommit Reason = "OwnCommit"
	// ReasonOwnPush: the person pushed to it.
	ReasonOwnPush Reason = "OwnPush"
	// ReasonOtherCommit: the approval is of another commit than was merged.
	ReasonOtherCommit Reason = "OtherCommit"
	// ReasonCommitUnknown: the forge does not say what was approved.
	ReasonCommitUnknown Reason = "CommitUnknown"
	// ReasonDismissed: the approval was dismissed.
	ReasonDismissed Reason = "Dismissed"
	// ReasonChangesRequested: the person asked for changes afterwards.
	ReasonChangesRequested Reason = "ChangesRequested"
	// ReasonMachine: no person is behind the account.
	ReasonMachine Reason = "Machine"
	// ReasonNotAMember: the forge does not let the person decide.
	ReasonNotAMember Reason = "NotAMember"
	// ReasonAccountUnknown: the account is gone or not told.
	ReasonAccountUnknown Reason = "AccountUnknown"
	// ReasonSetterUnknown: the label is there, and nothing says who set it.
	ReasonSetterUnknown Reason = "SetterUnknown"
)

// Result is what a check found. All texts are harmless lines.
type Result struct {
	From, To string
	// Required is how many approvals the policy asks for.
	Required int
	// OK is whether everything was reviewed.
	OK bool
	// Message says it in one line.
	Message string
	// Commits, the newest first.
	Commits []CommitOutcome
	// PullRequests, the newest first.
	PullRequests []PullRequestOutcome
	// TooMany is whether there were further commits that nobody looked at.
	TooMany bool
}

// CommitOutcome is what was found about one commit.
type CommitOutcome struct {
	SHA     string `json:"sha"`
	Subject string `json:"subject,omitempty"`
	Author  string `json:"author,omitempty"`
	// PullRequest that decided, 0 for none.
	PullRequest int    `json:"pull_request,omitempty"`
	OK          bool   `json:"ok"`
	Reason      Reason `json:"reason"`
	// Message says why, Remedy what a person can do, where it is not OK.
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// PullRequestOutcome is what was found about one pull request.
type PullRequestOutcome struct {
	Number int    `json:"number"`
	URL    string `json:"url,omitempty"`
	Title  string `json:"title,omitempty"`
	Author string `json:"author,omitempty"`
	// Head is the commit that was proposed and merged.
	Head string `json:"head,omitempty"`
	// Approvals are the people whose approvals count, sorted.
	Approvals []string `json:"approvals"`
	// Ignored are the approvals, and the exemption label, that do not count.
	Ignored []Ignored `json:"ignored,omitempty"`
	// ExemptBy is who set the label that counts, and ExemptAt when.
	ExemptBy string     `json:"exempt_by,omitempty"`
	ExemptAt *time.Time `json:"exempt_at,omitempty"`
	OK       bool       `json:"ok"`
	Reason   Reason     `json:"reason"`
	Message  string     `json:"message"`
	Remedy   string     `json:"remedy,omitempty"`
}

// Ignored is an approval, or a label, that does not count.
type Ignored struct {
	By     string `json:"by,omitempty"`
	Reason Reason `json:"reason"`
	// Label is true for the exemption label.
	Label   bool   `json:"label,omitempty"`
	Message string `json:"message"`
}
