// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"slices"
)

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
