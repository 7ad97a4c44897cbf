// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"
)

// Collection is everything that a locker has to say about some components.
type Collection struct {
	// Components in the order in which they were asked for.
	Components []ComponentAssets
	// Assets that any component reaches, by id.
	Assets map[string]*AssetState
}

// ComponentAssets is a component with the assets whose evidence speaks for it.
type ComponentAssets struct {
	Component
	// Assets in the order in which they were reached: the component's own
	// first, then what these name as related or parents, and so on.
	Assets []Link
	// Problems that keep the component from naming its assets.
	Problems []Problem
}

// Link is how a component comes by an asset.
type Link struct {
	ID string
	// Via is ViaEntry, ViaRelated or ViaParent.
	Via string
}

// The ways to an asset.
const (
	ViaEntry   = "entry"
	ViaRelated = "related"
	ViaParent  = "parent"
)

// AssetState is an asset as the locker has it.
type AssetState struct {
	URI
	// Record is nil if it is missing or cannot be used.
	Record *Asset
	// Evidences about the asset, by id. One that is about several assets is in
	// each of them.
	Evidences []*Evidence
	Problems  []Problem
}

// Read gathers the evidence of components. Links are followed upstream only:
// from an image to its commit and its parents, never from a commit to what else
// was built from it, and never through a pipeline run, which is related to
// everything that ran in it.
//
// The error is about the locker as a whole or a cancelled context; everything
// that is wrong with single records is a Problem in the collection.
func (l *Locker) Read(ctx context.Context, components []Component) (*Collection, error) {
	r := &reading{locker: l, assets: map[string]*AssetState{}, markers: map[string][]string{}}
	out := &Collection{Assets: map[string]*AssetState{}}

	var wanted []string
	for _, c := range components {
		own, problems := c.Own()
		out.Components = append(out.Components, ComponentAssets{Component: c, Problems: problems})
		for _, uri := range own {
			if r.assets[uri.ID] == nil {
				r.assets[uri.ID] = &AssetState{URI: uri}
				wanted = append(wanted, uri.ID)
			}
		}
	}
	reached, err := r.closure(ctx, wanted)
	if err != nil {
		return nil, err
	}
	if err := r.readEvidence(ctx, reached); err != nil {
		return nil, err
	}
	for _, id := range reached {
		out.Assets[id] = r.assets[id]
	}
	reportParentCycles(out.Assets)
	for i := range out.Components {
		out.Components[i].Assets = out.walk(out.Components[i].Component)
	}
	return out, nil
}

// reading is the state of one Read.
type reading struct {
	locker  *Locker
	assets  map[string]*AssetState
	markers map[string][]string
	bytes   atomic.Int64
}

// closure loads the wanted assets and all that they lead to, level by level,
// and returns the ids in the order in which they were reached.
func (r *reading) closure(ctx context.Context, wanted []string) ([]string, error) {
	if err := r.loadAssets(ctx, wanted); err != nil {
		return nil, err
	}
	reached := slices.Clone(wanted)
	isReached := make(map[string]bool, len(reached))
	for _, id := range reached {
		isReached[id] = true
	}
	for level := reached; len(level) > 0; {
		var load []string
		for _, id := range level {
			for _, link := range r.assets[id].links() {
				if r.assets[link.ID] != nil {
					continue
				}
				if len(r.assets) >= r.locker.limits.Assets {
					r.assets[id].problem(ReasonTooMany, "", "",
						fmt.Sprintf("the entries' assets lead to more than %d assets; not all of them were read", r.locker.limits.Assets))
					break
				}
				r.assets[link.ID] = &AssetState{URI: URI{Type: AssetUnknown, ID: link.ID}}
				load = append(load, link.ID)
			}
		}
		if err := r.loadAssets(ctx, load); err != nil {
			return nil, err
		}
		var next []string
		for _, id := range level {
			from := r.assets[id]
			for _, link := range from.links() {
				to := r.assets[link.ID]
				if to == nil || isReached[link.ID] || !speaksFor(to.Type, from.Type) {
					continue
				}
				isReached[link.ID] = true
				next = append(next, link.ID)
			}
		}
		reached = append(reached, next...)
		level = next
	}
	return reached, nil
}

// speaksFor reports whether evidence about a linked asset says something about
// the asset that links to it: upstream yes, downstream no.
func speaksFor(linked, from AssetType) bool {
	return from != AssetCommit || (linked != AssetImage && linked != AssetArtifact)
}

// links of an asset that can be followed.
func (s *AssetState) links() []Link {
	if s.Record == nil || s.Type == AssetPipelineRun {
		return nil
	}
	var links []Link
	for _, id := range s.Record.Parents {
		links = append(links, Link{ID: id, Via: ViaParent})
	}
	for _, id := range s.Record.Related {
		links = append(links, Link{ID: id, Via: ViaRelated})
	}
	return slices.DeleteFunc(links, func(link Link) bool { return !ValidID(link.ID) })
}

func (s *AssetState) problem(reason ProblemReason, evidenceID, typeID, message string) {
	s.Problems = append(s.Problems, Problem{
		Reason: reason, AssetID: s.ID, EvidenceID: evidenceID, TypeID: typeID, Message: message,
	})
}

// loadAssets reads records and lists markers of assets side by side.
func (r *reading) loadAssets(ctx context.Context, ids []string) error {
	listed := make([][]string, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.locker.limits.Concurrency)
	for i, id := range ids {
		state := r.assets[id]
		group.Go(func() error {
			if err := r.loadAsset(ctx, state); err != nil {
				return err
			}
			var err error
			listed[i], err = r.listMarkers(ctx, state)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, id := range ids {
		r.markers[id] = listed[i]
	}
	return nil
}

func (r *reading) loadAsset(ctx context.Context, state *AssetState) error {
	key := r.locker.layout.asset(state.ID)
	data, err := r.record(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		state.problem(ReasonAssetMissing, "", "", fmt.Sprintf("the locker has no record of this asset: %s does not exist", key))
		return nil
	case errors.Is(err, ErrTooLarge):
		state.problem(ReasonTooLarge, "", "", "asset record "+err.Error())
		return nil
	case err != nil:
		return err
	}
	asset, err := DecodeAsset(data)
	if err != nil {
		state.problem(ReasonAssetUnreadable, "", "", fmt.Sprintf("asset record %s cannot be used: %v", key, err))
		return nil
	}
	if id := string(asset.ID); id != state.ID {
		state.problem(ReasonWrongID, "", "", fmt.Sprintf("asset record %s carries id %.80q", key, id))
		return nil
	}
	uri, err := ParseURI(string(asset.URI))
	switch {
	case err != nil:
		state.problem(ReasonAssetUnreadable, "", "", fmt.Sprintf("asset record %s: %v", key, err))
		return nil
	case uri.ID != state.ID && sha256Hex([]byte(asset.URI)) != state.ID:
		state.problem(ReasonWrongID, "", "", fmt.Sprintf("asset record %s is about %.200q, whose id is %s", key, uri.String, uri.ID))
		return nil
	}
	if state.Type == AssetUnknown {
		uri.ID = state.ID
		state.URI = uri
	}
	state.Record = asset
	for _, link := range slices.Concat(asset.Parents, asset.Related) {
		if !ValidID(link) {
			state.problem(ReasonLinkUnusable, "", "", fmt.Sprintf("asset record %s links to %.80q, which is neither an asset id nor a URI", key, link))
		}
	}
	return nil
}

// listMarkers returns the ids of the evidence about an asset, sorted.
func (r *reading) listMarkers(ctx context.Context, state *AssetState) ([]string, error) {
	prefix := r.locker.layout.markers(state.ID)
	iter := r.locker.bucket.List(&blob.ListOptions{Prefix: prefix})
	var ids []string
	for count := 0; ; count++ {
		object, err := iter.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s in evidence locker %s: %w%s", prefix, r.locker.name, err, hint(err))
		}
		if count >= r.locker.limits.EvidencesPerAsset {
			state.problem(ReasonTooMany, "", "", fmt.Sprintf("%s holds more than %d markers; not all evidence was read", prefix, r.locker.limits.EvidencesPerAsset))
			break
		}
		name := strings.TrimPrefix(object.Key, prefix)
		switch {
		case ValidID(name):
			ids = append(ids, name)
		case name == "" || strings.HasPrefix(name, "."):
			// The folder itself, which some consoles create, or a hidden file.
		default:
			state.problem(ReasonMarkerUnusable, "", "", fmt.Sprintf("marker %.200q is not named by an evidence id", object.Key))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// record reads one JSON record within the limits.
func (r *reading) record(ctx context.Context, key string) ([]byte, error) {
	if total := r.locker.limits.TotalBytes; r.bytes.Load() > total {
		return nil, fmt.Errorf("%s: not read, because the records read so far are %w of %d bytes in total", key, ErrTooLarge, total)
	}
	data, err := r.locker.read(ctx, key, r.locker.limits.RecordBytes)
	r.bytes.Add(int64(len(data)))
	return data, err
}

// loaded is an evidence record, or what is wrong with it.
type loaded struct {
	evidence *Evidence
	problem  *Problem
}

// readEvidence reads every evidence of the assets once, side by side, and
// hands it to each asset that it is about.
func (r *reading) readEvidence(ctx context.Context, assets []string) error {
	index := map[string]int{}
	var ids []string
	for _, assetID := range assets {
		kept := r.markers[assetID][:0]
		for _, id := range r.markers[assetID] {
			if _, known := index[id]; !known {
				if len(ids) >= r.locker.limits.Evidences {
					r.assets[assetID].problem(ReasonTooMany, "", "",
						fmt.Sprintf("the entries' assets have more than %d evidences; not all of them were read", r.locker.limits.Evidences))
					break
				}
				index[id] = len(ids)
				ids = append(ids, id)
			}
			kept = append(kept, id)
		}
		r.markers[assetID] = kept
	}

	records := make([]loaded, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.locker.limits.Concurrency)
	for i, id := range ids {
		group.Go(func() error {
			var err error
			records[i], err = r.loadEvidence(ctx, id)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, assetID := range assets {
		state := r.assets[assetID]
		for _, id := range r.markers[assetID] {
			record := records[index[id]]
			switch {
			case record.problem != nil:
				p := *record.problem
				state.problem(p.Reason, p.EvidenceID, p.TypeID, p.Message)
			case !record.evidence.isAbout(assetID):
				state.problem(ReasonWrongAsset, id, string(record.evidence.TypeID),
					fmt.Sprintf("evidence %s lies under this asset, but does not name it", id))
			default:
				state.Evidences = append(state.Evidences, record.evidence)
			}
		}
	}
	return nil
}

func (r *reading) loadEvidence(ctx context.Context, id string) (loaded, error) {
	key := r.locker.layout.evidence(id)
	bad := func(reason ProblemReason, typeID, message string) (loaded, error) {
		return loaded{problem: &Problem{Reason: reason, EvidenceID: id, TypeID: typeID, Message: message}}, nil
	}
	data, err := r.record(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return bad(ReasonEvidenceMissing, "", fmt.Sprintf("there is a marker for evidence %s, but no %s", id, key))
	case errors.Is(err, ErrTooLarge):
		return bad(ReasonTooLarge, "", "evidence record "+err.Error())
	case err != nil:
		return loaded{}, err
	}
	evidence, err := DecodeEvidence(data)
	if err != nil {
		return bad(ReasonEvidenceUnreadable, "", fmt.Sprintf("evidence record %s cannot be used: %v", key, err))
	}
	typeID := string(evidence.TypeID)
	switch {
	case string(evidence.ID) != id:
		return bad(ReasonWrongID, typeID, fmt.Sprintf("evidence record %s carries id %.80q", key, evidence.ID))
	case strings.TrimSpace(typeID) == "":
		return bad(ReasonEvidenceUnreadable, "", fmt.Sprintf("evidence record %s has no evidence_type_id", key))
	}
	if err := r.verifySignature(ctx, evidence); err != nil {
		return loaded{}, err
	}
	return loaded{evidence: evidence}, nil
}

// byID orders evidence about one asset.
func byID(a, b *Evidence) int { return strings.Compare(string(a.ID), string(b.ID)) }

// isAbout reports whether the evidence names an asset, by id or by URI.
func (e *Evidence) isAbout(assetID string) bool {
	return slices.ContainsFunc(e.Assets, func(ref AssetRef) bool {
		if ref.Hash != "" {
			return strings.TrimPrefix(string(ref.Hash), "sha256:") == assetID
		}
		uri, err := ParseURI(string(ref.URI))
		return err == nil && uri.ID == assetID
	})
}

// walk lists the assets whose evidence speaks for a component.
func (c *Collection) walk(component Component) []Link {
	var links []Link
	seen := map[string]bool{}
	own, _ := component.Own()
	for _, uri := range own {
		if !seen[uri.ID] {
			seen[uri.ID] = true
			links = append(links, Link{ID: uri.ID, Via: ViaEntry})
		}
	}
	for i := 0; i < len(links); i++ {
		from := c.Assets[links[i].ID]
		for _, link := range from.links() {
			to := c.Assets[link.ID]
			if to != nil && !seen[link.ID] && speaksFor(to.Type, from.Type) {
				seen[link.ID] = true
				links = append(links, link)
			}
		}
	}
	return links
}

// reportParentCycles finds assets that are their own ancestors. Relations may
// go in circles, descent may not: such records are wrong, and whoever wrote
// them could hide a parent in the circle.
func reportParentCycles(assets map[string]*AssetState) {
	ids := make([]string, 0, len(assets))
	for id := range assets {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	const visiting, done = 1, 2
	state := map[string]int{}
	type step struct {
		id   string
		next int
	}
	for _, start := range ids {
		// Depth first without recursion: descent may be long.
		stack := []step{{id: start}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == 0 {
				if state[top.id] == done {
					stack = stack[:len(stack)-1]
					continue
				}
				state[top.id] = visiting
			}
			var parents Links
			if a := assets[top.id]; a.Record != nil && a.Type != AssetPipelineRun {
				parents = a.Record.Parents
			}
			if top.next == len(parents) {
				state[top.id] = done
				stack = stack[:len(stack)-1]
				continue
			}
			parent := parents[top.next]
			top.next++
			switch {
			case assets[parent] == nil:
			case state[parent] == visiting:
				assets[top.id].problem(ReasonParentCycle, "", "", fmt.Sprintf("asset %s is among its own ancestors", parent))
			case state[parent] != done:
				stack = append(stack, step{id: parent})
			}
		}
	}
}
