// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	kjson "sigs.k8s.io/json"
)

// Result is the outcome of a check.
type Result string

// The results. Success, failure and pending are the only words of the format;
// ResultUnknown stands for any other, and is as bad as a failure.
const (
	ResultSuccess Result = "success"
	ResultFailure Result = "failure"
	ResultPending Result = "pending"
	ResultUnknown Result = "unknown"
)

// Types of evidence that this project's own rules name.
const (
	TypeUnitTests              = "com.ibm.unit_tests"
	TypeCodeVulnerabilityScan  = "com.ibm.code_vulnerability_scan"
	TypeStaticScan             = "com.ibm.static_scan"
	TypeDetectSecrets          = "com.ibm.detect_secrets"
	TypeCodeBOM                = "com.ibm.code_bom_check"
	TypeImageVulnerabilityScan = "com.ibm.cloud.image_vulnerability_scan"
	TypeImageSigning           = "com.ibm.cloud.image_signing"
)

// Evidence is one dated result of one check on one or more assets.
type Evidence struct {
	// Version of the record's format, "2".
	Version Text `json:"version,omitempty"`
	// ID is 64 lower-case hex digits, and the record's place in the locker.
	ID Text `json:"id,omitempty"`
	// Date of the result; see Time.
	Date Text `json:"date,omitempty"`
	// TypeID is the check, such as com.ibm.unit_tests.
	TypeID      Text           `json:"evidence_type_id,omitempty"`
	TypeVersion Text           `json:"evidence_type_version,omitempty"`
	Origin      Origin         `json:"origin"`
	Details     Details        `json:"details"`
	Assets      []AssetRef     `json:"assets"`
	Attachments AttachmentRefs `json:"attachments"`
	// Issues are links to the issues opened for a failure.
	Issues   Texts     `json:"issues"`
	Findings []Finding `json:"findings,omitempty"`

	// Signature says whether a success has the signature that is demanded of it.
	Signature Signature `json:"-"`
	// Verified: this run found it out itself; see Collection.AddVerified.
	Verified bool `json:"-"`
	// Raw is the record as it was read, every field of its writer included, or
	// as Complete made it.
	Raw json.RawMessage `json:"-"`
}

// Result is success, failure, pending or, for every other word, unknown.
func (e *Evidence) Result() Result {
	switch r := Result(e.Details.Result); r {
	case ResultSuccess, ResultFailure, ResultPending:
		return r
	}
	return ResultUnknown
}

// Tool that made the evidence, empty if it does not say.
func (e *Evidence) Tool() string { return string(e.Details.Tool) }

// Time is the evidence's date, an error if it has none that can be read.
func (e *Evidence) Time() (time.Time, error) { return parseDate(string(e.Date)) }

// JSON is the record to store or show: as it was read, else encoded.
func (e *Evidence) JSON() (json.RawMessage, error) {
	if len(e.Raw) > 0 {
		return e.Raw, nil
	}
	return json.Marshal(e)
}

// Details are what the check found; tools add fields of their own.
type Details struct {
	Result Text `json:"result,omitempty"`
	Tool   Text `json:"tool,omitempty"`
	// Message says in words why the result is what it is, and Remedy what would
	// make it good. Verdicts show both.
	Message Note `json:"message,omitempty"`
	Remedy  Note `json:"remedy,omitempty"`
	// Extra are further fields to write. They are not filled in from a record
	// that is read: see Evidence.Raw.
	Extra map[string]any `json:"-"`
}

// MarshalJSON implements json.Marshaler.
func (d Details) MarshalJSON() ([]byte, error) {
	own := map[string]string{"result": string(d.Result), "tool": string(d.Tool), "message": string(d.Message), "remedy": string(d.Remedy)}
	fields := make(map[string]any, len(d.Extra)+len(own))
	for name, value := range d.Extra {
		if _, taken := own[strings.ToLower(name)]; taken {
			return nil, fmt.Errorf("further field %q of details has the name of one of the format's own", name)
		}
		fields[name] = value
	}
	for name, value := range own {
		if value != "" {
			fields[name] = value
		}
	}
	return json.Marshal(fields)
}

// Note is text that nothing depends on: whatever is not a string is read as none.
type Note string

// UnmarshalJSON implements json.Unmarshaler.
func (n *Note) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = ""
	}
	*n = Note(text)
	return nil
}

// Origin is the pipeline run that wrote a record.
type Origin struct {
	// Scope is ScopeID of the pipeline run.
	Scope          Text `json:"scope,omitempty"`
	ToolchainCRN   Text `json:"toolchain_crn,omitempty"`
	PipelineID     Text `json:"pipeline_id,omitempty"`
	PipelineRunID  Text `json:"pipeline_run_id,omitempty"`
	PipelineRunURL Text `json:"pipeline_run_url,omitempty"`
}

// AssetRef is how evidence names an asset.
type AssetRef struct {
	// Hash is the asset's id.
	Hash Text `json:"hash,omitempty"`
	URI  Text `json:"uri,omitempty"`
	URL  Text `json:"url,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler: an asset may be named by its id
// alone, as the first lockers of version 2 did.
func (r *AssetRef) UnmarshalJSON(data []byte) error {
	*r = AssetRef{}
	if data[0] == '"' || string(data) == "null" {
		return r.Hash.UnmarshalJSON(data)
	}
	type object AssetRef
	return decode(data, (*object)(r))
}

// AttachmentRef is how evidence names an attachment.
type AttachmentRef struct {
	// Hash is the attachment's id: the sha256 of its content, in hex.
	Hash  Text `json:"hash,omitempty"`
	URL   Text `json:"url,omitempty"`
	Label Text `json:"label,omitempty"`
}

// AttachmentRefs are written as a list; read, also as an object from label to
// hash, as the first lockers of version 2 have it.
type AttachmentRefs []AttachmentRef

// UnmarshalJSON implements json.Unmarshaler.
func (a *AttachmentRefs) UnmarshalJSON(data []byte) error {
	*a = nil
	if data[0] == '{' {
		var byLabel map[string]Text
		if err := decode(data, &byLabel); err != nil {
			return err
		}
		for _, label := range slices.Sorted(maps.Keys(byLabel)) {
			*a = append(*a, AttachmentRef{Hash: byLabel[label], Label: Text(label)})
		}
		return nil
	}
	strict, err := kjson.UnmarshalStrict(data, (*[]AttachmentRef)(a), kjson.DisallowDuplicateFields)
	return errors.Join(append(strict, err)...)
}

// MarshalJSON implements json.Marshaler; none are [], never null.
func (a AttachmentRefs) MarshalJSON() ([]byte, error) {
	return json.Marshal(append([]AttachmentRef{}, a...))
}

// Asset is something that can be checked.
type Asset struct {
	Version Text            `json:"version,omitempty"`
	ID      Text            `json:"id,omitempty"`
	URI     Text            `json:"uri,omitempty"`
	Date    Text            `json:"date,omitempty"`
	Type    Text            `json:"type,omitempty"`
	Origin  Origin          `json:"origin"`
	Details json.RawMessage `json:"details,omitempty"`
	// Related and Parents are ids of other assets, whose evidence speaks for
	// this one too: the commit that an image was built from, for example.
	Related Links `json:"related"`
	Parents Links `json:"parents,omitempty"`

	// Raw is the record as it was read.
	Raw json.RawMessage `json:"-"`
}

// DecodeEvidence reads an evidence record. It is lenient about fields it does
// not know and about numbers where text is due, but not about a field that
// appears twice: two readers could take such a record for two different
// results.
func DecodeEvidence(data []byte) (*Evidence, error) {
	var e Evidence
	if err := decode(data, &e); err != nil {
		return nil, fmt.Errorf("decoding evidence: %w", err)
	}
	e.Raw = bytes.Clone(data)
	return &e, nil
}

// DecodeAsset reads an asset record, as leniently as DecodeEvidence.
func DecodeAsset(data []byte) (*Asset, error) {
	var a Asset
	if err := decode(data, &a); err != nil {
		return nil, fmt.Errorf("decoding asset: %w", err)
	}
	a.Raw = bytes.Clone(data)
	return &a, nil
}

// decode is strict where Go's decoder is not: field names match exactly, so
// that "Result" cannot overrule "result", and no field appears twice.
func decode(data []byte, into any) error {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("not a JSON object")
	}
	strict, err := kjson.UnmarshalStrict(data, into, kjson.DisallowDuplicateFields)
	if err != nil {
		return err
	}
	if len(strict) > 0 {
		return strict[0]
	}
	return nil
}

// dateLayouts are the forms of ISO 8601 that records were seen with. A date
// without a zone is UTC.
var dateLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05",
}

func parseDate(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, errors.New("no date")
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("date %.64q is not ISO 8601, such as 2026-01-02T15:04:05Z", s)
}

// Text is a string that may have been written as a JSON number or boolean.
// Null is the empty string; an object or a list is an error.
type Text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || string(data) == "null":
		*t = ""
	case data[0] == '"':
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*t = Text(s)
	case data[0] == '{' || data[0] == '[':
		return fmt.Errorf("%.40s where text is due", data)
	default:
		*t = Text(data)
	}
	return nil
}

// Texts is a list of strings; other shapes in it are kept as their JSON.
type Texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Texts) UnmarshalJSON(data []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		// One link where a list is due.
		items = []json.RawMessage{data}
	}
	*t = nil
	for _, item := range items {
		var text Text
		if err := text.UnmarshalJSON(item); err != nil {
			text = Text(item)
		}
		if text != "" {
			*t = append(*t, string(text))
		}
	}
	return nil
}

// MarshalJSON implements json.Marshaler; an empty list is [], never null.
func (t Texts) MarshalJSON() ([]byte, error) {
	return json.Marshal(append([]string{}, t...))
}

// maxLinkDepth bounds how deep a tree of parents may nest in one record.
const maxLinkDepth = 32

// Links are ids of assets. They are written as a list of ids; read, also as a
// list of URIs, or of objects with id, hash or uri, which may nest a tree of
// further parents.
type Links []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *Links) UnmarshalJSON(data []byte) error {
	var ids []string
	if err := appendLinks(&ids, data, 0); err != nil {
		return err
	}
	*l = nil
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			*l = append(*l, id)
		}
	}
	return nil
}

// MarshalJSON implements json.Marshaler; no links are [], never null.
func (l Links) MarshalJSON() ([]byte, error) {
	return json.Marshal(append([]string{}, l...))
}

func appendLinks(ids *[]string, data []byte, depth int) error {
	if depth > maxLinkDepth {
		return fmt.Errorf("links nest deeper than %d levels", maxLinkDepth)
	}
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || string(data) == "null":
		return nil
	case data[0] == '[':
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			return err
		}
		for _, item := range items {
			if err := appendLinks(ids, item, depth+1); err != nil {
				return err
			}
		}
		return nil
	case data[0] == '{':
		var node struct {
			ID      Text            `json:"id"`
			Hash    Text            `json:"hash"`
			URI     Text            `json:"uri"`
			Parents json.RawMessage `json:"parents"`
			Related json.RawMessage `json:"related"`
		}
		if err := json.Unmarshal(data, &node); err != nil {
			return err
		}
		switch {
		case node.ID != "":
			*ids = append(*ids, linkID(string(node.ID)))
		case node.Hash != "":
			*ids = append(*ids, linkID(string(node.Hash)))
		case node.URI != "":
			*ids = append(*ids, linkID(string(node.URI)))
		}
		if err := appendLinks(ids, node.Parents, depth+1); err != nil {
			return err
		}
		return appendLinks(ids, node.Related, depth+1)
	}
	var text Text
	if err := text.UnmarshalJSON(data); err != nil {
		return err
	}
	if text != "" {
		*ids = append(*ids, linkID(string(text)))
	}
	return nil
}

// linkID makes an asset id of a link. What is neither an id nor a URI is left
// as it is, and reported by the reader as a link that leads nowhere.
func linkID(link string) string {
	link = strings.TrimPrefix(link, "sha256:")
	if ValidID(link) {
		return link
	}
	if uri, err := ParseURI(link); err == nil {
		return uri.ID
	}
	return link
}
