// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// unitTests is a check of shop's commit, related to its run.
var unitTests = evidence.Check{
	TypeID: evidence.TypeUnitTests, TypeVersion: "1.0.0", Tool: "go-test",
	Origin:  evidence.Origin{PipelineRunID: "run-7"},
	Assets:  []evidence.Asset{{URI: evidence.Text(commitURI)}},
	Related: []evidence.Asset{{URI: runURI}},
	Extra:   map[string]any{"attempt": 1},
}

func TestRecord(t *testing.T) {
	l, _ := locker(t)
	if _, err := l.Begin(t.Context(), unitTests, now.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	read := func() []string {
		t.Helper()
		c, err := l.Read(t.Context(), []evidence.Component{{Entry: "shop", RepositoryURL: repoURL, CommitSHA: commitSHA}})
		if err != nil {
			t.Fatal(err)
		}
		current, problems := evidence.Newest(c.Assets[commitID].Evidences, now)
		if len(problems) > 0 || len(current) != 1 {
			t.Fatalf("got %d evidences that count and %v, want one", len(current), problems)
		}
		return append(found(c), string(current[0].Result()))
	}
	if diff := cmp.Diff([]string{"shop entry commit: unit_tests=pending", "shop related pipelinerun:", "pending"}, read()); diff != "" {
		t.Errorf("after Begin (-want +got):\n%s", diff)
	}
	outcome := evidence.Outcome{
		Result:      evidence.ResultFailure,
		Attachments: []evidence.Attachment{{Label: "report.xml", Content: []byte("<testsuite/>")}},
		Issues:      []string{"https://forge.example/acme/shop/issues/1"},
		Findings:    []evidence.Finding{{ID: "TestPay", DueDate: "n/a", Severity: "high"}},
		Extra:       map[string]any{"failed": []string{"TestPay"}},
	}
	e, err := l.Conclude(t.Context(), unitTests, outcome, now)
	if err != nil {
		t.Fatal(err)
	}
	got := read()
	slices.Sort(got)
	if last := got[0]; last != "failure" {
		t.Errorf("after Conclude %q counts, want failure", last)
	}
	var record struct {
		Version, ID, Date string
		Details           map[string]any
		Origin            map[string]string
		Assets            []map[string]string
		Attachments       []map[string]string
		Issues            []string
		Findings          []map[string]any
	}
	if err := json.Unmarshal(e.Raw, &record); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"result": "failure", "tool": "go-test", "attempt": 1.0, "failed": []any{"TestPay"}}
	if diff := cmp.Diff(want, record.Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	if record.Version != "2" || record.Date != "2026-01-03T00:00:00Z" || record.Assets[0]["hash"] != commitID ||
		record.Origin["scope"] != evidence.ScopeID("run-7") || record.Issues[0] != outcome.Issues[0] ||
		record.Findings[0]["id"] != "TestPay" || record.Attachments[0]["label"] != "report.xml" {
		t.Errorf("got %s", e.Raw)
	}
	if data, err := l.ReadAttachment(t.Context(), e.Attachments[0]); err != nil || string(data) != "<testsuite/>" {
		t.Errorf("attachment: %q, %v", data, err)
	}
}

func TestRecordRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*evidence.Check, *evidence.Outcome)
		want   string
	}{
		"a result that is not asserted": {func(_ *evidence.Check, o *evidence.Outcome) { o.Result = "" }, "neither success nor failure"},
		"pending as an outcome":         {func(_ *evidence.Check, o *evidence.Outcome) { o.Result = evidence.ResultPending }, "neither success nor failure"},
		"no asset":                      {func(c *evidence.Check, _ *evidence.Outcome) { c.Assets = nil }, "it names no asset"},
		"an image by tag":               {func(c *evidence.Check, _ *evidence.Outcome) { c.Assets = []evidence.Asset{{URI: "docker://x:1"}} }, "no digest"},
		"a related thing by tag":        {func(c *evidence.Check, _ *evidence.Outcome) { c.Related = []evidence.Asset{{URI: "docker://x:1"}} }, "no digest"},
		"no type":                       {func(c *evidence.Check, _ *evidence.Outcome) { c.TypeID = " " }, "no evidence type id"},
		"a second result in details":    {func(_ *evidence.Check, o *evidence.Outcome) { o.Extra = map[string]any{"Result": "success"} }, "one of the format's own"},
		"a record beyond the limit": {func(_ *evidence.Check, o *evidence.Outcome) {
			o.Extra = map[string]any{"log": strings.Repeat("x", 5<<20)}
		}, "larger than the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			l, bucket := locker(t)
			check, outcome := unitTests, evidence.Outcome{Result: evidence.ResultSuccess}
			tc.change(&check, &outcome)
			if _, err := l.Conclude(t.Context(), check, outcome, now); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to say %q", err, tc.want)
			}
			if keys := keysOf(t, bucket); len(keys) > 0 {
				t.Errorf("it left %v", keys)
			}
		})
	}
}

func keysOf(t testing.TB, bucket *blob.Bucket) []string {
	t.Helper()
	var keys []string
	for object, err := range allObjects(t.Context(), bucket) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, object)
	}
	return keys
}

func allObjects(ctx context.Context, bucket *blob.Bucket) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		iter := bucket.List(nil)
		for {
			object, err := iter.Next(ctx)
			if err != nil {
				if err.Error() != "EOF" {
					yield("", err)
				}
				return
			}
			if !yield(object.Key, nil) {
				return
			}
		}
	}
}

// Whatever write is the last, what a reader then sees is never better than
// before, has no hole, and doing it all again mends it.
func TestRecordInterrupted(t *testing.T) {
	outcome := evidence.Outcome{
		Result:      evidence.ResultSuccess,
		Attachments: []evidence.Attachment{{Label: "a", Content: []byte("a")}, {Label: "b", Content: []byte("b")}},
	}
	sign := evidence.WithRecordSigner(func(_ context.Context, record []byte) ([]byte, error) { return []byte("signed"), nil })
	var whole []string
	for allowed := 0; ; allowed++ {
		bucket := memblob.OpenBucket(nil)
		writes := 0
		stopping := evidence.New(counted(bucket, func(operation, _ string) error {
			if operation != "write" && operation != "create" {
				return nil
			}
			if writes++; writes > allowed {
				return errors.New("the machine stopped")
			}
			return nil
		}), "mem://", sign)
		_, err := stopping.Conclude(t.Context(), unitTests, outcome, now)
		l := evidence.New(bucket, "mem://", sign)
		c, readErr := l.Read(t.Context(), []evidence.Component{{Entry: "shop", RepositoryURL: repoURL, CommitSHA: commitSHA}})
		if readErr != nil {
			t.Fatal(readErr)
		}
		state := c.Assets[commitID]
		for _, p := range state.Problems {
			if p.Reason != evidence.ReasonAssetMissing || len(state.Evidences) > 0 {
				t.Errorf("after %d writes: %+v", allowed, p)
			}
		}
		if complete := len(state.Evidences) == 1; complete != (err == nil) {
			t.Errorf("after %d writes: %d evidences, but error %v", allowed, len(state.Evidences), err)
		}
		for _, e := range state.Evidences {
			problems, err := l.CheckAttachments(t.Context(), c.Attachments(string(e.TypeID), now))
			if err != nil || len(problems) > 0 {
				t.Errorf("after %d writes: attachments %v, %v", allowed, problems, err)
			}
		}
		again, againErr := l.Conclude(t.Context(), unitTests, outcome, now)
		if againErr != nil {
			t.Fatal(againErr)
		}
		keys := keysOf(t, bucket)
		if err == nil {
			whole = keys
			// Two attachments, record, signature, two assets, marker.
			if allowed != 7 {
				t.Errorf("it took %d writes, want 7", allowed)
			}
			if again.ID == "" || len(whole) != 7 {
				t.Errorf("got %d objects: %v", len(whole), whole)
			}
			return
		}
		if len(keys) != 7 {
			t.Errorf("after %d writes, and again: %v", allowed, keys)
		}
	}
}

// Nobody who adds links at the same time loses any.
func TestWriteAssetConcurrently(t *testing.T) {
	folder := t.TempDir()
	for name, open := range map[string]func() *evidence.Locker{
		"in a folder": func() *evidence.Locker {
			l, err := evidence.Open(t.Context(), "file://"+folder)
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
		"in memory": func() func() *evidence.Locker {
			bucket := memblob.OpenBucket(nil)
			return func() *evidence.Locker {
				return evidence.New(counted(bucket, func(string, string) error {
					// Let the others come in between, if they can.
					for range 1000 {
						runtime.Gosched()
					}
					return nil
				}), "mem://")
			}
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			addLinksConcurrently(t, open, func(l *evidence.Locker, link string) error {
				_, err := l.WriteAsset(t.Context(), evidence.Asset{URI: evidence.Text(imageURI), Date: date, Related: []string{link}})
				return err
			})
		})
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, want raw alone", entries)
	}
}

func addLinksConcurrently(t *testing.T, open func() *evidence.Locker, add func(l *evidence.Locker, link string) error) {
	t.Helper()
	const writers = 12
	var group sync.WaitGroup
	for i := range writers {
		l := open()
		group.Go(func() {
			if err := add(l, fmt.Sprintf("%064x", i+1)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	c, err := open().Read(t.Context(), []evidence.Component{{Entry: "shop", Provenance: imageURI}})
	if err != nil {
		t.Fatal(err)
	}
	if record := c.Assets[imageDigest].Record; record == nil || len(record.Related) != writers {
		t.Errorf("got %+v, want %d links", record, writers)
	}
}

func TestWriteDoesNotTakeAnothersRecordForItsOwn(t *testing.T) {
	l, bucket := locker(t)
	e := evidence.Evidence{
		TypeID: evidence.TypeUnitTests, Date: date, Details: evidence.Details{Result: "failure"},
		Assets: []evidence.AssetRef{{URI: evidence.Text(commitURI)}},
	}
	complete, err := evidence.Complete(e)
	if err != nil {
		t.Fatal(err)
	}
	put(t, bucket, evidenceKey(string(complete.ID)), strings.Replace(string(complete.Raw), "failure", "success", 1))
	if _, err := l.WriteEvidence(t.Context(), e); err == nil || !strings.Contains(err.Error(), "holds something else") {
		t.Errorf("got %v", err)
	}
}

// notImplementedError is how an S3 server says that it knows no conditional writes.
type notImplementedError struct{}

func (notImplementedError) Error() string       { return "not implemented" }
func (notImplementedError) HTTPStatusCode() int { return http.StatusNotImplemented }

func TestWriteWithoutConditionalWrites(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	l := evidence.New(counted(bucket, func(operation, _ string) error {
		if operation == "create" {
			return notImplementedError{}
		}
		return nil
	}), "mem://")
	for range 2 {
		if _, err := l.Conclude(t.Context(), unitTests, evidence.Outcome{Result: evidence.ResultSuccess}, now); err != nil {
			t.Fatal(err)
		}
	}
	// The record, two assets and the marker.
	if keys := keysOf(t, bucket); len(keys) != 4 {
		t.Errorf("got %v", keys)
	}
}
