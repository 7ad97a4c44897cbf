// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"slices"
	"strings"
	"time"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// TypeVerifySignature is the check that results are evidence of.
const TypeVerifySignature = "com.ibm.cloud.verify_signature"

// Tool of the evidence. It is the same for all results, whatever format a
// signature has: of one check by several tools every one must be good, and an
// artifact that was unsigned yesterday and is signed with GPG today would keep
// yesterday's failure.
const Tool = "countersign"

// Evidence makes one record for each asset that results are about, in the order
// of the results. It is a success only if all results about the asset are OK. A
// result whose entry names no asset makes none: readiness blocks on such an entry
// by itself. run is the pipeline run's id.
func Evidence(results []Result, now time.Time, run string) []*evidence.Evidence {
	var assets []string
	byAsset := map[string][]Result{}
	for _, r := range results {
		id := r.Item.Asset.ID
		if id == "" {
			continue
		}
		if byAsset[id] == nil {
			assets = append(assets, id)
		}
		byAsset[id] = append(byAsset[id], r)
	}
	var records []*evidence.Evidence
	for _, id := range assets {
		about := byAsset[id]
		result := evidence.ResultSuccess
		var (
			items              []map[string]string
			messages, remedies []string
		)
		for _, r := range about {
			if !r.OK {
				result = evidence.ResultFailure
			}
			item := map[string]string{"entry": r.Item.Entry, "digest": r.Item.Digest, "format": r.Tool, "reason": string(r.Reason), "message": r.Message}
			if r.OK {
				item["authority"], item["signer"] = r.Authority, r.Signer
			} else {
				item["remedy"] = r.Remedy
				messages, remedies = appendNew(messages, r.Message), appendNew(remedies, r.Remedy)
			}
			items = append(items, item)
		}
		uri := about[0].Item.Asset
		records = append(records, &evidence.Evidence{
			Version: "2",
			Date:    evidence.Text(now.UTC().Format(time.RFC3339)),
			TypeID:  TypeVerifySignature,
			Origin:  evidence.Origin{Scope: evidence.Text(evidence.ScopeID(run)), PipelineRunID: evidence.Text(run)},
			Details: evidence.Details{
				Result: evidence.Text(result), Tool: Tool,
				Message: evidence.Note(strings.Join(messages, "; ")), Remedy: evidence.Note(strings.Join(remedies, "; ")),
				Extra: map[string]any{"items": items},
			},
			Assets: []evidence.AssetRef{{Hash: evidence.Text(uri.ID), URI: evidence.Text(uri.String)}},
		})
	}
	return records
}

func appendNew(list []string, text string) []string {
	if text == "" || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}
