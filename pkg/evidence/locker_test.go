// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/countersign-dev/countersign/pkg/evidence"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
)

const (
	commitSHA = "2222222222222222222222222222222222222222"
	repoURL   = "https://forge.example/acme/shop"
	runURI    = "pipelinerun://ci/run-7"
	date      = "2026-01-02T03:04:05Z"
)

var (
	now         = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	imageDigest = strings.Repeat("c", 64)
	imageURI    = "docker://registry.example/acme/shop:1@sha256:" + imageDigest
	commitURI   = repoURL + ".git#" + commitSHA
	commitID    = evidence.CommitID(commitSHA)
	shop        = evidence.Component{Entry: "shop", Type: "image", Provenance: imageURI, RepositoryURL: repoURL, CommitSHA: commitSHA}
)

// locker is a locker in memory with the bucket behind it.
func locker(t testing.TB, options ...evidence.Option) (*evidence.Locker, *blob.Bucket) {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	l := evidence.New(bucket, "mem://", options...)
	t.Cleanup(func() { _ = l.Close() })
	return l, bucket
}

func writeAsset(t testing.TB, l *evidence.Locker, uri string, related ...string) string {
	t.Helper()
	id, err := l.WriteAsset(t.Context(), evidence.Asset{URI: evidence.Text(uri), Date: date, Related: related})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func writeEvidence(t testing.TB, l *evidence.Locker, typeID, result string, assets ...string) string {
	t.Helper()
	e := evidence.Evidence{
		TypeID: evidence.Text(typeID), TypeVersion: "1.0.0", Date: date,
		Details: evidence.Details{Result: evidence.Text(result), Tool: "tool"},
		Origin:  evidence.Origin{PipelineRunID: "run-7"},
	}
	for _, uri := range assets {
		e.Assets = append(e.Assets, evidence.AssetRef{URI: evidence.Text(uri)})
	}
	id, err := l.WriteEvidence(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// fill writes an image, its commit and a run, with an evidence each.
func fill(t testing.TB, l *evidence.Locker) {
	t.Helper()
	run := writeAsset(t, l, runURI)
	commit := writeAsset(t, l, commitURI, run)
	writeAsset(t, l, imageURI, commit, run)
	writeEvidence(t, l, evidence.TypeUnitTests, "success", commitURI)
	writeEvidence(t, l, evidence.TypeImageSigning, "success", imageURI)
	writeEvidence(t, l, "com.ibm.pipeline_logs", "success", runURI)
}

func put(t testing.TB, bucket *blob.Bucket, key, content string) {
	t.Helper()
	if err := bucket.WriteAll(t.Context(), key, []byte(content), nil); err != nil {
		t.Fatal(err)
	}
}

func assetKey(id string) string    { return "raw/assets/" + id[:2] + "/" + id[2:] + "/index.json" }
func evidenceKey(id string) string { return "raw/evidences/" + id[:2] + "/" + id[2:] + "/index.json" }
func markerKey(asset, id string) string {
	return "raw/assets/" + asset[:2] + "/" + asset[2:] + "/evidences/" + id
}

// found lists a collection: per component and asset, the checks and problems.
func found(c *evidence.Collection) []string {
	var out []string
	for _, component := range c.Components {
		for _, p := range component.Problems {
			out = append(out, fmt.Sprintf("%s: %s", component.Entry, p.Reason))
		}
		for _, link := range component.Assets {
			state := c.Assets[link.ID]
			line := fmt.Sprintf("%s %s %s:", component.Entry, link.Via, state.Type)
			for _, e := range state.Evidences {
				line += " " + strings.TrimPrefix(string(e.TypeID), "com.ibm.") + "=" + string(e.Result())
			}
			for _, p := range state.Problems {
				line += " " + string(p.Reason)
			}
			out = append(out, line)
		}
	}
	return out
}

// sorted orders the words of a line of found: checks, then problems. Within an
// asset their order follows from ids, which are hashes.
func sorted(line string) string {
	words := strings.Fields(line)
	slices.SortFunc(words, func(a, b string) int {
		if strings.Contains(a, "=") != strings.Contains(b, "=") {
			return strings.Compare(fmt.Sprint(!strings.Contains(a, "=")), fmt.Sprint(!strings.Contains(b, "=")))
		}
		return strings.Compare(a, b)
	})
	return strings.Join(append([]string{""}, words...), " ")
}

func TestRead(t *testing.T) {
	good := []string{
		"shop entry image: cloud.image_signing=success",
		"shop entry commit: unit_tests=success",
		"shop related pipelinerun: pipeline_logs=success",
	}
	other := strings.Repeat("d", 64)
	for name, tc := range map[string]struct {
		component *evidence.Component
		limits    evidence.Limits
		spoil     func(t *testing.T, l *evidence.Locker, bucket *blob.Bucket)
		want      []string
	}{
		"an image, its commit and its run": {want: good},
		"a commit reached through the image alone": {
			component: &evidence.Component{Entry: "shop", Provenance: imageURI},
			want: []string{
				"shop entry image: cloud.image_signing=success",
				"shop related commit: unit_tests=success",
				"shop related pipelinerun: pipeline_logs=success",
			},
		},
		"an asset without a record": {
			spoil: func(t *testing.T, _ *evidence.Locker, bucket *blob.Bucket) {
				if err := bucket.Delete(t.Context(), assetKey(commitID)); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{good[0], good[1] + " AssetMissing", good[2]},
		},
		"an empty locker": {
			component: &evidence.Component{Entry: "other", Provenance: "registry.example/other@sha256:" + other},
			want:      []string{"other entry image: AssetMissing"},
		},
		"an asset record that is not JSON": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) { put(t, b, assetKey(imageDigest), "<html>") },
			want:  []string{good[0] + " AssetUnreadable", good[1], good[2]},
		},
		"an asset record with another id": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) {
				put(t, b, assetKey(imageDigest), `{"id":"`+other+`","uri":"`+imageURI+`"}`)
			},
			want: []string{good[0] + " WrongID", good[1], good[2]},
		},
		"an asset record about something else": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) {
				put(t, b, assetKey(imageDigest), `{"id":"`+imageDigest+`","uri":"docker://x@sha256:`+other+`"}`)
			},
			want: []string{good[0] + " WrongID", good[1], good[2]},
		},
		"a link that is no id": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) {
				put(t, b, assetKey(imageDigest), `{"id":"`+imageDigest+`","uri":"`+imageURI+`","related":["../../../etc/passwd"]}`)
			},
			want: []string{good[0] + " LinkUnusable", good[1], good[2]},
		},
		"a marker without evidence": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) { put(t, b, markerKey(commitID, other), "") },
			want:  []string{good[0], good[1] + " EvidenceMissing", good[2]},
		},
		"a marker that is no id": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) {
				put(t, b, markerKey(commitID, "readme.txt"), "")
				put(t, b, markerKey(commitID, ".gitkeep"), "")
			},
			want: []string{good[0], good[1] + " MarkerUnusable", good[2]},
		},
		"evidence that is not JSON": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) {
				put(t, b, markerKey(commitID, other), "")
				put(t, b, evidenceKey(other), `{"id":`)
			},
			want: []string{good[0], good[1] + " EvidenceUnreadable", good[2]},
		},
		"evidence with another id": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) {
				put(t, b, markerKey(commitID, other), "")
				put(t, b, evidenceKey(other), `{"id":"`+imageDigest+`","evidence_type_id":"x","assets":[{"hash":"`+commitID+`"}]}`)
			},
			want: []string{good[0], good[1] + " WrongID", good[2]},
		},
		"evidence about another asset": {
			spoil: func(t *testing.T, l *evidence.Locker, b *blob.Bucket) {
				put(t, b, markerKey(commitID, writeEvidence(t, l, evidence.TypeStaticScan, "success", "https://files.example/x")), "")
			},
			want: []string{good[0], good[1] + " WrongAsset", good[2]},
		},
		"evidence of no type": {
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) {
				put(t, b, markerKey(commitID, other), "")
				put(t, b, evidenceKey(other), `{"id":"`+other+`","assets":[{"hash":"`+commitID+`"}]}`)
			},
			want: []string{good[0], good[1] + " EvidenceUnreadable", good[2]},
		},
		"evidence about several assets is in each": {
			spoil: func(t *testing.T, l *evidence.Locker, _ *blob.Bucket) {
				writeEvidence(t, l, "com.ibm.acceptance_tests", "failure", imageURI, commitURI)
			},
			want: []string{
				"shop entry image: acceptance_tests=failure cloud.image_signing=success",
				"shop entry commit: acceptance_tests=failure unit_tests=success",
				good[2],
			},
		},
		"what else was built from the commit does not speak for the image": {
			spoil: func(t *testing.T, l *evidence.Locker, _ *blob.Bucket) {
				sibling := "docker://registry.example/sibling@sha256:" + other
				writeAsset(t, l, sibling)
				writeEvidence(t, l, evidence.TypeImageSigning, "failure", sibling)
				writeAsset(t, l, commitURI, other)
			},
			want: good,
		},
		"what else ran in the pipeline run does not either": {
			spoil: func(t *testing.T, l *evidence.Locker, _ *blob.Bucket) {
				writeAsset(t, l, runURI, writeAsset(t, l, "https://files.example/x"))
			},
			want: good,
		},
		"an image's base image does": {
			spoil: func(t *testing.T, l *evidence.Locker, _ *blob.Bucket) {
				base := "docker://registry.example/base@sha256:" + other
				writeAsset(t, l, base)
				writeEvidence(t, l, evidence.TypeImageVulnerabilityScan, "failure", base)
				if _, err := l.WriteAsset(t.Context(), evidence.Asset{URI: evidence.Text(imageURI), Date: date, Parents: []string{other}}); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{good[0], good[1], "shop parent image: cloud.image_vulnerability_scan=failure", good[2]},
		},
		"relations may go in circles": {
			spoil: func(t *testing.T, l *evidence.Locker, _ *blob.Bucket) {
				writeAsset(t, l, commitURI, imageDigest, commitID)
			},
			want: good,
		},
		"descent may not": {
			spoil: func(t *testing.T, l *evidence.Locker, _ *blob.Bucket) {
				base := "docker://registry.example/base@sha256:" + other
				for uri, parent := range map[string]string{imageURI: other, base: imageDigest} {
					if _, err := l.WriteAsset(t.Context(), evidence.Asset{URI: evidence.Text(uri), Date: date, Parents: []string{parent}}); err != nil {
						t.Fatal(err)
					}
				}
			},
			want: []string{good[0], good[1], "shop parent image: ParentCycle", good[2]},
		},
		"a record beyond the limit": {
			limits: evidence.Limits{RecordBytes: 10_000},
			spoil: func(t *testing.T, _ *evidence.Locker, b *blob.Bucket) {
				put(t, b, markerKey(commitID, other), "")
				put(t, b, evidenceKey(other), strings.Repeat(" ", 10_001))
			},
			want: []string{good[0], good[1] + " TooLarge", good[2]},
		},
		"more markers than the limit": {
			limits: evidence.Limits{EvidencesPerAsset: 3},
			spoil: func(t *testing.T, l *evidence.Locker, _ *blob.Bucket) {
				for i := range 4 {
					writeEvidence(t, l, fmt.Sprint("many-", i), "success", imageURI)
				}
			},
			want: []string{"", good[1], good[2]}, // the first line depends on ids; see below
		},
		"more assets than the limit": {
			limits: evidence.Limits{Assets: 2},
			want:   []string{good[0] + " TooMany", good[1] + " TooMany"},
		},
		"more evidence than the limit": {
			limits: evidence.Limits{Evidences: 1},
			want:   []string{good[0], "shop entry commit: TooMany", "shop related pipelinerun: TooMany"},
		},
		"more bytes than the limit": {
			limits: evidence.Limits{TotalBytes: 1, Concurrency: 1},
			want:   []string{"shop entry image: TooLarge", "shop entry commit: TooLarge TooLarge", "shop related unknown: TooLarge TooLarge"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, bucket := locker(t, evidence.WithLimits(tc.limits))
			fill(t, l)
			if tc.spoil != nil {
				tc.spoil(t, l, bucket)
			}
			component := shop
			if tc.component != nil {
				component = *tc.component
			}
			c, err := l.Read(t.Context(), []evidence.Component{component})
			if err != nil {
				t.Fatal(err)
			}
			got := found(c)
			for i := range got {
				head, tail, _ := strings.Cut(got[i], ":")
				got[i] = head + ":" + sorted(tail)
			}
			if name == "more markers than the limit" {
				if len(strings.Fields(got[0])) != 3+3+1 || !strings.HasSuffix(got[0], " TooMany") {
					t.Errorf("got %q, want 3 evidences and TooMany", got[0])
				}
				got[0] = ""
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A 1 GB object must cost neither memory nor time.
func TestReadRefusesAHugeObjectBySize(t *testing.T) {
	folder := t.TempDir()
	l, err := evidence.Open(t.Context(), "file://"+folder)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fill(t, l)
	for _, key := range []string{evidenceKey(strings.Repeat("e", 64)), assetKey(commitID), "raw/attachments/ee/" + strings.Repeat("e", 62) + "/content"} {
		path := filepath.Join(folder, key)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(1<<30), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, markerKey(imageDigest, strings.Repeat("e", 64))), nil, 0o644); err != nil {
		t.Fatal(err)
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c, err := l.Read(t.Context(), []evidence.Component{shop})
	if err != nil {
		t.Fatal(err)
	}
	_, attachmentErr := l.ReadAttachment(t.Context(), evidence.AttachmentRef{Hash: evidence.Text(strings.Repeat("e", 64))})
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("%d bytes were allocated for refusing objects", grown)
	}
	for _, state := range []*evidence.AssetState{c.Assets[imageDigest], c.Assets[commitID]} {
		if len(state.Problems) != 1 || state.Problems[0].Reason != evidence.ReasonTooLarge {
			t.Fatalf("%s: got %v, want TooLarge", state.String, state.Problems)
		}
		for _, want := range []string{"/index.json", "1073741824 bytes", "limit of 4194304 bytes"} {
			if !strings.Contains(state.Problems[0].Message, want) {
				t.Errorf("message %q does not say %q", state.Problems[0].Message, want)
			}
		}
	}
	if !errors.Is(attachmentErr, evidence.ErrTooLarge) {
		t.Errorf("attachment: got %v, want ErrTooLarge", attachmentErr)
	}
}

func TestReadStopsWhenCancelled(t *testing.T) {
	l, _ := locker(t)
	fill(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Read(ctx, []evidence.Component{shop}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestOpen(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AZURE_STORAGE_ACCOUNT", "")
	t.Setenv("AZURE_STORAGE_KEY", "a2V5")
	t.Setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
	for name, tc := range map[string]struct{ url, want string }{
		"no scheme":                {"bucket", "no scheme"},
		"a scheme without driver":  {"ftp://bucket", `no storage driver for scheme "ftp": this program has`},
		"a folder that is missing": {"file:///nowhere/locker", "opening evidence locker file:///nowhere/locker"},
		"an unknown parameter":     {"s3://bucket?regoin=x", `unknown query parameter "regoin"`},
		"an unknown layout":        {"file://" + folder + "?layout=deep", `layout "deep" is unknown`},
		"no bucket":                {"s3://?region=x", "bucketName is required"},
		"an endpoint nobody is at": {"s3://bucket?region=us-east-1&endpoint=http://127.0.0.1:1&use_path_style=true&anonymous=true", "listing evidence locker s3://bucket"},
		"no storage account":       {"azblob://container", "set storage_account="},
		"an option of another":     {"azblob://container?storage_account=acme&region=x", `unknown query parameter "region"`},
		"a bucket in the clouds":   {"gs://bucket?region=x", `invalid query parameter "region"`},
		"not a URL":                {"s3://bu cket%zz", "cannot be parsed"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := evidence.Open(t.Context(), tc.url)
			if err == nil {
				_ = l.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, want it to say %q", err, tc.want)
			}
		})
	}
}

func TestLayoutsAndPrefix(t *testing.T) {
	for query, path := range map[string]string{
		"":                              assetKey(imageDigest),
		"?prefix=team/a":                "team/a/" + assetKey(imageDigest),
		"?layout=flat":                  "assets/" + imageDigest + "/index.json",
		"?prefix=/team/a/&layout=flat":  "team/a/assets/" + imageDigest + "/index.json",
		"?metadata=skip&no_tmp_dir=yes": assetKey(imageDigest),
	} {
		t.Run("query "+query, func(t *testing.T) {
			folder := t.TempDir()
			l, err := evidence.Open(t.Context(), "file://"+folder+query)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			fill(t, l)
			if _, err := os.Stat(filepath.Join(folder, path)); err != nil {
				t.Error(err)
			}
			c, err := l.Read(t.Context(), []evidence.Component{shop})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(found(c)); n != 3 {
				t.Errorf("got %v", found(c))
			}
			var files []string
			_ = filepath.WalkDir(folder, func(path string, d os.DirEntry, _ error) error {
				if d != nil && !d.IsDir() && strings.HasSuffix(path, ".attrs") {
					files = append(files, path)
				}
				return nil
			})
			if len(files) > 0 {
				t.Errorf("side files were written: %v", files)
			}
		})
	}
}

func TestWriteAssetKeepsWhatIsThere(t *testing.T) {
	l, bucket := locker(t)
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	put(t, bucket, assetKey(imageDigest), `{"id":"`+imageDigest+`","uri":"`+imageURI+`","details":{"registry":"r"},"extra":[1],"related":["`+a+`"]}`)
	writeAsset(t, l, imageURI, a, b)
	data, err := bucket.ReadAll(t.Context(), assetKey(imageDigest))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": imageDigest, "uri": imageURI, "details": map[string]any{"registry": "r"},
		"extra": []any{1.0}, "related": []any{a, b},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWriteEvidenceIsStoredOnceAndNamedByContent(t *testing.T) {
	l, bucket := locker(t)
	first := writeEvidence(t, l, evidence.TypeUnitTests, "success", commitURI)
	if again := writeEvidence(t, l, evidence.TypeUnitTests, "success", commitURI); again != first {
		t.Errorf("ids differ: %s and %s", first, again)
	}
	if other := writeEvidence(t, l, evidence.TypeUnitTests, "failure", commitURI); other == first {
		t.Error("another result has the same id")
	}
	data, err := bucket.ReadAll(t.Context(), evidenceKey(first))
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.DecodeEvidence(data)
	if err != nil {
		t.Fatal(err)
	}
	if e.Origin.Scope != evidence.Text(evidence.ScopeID("run-7")) || e.Assets[0].Hash != evidence.Text(commitID) {
		t.Errorf("scope or asset hash were not filled in: %s", data)
	}
}

func TestWriteRefusesWhatReadWould(t *testing.T) {
	l, _ := locker(t)
	base := evidence.Evidence{TypeID: "t", Date: date, Details: evidence.Details{Result: "success"}, Assets: []evidence.AssetRef{{URI: evidence.Text(imageURI)}}}
	for name, change := range map[string]func(*evidence.Evidence){
		"no type":               func(e *evidence.Evidence) { e.TypeID = "" },
		"an unknown result":     func(e *evidence.Evidence) { e.Details.Result = "passed" },
		"no date":               func(e *evidence.Evidence) { e.Date = "" },
		"no asset":              func(e *evidence.Evidence) { e.Assets = nil },
		"an asset by tag":       func(e *evidence.Evidence) { e.Assets[0].URI = "docker://x:1" },
		"a path for an asset":   func(e *evidence.Evidence) { e.Assets = []evidence.AssetRef{{Hash: "../../x"}} },
		"a path for attachment": func(e *evidence.Evidence) { e.Attachments = []evidence.AttachmentRef{{Hash: "../../x"}} },
	} {
		e := base
		e.Assets = slices.Clone(base.Assets)
		change(&e)
		if id, err := l.WriteEvidence(t.Context(), e); err == nil {
			t.Errorf("%s: it was written as %s", name, id)
		}
	}
	if _, err := l.WriteAsset(t.Context(), evidence.Asset{URI: evidence.Text(imageURI), Date: date, Related: []string{"../x"}}); err == nil {
		t.Error("an asset with a path for a link was written")
	}
	if _, err := l.WriteAsset(t.Context(), evidence.Asset{URI: evidence.Text(imageURI), ID: "x", Date: date}); err == nil {
		t.Error("an asset with another id was written")
	}
}

func TestAttachments(t *testing.T) {
	l, bucket := locker(t)
	fill(t, l)
	ref, err := l.WriteAttachment(t.Context(), "sbom", []byte(`{"bomFormat":"CycloneDX"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.WriteEvidence(t.Context(), evidence.Evidence{
		TypeID: evidence.TypeCodeBOM, Date: date, Details: evidence.Details{Result: "success", Tool: "cdxgen"},
		Assets: []evidence.AssetRef{{URI: evidence.Text(commitURI)}}, Attachments: []evidence.AttachmentRef{ref, ref},
	}); err != nil {
		t.Fatal(err)
	}
	c, err := l.Read(t.Context(), []evidence.Component{shop, shop})
	if err != nil {
		t.Fatal(err)
	}
	list := c.Attachments(evidence.TypeCodeBOM, now)
	if len(list) != 1 || list[0].Entry != "shop" || list[0].AssetURI != commitURI {
		t.Fatalf("got %+v, want one of shop's commit", list)
	}
	data, err := l.ReadAttachment(t.Context(), list[0].AttachmentRef)
	if err != nil || string(data) != `{"bomFormat":"CycloneDX"}` {
		t.Errorf("got %q, %v", data, err)
	}

	put(t, bucket, "raw/attachments/"+string(ref.Hash[:2])+"/"+string(ref.Hash[2:])+"/content", "swapped")
	if _, err := l.ReadAttachment(t.Context(), ref); !errors.Is(err, evidence.ErrWrongDigest) {
		t.Errorf("swapped content: got %v, want ErrWrongDigest", err)
	}
	if _, err := l.ReadAttachment(t.Context(), evidence.AttachmentRef{Hash: "../../../etc/passwd"}); !errors.Is(err, evidence.ErrWrongDigest) {
		t.Errorf("a path: got %v, want ErrWrongDigest", err)
	}
	if _, err := l.ReadAttachment(t.Context(), evidence.AttachmentRef{Hash: evidence.Text(strings.Repeat("0", 64))}); !errors.Is(err, evidence.ErrNotFound) {
		t.Errorf("nothing there: got %v, want ErrNotFound", err)
	}
}

func TestCheckAttachments(t *testing.T) {
	l, bucket := locker(t, evidence.WithLimits(evidence.Limits{AttachmentBytes: 10}))
	writeAsset(t, l, commitURI)
	key := func(hash string) string { return "raw/attachments/" + hash[:2] + "/" + hash[2:] + "/content" }
	large, moved := strings.Repeat("1", 64), strings.Repeat("2", 64)
	put(t, bucket, key(large), "more than ten bytes")
	put(t, bucket, "attachments/"+moved+"/content", "moved")
	e := evidence.Evidence{
		TypeID: evidence.TypeCodeBOM, Date: date, Details: evidence.Details{Result: "success"}, Assets: []evidence.AssetRef{{URI: evidence.Text(commitURI)}},
	}
	ref, err := l.WriteAttachment(t.Context(), "good", []byte("good"))
	if err != nil {
		t.Fatal(err)
	}
	e.Attachments = []evidence.AttachmentRef{ref, {Hash: evidence.Text(large), Label: "large"}, {Hash: evidence.Text(moved), Label: "moved"}}
	if _, err := l.WriteEvidence(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	l, made := counting(bucket, evidence.WithLimits(evidence.Limits{AttachmentBytes: 10}))
	c, err := l.Read(t.Context(), []evidence.Component{{Entry: "shop", RepositoryURL: repoURL, CommitSHA: commitSHA}})
	if err != nil {
		t.Fatal(err)
	}
	list := c.Attachments(evidence.TypeCodeBOM, now)
	list = append(list, evidence.AttachmentOf{AttachmentRef: evidence.AttachmentRef{Hash: "../x", Label: "path"}, Entry: "shop", Evidence: list[0].Evidence})
	problems, err := l.CheckAttachments(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%s %s %s", p.Entry, p.TypeID, p.Reason))
	}
	want := []string{
		"shop " + evidence.TypeCodeBOM + " TooLarge", "shop " + evidence.TypeCodeBOM + " AttachmentMissing", "shop " + evidence.TypeCodeBOM + " AttachmentWrong",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if made.count["head"] != 3 || made.count["read"] != 2 {
		t.Errorf("got %v, want one look at each and nothing read", made.count)
	}
}

func TestSummarise(t *testing.T) {
	l, bucket := locker(t)
	fill(t, l)
	id := strings.Repeat("9", 64)
	put(t, bucket, markerKey(commitID, id), "")
	put(t, bucket, evidenceKey(id), `{ "id": "`+id+`", "date": "`+date+`", "evidence_type_id": "acme.own",
		"details": {"result": "odd", "unknown": {"kept": [1, 2]}}, "assets": [{"hash": "`+commitID+`"}] }`)
	writeEvidence(t, l, "com.ibm.acceptance_tests", "success", imageURI, commitURI)

	render := func() string {
		c, err := l.Read(t.Context(), []evidence.Component{shop, {Entry: "twin", Provenance: imageURI}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := evidence.Summarise(c, "cd-run-1", now)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := render()
	for range 5 {
		if again := render(); again != first {
			t.Fatal("the summary differs from one reading to the next")
		}
	}
	var got struct {
		Version, Date string
		PipelineRunID string `json:"pipeline_run_id"`
		Evidences     []struct {
			TypeID  string `json:"evidence_type_id"`
			Details map[string]any
		}
	}
	if err := json.Unmarshal([]byte(first), &got); err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range got.Evidences {
		types = append(types, e.TypeID)
	}
	want := []string{"com.ibm.acceptance_tests", evidence.TypeImageSigning, "acme.own", evidence.TypeUnitTests, "com.ibm.pipeline_logs"}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("evidences (-want +got):\n%s", diff)
	}
	if got.Version != "2.0" || got.Date != "2026-01-03T00:00:00Z" || got.PipelineRunID != "cd-run-1" {
		t.Errorf("head: %s %s %s", got.Version, got.Date, got.PipelineRunID)
	}
	if diff := cmp.Diff(map[string]any{"result": "odd", "unknown": map[string]any{"kept": []any{1.0, 2.0}}}, got.Evidences[2].Details); diff != "" {
		t.Errorf("the record was changed (-want +got):\n%s", diff)
	}
}

// BenchmarkRead reads a locker of 1000 evidences: 100 images with 2 and their
// commits with 8 each.
func BenchmarkRead(b *testing.B) {
	l, err := evidence.Open(b.Context(), "file://"+b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var components []evidence.Component
	for i := range 100 {
		sha := fmt.Sprintf("%040x", i)
		image := fmt.Sprintf("docker://registry.example/app-%d@sha256:%064x", i, i)
		commit := writeAsset(b, l, repoURL+".git#"+sha)
		writeAsset(b, l, image, commit)
		for n := range 8 {
			writeEvidence(b, l, fmt.Sprint("commit-check-", n), "success", repoURL+".git#"+sha)
		}
		for n := range 2 {
			writeEvidence(b, l, fmt.Sprint("image-check-", n), "success", image)
		}
		components = append(components, evidence.Component{Entry: fmt.Sprint(i), Provenance: image, RepositoryURL: repoURL, CommitSHA: sha})
	}
	b.ResetTimer()
	for b.Loop() {
		c, err := l.Read(b.Context(), components)
		if err != nil {
			b.Fatal(err)
		}
		if len(c.Assets) != 200 {
			b.Fatal(len(c.Assets))
		}
	}
}

// Ids of images are digests of images, ids of all else digests of names: an
// entry that calls an image what is another entry's commit must not have that
// commit judged as an image.
func TestReadRefusesOneAssetOfTwoKinds(t *testing.T) {
	l, _ := locker(t)
	commit := evidence.Component{Entry: "web", RepositoryURL: "https://forge.example/acme/web", CommitSHA: strings.Repeat("1", 40)}
	image := evidence.Component{Entry: "a", Type: "image", Provenance: "registry.example/a@sha256:" + evidence.CommitID(commit.CommitSHA)}
	c, err := l.Read(t.Context(), []evidence.Component{image, commit})
	if err != nil {
		t.Fatal(err)
	}
	for _, component := range c.Components {
		if len(component.Problems) != 1 || component.Problems[0].Reason != evidence.ReasonNotIdentified {
			t.Errorf("entry %s: problems %v, want NotIdentified", component.Entry, component.Problems)
		}
	}
}
