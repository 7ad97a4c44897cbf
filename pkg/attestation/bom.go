// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package attestation

import (
	"encoding/json"
	"strings"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// judgeCycloneDX reads https://cyclonedx.org/bom. That it describes the image is
// what the statement's subject says; a bill that lists nothing describes
// nothing.
func judgeCycloneDX(s *Statement, _ v1alpha1.AttestationRule, _ Image, f finding) finding {
	var p struct {
		Format   string `json:"bomFormat"`
		Version  string `json:"specVersion"`
		Metadata struct {
			Timestamp string `json:"timestamp"`
			Component *struct {
				Type string `json:"type"`
				Name string `json:"name"`
			} `json:"component"`
		} `json:"metadata"`
		Components []json.RawMessage `json:"components"`
	}
	if err := s.predicate(&p); err != nil {
		return f.fail(ReasonUnreadable, "the bill of materials cannot be read: %v", err)
	}
	var err error
	if f.date, err = firstDate([]string{p.Metadata.Timestamp}); err != nil {
		return f.fail(ReasonUnreadable, "the bill of materials cannot be read: %v", err)
	}
	f.details["components"] = len(p.Components)
	switch {
	case p.Format != "CycloneDX" || !strings.HasPrefix(p.Version, "1."):
		return f.fail(ReasonUnreadable, "the bill of materials is not CycloneDX 1: bomFormat %q, specVersion %q", clip(p.Format), clip(p.Version))
	case len(p.Components) == 0 && (p.Metadata.Component == nil || p.Metadata.Component.Name == ""):
		return f.fail(ReasonResultMissing, "the bill of materials lists nothing, not even what it is about")
	}
	return f.accept("CycloneDX %s with %d components", clip(p.Version), len(p.Components))
}

// judgeSPDX reads https://spdx.dev/Document.
func judgeSPDX(s *Statement, _ v1alpha1.AttestationRule, _ Image, f finding) finding {
	var p struct {
		Version  string `json:"spdxVersion"`
		Creation struct {
			Created string `json:"created"`
		} `json:"creationInfo"`
		Packages []json.RawMessage `json:"packages"`
	}
	if err := s.predicate(&p); err != nil {
		return f.fail(ReasonUnreadable, "the bill of materials cannot be read: %v", err)
	}
	var err error
	if f.date, err = firstDate([]string{p.Creation.Created}); err != nil {
		return f.fail(ReasonUnreadable, "the bill of materials cannot be read: %v", err)
	}
	f.details["packages"] = len(p.Packages)
	switch {
	case !strings.HasPrefix(p.Version, "SPDX-2."):
		return f.fail(ReasonUnreadable, "the bill of materials is not SPDX 2: spdxVersion %q", clip(p.Version))
	case len(p.Packages) == 0:
		return f.fail(ReasonResultMissing, "the bill of materials lists no package, not even the image")
	}
	return f.accept("%s with %d packages", clip(p.Version), len(p.Packages))
}
