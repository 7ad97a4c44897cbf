// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/attestation"
	"github.com/countersign-dev/countersign/pkg/signature/signaturetest"
)

const testResult = "https://in-toto.io/attestation/test-result/v0.1"

func TestAttestations(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours, stranger := signaturetest.NewKey(t), signaturetest.NewKey(t)
	sigstore := signaturetest.NewSigstore(t)
	root := sigstore.Root(t, signaturetest.CertificateAuthority, signaturetest.Log, signaturetest.Timestamps)
	now := signaturetest.Now()
	trusted := trust(t, keyAuthority("ours", ours), keyless("ci", root, v1alpha1.Identity{Issuer: issuer, Subject: builder}))
	rules := []v1alpha1.AttestationRule{
		{PredicateType: testResult, EvidenceType: "com.ibm.unit_tests", Authorities: []string{"ours", "ci"}},
	}
	passed := map[string]any{"result": "PASSED"}
	for n, tc := range []struct {
		name    string
		attach  func(t *testing.T, image name.Digest)
		want    []string // authorities of verified statements
		ignored string
	}{
		{"none", func(*testing.T, name.Digest) {}, nil, ""},
		{"one by the key", func(t *testing.T, image name.Digest) {
			ours.Attest(t, image, signaturetest.Statement(t, image.DigestStr(), testResult, passed))
		}, []string{"ours"}, ""},
		{"one by the key, as a bundle", func(t *testing.T, image name.Digest) {
			signaturetest.AddBundle(t, image, ours.Bundle(t, signaturetest.Statement(t, image.DigestStr(), testResult, passed)), testResult)
		}, []string{"ours"}, ""},
		{"one by the identity", func(t *testing.T, image name.Digest) {
			sigstore.Attest(t, builder, issuer, image, signaturetest.Statement(t, image.DigestStr(), testResult, passed), now)
		}, []string{"ci"}, ""},
		{"one by the identity, as a bundle", func(t *testing.T, image name.Digest) {
			signaturetest.AddBundle(t, image, sigstore.Bundle(t, builder, issuer, signaturetest.Statement(t, image.DigestStr(), testResult, passed), now), testResult)
		}, []string{"ci"}, ""},
		{"one by a stranger", func(t *testing.T, image name.Digest) {
			stranger.Attest(t, image, signaturetest.Statement(t, image.DigestStr(), testResult, passed))
		}, nil, "is no evidence, as none of ours"},
		{"one by another identity, as a bundle", func(t *testing.T, image name.Digest) {
			signaturetest.AddBundle(t, image, sigstore.Bundle(t, "stranger@example.com", issuer, signaturetest.Statement(t, image.DigestStr(), testResult, passed), now), testResult)
		}, nil, "stranger@example.com"},
		{"an unsigned one", func(t *testing.T, image name.Digest) {
			signaturetest.AddAttestation(t, image, []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}`))
		}, nil, "cannot be read"},
		{"a type that no rule names", func(t *testing.T, image name.Digest) {
			ours.Attest(t, image, signaturetest.Statement(t, image.DigestStr(), "https://example.com/other", passed))
		}, nil, ""},
		{"a signed payload of another type", func(t *testing.T, image name.Digest) {
			signaturetest.AddAttestation(t, image, ours.Envelope(t, RecordPayloadType, signaturetest.Statement(t, image.DigestStr(), testResult, passed)))
		}, nil, "cannot be read"},
		{"the same twice, in both layouts", func(t *testing.T, image name.Digest) {
			statement := signaturetest.Statement(t, image.DigestStr(), testResult, passed)
			ours.Attest(t, image, statement)
			signaturetest.AddBundle(t, image, ours.Bundle(t, statement), testResult)
		}, []string{"ours"}, ""},
		{"two, and one of a stranger", func(t *testing.T, image name.Digest) {
			stranger.Attest(t, image, signaturetest.Statement(t, image.DigestStr(), testResult, passed))
			ours.Attest(t, image, signaturetest.Statement(t, image.DigestStr(), testResult, map[string]any{"result": "FAILED"}))
			ours.Attest(t, image, signaturetest.Statement(t, image.DigestStr(), testResult, passed))
		}, []string{"ours", "ours"}, "none of ours"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			image := signaturetest.PushImage(t, fmt.Sprintf("%s/att%d:1", host, n))
			tc.attach(t, image)
			subject := SubjectOf(entryOf("app", "1", image))
			got := trusted.Attestations(t.Context(), []Subject{subject}, rules)[0]
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			var by []string
			for _, v := range got.Statements {
				by = append(by, v.Authority)
				if !v.Statement.About(image.DigestStr()) || v.Signer == "" {
					t.Errorf("got %+v", v)
				}
				if v.Authority == "ci" && v.SignedAt.IsZero() {
					t.Error("no time of signature, though the log has one")
				}
			}
			if diff := cmp.Diff(tc.want, by); diff != "" {
				t.Error(diff)
			}
			if all := strings.Join(got.Ignored, "\n"); (tc.ignored == "") != (all == "") || !strings.Contains(all, tc.ignored) {
				t.Errorf("ignored %q, want it to say %q", all, tc.ignored)
			}
		})
	}
}

// A statement about another digest is verified, and is worth nothing.
func TestAttestationOfAnotherImage(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours := signaturetest.NewKey(t)
	trusted := trust(t, keyAuthority("ours", ours))
	rule := v1alpha1.AttestationRule{PredicateType: testResult, EvidenceType: "com.ibm.unit_tests", Authorities: []string{"ours"}}
	image, other := signaturetest.PushImage(t, host+"/app:1"), signaturetest.PushImage(t, host+"/app:2")
	ours.Attest(t, image, signaturetest.Statement(t, other.DigestStr(), testResult, map[string]any{"result": "PASSED"}))
	subject := SubjectOf(entryOf("app", "1", image))
	got := trusted.Attestations(t.Context(), []Subject{subject}, []v1alpha1.AttestationRule{rule})[0]
	if len(got.Statements) != 1 || got.Err != nil {
		t.Fatalf("got %+v", got)
	}
	j := attestation.Judge(got.Statements[0], rule, attestation.Image{Asset: subject.Asset, Digest: subject.Digest}, time.Now(), "run")
	if j.OK || j.Reason != attestation.ReasonWrongSubject {
		t.Errorf("got %v %s", j.OK, j.Reason)
	}
}

func TestAttestationBounds(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours := signaturetest.NewKey(t)
	limits := DefaultLimits
	limits.Attestations, limits.Statement = 2, 8<<10
	trusted, err := NewTrust(t.Context(), []v1alpha1.Authority{keyAuthority("ours", ours)}, WithLimits(limits))
	if err != nil {
		t.Fatal(err)
	}
	rules := []v1alpha1.AttestationRule{{PredicateType: testResult, EvidenceType: "e", Authorities: []string{"ours"}}}
	read := func(image name.Digest) Attested {
		return trusted.Attestations(t.Context(), []Subject{SubjectOf(entryOf("app", "1", image))}, rules)[0]
	}
	many := signaturetest.PushImage(t, host+"/many:1")
	for i := range 3 {
		ours.Attest(t, many, signaturetest.Statement(t, many.DigestStr(), testResult, map[string]any{"result": "PASSED", "url": fmt.Sprint(i)}))
	}
	manyBundles := signaturetest.PushImage(t, host+"/bundles:1")
	for i := range 3 {
		statement := signaturetest.Statement(t, manyBundles.DigestStr(), testResult, map[string]any{"result": "PASSED", "url": fmt.Sprint(i)})
		signaturetest.AddBundle(t, manyBundles, ours.Bundle(t, statement), testResult)
	}
	large := map[string]any{"result": "FAILED", "url": strings.Repeat("x", 9<<10)}
	largeClassic := signaturetest.PushImage(t, host+"/large:1")
	ours.Attest(t, largeClassic, signaturetest.Statement(t, largeClassic.DigestStr(), testResult, large))
	largeBundle := signaturetest.PushImage(t, host+"/largebundle:1")
	signaturetest.AddBundle(t, largeBundle, ours.Bundle(t, signaturetest.Statement(t, largeBundle.DigestStr(), testResult, large)), testResult)
	for name, image := range map[string]name.Digest{"many": many, "many bundles": manyBundles, "large": largeClassic, "large bundle": largeBundle} {
		if got := read(image); got.Err == nil || !strings.Contains(got.Err.Error(), "more than the 2 attestations") {
			t.Errorf("%s: error %v: a bad statement among those not read would go unseen", name, got.Err)
		}
	}
}

func TestAttestationsUnreachable(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours := signaturetest.NewKey(t)
	good := signaturetest.PushImage(t, host+"/app:1")
	ours.Attest(t, good, signaturetest.Statement(t, good.DigestStr(), testResult, map[string]any{"result": "PASSED"}))
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refuses.Close()
	repo, err := nameRepository(strings.TrimPrefix(refuses.URL, "http://") + "/app")
	if err != nil {
		t.Fatal(err)
	}
	rules := []v1alpha1.AttestationRule{{PredicateType: testResult, EvidenceType: "e", Authorities: []string{"ours"}}}
	got := trust(t, keyAuthority("ours", ours)).Attestations(t.Context(), []Subject{
		SubjectOf(entryOf("refused", "1", repo.Digest(good.DigestStr()))),
		SubjectOf(entryOf("good", "1", good)),
		SubjectOf(entryOf("again", "1", good)),
	}, rules)
	if got[0].Err == nil || got[1].Err != nil || len(got[1].Statements) != 1 || got[2].Subject.Entry != "again" || len(got[2].Statements) != 1 {
		t.Errorf("got %+v", got)
	}
}

// Everybody who may push to the repository can attach as much as they like.
func TestAttachmentsAreBoundedTogether(t *testing.T) {
	host, _ := newTestRegistry(t, true)
	ours := signaturetest.NewKey(t)
	limits := DefaultLimits
	limits.Attached = 16 << 10
	trusted, err := NewTrust(t.Context(), []v1alpha1.Authority{keyAuthority("ours", ours)}, WithLimits(limits))
	if err != nil {
		t.Fatal(err)
	}
	rules := []v1alpha1.AttestationRule{{PredicateType: testResult, EvidenceType: "e", Authorities: []string{"ours"}}}
	for layout, attach := range map[string]func(image name.Digest, statement []byte){
		"classic": func(image name.Digest, statement []byte) { ours.Attest(t, image, statement) },
		"bundle": func(image name.Digest, statement []byte) {
			signaturetest.AddBundle(t, image, ours.Bundle(t, statement), testResult)
		},
	} {
		image := signaturetest.PushImage(t, host+"/"+layout+":1")
		for i := range 3 {
			predicate := map[string]any{"result": "PASSED", "url": fmt.Sprint(i, strings.Repeat("x", 6<<10))}
			attach(image, signaturetest.Statement(t, image.DigestStr(), testResult, predicate))
		}
		got := trusted.Attestations(t.Context(), []Subject{SubjectOf(entryOf("app", "1", image))}, rules)[0]
		if len(got.Statements) >= 3 || got.Err == nil {
			t.Errorf("%s: %d statements of more bytes than are read, error %v", layout, len(got.Statements), got.Err)
		}
	}
}
