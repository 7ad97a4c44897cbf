// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package attachment

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

// stored is a bundle with one document, in a registry of its own.
func stored(t *testing.T, wrap func(http.Handler) http.Handler) (bundle string, document v1alpha1.Attachment) {
	t.Helper()
	server := httptest.NewServer(wrap(registry.New(registry.Logger(log.New(io.Discard, "", 0)))))
	t.Cleanup(server.Close)
	repository := strings.TrimPrefix(server.URL, "http://") + "/shop/bundles"

	layer := static.NewLayer([]byte(`{"a":1}`), types.MediaType("application/json"))
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	reference, err := name.NewDigest(repository + "@" + digest.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference, image); err != nil {
		t.Fatal(err)
	}
	blob, err := layer.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return reference.String(), v1alpha1.Attachment{Name: "Delta Summary", Size: 7, Digest: blob.String(), Reference: repository + "@" + blob.String()}
}

func same(handler http.Handler) http.Handler { return handler }

const nowhere = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

func TestCheck(t *testing.T) {
	bundle, document := stored(t, same)
	repository, _, _ := strings.Cut(bundle, "@")
	elsewhere := document
	elsewhere.Name, elsewhere.Digest, elsewhere.Reference = "Deployment BOM", nowhere, repository+"@"+nowhere
	resized := document
	resized.Size = 8
	malformed := document
	malformed.Reference = "not a reference"
	down := document
	down.Reference = "127.0.0.1:1/shop/bundles@" + document.Digest

	for what, tc := range map[string]struct {
		bundle      string
		attachments []v1alpha1.Attachment
		reason      string
		message     string
	}{
		"all there":                {bundle: bundle, attachments: []v1alpha1.Attachment{document}},
		"nothing to look for":      {},
		"no bundle":                {bundle: repository + "@" + nowhere, attachments: []v1alpha1.Attachment{document}, reason: "AttachmentMissing", message: "bundle (" + repository + "@" + nowhere + ") is not in the registry"},
		"an attachment is missing": {bundle: bundle, attachments: []v1alpha1.Attachment{document, elsewhere}, reason: "AttachmentMissing", message: "attachment Deployment BOM (" + elsewhere.Reference + ") is not in the registry"},
		"another size":             {bundle: bundle, attachments: []v1alpha1.Attachment{resized}, reason: "AttachmentMismatch", message: "is 7 bytes, the change request says 8"},
		"no reference":             {attachments: []v1alpha1.Attachment{malformed}, reason: "RegistryUnavailable", message: "is no reference"},
		"a registry that is away":  {bundle: bundle, attachments: []v1alpha1.Attachment{down}, reason: "RegistryUnavailable", message: "cannot be checked"},
		"everything is told, the worst first": {
			bundle: repository + "@" + nowhere, attachments: []v1alpha1.Attachment{down, resized},
			reason: "AttachmentMismatch", message: "is not in the registry; attachment Delta Summary (127.0.0.1:1",
		},
	} {
		t.Run(what, func(t *testing.T) {
			err := NewChecker().Check(t.Context(), tc.bundle, tc.attachments)
			var problem *CheckError
			if !errors.As(err, &problem) {
				if err != nil || tc.reason != "" {
					t.Fatalf("error %v, want reason %q", err, tc.reason)
				}
				return
			}
			if problem.Reason != tc.reason || !strings.Contains(problem.Message, tc.message) {
				t.Errorf("%s: %s\nwant %s: %s", problem.Reason, problem.Message, tc.reason, tc.message)
			}
		})
	}
}

func TestCheckOnlyAsks(t *testing.T) {
	var (
		mutex   sync.Mutex
		asked   []string
		writing = true
	)
	bundle, document := stored(t, func(handler http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mutex.Lock()
			if !writing {
				asked = append(asked, r.Method)
			}
			mutex.Unlock()
			handler.ServeHTTP(w, r)
		})
	})
	mutex.Lock()
	writing = false
	mutex.Unlock()
	if err := NewChecker().Check(t.Context(), bundle, []v1alpha1.Attachment{document}); err != nil {
		t.Fatal(err)
	}
	// One to see which API the registry speaks, one for each document.
	counts := map[string]int{}
	for _, method := range asked {
		counts[method]++
	}
	if diff := cmp.Diff(map[string]int{"GET": 1, "HEAD": 2}, counts); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestCheckDoesNotWaitForItsTurn(t *testing.T) {
	checker := NewChecker()
	for range maxChecks {
		checker.slots <- struct{}{}
	}
	if err := checker.Check(t.Context(), "", nil); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v, want ErrBusy", err)
	}
}
