// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// requests counts those to a bucket, by operation.
type requests struct {
	sync.Mutex
	count map[string]int
	keys  map[string]int
}

// counting is a locker over a bucket, with what it is asked for.
func counting(bucket *blob.Bucket, options ...evidence.Option) (*evidence.Locker, *requests) {
	r := &requests{count: map[string]int{}, keys: map[string]int{}}
	return evidence.New(counted(bucket, func(operation, key string) error {
		r.Lock()
		defer r.Unlock()
		r.count[operation]++
		r.keys[operation+" "+key]++
		return nil
	}), "mem://", options...), r
}

// remote is a bucket whose every request takes 20 ms.
func remote(tb testing.TB, bucket *blob.Bucket, requests *atomic.Int64) *blob.Bucket {
	return counted(bucket, func(string, string) error {
		requests.Add(1)
		<-time.After(20 * time.Millisecond)
		return nil
	}, keysOf(tb, bucket)...)
}

// release fills a bucket with images, one commit each, and 8 checks of each of
// these assets: 2 × images assets.
func release(tb testing.TB, bucket *blob.Bucket, images int) []evidence.Component {
	tb.Helper()
	l := evidence.New(bucket, "mem://")
	var components []evidence.Component
	for i := range images {
		sha := fmt.Sprintf("%040x", i)
		image := fmt.Sprintf("docker://registry.example/app-%d@sha256:%064x", i, i)
		commit := writeAsset(tb, l, repoURL+".git#"+sha)
		writeAsset(tb, l, image, commit)
		for n := range 8 {
			writeEvidence(tb, l, fmt.Sprint("commit-check-", n), "success", repoURL+".git#"+sha)
			writeEvidence(tb, l, fmt.Sprint("image-check-", n), "success", image)
		}
		components = append(components, evidence.Component{Entry: fmt.Sprint(i), Provenance: image, RepositoryURL: repoURL, CommitSHA: sha})
	}
	return components
}

func TestReadMakesNoNeedlessRequest(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	components := release(t, bucket, 3)
	verify := evidence.WithRecordVerifier(func(context.Context, []byte, []byte) (string, error) { return "", errors.New("no") })
	for name, tc := range map[string]struct {
		options    []evidence.Option
		components []evidence.Component
		want       map[string]int
	}{
		"a record and a listing per asset, and each evidence once": {
			components: components,
			want:       map[string]int{"read": 6 + 48, "list": 6},
		},
		"entries that share an asset ask once": {
			components: append(components[:2:2], components[0], components[1]),
			want:       map[string]int{"read": 4 + 32, "list": 4},
		},
		"signatures are one more for each success": {
			options:    []evidence.Option{verify},
			components: components,
			want:       map[string]int{"read": 6 + 48 + 48, "list": 6},
		},
		"a commit is found through its image": {
			components: []evidence.Component{{Entry: "0", Provenance: components[0].Provenance}},
			want:       map[string]int{"read": 2 + 16, "list": 2},
		},
		"version 1 is looked for only where version 2 knows nothing": {
			components: []evidence.Component{
				{Entry: "0", Provenance: components[0].Provenance, PipelineRunID: "run-7"},
				{Entry: "new", RepositoryURL: repoURL, CommitSHA: commitSHA, PipelineRunID: "run-8"},
				{Entry: "new too", RepositoryURL: repoURL + "-too", CommitSHA: commitSHA, PipelineRunID: "run-8"},
			},
			want: map[string]int{"read": 2 + 16 + 1, "list": 2 + 1 + 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, made := counting(bucket, tc.options...)
			if _, err := l.Read(t.Context(), tc.components); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, made.count); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			for key, n := range made.keys {
				if n > 1 {
					t.Errorf("%s was asked for %d times", key, n)
				}
			}
		})
	}
}

// What a commit leads to is not listed before it is known to speak for the
// entry: a commit of a mono-repository has hundreds of images.
func TestReadDoesNotListSiblings(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	l := evidence.New(bucket, "mem://")
	var siblings []string
	for i := range 20 {
		siblings = append(siblings, writeAsset(t, l, fmt.Sprintf("docker://registry.example/app-%d@sha256:%064x", i, i+1)))
	}
	writeAsset(t, l, commitURI, siblings...)
	l, made := counting(bucket)
	if _, err := l.Read(t.Context(), []evidence.Component{{Entry: "shop", RepositoryURL: repoURL, CommitSHA: commitSHA}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"read": 21, "list": 1}, made.count); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// BenchmarkReadRemote reads 1,000 assets with 8 checks each from a bucket whose
// every request takes 20 ms: 500 images and their commits.
func BenchmarkReadRemote(b *testing.B) {
	bucket := memblob.OpenBucket(nil)
	components := release(b, bucket, 500)
	var requests atomic.Int64
	l := evidence.New(remote(b, bucket, &requests), "mem://")
	b.ResetTimer()
	for b.Loop() {
		c, err := l.Read(b.Context(), components)
		if err != nil {
			b.Fatal(err)
		}
		if n := count(c); len(c.Assets) != 1000 || n != 8000 {
			b.Fatalf("%d assets, %d evidences", len(c.Assets), n)
		}
	}
	b.ReportMetric(float64(requests.Load())/float64(b.N), "requests/op")
}

func count(c *evidence.Collection) (n int) {
	for _, asset := range c.Assets {
		n += len(asset.Evidences)
	}
	return n
}

// BenchmarkReadRemoteSequential makes the same requests one after the other, for
// a tenth of the assets; s/1000assets is ten times its time.
func BenchmarkReadRemoteSequential(b *testing.B) {
	bucket := memblob.OpenBucket(nil)
	components := release(b, bucket, 50)
	var requests atomic.Int64
	slow := remote(b, bucket, &requests)
	b.ResetTimer()
	for b.Loop() {
		n := 0
		for _, component := range components {
			own, _ := component.Own()
			for _, uri := range own {
				n += sequentially(b, slow, uri.ID)
			}
		}
		if n != 800 {
			b.Fatalf("%d evidences", n)
		}
	}
	b.ReportMetric(float64(requests.Load())/float64(b.N), "requests/op")
	b.ReportMetric(10*b.Elapsed().Seconds()/float64(b.N), "s/1000assets")
}

func sequentially(b *testing.B, bucket *blob.Bucket, id string) (n int) {
	data, err := bucket.ReadAll(b.Context(), assetKey(id))
	if err != nil {
		b.Fatal(err)
	}
	var asset evidence.Asset
	if err := json.Unmarshal(data, &asset); err != nil {
		b.Fatal(err)
	}
	prefix := markerKey(id, "")
	iter := bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		object, err := iter.Next(b.Context())
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
		data, err := bucket.ReadAll(b.Context(), evidenceKey(strings.TrimPrefix(object.Key, prefix)))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := evidence.DecodeEvidence(data); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
