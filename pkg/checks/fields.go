// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// maxName bounds names of tools, types and environments.
const maxName = 253

// object returns the members of an object, of which it knows all keys.
func (p *parser) object(v value, what string, keys ...string) (map[string]value, bool) {
	if v.kind != object {
		p.problem(v.at, "%s is an object, not %s", what, v.kind)
		return nil, false
	}
	fields := make(map[string]value, len(v.members))
	first := make(map[string]Position, len(v.members))
	for _, m := range v.members {
		if at, twice := first[m.key]; twice {
			p.problem(m.at, "key %.80q appears twice: first at %d:%d", m.key, at.Line, at.Column)
			continue
		}
		first[m.key] = m.at
		if !slices.Contains(keys, m.key) {
			p.problem(m.at, "key %.80q is unknown in %s%s", m.key, what, instead(m.key, keys))
			continue
		}
		fields[m.key] = m.value
	}
	return fields, true
}

func (p *parser) need(parent value, fields map[string]value, key string) (value, bool) {
	v, ok := fields[key]
	if !ok {
		p.problem(parent.at, "%s is missing here", key)
	}
	return v, ok
}

func (p *parser) text(v value, key string) (string, bool) {
	if v.kind != text {
		p.problem(v.at, "%s is text, not %s", key, v.kind)
		return "", false
	}
	return v.text, true
}

func (p *parser) needText(parent value, fields map[string]value, key string) (string, bool) {
	v, ok := p.need(parent, fields, key)
	if !ok {
		return "", false
	}
	return p.text(v, key)
}

func (p *parser) list(v value, key string) ([]value, bool) {
	if v.kind != list {
		p.problem(v.at, "%s is a list, not %s", key, v.kind)
		return nil, false
	}
	return v.items, true
}

func (p *parser) needList(parent value, fields map[string]value, key string) ([]value, bool) {
	v, ok := p.need(parent, fields, key)
	if !ok {
		return nil, false
	}
	return p.list(v, key)
}

// evidenceType reads an evidence type id that must not have appeared before.
func (p *parser) evidenceType(parent value, fields map[string]value, first map[string]Position) string {
	id, ok := p.needText(parent, fields, "evidence_type_id")
	if !ok {
		return ""
	}
	at := fields["evidence_type_id"].at
	if id == "" || len(id) > maxName || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
		p.problem(at, "evidence_type_id %.80q is not 1 to %d characters without spaces, such as com.ibm.unit_tests", id, maxName)
		return ""
	}
	if id == Any {
		p.problem(at, "evidence_type_id names one type; %q stands for asset types, environments and tools only", Any)
		return ""
	}
	if earlier, twice := first[id]; twice {
		p.problem(at, "evidence_type_id %q appears twice: first at %d:%d; write its rules together", id, earlier.Line, earlier.Column)
		return id
	}
	first[id] = at
	return id
}

// assetTypes are the words for asset types, as both versions have them.
var assetTypes = map[string]evidence.AssetType{
	"image":    evidence.AssetImage,
	"commit":   evidence.AssetCommit,
	"repo":     evidence.AssetCommit,
	"artifact": evidence.AssetArtifact,
	"generic":  evidence.AssetPipelineRun,
	Any:        Any,
}

var assetTypeWords = []string{"image", "commit", "repo", "artifact", "generic", Any}

func (p *parser) assetType(parent value, fields map[string]value) evidence.AssetType {
	word, ok := p.needText(parent, fields, "asset_type")
	if !ok {
		return ""
	}
	known, ok := assetTypes[word]
	if !ok {
		p.problem(fields["asset_type"].at, "asset_type %.80q is unknown%s", word, instead(word, assetTypeWords))
	}
	return known
}

// namePattern is what names of environments and regions look like; Names makes
// file names of them.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// ValidName reports whether a name can be an environment's or a region's:
// letters, digits, and - _ . inside it.
func ValidName(name string) bool { return len(name) <= maxName && namePattern.MatchString(name) }

func (p *parser) environments(fields map[string]value, key string) []Environment {
	v, ok := fields[key]
	if !ok {
		return nil
	}
	items, ok := p.list(v, key)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		p.problem(v.at, "%s is empty, so the rule would never hold: name environments, or leave the key out for all", key)
	}
	var out []Environment
	for _, item := range items {
		fields, ok := p.object(item, "an item of "+key, "name", "region")
		if !ok {
			continue
		}
		var e Environment
		if e.Name, ok = p.needText(item, fields, "name"); !ok {
			continue
		}
		if e.Name != Any && !ValidName(e.Name) {
			p.problem(fields["name"].at, "name %.80q is not an environment's: letters, digits, and - _ . inside, or %q", e.Name, Any)
			continue
		}
		if region, given := fields["region"]; given {
			if e.Region, ok = p.text(region, "region"); !ok {
				continue
			}
			if !ValidName(e.Region) {
				p.problem(region.at, "region %.80q is not a region's name: letters, digits, and - _ . inside; leave the key out for every region", e.Region)
				continue
			}
			if e.Name == CIPipeline {
				p.problem(region.at, "%s has no regions", CIPipeline)
				continue
			}
		}
		if key == "target_environments" && e.Name == CIPipeline {
			p.problem(fields["name"].at, "%s is a source: nothing is deployed to it", CIPipeline)
			continue
		}
		if slices.Contains(out, e) {
			p.problem(item.at, "environment %q appears twice in %s", e, key)
			continue
		}
		out = append(out, e)
	}
	return out
}

// instead suggests the word that was probably meant, or lists all.
func instead(word string, known []string) string {
	normal := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(word))
	for _, k := range known {
		if distance(normal, strings.NewReplacer("-", "", "_", "").Replace(k)) <= 2 && len(normal) > 2 {
			return fmt.Sprintf(": did you mean %q?", k)
		}
	}
	return ": expected one of " + strings.Join(known, ", ")
}

// distance is how many letters must change to make one word of another, as far
// as it matters: words that are longer than any key are far from all of them.
func distance(a, b string) int {
	const far = 99
	if len(a) > 40 || len(b) > 40 {
		return far
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
