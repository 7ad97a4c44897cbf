// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// legacy is a version 1 record; fields are added before those of the format.
func legacy(typeID, result, fields string) string {
	return `{` + fields + `"evidence_type_id":"com.ibm.` + typeID + `","evidence_type_version":"1.0.0","date":"` + date + `","result":"` + result + `",
		"toolchain_crn":"crn:v1:x","pipeline_id":"ci","pipeline_run_id":"run-7","log":[{"url":"https://ci.example/7","hash":null}]}`
}

func TestReadVersion1(t *testing.T) {
	built := shop
	built.PipelineRunID = "run-7"
	aboutImage := `"subject":"` + imageURI + `",`
	aboutRepo := `"subject":"` + repoURL + `","tool":"go",`
	other := strings.Repeat("d", 64)
	const unknown = " AssetMissing"
	for name, tc := range map[string]struct {
		component *evidence.Component
		query     string
		objects   map[string]string
		want      []string
		ignored   int
	}{
		"what a record names by digest, commit or repository": {
			objects: map[string]string{
				"raw/ci/run-7/evidences/a.json": legacy("cloud.image_signing", "success", aboutImage),
				"raw/ci/run-7/evidences/b.json": legacy("unit_tests", "passed", aboutRepo),
				"raw/ci/run-7/evidences/c":      legacy("static_scan", "failed", `"subjects":["`+commitURI+`"],`),
				"raw/cd/run-7/evidences/d.json": legacy("acceptance_tests", "failure", `"subjects":["`+imageURI+`","`+repoURL+`.git"],`),
				"raw/ci/run-7/artifacts/x.log":  "not a record",
				"raw/ci/run-7/evidences/.keep":  "",
			},
			want: []string{
				"shop entry image: acceptance_tests=failure cloud.image_signing=success",
				"shop entry commit: acceptance_tests=failure static_scan=failure unit_tests=success",
			},
		},
		"an asset without any stays unknown": {
			objects: map[string]string{"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "success", aboutRepo)},
			want:    []string{"shop entry image:" + unknown, "shop entry commit: unit_tests=success"},
		},
		"the flat layout": {
			query:   "?layout=flat",
			objects: map[string]string{"ci/run-7/evidences/a.json": legacy("unit_tests", "success", aboutRepo)},
			want:    []string{"shop entry image:" + unknown, "shop entry commit: unit_tests=success"},
		},
		"a success about nothing counts for nothing": {
			objects: map[string]string{"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "success", "")},
			want:    []string{"shop entry image:" + unknown, "shop entry commit:" + unknown},
			ignored: 1,
		},
		"a failure about nothing is a problem": {
			objects: map[string]string{"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "failure", "")},
			want:    []string{"shop entry image:" + unknown + " Untied", "shop entry commit:" + unknown},
		},
		"so is one about another repository": {
			objects: map[string]string{"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "failure", `"subject":"https://forge.example/acme/lib",`)},
			want:    []string{"shop entry image:" + unknown + " Untied", "shop entry commit:" + unknown},
		},
		"and one about an image by tag": {
			objects: map[string]string{"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "failure", `"subject":"docker://registry.example/acme/shop:1",`)},
			want:    []string{"shop entry image:" + unknown + " Untied", "shop entry commit:" + unknown},
		},
		"another image of the run is another entry's affair": {
			objects: map[string]string{"raw/ci/run-7/evidences/a.json": legacy("cloud.image_signing", "failure", `"subject":"docker://x@sha256:`+other+`",`)},
			want:    []string{"shop entry image:" + unknown, "shop entry commit:" + unknown},
			ignored: 1,
		},
		"the repository at another revision is not the commit": {
			objects: map[string]string{"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "success", `"repository_url":"`+repoURL+`","repository_revision":"`+strings.Repeat("3", 40)+`",`)},
			want:    []string{"shop entry image:" + unknown, "shop entry commit:" + unknown},
			ignored: 1,
		},
		"a word that is none of the format": {
			objects: map[string]string{"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "ok", aboutRepo)},
			want:    []string{"shop entry image:" + unknown, "shop entry commit: unit_tests=unknown"},
		},
		"records that cannot be read, or are another run's": {
			objects: map[string]string{
				"raw/ci/run-7/evidences/a.json": `{"result":`,
				"raw/ci/run-7/evidences/b.json": `{"result":"success"}`,
				"raw/ci/run-7/evidences/c.json": strings.Replace(legacy("unit_tests", "success", aboutRepo), "run-7", "run-6", 1),
				"raw/ci/run-7/evidences/d.json": legacy("unit_tests", "success", `"result":"failure",`+aboutRepo),
				"raw/ci/run-7/evidences/e.json": strings.Repeat(" ", 5<<20),
			},
			want: []string{
				"shop entry image:" + unknown + " EvidenceUnreadable EvidenceUnreadable EvidenceUnreadable TooLarge WrongID",
				"shop entry commit:" + unknown,
			},
		},
		"a locker that knows an asset in version 2": {
			objects: map[string]string{
				assetKey(commitID):              `{"id":"` + commitID + `","uri":"` + commitURI + `"}`,
				"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "success", aboutRepo),
			},
			want: []string{"shop entry image:" + unknown, "shop entry commit:"},
		},
		"or a marker alone": {
			objects: map[string]string{
				markerKey(commitID, other):      "",
				"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "success", aboutRepo),
			},
			want: []string{"shop entry image:" + unknown, "shop entry commit:" + unknown + " EvidenceMissing"},
		},
		"or evidence without a record of its asset": {
			objects: map[string]string{
				markerKey(commitID, other):      "",
				evidenceKey(other):              `{"id":"` + other + `","evidence_type_id":"com.ibm.static_scan","details":{"result":"failure"},"assets":[{"hash":"` + commitID + `"}]}`,
				"raw/ci/run-7/evidences/a.json": legacy("unit_tests", "success", aboutRepo),
			},
			want: []string{"shop entry image:" + unknown, "shop entry commit: static_scan=failure" + unknown},
		},
		"a run whose id is a path": {
			component: &evidence.Component{Entry: "shop", Provenance: imageURI, PipelineRunID: "../ci/run-7"},
			objects:   map[string]string{"raw/ci/run-7/evidences/a.json": legacy("cloud.image_signing", "success", aboutImage)},
			want:      []string{"shop entry image:" + unknown},
		},
		"no run": {
			component: &evidence.Component{Entry: "shop", Provenance: imageURI},
			objects:   map[string]string{"raw/ci/run-7/evidences/a.json": legacy("cloud.image_signing", "success", aboutImage)},
			want:      []string{"shop entry image:" + unknown},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := evidence.Open(t.Context(), "file://"+t.TempDir()+tc.query)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for key, content := range tc.objects {
				if err := evidence.PutObject(t.Context(), l, key, content); err != nil {
					t.Fatal(err)
				}
			}
			component := built
			if tc.component != nil {
				component = *tc.component
			}
			c, err := l.Read(t.Context(), []evidence.Component{component, component})
			if err != nil {
				t.Fatal(err)
			}
			got := found(c)
			for i := range got {
				head, tail, _ := strings.Cut(got[i], ":")
				got[i] = head + ":" + sorted(tail)
			}
			if diff := cmp.Diff(append(tc.want, tc.want...), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := len(c.Components[0].Ignored); got != tc.ignored {
				t.Errorf("%d records were ignored, want %d: %v", got, tc.ignored, c.Components[0].Ignored)
			}
		})
	}
}

func TestVersion1IsConverted(t *testing.T) {
	l, bucket := locker(t)
	ref, err := l.WriteAttachment(t.Context(), "content", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	hash := string(ref.Hash)
	put(t, bucket, "raw/ci/run-7/evidences/a.json", legacy("code_bom_check", "passed", fmt.Sprintf(
		`"subject":%q,"tool":"cra","issues":["https://forge.example/1"],"own":[1],"artifacts":[
			{"url":"https://files.example/raw/attachments/%s/%s/content","hash":%q},
			{"url":"https://files.example/x.log_9a","hash":"9a"}],`, repoURL, hash[:2], hash[2:], hash)))
	component := evidence.Component{Entry: "shop", RepositoryURL: repoURL, CommitSHA: commitSHA, PipelineRunID: "run-7"}
	c, err := l.Read(t.Context(), []evidence.Component{component})
	if err != nil {
		t.Fatal(err)
	}
	summary, err := evidence.Summarise(c, "cd-1", now)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(summary.Evidences[0], &got); err != nil {
		t.Fatal(err)
	}
	details := got["details"].(map[string]any)
	if kept := details["version_1_record"].(map[string]any); kept["result"] != "passed" || kept["own"] == nil || kept["log"] == nil {
		t.Errorf("the record was not kept: %v", kept)
	}
	delete(details, "version_1_record")
	delete(got, "id")
	want := map[string]any{
		"version": "2", "date": date, "evidence_type_id": evidence.TypeCodeBOM, "evidence_type_version": "1.0.0",
		"origin": map[string]any{
			"scope": evidence.ScopeID("run-7"), "toolchain_crn": "crn:v1:x", "pipeline_id": "ci", "pipeline_run_id": "run-7",
		},
		"details": map[string]any{"result": "success", "tool": "cra"},
		"assets":  []any{map[string]any{"hash": commitID, "uri": commitURI}},
		"attachments": []any{map[string]any{
			"hash": hash, "url": "https://files.example/raw/attachments/" + hash[:2] + "/" + hash[2:] + "/content",
		}},
		"issues": []any{"https://forge.example/1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if data, err := l.ReadAttachment(t.Context(), c.Attachments(evidence.TypeCodeBOM, now)[0].AttachmentRef); err != nil || string(data) != "{}" {
		t.Errorf("attachment: %q, %v", data, err)
	}
}
