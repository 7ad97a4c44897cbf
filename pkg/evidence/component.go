// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strings"
)

// Component is what this package needs to know of an inventory entry to find
// its evidence.
type Component struct {
	// Entry is the entry's name, its path in the inventory.
	Entry string `json:"entry"`
	// Type of the entry as the inventory has it, such as image.
	Type string `json:"type,omitempty"`
	// Provenance is the URI of the artifact: name[:tag]@sha256:… for an image.
	Provenance string `json:"provenance,omitempty"`
	// RepositoryURL and CommitSHA name the commit it was built from.
	RepositoryURL string `json:"repositoryURL,omitempty"`
	CommitSHA     string `json:"commitSHA,omitempty"`
	// PipelineRunID is the run that built it.
	PipelineRunID string `json:"pipelineRunID,omitempty"`
}

// Own returns the assets that the component names itself, the artifact first,
// then its commit; and the problems that keep it from naming them. Every
// component yields at least one of either.
func (c Component) Own() ([]URI, []Problem) {
	var own []URI
	var problems []Problem
	hole := func(message string) {
		problems = append(problems, Problem{Reason: ReasonNotIdentified, Entry: c.Entry, Message: message})
	}
	if strings.TrimSpace(c.Provenance) != "" {
		uri, err := ParseURI(c.Provenance)
		switch {
		case err != nil:
			hole(fmt.Sprintf("the entry's provenance cannot be used: %v", err))
		case uri.Type == AssetPipelineRun:
			hole(fmt.Sprintf("the entry's provenance is a pipeline run (%q), which is not an artifact", uri.String))
		case c.isImage() && uri.Type != AssetImage:
			hole(fmt.Sprintf("the entry is an image, and its provenance (%q) names no image by digest (name@sha256:…)", uri.String))
		default:
			own = append(own, uri)
		}
	} else if c.isImage() {
		hole("the entry is an image, and has no provenance that names it by digest (name@sha256:…)")
	}
	if c.CommitSHA != "" || c.RepositoryURL != "" {
		uri, err := CommitURI(c.RepositoryURL, c.CommitSHA)
		switch {
		case err != nil:
			hole(fmt.Sprintf("the entry's commit cannot be used: %v", err))
		case len(own) == 0 || own[0].ID != uri.ID:
			own = append(own, uri)
		}
	}
	if len(own) == 0 && len(problems) == 0 {
		hole("the entry names neither an artifact (provenance) nor a commit (repository_url, commit_sha), so no evidence can be about it")
	}
	return own, problems
}

func (c Component) isImage() bool {
	t := strings.ToLower(c.Type)
	return t == "image" || t == "docker" || t == "container" || t == "container_image"
}

// ProblemReason says what is wrong with a record of a locker.
type ProblemReason string

// The reasons of problems.
const (
	// ReasonNotIdentified: the entry does not say what it is.
	ReasonNotIdentified ProblemReason = "NotIdentified"
	// ReasonAssetMissing: the locker has no record of the asset.
	ReasonAssetMissing ProblemReason = "AssetMissing"
	// ReasonAssetUnreadable: the asset's record is not what it should be.
	ReasonAssetUnreadable ProblemReason = "AssetUnreadable"
	// ReasonLinkUnusable: an asset names a related asset or parent by something
	// that is no id.
	ReasonLinkUnusable ProblemReason = "LinkUnusable"
	// ReasonParentCycle: an asset is its own ancestor.
	ReasonParentCycle ProblemReason = "ParentCycle"
	// ReasonMarkerUnusable: a marker's name is no evidence id.
	ReasonMarkerUnusable ProblemReason = "MarkerUnusable"
	// ReasonEvidenceMissing: there is a marker, but no evidence.
	ReasonEvidenceMissing ProblemReason = "EvidenceMissing"
	// ReasonEvidenceUnreadable: the evidence's record is not JSON of the format.
	ReasonEvidenceUnreadable ProblemReason = "EvidenceUnreadable"
	// ReasonWrongID: a record carries another id than its place.
	ReasonWrongID ProblemReason = "WrongID"
	// ReasonWrongAsset: evidence lies under an asset that it does not name.
	ReasonWrongAsset ProblemReason = "WrongAsset"
	// ReasonTooLarge: the record is larger than the limit.
	ReasonTooLarge ProblemReason = "TooLarge"
	// ReasonTooMany: there is more than the limit allows to read.
	ReasonTooMany ProblemReason = "TooMany"
	// ReasonDateUnreadable: the evidence has no date that can be read.
	ReasonDateUnreadable ProblemReason = "DateUnreadable"
	// ReasonFromFuture: the evidence is dated later than now.
	ReasonFromFuture ProblemReason = "FromFuture"
	// ReasonUnsigned: a success lacks the signature that is demanded.
	ReasonUnsigned ProblemReason = "Unsigned"
	// ReasonUntied: a version 1 record of the run that built an entry does not
	// say which asset it is about.
	ReasonUntied ProblemReason = "Untied"
	// ReasonAttachmentMissing: an attachment is not where its hash says.
	ReasonAttachmentMissing ProblemReason = "AttachmentMissing"
	// ReasonAttachmentWrong: an attachment's hash is none, or its content is
	// another.
	ReasonAttachmentWrong ProblemReason = "AttachmentWrong"
)

// Problem is a hole in the evidence. It is never good: readiness blocks on it.
// Message is safe to print; what came from the locker is quoted in it.
type Problem struct {
	Reason ProblemReason `json:"reason"`
	// Entry is set where the problem is the entry's own.
	Entry string `json:"entry,omitempty"`
	// AssetID is the asset concerned.
	AssetID string `json:"assetID,omitempty"`
	// EvidenceID and TypeID are set as far as they are known.
	EvidenceID string `json:"evidenceID,omitempty"`
	TypeID     string `json:"typeID,omitempty"`
	Message    string `json:"message"`
}
