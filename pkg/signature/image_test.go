// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	ocitest "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/cosign/v2/pkg/types"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/signature/signaturetest"
)

const (
	builder = "builder@example.com"
	issuer  = "https://accounts.example.com"
)

// newTestRegistry is an in-process registry, with and without the API of
// referrers. It counts its requests.
func newTestRegistry(t testing.TB, referrers bool) (host string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	handler := ocitest.New(ocitest.Logger(log.New(io.Discard, "", 0)), ocitest.WithReferrersSupport(referrers))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), requests
}

func keyAuthority(name string, key *signaturetest.Key) v1alpha1.Authority {
	return v1alpha1.Authority{Name: name, Key: &v1alpha1.KeyAuthority{Data: key.Public}}
}

func keyless(name, root string, ids ...v1alpha1.Identity) v1alpha1.Authority {
	return v1alpha1.Authority{Name: name, Keyless: &v1alpha1.KeylessAuthority{TrustedRoot: root, Identities: ids}}
}

func trust(t testing.TB, authorities ...v1alpha1.Authority) *Trust {
	t.Helper()
	trusted, err := NewTrust(t.Context(), authorities)
	if err != nil {
		t.Fatal(err)
	}
	return trusted
}

// entryOf is the inventory's entry for an image at a tag.
func entryOf(entry, tag string, image name.Digest) inventory.Entry {
	ref := image.Context().Name() + ":" + tag + "@" + image.DigestStr()
	return inventory.Entry{Name: entry, Type: "image", Artifact: ref, Provenance: ref, Digest: image.DigestStr()}
}

func verifyOne(t testing.TB, trusted *Trust, entry inventory.Entry, authorities ...string) Result {
	t.Helper()
	items, unruled := Select([]inventory.Entry{entry}, []v1alpha1.SignatureRule{{Authorities: authorities}})
	if len(items) != 1 || len(unruled) != 0 {
		t.Fatalf("selected %d items, left %v", len(items), unruled)
	}
	return trusted.Verify(t.Context(), items)[0]
}

func TestImageSignedByKey(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours, stranger := signaturetest.NewKey(t), signaturetest.NewKey(t)
	trusted := trust(t, keyAuthority("ours", ours))
	wrongType := func(image name.Digest) []byte {
		var claim map[string]any
		if err := json.Unmarshal(signaturetest.Claim(t, image), &claim); err != nil {
			t.Fatal(err)
		}
		claim["critical"].(map[string]any)["type"] = "some other statement"
		data, err := json.Marshal(claim)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for n, tc := range []struct {
		name string
		sign func(t *testing.T, image name.Digest)
		want Reason
		says string
	}{
		{"an image without a signature", func(*testing.T, name.Digest) {}, ReasonUnsigned, "has no signature"},
		{"an image signed by the key", func(t *testing.T, image name.Digest) { ours.SignImage(t, image) }, ReasonVerified, "authority ours"},
		{"an image signed by a stranger", func(t *testing.T, image name.Digest) { stranger.SignImage(t, image) }, ReasonWrongSigner, "is not by key sha256:"},
		{"a stranger's signatures around the key's", func(t *testing.T, image name.Digest) {
			stranger.SignImage(t, image)
			ours.SignImage(t, image)
			signaturetest.NewKey(t).SignImage(t, image)
		}, ReasonVerified, "authority ours"},
		{"rubbish around the key's signature", func(t *testing.T, image name.Digest) {
			signaturetest.AddSignature(t, image, []byte("x"), "not base64!")
			signaturetest.AddSignature(t, image, []byte("{}"), "")
			ours.SignImage(t, image)
			signaturetest.AddSignature(t, image, []byte("y"), base64.StdEncoding.EncodeToString([]byte("y")))
		}, ReasonVerified, "authority ours"},
		{"a signature copied from another image", func(t *testing.T, image name.Digest) {
			other := signaturetest.PushImage(t, host+"/other:1")
			ours.SignImage(t, other)
			signaturetest.CopySignatures(t, other, image)
		}, ReasonDigestMismatch, "another image: it was copied"},
		{"the key's signature of a document of another type", func(t *testing.T, image name.Digest) {
			ours.SignPayload(t, image, wrongType(image))
		}, ReasonWrongClaim, "some other statement"},
		{"the key's signature of something that is no claim", func(t *testing.T, image name.Digest) {
			ours.SignPayload(t, image, []byte("hello"))
		}, ReasonWrongClaim, "no image signature"},
		{"a signature with annotations", func(t *testing.T, image name.Digest) {
			claim := strings.Replace(string(signaturetest.Claim(t, image)), `"optional":null`, `"optional":{"env":"prod"}`, 1)
			ours.SignPayload(t, image, []byte(claim))
		}, ReasonVerified, "authority ours"},
		{"a signature by the key with a hostile proof beside it", func(t *testing.T, image name.Digest) {
			ours.SignPayload(t, image, signaturetest.Claim(t, image), static.WithCertChain([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), nil))
			ours.SignImage(t, image)
		}, ReasonVerified, "authority ours"},
		{"a Sigstore bundle by the key", func(t *testing.T, image name.Digest) { ours.SignImageBundle(t, image) }, ReasonVerified, "authority ours"},
		{"a Sigstore bundle by a stranger", func(t *testing.T, image name.Digest) { stranger.SignImageBundle(t, image) }, ReasonWrongSigner, "is not by ours"},
		{"a Sigstore bundle copied from another image", func(t *testing.T, image name.Digest) {
			other := signaturetest.PushImage(t, host+"/other:2")
			statement := signaturetest.Statement(t, other.DigestStr(), types.CosignSignPredicateType, map[string]any{})
			signaturetest.AddBundle(t, image, ours.Bundle(t, statement), types.CosignSignPredicateType)
		}, ReasonDigestMismatch, "another image: it was copied"},
		{"an attestation by the key passed off as a signature", func(t *testing.T, image name.Digest) {
			statement := signaturetest.Statement(t, image.DigestStr(), "https://in-toto.io/attestation/test-result/v0.1", map[string]any{"result": "FAILED"})
			signaturetest.AddBundle(t, image, ours.Bundle(t, statement), types.CosignSignPredicateType)
		}, ReasonUnsigned, "has no signature"},
		{"a stranger's bundle before the key's", func(t *testing.T, image name.Digest) {
			stranger.SignImageBundle(t, image)
			ours.SignImageBundle(t, image)
		}, ReasonVerified, "authority ours"},
		{"a bundle that is no bundle", func(t *testing.T, image name.Digest) {
			signaturetest.AddBundle(t, image, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`), types.CosignSignPredicateType)
		}, ReasonWrongSigner, "cannot be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			image := signaturetest.PushImage(t, fmt.Sprintf("%s/app%d:1", host, n))
			tc.sign(t, image)
			got := verifyOne(t, trusted, entryOf("app", "1", image), "ours")
			if got.Reason != tc.want || got.OK != (tc.want == ReasonVerified) || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %v %s: %s\nwant %s, saying %q", got.OK, got.Reason, got.Message, tc.want, tc.says)
			}
			if !got.OK && (!strings.Contains(got.Message, "entry app") || !strings.Contains(got.Message, "ours") && got.Reason != ReasonUnsigned || got.Remedy == "") {
				t.Errorf("the message names too little: %s; remedy: %s", got.Message, got.Remedy)
			}
		})
	}
}

func TestImageWithoutReferrersAPI(t *testing.T) {
	host, _ := newTestRegistry(t, false)
	ours := signaturetest.NewKey(t)
	trusted := trust(t, keyAuthority("ours", ours))
	unsigned := signaturetest.PushImage(t, host+"/app:1")
	if got := verifyOne(t, trusted, entryOf("app", "1", unsigned), "ours"); got.Reason != ReasonUnsigned {
		t.Errorf("got %s: %s", got.Reason, got.Message)
	}
	ours.SignImage(t, unsigned)
	if got := verifyOne(t, trusted, entryOf("app", "1", unsigned), "ours"); !got.OK {
		t.Errorf("got %s: %s", got.Reason, got.Message)
	}
}

func TestImageKeys(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*signaturetest.Key{
		"p384": signaturetest.FromPrivate(t, p384), "ed25519": signaturetest.FromPrivate(t, ed), "rsa": signaturetest.FromPrivate(t, rsaKey),
	} {
		t.Run(name, func(t *testing.T) {
			trusted := trust(t, keyAuthority("ours", key))
			classic := signaturetest.PushImage(t, host+"/"+name+"/classic:1")
			key.SignImage(t, classic)
			bundled := signaturetest.PushImage(t, host+"/"+name+"/bundle:1")
			key.SignImageBundle(t, bundled)
			for _, image := range []inventory.Entry{entryOf("classic", "1", classic), entryOf("bundle", "1", bundled)} {
				if got := verifyOne(t, trusted, image, "ours"); !got.OK {
					t.Errorf("%s: %s: %s", image.Name, got.Reason, got.Message)
				}
			}
		})
	}
}

func TestImageTags(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours := signaturetest.NewKey(t)
	trusted := trust(t, keyAuthority("ours", ours))
	image := signaturetest.PushImage(t, host+"/app:1")
	ours.SignImage(t, image)
	good := entryOf("app", "1", image)

	gone := entryOf("app", "gone", image)
	if got := verifyOne(t, trusted, gone, "ours"); !got.OK {
		t.Errorf("a tag that is gone: %s: %s", got.Reason, got.Message)
	}
	untagged := good
	untagged.Artifact = image.String()
	untagged.Provenance = image.String()
	if got := verifyOne(t, trusted, untagged, "ours"); !got.OK {
		t.Errorf("a reference without a tag: %s: %s", got.Reason, got.Message)
	}

	// The tag moves to another image, signed by the same key.
	moved := signaturetest.PushImage(t, host+"/app:1")
	ours.SignImage(t, moved)
	got := verifyOne(t, trusted, good, "ours")
	if got.Reason != ReasonTagMoved || got.OK {
		t.Fatalf("a tag that moved: %v %s: %s", got.OK, got.Reason, got.Message)
	}
	for _, part := range []string{"app:1", image.DigestStr(), moved.DigestStr()} {
		if !strings.Contains(got.Message, part) {
			t.Errorf("message %q lacks %s", got.Message, part)
		}
	}
	if got := verifyOne(t, trusted, untagged, "ours"); !got.OK {
		t.Errorf("without a tag the image is still good: %s: %s", got.Reason, got.Message)
	}
	// Also where only one of artifact and provenance names the tag, and where the
	// digest is in sha256 alone.
	half := good
	half.Provenance = image.String()
	tagOnly := good
	tagOnly.Artifact, tagOnly.Provenance = host+"/app:1", image.String()
	// A name with neither tag nor digest means the tag latest to whoever pulls it.
	signaturetest.PushImage(t, host+"/app:latest")
	bare := good
	bare.Artifact, bare.Provenance = host+"/app", image.String()
	for _, entry := range []inventory.Entry{half, tagOnly, bare} {
		if got := verifyOne(t, trusted, entry, "ours"); got.Reason != ReasonTagMoved {
			t.Errorf("%s: %s: %s", entry.Artifact, got.Reason, got.Message)
		}
	}
}

func TestImageNotIdentified(t *testing.T) {
	ours := signaturetest.NewKey(t)
	trusted := trust(t, keyAuthority("ours", ours))
	a, b := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	for name, entry := range map[string]inventory.Entry{
		"no digest":           {Name: "e", Type: "image", Artifact: "registry.example/app:1"},
		"two digests":         {Name: "e", Type: "image", Artifact: "registry.example/app@" + a, Digest: b},
		"no reference":        {Name: "e", Type: "image", Digest: a},
		"no image name":       {Name: "e", Type: "image", Artifact: "registry.example/$(app)@" + a, Digest: a},
		"a digest of no form": {Name: "e", Type: "image", Artifact: "registry.example/app:1", Digest: "sha256:../../x"},
	} {
		if got := verifyOne(t, trusted, entry, "ours"); got.OK || got.Reason != ReasonNotIdentified {
			t.Errorf("%s: %v %s: %s", name, got.OK, got.Reason, got.Message)
		}
	}
	entry := inventory.Entry{Name: "e", Type: "image", Artifact: "registry.example/app@" + a, Digest: a}
	if got := verifyOne(t, trusted, entry, "nobody"); got.Reason != ReasonUnknownAuthority {
		t.Errorf("an authority that is not there: %s: %s", got.Reason, got.Message)
	}
}

func TestImageUnreachable(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours := signaturetest.NewKey(t)
	good := signaturetest.PushImage(t, host+"/app:1")
	ours.SignImage(t, good)

	// One registry is down, one refuses, one never answers, one is good: each
	// gets its result.
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refuses.Close()
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer hangs.Close()
	defer close(release)
	limits := DefaultLimits
	limits.ImageTime = 500 * time.Millisecond
	trusted, err := NewTrust(t.Context(), []v1alpha1.Authority{keyAuthority("ours", ours)}, WithLimits(limits))
	if err != nil {
		t.Fatal(err)
	}
	entries := []inventory.Entry{entryOf("good", "1", good)}
	for name, server := range map[string]*httptest.Server{"down": down, "refuses": refuses, "hangs": hangs} {
		repo, err := nameRepository(strings.TrimPrefix(server.URL, "http://") + "/app")
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entryOf(name, "1", repo.Digest(good.DigestStr())))
	}
	items, _ := Select(entries, []v1alpha1.SignatureRule{{Authorities: []string{"ours"}}})
	got := map[string]Reason{}
	for _, r := range trusted.Verify(t.Context(), items) {
		got[r.Item.Entry] = r.Reason
	}
	want := map[string]Reason{"good": ReasonVerified, "down": ReasonUnreachable, "refuses": ReasonUnreachable, "hangs": ReasonUnreachable}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func nameRepository(text string) (name.Repository, error) { return name.NewRepository(text) }

func TestImageBounds(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours, stranger := signaturetest.NewKey(t), signaturetest.NewKey(t)
	limits := DefaultLimits
	limits.Signatures, limits.Payload = 3, 4<<10
	trusted, err := NewTrust(t.Context(), []v1alpha1.Authority{keyAuthority("ours", ours)}, WithLimits(limits))
	if err != nil {
		t.Fatal(err)
	}
	// A payload that is too large is left out, not read, and is no obstacle.
	large := signaturetest.PushImage(t, host+"/large:1")
	stranger.SignPayload(t, large, []byte(strings.Repeat("x", 5<<10)))
	ours.SignImage(t, large)
	if got := verifyOne(t, trusted, entryOf("large", "1", large), "ours"); !got.OK {
		t.Errorf("a large payload beside a good signature: %s: %s", got.Reason, got.Message)
	}
	// Of more signatures than are read, the newest are.
	many := signaturetest.PushImage(t, host+"/many:1")
	for range 5 {
		signaturetest.NewKey(t).SignImage(t, many)
	}
	ours.SignImage(t, many)
	if got := verifyOne(t, trusted, entryOf("many", "1", many), "ours"); !got.OK {
		t.Errorf("the newest of many signatures: %s: %s", got.Reason, got.Message)
	}
	// A manifest without end.
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		for range 1000 {
			if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	repo, err := nameRepository(strings.TrimPrefix(endless.URL, "http://") + "/app")
	if err != nil {
		t.Fatal(err)
	}
	digest := repo.Digest(many.DigestStr())
	entry := inventory.Entry{Name: "endless", Type: "image", Artifact: digest.String(), Provenance: digest.String(), Digest: many.DigestStr()}
	if got := verifyOne(t, trusted, entry, "ours"); got.Reason != ReasonUnreachable || !strings.Contains(got.Message, "too large") {
		t.Errorf("an endless manifest: %s: %s", got.Reason, got.Message)
	}
}

func TestImageVerifiedOnce(t *testing.T) {
	host, requests := newTestRegistry(t, true)
	ours := signaturetest.NewKey(t)
	trusted := trust(t, keyAuthority("ours", ours))
	image := signaturetest.PushImage(t, host+"/app:1")
	ours.SignImage(t, image)
	var entries []inventory.Entry
	for i := range 50 {
		entries = append(entries, entryOf(fmt.Sprint("e", i), "1", image))
	}
	items, _ := Select(entries, []v1alpha1.SignatureRule{{Authorities: []string{"ours"}}})
	before := requests.Load()
	results := trusted.Verify(t.Context(), items)
	for i, r := range results {
		if !r.OK || r.Item.Entry != entries[i].Name {
			t.Errorf("%s: %v %s", r.Item.Entry, r.OK, r.Message)
		}
	}
	// Greeting, tag, .sig manifest, payload.
	if n := requests.Load() - before; n != 4 {
		t.Errorf("%d requests for one image in 50 entries, want 4", n)
	}
}

func TestImageSignedByIdentity(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	sigstore, other := signaturetest.NewSigstore(t), signaturetest.NewSigstore(t)
	all := []signaturetest.Part{signaturetest.CertificateAuthority, signaturetest.Log, signaturetest.Timestamps}
	root := sigstore.Root(t, all...)
	exact := v1alpha1.Identity{Issuer: issuer, Subject: builder}
	now := signaturetest.Now()
	classic := func(at time.Time) func(*testing.T, name.Digest) {
		return func(t *testing.T, image name.Digest) { sigstore.SignImage(t, builder, issuer, image, at) }
	}
	bundled := func(s *signaturetest.Sigstore, subject string, at time.Time) func(*testing.T, name.Digest) {
		return func(t *testing.T, image name.Digest) {
			statement := signaturetest.Statement(t, image.DigestStr(), types.CosignSignPredicateType, map[string]any{})
			signaturetest.AddBundle(t, image, s.Bundle(t, subject, issuer, statement, at), types.CosignSignPredicateType)
		}
	}
	for n, tc := range []struct {
		name      string
		authority v1alpha1.Authority
		sign      func(*testing.T, name.Digest)
		want      Reason
		says      string
	}{
		{"the identity", keyless("ours", root, exact), classic(now), ReasonVerified, builder},
		{"the identity, as a bundle", keyless("ours", root, exact), bundled(sigstore, builder, now), ReasonVerified, builder},
		{"one of several identities", keyless("ours", root, v1alpha1.Identity{Issuer: issuer, Subject: "else@example.com"}, exact), classic(now), ReasonVerified, builder},
		{"a pattern of the whole", keyless("ours", root, v1alpha1.Identity{IssuerRegExp: `https://accounts\..*`, SubjectRegExp: `.*@example\.com`}), classic(now), ReasonVerified, builder},
		{"a pattern of the whole, as a bundle", keyless("ours", root, v1alpha1.Identity{IssuerRegExp: `https://accounts\..*`, SubjectRegExp: `.*@example\.com`}), bundled(sigstore, builder, now), ReasonVerified, builder},
		{"a pattern of a part of the subject", keyless("ours", root, v1alpha1.Identity{Issuer: issuer, SubjectRegExp: `builder`}), classic(now), ReasonWrongSigner, builder},
		{"a pattern of a part of the subject, as a bundle", keyless("ours", root, v1alpha1.Identity{Issuer: issuer, SubjectRegExp: `builder`}), bundled(sigstore, builder, now), ReasonWrongSigner, builder},
		{"a pattern of a part of the issuer", keyless("ours", root, v1alpha1.Identity{IssuerRegExp: `accounts`, Subject: builder}), classic(now), ReasonWrongSigner, builder},
		{"a pattern of alternatives, of which one fits a part", keyless("ours", root, v1alpha1.Identity{Issuer: issuer, SubjectRegExp: `nobody|builder@`}), classic(now), ReasonWrongSigner, builder},
		{"another issuer", keyless("ours", root, v1alpha1.Identity{Issuer: "https://accounts.example.org", Subject: builder}), classic(now), ReasonWrongSigner, issuer},
		{"another subject, as a bundle", keyless("ours", root, exact), bundled(sigstore, "stranger@example.com", now), ReasonWrongSigner, "stranger@example.com"},
		{"another certificate authority for the same identity", keyless("ours", other.Root(t, all...), exact), classic(now), ReasonCertificateInvalid, "certificate"},
		{"another certificate authority, as a bundle", keyless("ours", other.Root(t, all...), exact), bundled(sigstore, builder, now), ReasonNotLogged, "log"},
		{"a certificate that had expired when it was logged", keyless("ours", sigstore.Root(t, signaturetest.CertificateAuthority, signaturetest.Log), exact), classic(now.Add(30 * time.Minute)), ReasonCertificateInvalid, "expired"},
		{"a certificate that had expired when it was logged, as a bundle", keyless("ours", sigstore.Root(t, signaturetest.CertificateAuthority, signaturetest.Log), exact), bundled(sigstore, builder, now.Add(30*time.Minute)), ReasonCertificateInvalid, "certificate"},
		{"no proof of the log", keyless("ours", root, exact), func(t *testing.T, image name.Digest) {
			s := sigstore.Sign(t, builder, issuer, signaturetest.Claim(t, image), now)
			signaturetest.AddSignature(t, image, s.Payload, s.Signature, s.Options[0])
		}, ReasonNotLogged, "without the transparency log's proof"},
		{"the proof of another signature", keyless("ours", root, exact), func(t *testing.T, image name.Digest) {
			s := sigstore.Sign(t, builder, issuer, signaturetest.Claim(t, image), now)
			proof := sigstore.Sign(t, builder, issuer, []byte("other"), now)
			signaturetest.AddSignature(t, image, s.Payload, s.Signature, s.Options[0], proof.Options[1])
		}, ReasonCertificateInvalid, "bundle"},
		{"a proof that would make the library panic", keyless("ours", root, exact), func(t *testing.T, image name.Digest) {
			s := sigstore.Sign(t, builder, issuer, signaturetest.Claim(t, image), now)
			signaturetest.AddSignature(t, image, s.Payload, s.Signature, s.Options[0], static.WithBundle(hostileProof))
		}, ReasonWrongSigner, "no entry"},
		{"a timestamp, where the root has no log", keyless("ours", sigstore.Root(t, signaturetest.CertificateAuthority, signaturetest.Timestamps), exact), classic(now), ReasonVerified, builder},
		{"no timestamp, where the root has no log", keyless("ours", sigstore.Root(t, signaturetest.CertificateAuthority, signaturetest.Timestamps), exact), func(t *testing.T, image name.Digest) {
			s := sigstore.Sign(t, builder, issuer, signaturetest.Claim(t, image), now)
			signaturetest.AddSignature(t, image, s.Payload, s.Signature, s.Options[0])
		}, ReasonCertificateInvalid, "no timestamp"},
		{"a certificate outside the log of certificates that the root names", keyless("ours", sigstore.Root(t, append(all, signaturetest.CertificateLog)...), exact), classic(now), ReasonCertificateInvalid, "SCT"},
		{"a signature copied from another image", keyless("ours", root, exact), func(t *testing.T, image name.Digest) {
			other := signaturetest.PushImage(t, host+"/copied:1")
			s := sigstore.Sign(t, builder, issuer, signaturetest.Claim(t, other), now)
			signaturetest.AddSignature(t, image, s.Payload, s.Signature, s.Options...)
		}, ReasonDigestMismatch, "copied"},
		{"a key's signature, which has no certificate", keyless("ours", root, exact), func(t *testing.T, image name.Digest) { signaturetest.NewKey(t).SignImage(t, image) }, ReasonWrongSigner, "no certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			image := signaturetest.PushImage(t, fmt.Sprintf("%s/id%d:1", host, n))
			tc.sign(t, image)
			got := verifyOne(t, trust(t, tc.authority), entryOf("app", "1", image), "ours")
			if got.Reason != tc.want || got.OK != (tc.want == ReasonVerified) || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %v %s: %s\nwant %s, saying %q", got.OK, got.Reason, got.Message, tc.want, tc.says)
			}
		})
	}
}

func TestImageSignedByLoggedKey(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	sigstore, other := signaturetest.NewSigstore(t), signaturetest.NewSigstore(t)
	ours := signaturetest.NewKey(t)
	authority := keyAuthority("ours", ours)
	authority.Key.TrustedRoot = sigstore.Root(t, signaturetest.Log)
	trusted := trust(t, authority)
	now := signaturetest.Now()

	image := signaturetest.PushImage(t, host+"/logged:1")
	signed := sigstore.LogKeySignature(t, ours, signaturetest.Claim(t, image), now)
	signaturetest.AddSignature(t, image, signed.Payload, signed.Signature, signed.Options...)
	if got := verifyOne(t, trusted, entryOf("app", "1", image), "ours"); !got.OK {
		t.Errorf("with the log's proof: %s: %s", got.Reason, got.Message)
	}

	unlogged := signaturetest.PushImage(t, host+"/unlogged:1")
	ours.SignImage(t, unlogged)
	if got := verifyOne(t, trusted, entryOf("app", "1", unlogged), "ours"); got.Reason != ReasonNotLogged {
		t.Errorf("without a proof: %s: %s", got.Reason, got.Message)
	}
	bundled := signaturetest.PushImage(t, host+"/bundled:1")
	ours.SignImageBundle(t, bundled)
	if got := verifyOne(t, trusted, entryOf("app", "1", bundled), "ours"); got.Reason != ReasonNotLogged {
		t.Errorf("a bundle without a proof: %s: %s", got.Reason, got.Message)
	}
	elsewhere := signaturetest.PushImage(t, host+"/elsewhere:1")
	signed = other.LogKeySignature(t, ours, signaturetest.Claim(t, elsewhere), now)
	signaturetest.AddSignature(t, elsewhere, signed.Payload, signed.Signature, signed.Options...)
	if got := verifyOne(t, trusted, entryOf("app", "1", elsewhere), "ours"); got.Reason != ReasonNotLogged {
		t.Errorf("another log's proof: %s: %s", got.Reason, got.Message)
	}
}

func TestImageInSeveralPlaces(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours := signaturetest.NewKey(t)
	trusted := trust(t, keyAuthority("ours", ours))
	built := signaturetest.PushImage(t, host+"/build/app:1")
	ours.SignImage(t, built)
	// Promoted to another repository without its signature.
	content, err := remote.Image(built)
	if err != nil {
		t.Fatal(err)
	}
	target, err := name.NewTag(host + "/release/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(target, content); err != nil {
		t.Fatal(err)
	}
	entry := entryOf("app", "1", built)
	entry.Artifact = target.Name() + "@" + built.DigestStr()
	if got := verifyOne(t, trusted, entry, "ours"); !got.OK {
		t.Errorf("got %s: %s", got.Reason, got.Message)
	}
}
