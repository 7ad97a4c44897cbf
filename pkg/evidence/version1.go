// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// version1 is an evidence record of version 1, the legacy format: flat, kept
// under the run that wrote it (raw/ci/<run>/evidences/…), and about what its
// subjects name, by URI or by the URL of a repository.
type version1 struct {
	TypeID        Text  `json:"evidence_type_id"`
	TypeVersion   Text  `json:"evidence_type_version"`
	Date          Text  `json:"date"`
	Result        Text  `json:"result"`
	ToolchainCRN  Text  `json:"toolchain_crn"`
	PipelineID    Text  `json:"pipeline_id"`
	PipelineRunID Text  `json:"pipeline_run_id"`
	Tool          Text  `json:"tool"`
	Issues        Texts `json:"issues"`
	Subject       Text  `json:"subject"`
	Subjects      Texts `json:"subjects"`
	Repository    Text  `json:"repository_url"`
	Revision      Text  `json:"repository_revision"`
	// Artifacts are files in whatever form: see attachments.
	Artifacts json.RawMessage `json:"artifacts"`

	raw json.RawMessage
	key string
}

// decodeVersion1 is as strict about doubled fields as DecodeEvidence.
func decodeVersion1(data []byte) (*version1, error) {
	var v version1
	if err := decode(data, &v); err != nil {
		return nil, fmt.Errorf("decoding version 1 evidence: %w", err)
	}
	if strings.TrimSpace(string(v.TypeID)) == "" {
		return nil, errors.New("decoding version 1 evidence: it has no evidence_type_id")
	}
	v.raw = bytes.Clone(data)
	return &v, nil
}

// result is in the words of version 2. Older records say passed and failed.
func (v *version1) result() Text {
	switch v.Result {
	case "passed":
		return Text(ResultSuccess)
	case "failed":
		return Text(ResultFailure)
	}
	return v.Result
}

// attachmentURL is where version 1 records name an attachment that the locker
// has in the place of version 2.
var attachmentURL = regexp.MustCompile(`/attachments/([0-9a-f]{2})/?([0-9a-f]{62})(?:/content)?$`)

// evidence is the record in the form of version 2, about some assets. All that
// was in it is kept in its details.
func (v *version1) evidence(about []URI) *Evidence {
	e := &Evidence{
		Version: "2", ID: Text(sha256Hex(v.raw)), Date: v.Date, TypeID: v.TypeID, TypeVersion: v.TypeVersion,
		Origin: Origin{
			Scope: Text(ScopeID(string(v.PipelineRunID))), ToolchainCRN: v.ToolchainCRN,
			PipelineID: v.PipelineID, PipelineRunID: v.PipelineRunID,
		},
		Details: Details{Result: v.result(), Tool: v.Tool, Extra: map[string]any{"version_1_record": v.raw}},
		Issues:  v.Issues,
	}
	for _, uri := range about {
		e.Assets = append(e.Assets, AssetRef{Hash: Text(uri.ID), URI: Text(uri.String)})
	}
	var files []AttachmentRef
	if json.Unmarshal(v.Artifacts, &files) != nil {
		// In a form of their own; they stay in the details.
		files = nil
	}
	for _, file := range files {
		m := attachmentURL.FindStringSubmatch(string(file.URL))
		if m != nil && string(file.Hash) == m[1]+m[2] {
			e.Attachments = append(e.Attachments, file)
		}
	}
	return e
}

// tie is what a version 1 record has to do with a component.
type tie struct {
	// about are the component's own assets.
	about []URI
	// other is true if the record is clearly about another artifact, by digest.
	other bool
}

// tieTo finds which of a component's own assets the record is about: those that
// a subject names by digest or commit, and the component's commit if a subject
// is its repository. The record of the run that built the component can mean no
// other commit of it, unless it says so.
func (v *version1) tieTo(c Component, own []URI) tie {
	var out tie
	others := 0
	subjects := slices.Concat(Texts{string(v.Subject)}, v.Subjects, Texts{string(v.Repository)})
	subjects = slices.DeleteFunc(subjects, func(s string) bool { return strings.TrimSpace(s) == "" })
	slices.Sort(subjects)
	subjects = slices.Compact(subjects)
	for _, subject := range subjects {
		uri, err := ParseURI(subject)
		if err != nil || uri.Type == AssetArtifact {
			// The URL of a repository, in any form that a commit's can have.
			revision := string(v.Revision)
			if revision == "" {
				revision = c.CommitSHA
			}
			if commit, err := CommitURI(subject, revision); err == nil && slices.Contains(own, commit) {
				uri = commit
			}
		}
		switch {
		case slices.ContainsFunc(own, func(o URI) bool { return o.ID == uri.ID }):
			if !slices.ContainsFunc(out.about, func(o URI) bool { return o.ID == uri.ID }) {
				i := slices.IndexFunc(own, func(o URI) bool { return o.ID == uri.ID })
				out.about = append(out.about, own[i])
			}
		case uri.Type == AssetImage:
			others++
		}
	}
	out.other = len(subjects) > 0 && others == len(subjects)
	return out
}

// runPattern is a run's id that can be part of an object's name.
var runPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// run1 are the version 1 records of one run.
type run1 struct {
	records []*version1
	// problems of the run's records, for every component that it built.
	problems []Problem
}

// readVersion1 looks for version 1 records of the runs that built components of
// which version 2 knows nothing: no record and no marker of any asset.
func (r *reading) readVersion1(ctx context.Context, components []ComponentAssets) error {
	isUnknown := func(uri URI) bool {
		state := r.assets[uri.ID]
		return state.Record == nil && len(r.markers[uri.ID]) == 0 &&
			len(state.Problems) == 1 && state.Problems[0].Reason == ReasonAssetMissing
	}
	own := make([][]URI, len(components))
	runs := map[string]*run1{}
	var order []string
	for i, c := range components {
		uris, _ := c.Own()
		if !runPattern.MatchString(c.PipelineRunID) || len(uris) == 0 || slices.ContainsFunc(uris, func(u URI) bool { return !isUnknown(u) }) {
			continue
		}
		own[i] = uris
		if runs[c.PipelineRunID] == nil {
			runs[c.PipelineRunID] = new(run1)
			order = append(order, c.PipelineRunID)
		}
	}
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(max(1, r.locker.limits.Concurrency/perRun))
	for _, id := range order {
		group.Go(func() error { return r.loadRun(inGroup, id, runs[id]) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i := range components {
		if own[i] != nil {
			r.handOutVersion1(&components[i], own[i], runs[components[i].PipelineRunID])
		}
	}
	return nil
}

// perRun is how many records of one run are read at once.
const perRun = 4

// loadRun reads the records of a run, which may be one of CI or of CD.
func (r *reading) loadRun(ctx context.Context, id string, run *run1) error {
	limit := r.locker.limits.EvidencesPerAsset
	var keys [2][]string
	var whole [2]bool
	group, inGroup := errgroup.WithContext(ctx)
	for i, stage := range []string{"ci", "cd"} {
		group.Go(func() (err error) {
			prefix := r.locker.layout.root() + stage + "/" + id + "/evidences/"
			whole[i], err = r.locker.list(inGroup, prefix, limit, func(key string) {
				if name := path.Base(key); !strings.HasSuffix(key, "/") && !strings.HasPrefix(name, ".") {
					keys[i] = append(keys[i], key)
				}
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	all := slices.Concat(keys[0], keys[1])
	if len(all) > limit {
		all, whole[0] = all[:limit], false
	}
	if !whole[0] || !whole[1] {
		run.problems = append(run.problems, Problem{Reason: ReasonTooMany,
			Message: fmt.Sprintf("run %s has more than %d version 1 records; not all of them were read", id, limit)})
	}
	loaded := make([]*version1, len(all))
	problems := make([]*Problem, len(all))
	group, inGroup = errgroup.WithContext(ctx)
	group.SetLimit(perRun)
	for i, key := range all {
		group.Go(func() error {
			data, err := r.record(inGroup, key)
			switch {
			case errors.Is(err, ErrTooLarge):
				problems[i] = &Problem{Reason: ReasonTooLarge, Message: "evidence record " + err.Error()}
				return nil
			case errors.Is(err, ErrNotFound):
				problems[i] = &Problem{Reason: ReasonEvidenceMissing, Message: fmt.Sprintf("version 1 record %.300q was listed, but is not there", key)}
				return nil
			case err != nil:
				return err
			}
			if loaded[i], err = decodeVersion1(data); err != nil {
				problems[i] = &Problem{Reason: ReasonEvidenceUnreadable, Message: fmt.Sprintf("evidence record %.300q cannot be used: %v", key, err)}
				return nil
			}
			loaded[i].key = key
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i := range all {
		switch {
		case problems[i] != nil:
			run.problems = append(run.problems, *problems[i])
		case loaded[i].PipelineRunID != "" && string(loaded[i].PipelineRunID) != id:
			run.problems = append(run.problems, Problem{Reason: ReasonWrongID, TypeID: string(loaded[i].TypeID),
				Message: fmt.Sprintf("evidence record %.300q says it is of run %.80q", loaded[i].key, string(loaded[i].PipelineRunID))})
		default:
			loaded[i].PipelineRunID = Text(id)
			run.records = append(run.records, loaded[i])
		}
	}
	return nil
}

// handOutVersion1 gives a component's own assets the records that are about
// them. A record that cannot be tied to an asset is a problem unless it is a
// success, which then counts for nothing.
func (r *reading) handOutVersion1(component *ComponentAssets, own []URI, run *run1) {
	first := r.assets[own[0].ID]
	for _, p := range run.problems {
		first.problemOnce(p)
	}
	for _, record := range run.records {
		tie := record.tieTo(component.Component, own)
		e := record.evidence(tie.about)
		id, typeID := string(e.ID), string(e.TypeID)
		if len(tie.about) == 0 {
			p := Problem{
				Reason: ReasonUntied, Entry: component.Entry, EvidenceID: id, TypeID: typeID,
				Message: fmt.Sprintf("version 1 record %.300q does not name an asset of the entry as its subject", record.key),
			}
			if e.Result() == ResultSuccess || tie.other {
				component.Ignored = append(component.Ignored, p)
			} else {
				first.problemOnce(p)
			}
			continue
		}
		if r.locker.verify != nil && e.Result() == ResultSuccess {
			e.Signature = Signature{Status: SignatureInvalid, Problem: "records of version 1 carry no signature"}
		}
		for _, uri := range tie.about {
			state := r.assets[uri.ID]
			if slices.ContainsFunc(state.Evidences, func(other *Evidence) bool { return other.ID == e.ID }) {
				continue
			}
			state.Evidences = append(state.Evidences, e)
			slices.SortFunc(state.Evidences, byID)
			// Version 1 keeps no records of assets.
			state.Problems = slices.DeleteFunc(state.Problems, func(p Problem) bool { return p.Reason == ReasonAssetMissing })
		}
	}
}

// problemOnce adds a problem that may concern the asset for several components.
func (s *AssetState) problemOnce(p Problem) {
	p.AssetID = s.ID
	if !slices.Contains(s.Problems, p) {
		s.Problems = append(s.Problems, p)
	}
}
