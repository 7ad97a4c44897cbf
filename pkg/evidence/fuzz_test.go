// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var someTime = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)

func FuzzDecodeEvidence(f *testing.F) {
	f.Add([]byte(`{"version":"2","id":"x","date":"2026-01-02T03:04:05Z","details":{"result":"success"},"assets":[{"hash":"a"}]}`))
	f.Add([]byte(`{"version":2,"evidence_type_id":"t","assets":["` + digest + `",null],"attachments":{"a":"` + digest + `"},"issues":{}}`))
	f.Add([]byte(`{"details":{"result":"failure","result":"success"}}`))
	f.Add([]byte(`{"assets":[{"hash":"a","hash":"b"}],"attachments":[{"hash":[]}]}`))
	f.Add([]byte(`{"findings":[{"id":1,"due_date":"n/a","has_exempt":true},{"due_date":"2026-02-01"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEvidence(data)
		if err != nil {
			return
		}
		switch e.Result() {
		case ResultSuccess, ResultFailure, ResultPending, ResultUnknown:
		default:
			t.Errorf("result %q", e.Result())
		}
		e.isAbout("x")
		result, judged := EvaluateFindings(e.Findings, someTime)
		fails := false
		for _, finding := range judged {
			fails = fails || finding.Fails
		}
		if len(judged) != len(e.Findings) || fails != (result == ResultFailure) {
			t.Errorf("%s of %+v", result, judged)
		}
		Newest([]*Evidence{e}, someTime)
		// What is read can be written, and is then the same.
		complete, err := Complete(*e)
		if err != nil {
			return
		}
		again, err := DecodeEvidence(complete.Raw)
		if err != nil {
			t.Fatalf("%v: %s", err, complete.Raw)
		}
		if again.Result() != e.Result() || again.TypeID != complete.TypeID || len(again.Attachments) != len(e.Attachments) {
			t.Errorf("got %s\nof %s", complete.Raw, data)
		}
	})
}

func FuzzDecodeAsset(f *testing.F) {
	f.Add([]byte(`{"version":"1","id":"` + digest + `","uri":"docker://x@sha256:` + digest + `","type":"image","related":["` + digest + `"]}`))
	f.Add([]byte(`{"related":[{"id":1,"parents":{"parents":["docker://x@sha256:"]}}],"parents":null}`))
	f.Add([]byte(`{"uri":"https://forge.example/x.git#` + shaA + `","parents":[{"uri":"pipelinerun://a/b"}]}`))
	f.Add([]byte(`{"related":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := DecodeAsset(data)
		if err != nil {
			return
		}
		if uri, err := ParseURI(string(a.URI)); err == nil && !ValidID(uri.ID) {
			t.Errorf("URI %q has id %q", a.URI, uri.ID)
		}
		// Adding links loses none, and keeps the record readable.
		merged, _, err := addLinks(data, Asset{ID: a.ID, Related: Links{digest}})
		if err != nil {
			t.Fatal(err)
		}
		after, err := DecodeAsset(merged)
		if err != nil {
			t.Fatalf("%v: %s", err, merged)
		}
		kept := map[string]bool{}
		for _, link := range after.Related {
			kept[link] = true
		}
		for _, link := range append(a.Related, digest) {
			if !kept[link] && json.Valid([]byte(`"`+link+`"`)) {
				t.Errorf("link %q was lost: %s", link, merged)
			}
		}
	})
}

func FuzzDecodeVersion1(f *testing.F) {
	f.Add([]byte(`{"evidence_type_id":"com.ibm.unit_tests","date":"2021-01-11T21:07:29.919Z","result":"success","pipeline_run_id":"r",
		"issues":[],"artifacts":[],"log":[{"url":"u","hash":null}],"subject":"https://forge.example/acme/shop"}`))
	f.Add([]byte(`{"evidence_type_id":"t","result":"passed","subjects":["docker://x:1@sha256:` + digest + `","x"],"artifacts":{"a":1}}`))
	f.Add([]byte(`{"evidence_type_id":"t","result":"failed","repository_url":"git@forge.example:acme/shop.git","repository_revision":"` + shaA + `"}`))
	f.Add([]byte(`{"evidence_type_id":"t","result":"failed","result":"passed"}`))
	component := Component{Entry: "shop", Provenance: "docker://x@sha256:" + digest, RepositoryURL: "https://forge.example/acme/shop", CommitSHA: shaA}
	own, _ := component.Own()
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decodeVersion1(data)
		if err != nil {
			return
		}
		tied := v.tieTo(component, own)
		e := v.evidence(tied.about)
		raw, err := e.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeEvidence(raw)
		if err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		for _, uri := range tied.about {
			if !again.isAbout(uri.ID) {
				t.Errorf("tied to %s, but not about it: %s", uri.String, raw)
			}
		}
		if (again.Result() == ResultSuccess) != (v.Result == "success" || v.Result == "passed") {
			t.Errorf("%q became %q", v.Result, again.Result())
		}
	})
}

func FuzzParseURI(f *testing.F) {
	for _, seed := range []string{
		"docker://x:1@sha256:" + digest, "git@forge.example:acme/shop.git", "https://a:b@forge.example/x#" + shaA, "pipelinerun://a/b", "x", "https://%zz", "A0000://@",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uri, err := ParseURI(s)
		if err != nil {
			return
		}
		again, err := ParseURI(uri.String)
		if !ValidID(uri.ID) || err != nil || again.ID != uri.ID {
			t.Errorf("%q is %+v, and that %+v, %v", s, uri, again, err)
		}
	})
}
