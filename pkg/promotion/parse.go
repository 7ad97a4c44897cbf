// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package promotion

import (
	"fmt"
	"strings"
)

// MaxBody is the longest body that is read, in bytes: four times what GitHub
// lets anyone write, and little enough for a Kubernetes object.
const MaxBody = 256 << 10

// Tag is the name of a pseudo-tag. The names are those of the publicly
// documented template, in lower case and without separators.
type Tag string

// The tags, in the order of the template.
const (
	TagPriority         Tag = "priority"
	TagAssignedTo       Tag = "assignedto"
	TagDescription      Tag = "description"
	TagPurpose          Tag = "purpose"
	TagImpact           Tag = "impact"
	TagCustomerImpact   Tag = "customerimpact"
	TagDeploymentImpact Tag = "deploymentimpact"
	TagBackoutPlan      Tag = "backoutplan"
	TagRisk             Tag = "risk"
)

var tags = []Tag{
	TagPriority, TagAssignedTo, TagDescription, TagPurpose, TagImpact,
	TagCustomerImpact, TagDeploymentImpact, TagBackoutPlan, TagRisk,
}

// String writes the tag as in a body.
func (t Tag) String() string { return "<" + string(t) + ">" }

// Raw is what a body says, unjudged.
type Raw struct {
	// Values by tag, without surrounding white space, comments and the
	// placeholder. A tag that the body lacks has no value; one that is there
	// and says nothing has an empty one.
	Values map[Tag]string
	// Problems of the body's form: tags not closed, closed without being open,
	// or there twice; a comment without an end; a body that is too long.
	Problems []Problem
}

// Placeholder is what the template has where the author is to write; it counts
// as nothing.
const Placeholder = "_PROVIDE INFORMATION_"

// Parse reads a body leniently. Tags may be written in any case, with white
// space, hyphens or underscores inside (<Customer-Impact >). HTML comments are
// taken out first, as nobody sees them on the forge's page. Text outside of tags
// and unknown tags mean nothing.
//
// Of a tag that is there twice the first counts, and the second is a problem. A
// tag that opens while another is open ends that one, which is a problem too.
func Parse(body string) Raw {
	raw := Raw{Values: map[Tag]string{}}
	if len(body) > MaxBody {
		raw.Problems = append(raw.Problems, Problem{
			Field: "body", Found: fmt.Sprintf("%d bytes", len(body)),
			Allowed: fmt.Sprintf("at most %d bytes", MaxBody),
		})
		return raw
	}
	body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n")
	body, closed := withoutComments(body)
	if !closed {
		raw.Problems = append(raw.Problems, Problem{Field: "body", Found: "a comment <!-- without its end", Allowed: "every comment ends with -->"})
	}
	p := &bodyParser{raw: &raw, seen: map[Tag]bool{}}
	p.read(body)
	return raw
}

// withoutComments takes out HTML comments; one that has no end reaches to the
// end of the body, as forges show it.
func withoutComments(body string) (string, bool) {
	var out strings.Builder
	for {
		start := strings.Index(body, "<!--")
		if start < 0 {
			out.WriteString(body)
			return out.String(), true
		}
		out.WriteString(body[:start])
		length := strings.Index(body[start+4:], "-->")
		if length < 0 {
			return out.String(), false
		}
		body = body[start+4+length+3:]
	}
}

type bodyParser struct {
	raw   *Raw
	seen  map[Tag]bool
	open  Tag // "" outside of tags
	begin int // where the open tag's value begins
}

func (p *bodyParser) read(body string) {
	for i := 0; i < len(body); {
		next := strings.IndexByte(body[i:], '<')
		if next < 0 {
			break
		}
		i += next
		tag, closing, length := readTag(body[i:])
		switch {
		case tag == "":
			i++
			continue
		case closing && tag == p.open:
			p.end(body[p.begin:i])
		case closing && p.open == "":
			p.problem(tag, "the closing tag </"+string(tag)+"> without an opening one")
		case closing:
			p.problem(p.open, "</"+string(tag)+"> before the closing tag </"+string(p.open)+">")
			p.end(body[p.begin:i])
		default:
			if p.open != "" {
				p.problem(p.open, "no closing tag </"+string(p.open)+"> before "+tag.String())
				p.end(body[p.begin:i])
			}
			p.open, p.begin = tag, i+length
		}
		i += length
	}
	if p.open != "" {
		p.problem(p.open, "no closing tag </"+string(p.open)+">")
		p.end(body[p.begin:])
	}
}

// end stores the open tag's value.
func (p *bodyParser) end(value string) {
	tag := p.open
	p.open = ""
	if p.seen[tag] {
		p.problem(tag, "the tag more than once")
		return
	}
	p.seen[tag] = true
	p.raw.Values[tag] = withoutPlaceholder(value)
}

func (p *bodyParser) problem(tag Tag, found string) {
	p.raw.Problems = append(p.raw.Problems, Problem{
		Field: tag.String(), Found: found,
		Allowed: fmt.Sprintf("exactly one %s…</%s>", tag, string(tag)),
	})
}

// readTag reads a known tag at the start of s and returns its length; the tag is
// empty if there is none. It looks at no more than the longest tag there can be.
func readTag(s string) (tag Tag, closing bool, length int) {
	const longest = 64
	end := strings.IndexByte(s[:min(len(s), longest)], '>')
	if end < 0 {
		return "", false, 0
	}
	inner := strings.TrimSpace(s[1:end])
	if rest, ok := strings.CutPrefix(inner, "/"); ok {
		closing, inner = true, strings.TrimSpace(rest)
	}
	name := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(inner))
	for _, t := range tags {
		if name == string(t) {
			return t, closing, end + 1
		}
	}
	return "", false, 0
}

// withoutPlaceholder takes out the template's placeholder, in any case and also
// as an editor may have escaped it, and the white space around what is left.
func withoutPlaceholder(value string) string {
	for _, placeholder := range []string{Placeholder, `\_PROVIDE INFORMATION\_`} {
		upper := asciiUpper(value)
		var out strings.Builder
		for {
			at := strings.Index(upper, placeholder)
			if at < 0 {
				break
			}
			out.WriteString(value[:at])
			value, upper = value[at+len(placeholder):], upper[at+len(placeholder):]
		}
		value = out.String() + value
	}
	return strings.TrimSpace(value)
}

// asciiUpper leaves every byte where it is, which strings.ToUpper does not.
func asciiUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
