// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"errors"
	"fmt"
	"slices"
)

// ViaChange is the way to the asset of the change as a whole: see AddChange.
const ViaChange = "change"

// Add appends evidence that this run made to every asset of the collection that
// it names. Evidence that was not made by Complete or written before is
// completed first. That it was written by this run is known, so it counts
// without a signature.
//
// It is an error if the evidence cannot be completed, or is about nothing that
// is in the collection: a result that nobody looks at must not get lost.
func (c *Collection) Add(e *Evidence) error {
	if e == nil {
		return errors.New("adding evidence: there is none")
	}
	if !ValidID(string(e.ID)) {
		complete, err := Complete(*e)
		if err != nil {
			return err
		}
		*e = *complete
	}
	e.Signature = Signature{}
	found := false
	for id, state := range c.Assets {
		if !e.isAbout(id) {
			continue
		}
		found = true
		// The same record may have been read from the locker already.
		state.Evidences = slices.DeleteFunc(state.Evidences, func(other *Evidence) bool { return other.ID == e.ID })
		state.Evidences = append(state.Evidences, e)
		slices.SortFunc(state.Evidences, byID)
	}
	if !found {
		return fmt.Errorf("adding evidence %s of type %s: it is about no asset of the entries", e.ID, e.TypeID)
	}
	return nil
}

// AddVerified is Add for what the run verified itself because it must: beside it
// no success of the same check and tool counts that was read from a locker,
// whatever its date. Else whoever may write to the locker could date a success a
// moment later than the run, and answer for it.
func (c *Collection) AddVerified(e *Evidence) error {
	if e != nil {
		e.Verified = true
	}
	return c.Add(e)
}

// AddChange adds the change as a whole: a component without an entry, whose one
// asset is what the change deploys, the inventory commit. Evidence about the
// change, such as its peer review, can then be added and judged. Adding it twice
// adds it once.
func (c *Collection) AddChange(uri URI) {
	isChange := func(component ComponentAssets) bool {
		return slices.ContainsFunc(component.Assets, func(link Link) bool { return link.ID == uri.ID && link.Via == ViaChange })
	}
	if slices.ContainsFunc(c.Components, isChange) {
		return
	}
	if c.Assets == nil {
		c.Assets = map[string]*AssetState{}
	}
	if c.Assets[uri.ID] == nil {
		c.Assets[uri.ID] = &AssetState{URI: uri}
	}
	c.Components = append(c.Components, ComponentAssets{Assets: []Link{{ID: uri.ID, Via: ViaChange}}})
}
