// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Program signatures times the verification of many signed images, beside one
// cosign process for each, on the same images in one registry of its own.
//
//	go run ./test/bench/signatures --cosign=bin/cosign --output=bin/bench-signatures.json
//
// First it has that cosign sign, in each form that it writes, and verifies that
// countersign takes exactly these.
//
// Cosign is told where all its roots of trust are, so that it, too, asks nobody
// but the registry.
package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	sigstore "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/payload"
	"golang.org/x/sync/errgroup"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/signature"
)

// Report is what the program writes.
type Report struct {
	Images int `json:"images"`
	Cores  int `json:"cores"`
	// DelayMillis is how long the registry waits before each answer.
	DelayMillis int64   `json:"delayMillis"`
	Measures    []Timed `json:"measures"`
}

// Timed is one way of verifying.
type Timed struct {
	Name string `json:"name"`
	// Seconds of each run, and their median.
	Seconds []float64 `json:"seconds"`
	Median  float64   `json:"median"`
	// Requests that the registry saw in the last run.
	Requests int64 `json:"requests"`
}

func main() {
	images := flag.Int("images", 100, "how many images to sign and verify")
	runs := flag.Int("runs", 3, "how often each way is timed")
	delay := flag.Duration("delay", 0, "how long the registry waits before each answer")
	cosign := flag.String("cosign", "", "the cosign to compare with; empty for none")
	output := flag.String("output", "", "file for the report, JSON; empty for standard output")
	flag.Parse()
	if err := run(*images, *runs, *delay, *cosign, *output); err != nil {
		fmt.Fprintln(os.Stderr, "signatures:", err)
		os.Exit(1)
	}
}

func run(images, runs int, delay time.Duration, cosign, output string) error {
	ctx := context.Background()
	server := newServer()
	defer server.Close()
	dir, err := os.MkdirTemp("", "bench-signatures")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(private.Public())
	if err != nil {
		return err
	}
	if cosign != "" {
		if cosign, err = filepath.Abs(cosign); err != nil {
			return err
		}
		if err := check(ctx, cosign, server.host(), dir); err != nil {
			return fmt.Errorf("checking countersign against cosign: %w", err)
		}
		fmt.Fprintln(os.Stderr, "countersign verifies what this cosign signs")
	}
	keyFile := filepath.Join(dir, "bench.pub")
	if err := os.WriteFile(keyFile, public, 0o600); err != nil {
		return err
	}
	refs, err := signImages(server.host(), private, images)
	if err != nil {
		return err
	}
	server.delay.Store(int64(delay))

	ways := []struct {
		name   string
		verify func() error
	}{{"countersign", func() error { return ours(ctx, string(public), refs) }}}
	if cosign != "" {
		for _, parallel := range slices.Compact([]int{1, runtime.NumCPU()}) {
			ways = append(ways, struct {
				name   string
				verify func() error
			}{fmt.Sprintf("cosign verify, one process per image, %d at once", parallel), func() error {
				return theirs(ctx, cosign, keyFile, refs, parallel)
			}})
		}
	}
	report := Report{Images: images, Cores: runtime.NumCPU(), DelayMillis: delay.Milliseconds()}
	for _, way := range ways {
		timed := Timed{Name: way.name}
		for range runs {
			before, begin := server.requests.Load(), time.Now()
			if err := way.verify(); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			timed.Seconds = append(timed.Seconds, time.Since(begin).Seconds())
			timed.Requests = server.requests.Load() - before
		}
		sorted := slices.Sorted(slices.Values(timed.Seconds))
		timed.Median = sorted[len(sorted)/2]
		fmt.Fprintf(os.Stderr, "%-60s %8.3f s  %5d requests\n", timed.Name, timed.Median, timed.Requests)
		report.Measures = append(report.Measures, timed)
	}
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if output == "" {
		_, err = os.Stdout.Write(data)
		return err
	}
	return os.WriteFile(output, data, 0o644)
}

// server is a registry that counts and can be slow.
type server struct {
	*httptest.Server
	requests, delay atomic.Int64
}

func newServer() *server {
	s := &server{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if wait := s.delay.Load(); wait > 0 {
			<-time.After(time.Duration(wait))
		}
		handler.ServeHTTP(w, r)
	}))
	return s
}

func (s *server) host() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "127.0.0.1:" + port
}

func signImages(host string, private *ecdsa.PrivateKey, n int) ([]name.Digest, error) {
	signer, err := sigstore.LoadECDSASigner(private, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	refs := make([]name.Digest, n)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range refs {
		group.Go(func() error {
			repo, err := name.NewRepository(fmt.Sprintf("%s/team/app-%03d", host, i))
			if err != nil {
				return err
			}
			image, err := random.Image(256, 1)
			if err != nil {
				return err
			}
			digest, err := image.Digest()
			if err != nil {
				return err
			}
			refs[i] = repo.Digest(digest.String())
			if err := remote.Write(repo.Tag("1.0"), image); err != nil {
				return err
			}
			claim, err := payload.Cosign{Image: refs[i]}.MarshalJSON()
			if err != nil {
				return err
			}
			raw, err := signer.SignMessage(bytes.NewReader(claim))
			if err != nil {
				return err
			}
			sig, err := static.NewSignature(claim, base64.StdEncoding.EncodeToString(raw))
			if err != nil {
				return err
			}
			entity, err := ociremote.SignedEntity(refs[i])
			if err != nil {
				return err
			}
			if entity, err = mutate.AttachSignatureToEntity(entity, sig); err != nil {
				return err
			}
			return ociremote.WriteSignatures(repo, entity)
		})
	}
	return refs, group.Wait()
}

// ours verifies as a run does: entries that name a tag and a digest.
func ours(ctx context.Context, public string, refs []name.Digest) error {
	trusted, err := signature.NewTrust(ctx, []v1alpha1.Authority{{Name: "release", Key: &v1alpha1.KeyAuthority{Data: public}}})
	if err != nil {
		return err
	}
	entries := make([]inventory.Entry, len(refs))
	for i, ref := range refs {
		reference := ref.Context().Name() + ":1.0@" + ref.DigestStr()
		entries[i] = inventory.Entry{Name: fmt.Sprintf("app-%03d", i), Type: "image", Artifact: reference, Provenance: reference, Digest: ref.DigestStr()}
	}
	items, _ := signature.Select(entries, []v1alpha1.SignatureRule{{Authorities: []string{"release"}}})
	var bad []string
	for _, result := range trusted.Verify(ctx, items) {
		if !result.OK {
			bad = append(bad, result.Message)
		}
	}
	if len(bad) > 0 || len(items) != len(refs) {
		return errors.New(strings.Join(bad, "\n"))
	}
	return nil
}

func theirs(ctx context.Context, cosign, keyFile string, refs []name.Digest, parallel int) error {
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, ref := range refs {
		group.Go(func() error {
			cmd := exec.CommandContext(ctx, cosign, "verify", "--key="+keyFile, "--insecure-ignore-tlog=true", ref.String())
			cmd.Env = append(os.Environ(), "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE="+keyFile, "SIGSTORE_REKOR_PUBLIC_KEY="+keyFile)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", ref, err, out)
			}
			return nil
		})
	}
	return group.Wait()
}
