// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package drivers_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-dev/countersign/pkg/evidence"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
)

// objects is what a double of a storage service keeps: content by key, with a
// version that changes with each write.
type objects struct {
	sync.Mutex
	content map[string][]byte
	version map[string]int64
	next    int64
	// afterRead is called once, after the next read of an asset's record.
	afterRead func()
}

func newObjects() *objects {
	return &objects{content: map[string][]byte{}, version: map[string]int64{}, next: 1000}
}

func (o *objects) get(key string) ([]byte, int64, bool) {
	o.Lock()
	data, ok := o.content[key]
	version := o.version[key]
	after := o.afterRead
	if ok && strings.Contains(key, "raw/assets/") && strings.HasSuffix(key, "index.json") {
		o.afterRead = nil
	} else {
		after = nil
	}
	o.Unlock()
	if after != nil {
		after()
	}
	return data, version, ok
}

// put writes if the condition on the version holds; 0 is an absent object.
func (o *objects) put(key string, data []byte, condition func(version int64) bool) (int64, bool) {
	o.Lock()
	defer o.Unlock()
	if !condition(o.version[key]) {
		return 0, false
	}
	o.next++
	o.content[key], o.version[key] = data, o.next
	return o.next, true
}

func (o *objects) keys(prefix string) []string {
	o.Lock()
	defer o.Unlock()
	var keys []string
	for key := range o.content {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return keys
}

// gcs answers the requests that the driver makes, as the JSON and XML interfaces
// of Google Cloud Storage do, for bucket "locker".
func gcs(o *objects) http.Handler {
	fail := func(w http.ResponseWriter, code int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"error":{"code":%d,"message":%q,"errors":[{"reason":"x","message":"x"}]}}`, code, http.StatusText(code))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("bucket") {
		case "locker":
		case "forbidden":
			fail(w, http.StatusForbidden)
			return
		default:
			fail(w, http.StatusNotFound)
			return
		}
		var items []map[string]string
		for _, key := range o.keys(r.URL.Query().Get("prefix")) {
			items = append(items, map[string]string{"kind": "storage#object", "name": key, "bucket": "locker", "size": "0", "updated": "2026-01-01T00:00:00Z"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "storage#objects", "items": items})
	})
	mux.HandleFunc("POST /upload/storage/v1/b/locker/o", func(w http.ResponseWriter, r *http.Request) {
		_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		parts := multipart.NewReader(r.Body, params["boundary"])
		head, err := parts.NextPart()
		if err != nil {
			fail(w, http.StatusBadRequest)
			return
		}
		var object struct{ Name string }
		if err := json.NewDecoder(head).Decode(&object); err != nil {
			fail(w, http.StatusBadRequest)
			return
		}
		body, err := parts.NextPart()
		if err != nil {
			fail(w, http.StatusBadRequest)
			return
		}
		data, _ := io.ReadAll(body)
		wanted := r.URL.Query().Get("ifGenerationMatch")
		version, ok := o.put(object.Name, data, func(version int64) bool {
			return wanted == "" || wanted == strconv.FormatInt(version, 10)
		})
		if !ok {
			fail(w, http.StatusPreconditionFailed)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "storage#object", "name": object.Name, "bucket": "locker", "generation": strconv.FormatInt(version, 10)})
	})
	mux.HandleFunc("GET /locker/{key...}", func(w http.ResponseWriter, r *http.Request) {
		data, version, ok := o.get(r.PathValue("key"))
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("X-Goog-Generation", strconv.FormatInt(version, 10))
		w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
		_, _ = w.Write(data)
	})
	return mux
}

// azure answers as Azure Blob Storage does, for account "acme" and container
// "locker".
func azure(o *objects) http.Handler {
	fail := func(w http.ResponseWriter, code int, name string) {
		w.Header().Set("X-Ms-Error-Code", name)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(code)
		fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>x</Message></Error>`, name)
	}
	tag := func(version int64) string { return fmt.Sprintf("%q", fmt.Sprintf("0x%X", version)) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /acme/{container}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("container") {
		case "locker":
		case "forbidden":
			fail(w, http.StatusForbidden, "AuthenticationFailed")
			return
		default:
			fail(w, http.StatusNotFound, "ContainerNotFound")
			return
		}
		type blobItem struct {
			Name       string
			Properties struct {
				LastModified string `xml:"Last-Modified"`
				Etag         string
				Length       int `xml:"Content-Length"`
			}
		}
		var page struct {
			XMLName xml.Name   `xml:"EnumerationResults"`
			Blobs   []blobItem `xml:"Blobs>Blob"`
			Next    string     `xml:"NextMarker"`
		}
		for _, key := range o.keys(r.URL.Query().Get("prefix")) {
			item := blobItem{Name: key}
			item.Properties.LastModified, item.Properties.Etag = "Thu, 01 Jan 2026 00:00:00 GMT", "0x1"
			page.Blobs = append(page.Blobs, item)
		}
		w.Header().Set("Content-Type", "application/xml")
		_ = xml.NewEncoder(w).Encode(page)
	})
	mux.HandleFunc("PUT /acme/locker/{key...}", func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		version, ok := o.put(r.PathValue("key"), data, func(version int64) bool {
			match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
			return (match == "" || match == tag(version)) && (none != "*" || version == 0)
		})
		switch {
		case !ok && r.Header.Get("If-None-Match") == "*":
			fail(w, http.StatusConflict, "BlobAlreadyExists")
			return
		case !ok:
			fail(w, http.StatusPreconditionFailed, "ConditionNotMet")
			return
		}
		sum := md5.Sum(data)
		w.Header().Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
		w.Header().Set("Etag", tag(version))
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /acme/locker/{key...}", func(w http.ResponseWriter, r *http.Request) {
		data, version, ok := o.get(r.PathValue("key"))
		if !ok {
			fail(w, http.StatusNotFound, "BlobNotFound")
			return
		}
		w.Header().Set("Etag", tag(version))
		w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
		_, _ = w.Write(data)
	})
	return mux
}

// services are the doubles, and how their lockers are addressed. The drivers
// read their environment once, on first use.
func services(t *testing.T) map[string]func(container string) (string, *objects) {
	t.Helper()
	googles, azures := newObjects(), newObjects()
	google, microsoft := httptest.NewServer(gcs(googles)), httptest.NewServer(azure(azures))
	t.Cleanup(google.Close)
	t.Cleanup(microsoft.Close)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(google.URL, "http://"))
	t.Setenv("AZURE_STORAGE_ACCOUNT", "acme")
	t.Setenv("AZURE_STORAGE_KEY", base64.StdEncoding.EncodeToString([]byte("key")))
	return map[string]func(string) (string, *objects){
		"gs": func(bucket string) (string, *objects) { return "gs://" + bucket + "?prefix=team-a", googles },
		"azblob": func(container string) (string, *objects) {
			return "azblob://" + container + "?protocol=http&localemu=true&prefix=team-a&domain=" + strings.TrimPrefix(microsoft.URL, "http://"), azures
		},
	}
}

const commit = "https://forge.example/acme/shop.git#2222222222222222222222222222222222222222"

func TestCloudLockers(t *testing.T) {
	for name, address := range services(t) {
		t.Run(name, func(t *testing.T) {
			lockerURL, o := address("locker")
			l, err := evidence.Open(t.Context(), lockerURL)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			check := evidence.Check{TypeID: evidence.TypeUnitTests, Tool: "go", Assets: []evidence.Asset{{URI: commit}}}
			outcome := evidence.Outcome{Result: evidence.ResultFailure, Attachments: []evidence.Attachment{{Label: "log", Content: []byte("log")}}}
			at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			if _, err := l.Begin(t.Context(), check, at); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := l.Conclude(t.Context(), check, outcome, at); err != nil {
					t.Fatal(err)
				}
			}
			// Attachment, two records with a marker each, the asset.
			if keys := o.keys("team-a/raw/"); len(keys) != 6 {
				t.Errorf("got %d objects: %v", len(keys), keys)
			}

			// Somebody adds a link between our reading the asset and writing it.
			ours, theirs := strings.Repeat("a", 64), strings.Repeat("b", 64)
			asset := func(link string) evidence.Asset {
				return evidence.Asset{URI: commit, Date: "2026-01-02T03:04:05Z", Related: evidence.Links{link}}
			}
			o.afterRead = func() {
				key := o.keys("team-a/raw/assets/")
				for _, key := range key {
					if strings.HasSuffix(key, "index.json") {
						data, _, _ := o.get(key)
						o.put(key, []byte(strings.Replace(string(data), `"related": []`, `"related": ["`+theirs+`"]`, 1)), func(int64) bool { return true })
					}
				}
			}
			id, err := l.WriteAsset(t.Context(), asset(ours))
			if err != nil {
				t.Fatal(err)
			}
			c, err := l.Read(t.Context(), []evidence.Component{{Entry: "shop", RepositoryURL: "https://forge.example/acme/shop", CommitSHA: commit[len(commit)-40:]}})
			if err != nil {
				t.Fatal(err)
			}
			state := c.Assets[id]
			if state.Record == nil || len(state.Record.Related) != 2 {
				t.Errorf("links were lost: %+v", state.Record)
			}
			if len(state.Evidences) != 2 || len(state.Problems) != 0 {
				t.Errorf("got %d evidences and %v", len(state.Evidences), state.Problems)
			}
			list := c.Attachments(evidence.TypeUnitTests, at)
			if len(list) != 1 {
				t.Fatalf("got attachments %v", list)
			}
			if data, err := l.ReadAttachment(t.Context(), list[0].AttachmentRef); err != nil || string(data) != "log" {
				t.Errorf("attachment: %q, %v", data, err)
			}
		})
	}
}

func TestCloudLockerErrors(t *testing.T) {
	for name, address := range services(t) {
		for container, want := range map[string]string{"missing": "does the bucket exist?", "forbidden": "check the credentials"} {
			lockerURL, _ := address(container)
			if l, err := evidence.Open(t.Context(), lockerURL); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: got %v, %v", name, container, l, err)
			}
		}
	}
}
