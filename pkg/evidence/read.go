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
	"sync"
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

	layout layout
}

// EvidencePath is where the locker that was read keeps an evidence. The id must
// be a valid one.
func (c *Collection) EvidencePath(id string) string { return c.layout.evidence(id) }

// Unknown reports whether the locker had nothing at all about any asset, which
// usually means that it is another locker.
func (c *Collection) Unknown() bool {
	for _, asset := range c.Assets {
		if asset.Record != nil || len(asset.Evidences) > 0 {
			return false
		}
	}
	return len(c.Assets) > 0
}

// ComponentAssets is a component with the assets whose evidence speaks for it.
type ComponentAssets struct {
	Component
	// Assets in the order in which they were reached: the component's own
	// first, then what these name as related or parents, and so on.
	Assets []Link
	// Problems that keep the component from naming its assets.
	Problems []Problem
	// Ignored are version 1 records of the run that built the component which
	// are about something else: shown to explain what is missing, never judged.
	Ignored []Problem
}

// Link is how a component comes by an asset.
type Link struct {
	ID string
	// Via is ViaEntry, ViaRelated, ViaParent or ViaChange.
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
// Requests are made side by side, as many at once as the limits allow: one for
// each asset's record, one for each page of its markers, one for each evidence
// and, where signatures are demanded, one for the signature of each success. No
// object is asked for twice. Only a component none of whose assets is known is
// looked for among version 1 records, which takes two listings.
//
// The error is about the locker as a whole or a cancelled context; everything
// that is wrong with single records is a Problem in the collection.
func (l *Locker) Read(ctx context.Context, components []Component) (*Collection, error) {
	r := &reading{
		locker: l, assets: map[string]*AssetState{}, listed: map[string]bool{},
		markers: map[string][]string{}, records: map[string]*loaded{},
	}
	out := &Collection{Assets: map[string]*AssetState{}, layout: l.layout}

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
	out.reportKinds(r.assets)
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(l.limits.Concurrency)
	r.group = group
	reached := r.closure(inGroup, wanted)
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading evidence locker %s: %w", l.name, err)
	}
	r.handOut(reached)
	if err := r.readVersion1(ctx, out.Components); err != nil {
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

// reportKinds finds components that name the same id as assets of different
// kinds. Whichever came first would decide by which rules all are judged.
func (c *Collection) reportKinds(assets map[string]*AssetState) {
	mixed := map[string]bool{}
	for _, component := range c.Components {
		own, _ := component.Own()
		for _, uri := range own {
			mixed[uri.ID] = mixed[uri.ID] || assets[uri.ID].Type != uri.Type
		}
	}
	for i := range c.Components {
		component := &c.Components[i]
		own, _ := component.Own()
		for _, uri := range own {
			if mixed[uri.ID] {
				component.Problems = append(component.Problems, Problem{Reason: ReasonNotIdentified, Entry: component.Entry, AssetID: uri.ID,
					Message: fmt.Sprintf("the entry's %s %q has an id that another entry uses for something else", uri.Type, uri.String)})
			}
		}
	}
}

// reading is the state of one Read. Only the goroutine that reads changes its
// maps; what runs in the group fills in what these point to.
type reading struct {
	locker *Locker
	group  *errgroup.Group
	assets map[string]*AssetState
	// listed says whose markers were asked for.
	listed  map[string]bool
	markers map[string][]string
	records map[string]*loaded
	bytes   atomic.Int64
}

// closure loads the wanted assets and all that they lead to, level by level,
// and returns the ids in the order in which they were reached. While it loads a
// level, the evidence of those before is on its way. Errors are the group's.
func (r *reading) closure(ctx context.Context, wanted []string) []string {
	always := func(string) bool { return true }
	r.loadAssets(ctx, wanted, always)
	r.startEvidence(ctx, wanted)
	reached := slices.Clone(wanted)
	isReached := make(map[string]bool, len(reached))
	for _, id := range reached {
		isReached[id] = true
	}
	for level := reached; len(level) > 0 && ctx.Err() == nil; {
		var load []string
		// What something other than a commit links to speaks for it, whatever it
		// is: its markers are listed at once. Of what a commit links to, the type
		// is looked at first.
		speaks := map[string]bool{}
		for _, id := range level {
			from := r.assets[id]
			for _, link := range from.links() {
				if r.assets[link.ID] == nil {
					if len(r.assets) >= r.locker.limits.Assets {
						from.problem(ReasonTooMany, "", "",
							fmt.Sprintf("the entries' assets lead to more than %d assets; not all of them were read", r.locker.limits.Assets))
						break
					}
					r.assets[link.ID] = &AssetState{URI: URI{Type: AssetUnknown, ID: link.ID}}
					load = append(load, link.ID)
				}
				speaks[link.ID] = speaks[link.ID] || from.Type != AssetCommit
			}
		}
		r.loadAssets(ctx, load, func(id string) bool { return speaks[id] })
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
		r.listAssets(ctx, next)
		r.startEvidence(ctx, next)
		reached = append(reached, next...)
		level = next
	}
	return reached
}

func (s *AssetState) problem(reason ProblemReason, evidenceID, typeID, message string) {
	s.Problems = append(s.Problems, Problem{
		Reason: reason, AssetID: s.ID, EvidenceID: evidenceID, TypeID: typeID, Message: message,
	})
}

// loadAssets reads the records of assets and, of those for which list holds,
// the markers, all side by side, and waits for them.
func (r *reading) loadAssets(ctx context.Context, ids []string, list func(id string) bool) {
	var level sync.WaitGroup
	for _, id := range ids {
		state := r.assets[id]
		level.Add(1)
		r.group.Go(func() error {
			defer level.Done()
			return r.loadAsset(ctx, state)
		})
	}
	r.listMarkersOf(ctx, &level, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !list(id) }))
}

// listAssets lists the markers of assets that were not listed yet.
func (r *reading) listAssets(ctx context.Context, ids []string) {
	r.listMarkersOf(ctx, new(sync.WaitGroup), slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return r.listed[id] }))
}

// listMarkersOf waits for the listings and for what else is in the level.
func (r *reading) listMarkersOf(ctx context.Context, level *sync.WaitGroup, ids []string) {
	markers := make([]markerList, len(ids))
	for i, id := range ids {
		r.listed[id] = true
		level.Add(1)
		r.group.Go(func() (err error) {
			defer level.Done()
			markers[i], err = r.listMarkers(ctx, id)
			return err
		})
	}
	level.Wait()
	for i, id := range ids {
		r.markers[id] = markers[i].ids
		for _, p := range markers[i].problems {
			r.assets[id].problem(p.Reason, "", "", p.Message)
		}
	}
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

// markerList is what lies in an asset's evidences folder.
type markerList struct {
	ids      []string
	problems []Problem
}

// listMarkers returns the ids of the evidence about an asset, sorted.
func (r *reading) listMarkers(ctx context.Context, assetID string) (markerList, error) {
	prefix := r.locker.layout.markers(assetID)
	var found markerList
	bad := func(reason ProblemReason, format string, args ...any) {
		found.problems = append(found.problems, Problem{Reason: reason, Message: fmt.Sprintf(format, args...)})
	}
	whole, err := r.locker.list(ctx, prefix, r.locker.limits.EvidencesPerAsset, func(key string) {
		name := strings.TrimPrefix(key, prefix)
		switch {
		case ValidID(name):
			found.ids = append(found.ids, name)
		case name == "" || strings.HasPrefix(name, "."):
			// The folder itself, which some consoles create, or a hidden file.
		default:
			bad(ReasonMarkerUnusable, "marker %.200q is not named by an evidence id", key)
		}
	})
	if err != nil {
		return markerList{}, err
	}
	if !whole {
		bad(ReasonTooMany, "%s holds more than %d markers; not all evidence was read", prefix, r.locker.limits.EvidencesPerAsset)
	}
	slices.Sort(found.ids)
	found.ids = slices.Compact(found.ids)
	return found, nil
}

// list calls visit with at most limit keys under a prefix, and reports whether
// these are all.
func (l *Locker) list(ctx context.Context, prefix string, limit int, visit func(key string)) (whole bool, err error) {
	iter := l.bucket.List(&blob.ListOptions{Prefix: prefix})
	for count := 0; ; count++ {
		object, err := iter.Next(ctx)
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("listing %s in evidence locker %s: %w%s", prefix, l.name, err, hint(err))
		}
		if count >= limit {
			return false, nil
		}
		visit(object.Key)
	}
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

// startEvidence has every evidence of the assets read that is not on its way
// already.
func (r *reading) startEvidence(ctx context.Context, assets []string) {
	for _, assetID := range assets {
		kept := r.markers[assetID][:0]
		for _, id := range r.markers[assetID] {
			if r.records[id] == nil {
				if len(r.records) >= r.locker.limits.Evidences {
					r.assets[assetID].problem(ReasonTooMany, "", "",
						fmt.Sprintf("the entries' assets have more than %d evidences; not all of them were read", r.locker.limits.Evidences))
					break
				}
				record := new(loaded)
				r.records[id] = record
				r.group.Go(func() (err error) {
					*record, err = r.loadEvidence(ctx, id)
					return err
				})
			}
			kept = append(kept, id)
		}
		r.markers[assetID] = kept
	}
}

// handOut gives each asset the evidence that its markers name.
func (r *reading) handOut(assets []string) {
	for _, assetID := range assets {
		state := r.assets[assetID]
		for _, id := range r.markers[assetID] {
			record := r.records[id]
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
