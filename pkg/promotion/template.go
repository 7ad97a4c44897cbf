// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"strings"
)

// DefaultBackoutPlan is what the template proposes; it counts as an answer.
const DefaultBackoutPlan = "Revert to the previous release."

// TemplateFiles are where each forge looks for the template, below templates/.
// The content of one of these folders is copied into the root of the inventory's
// default branch.
var TemplateFiles = []string{
	"github/pull_request_template.md",
	"gitea/pull_request_template.md",
	"gitlab/.gitlab/merge_request_templates/Default.md",
}

// section is one field of the template.
type section struct {
	tag     Tag
	heading string
	hint    string
	value   string
}

func sections() []section {
	return []section{
		{TagPriority, "Priority", "Required. Leave one.", alternatives(Priorities)},
		{TagAssignedTo, "Assigned to", "Required. The email address of who carries the change out; not an approver.", Placeholder},
		{TagDescription, "Description", "What the record should say beyond the commits, pull requests and results, which are added by themselves.", Placeholder},
		{TagPurpose, "Purpose", "What the change is for.", Placeholder},
		{TagImpact, "Explanation of impact", "What users and other services will notice.", Placeholder},
		{TagCustomerImpact, "Customer impact", "Required. Leave one.", alternatives(CustomerImpacts)},
		{TagDeploymentImpact, "Deployment impact", "Required. Leave one.", alternatives(DeploymentImpacts)},
		{TagBackoutPlan, "Backout plan", "Required. How to undo the change.", DefaultBackoutPlan},
		{TagRisk, "Risk", "Optional. Leave one to raise the risk that follows from the impacts and the priority; it cannot be lowered here.", alternatives(Risks)},
	}
}

// Template is the body of a promotion pull request with nothing filled in. The
// three forges share it.
func Template() string {
	return Fill(nil)
}

// Fill is the template with some fields filled in, for programs that open
// promotion pull requests. Values must not hold tags or comments; Parse of the
// outcome tells.
func Fill(values map[Tag]string) string {
	var out strings.Builder
	out.WriteString("<!-- The deployment of this promotion reads the change request's fields from here.\n" +
		"     Write between the tags and leave the tags as they are. -->\n")
	for _, s := range sections() {
		value := s.value
		if v, ok := values[s.tag]; ok {
			value = v
		}
		fmt.Fprintf(&out, "\n## %s\n\n<!-- %s -->\n\n<%s>%s</%s>\n", s.heading, s.hint, string(s.tag), value, string(s.tag))
	}
	return out.String()
}

// alternatives writes the values of an enum as the template lists them.
func alternatives[T ~string](values []T) string {
	names := make([]string, len(values))
	for i, value := range values {
		words := strings.Split(string(value), "_")
		for j, word := range words {
			words[j] = strings.ToUpper(word[:1]) + word[1:]
		}
		names[i] = strings.Join(words, "_")
	}
	return strings.Join(names, " | ")
}
