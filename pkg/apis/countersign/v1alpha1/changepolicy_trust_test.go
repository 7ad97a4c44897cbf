// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	testRoot    = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`
	testKeyring = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
)

func testPublicKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestChangePolicyTrust(t *testing.T) {
	trusting := func() *ChangePolicy {
		return &ChangePolicy{Spec: ChangePolicySpec{
			NamespaceSelector: &metav1.LabelSelector{},
			Authorities: []Authority{
				{Name: "ci", Key: &KeyAuthority{Data: testPublicKey(t)}},
				{Name: "vault", Key: &KeyAuthority{KMS: "hashivault://ci", TrustedRoot: testRoot}},
				{Name: "people", Keyless: &KeylessAuthority{TrustedRoot: testRoot, Identities: []Identity{{Issuer: "https://issuer.example", SubjectRegExp: ".*@example[.]com"}}}},
				{Name: "release", GPG: &GPGAuthority{Keyring: testKeyring}},
			},
			Signatures: []SignatureRule{
				{Entries: []string{"shop/**", "web-?"}, AssetType: "image", Authorities: []string{"ci", "people"}},
				{AssetType: "artifact", Authorities: []string{"release"}, Sources: []string{"https://files.example/releases/"}},
			},
			Attestations:   []AttestationRule{{PredicateType: "https://slsa.dev/provenance/v1", EvidenceType: "com.ibm.cloud.slsa", Authorities: []string{"vault"}}},
			PeerReview:     &PeerReviewPolicy{ExemptLabel: "needs no review", AutomatedAuthors: []string{"bot@example.com"}},
			SignedEvidence: &SignedEvidencePolicy{Authorities: []string{"ci"}},
		}}
	}
	for name, tc := range map[string]struct {
		edit func(*ChangePolicySpec)
		want []string
	}{
		"everything in order": {func(*ChangePolicySpec) {}, nil},
		"an authority without a name": {func(s *ChangePolicySpec) { s.Authorities = append(s.Authorities, Authority{GPG: s.Authorities[3].GPG}) },
			[]string{"spec.authorities[4].name"}},
		"two of one name":           {func(s *ChangePolicySpec) { s.Authorities[3].Name = "people" }, []string{"spec.authorities[3].name", "listed twice"}},
		"an authority of nothing":   {func(s *ChangePolicySpec) { s.Authorities[0].Key = nil }, []string{"spec.authorities[0].key", "keyless"}},
		"an authority of two kinds": {func(s *ChangePolicySpec) { s.Authorities[0].GPG = s.Authorities[3].GPG }, []string{"spec.authorities[0].gpg", "expected exactly one"}},
		"a key that is none":        {func(s *ChangePolicySpec) { s.Authorities[0].Key.Data = "ssh-rsa AAAA" }, []string{"spec.authorities[0].key.data", "is no PEM"}},
		"a private key": {func(s *ChangePolicySpec) {
			s.Authorities[0].Key.Data = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
		}, []string{"spec.authorities[0].key.data", "private key"}},
		"a certificate for a key": {func(s *ChangePolicySpec) {
			s.Authorities[0].Key.Data = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
		}, []string{"spec.authorities[0].key.data", "no public key"}},
		"a key in two places":             {func(s *ChangePolicySpec) { s.Authorities[0].Key.KMS = "awskms://x" }, []string{"spec.authorities[0].key.data", "kms"}},
		"a service that is not known":     {func(s *ChangePolicySpec) { s.Authorities[1].Key.KMS = "file:///etc/passwd" }, []string{"spec.authorities[1].key.kms", "awskms://"}},
		"a root that is none":             {func(s *ChangePolicySpec) { s.Authorities[1].Key.TrustedRoot = "{}" }, []string{"spec.authorities[1].key.trustedRoot"}},
		"keyless without a root":          {func(s *ChangePolicySpec) { s.Authorities[2].Keyless.TrustedRoot = "" }, []string{"spec.authorities[2].keyless.trustedRoot"}},
		"keyless of anybody":              {func(s *ChangePolicySpec) { s.Authorities[2].Keyless.Identities = nil }, []string{"spec.authorities[2].keyless.identities"}},
		"an identity of any issuer":       {func(s *ChangePolicySpec) { s.Authorities[2].Keyless.Identities[0].Issuer = "" }, []string{"spec.authorities[2].keyless.identities[0].issuer"}},
		"an identity with two subjects":   {func(s *ChangePolicySpec) { s.Authorities[2].Keyless.Identities[0].Subject = "x" }, []string{"spec.authorities[2].keyless.identities[0].subject"}},
		"a pattern that is none":          {func(s *ChangePolicySpec) { s.Authorities[2].Keyless.Identities[0].SubjectRegExp = "(" }, []string{"subjectRegExp"}},
		"a binary keyring":                {func(s *ChangePolicySpec) { s.Authorities[3].GPG.Keyring = "\x99" }, []string{"spec.authorities[3].gpg.keyring", "--armor"}},
		"a rule that trusts nobody":       {func(s *ChangePolicySpec) { s.Signatures[0].Authorities = nil }, []string{"spec.signatures[0].authorities"}},
		"a rule that trusts a stranger":   {func(s *ChangePolicySpec) { s.Signatures[0].Authorities = []string{"x"} }, []string{"spec.signatures[0].authorities[0]"}},
		"GPG for images":                  {func(s *ChangePolicySpec) { s.Signatures[0].Authorities = []string{"release"} }, []string{"spec.signatures[0].authorities[0]", "GPG"}},
		"a broken pattern of entries":     {func(s *ChangePolicySpec) { s.Signatures[0].Entries = []string{"[a"} }, []string{"spec.signatures[0].entries[0]"}},
		"signatures of commits":           {func(s *ChangePolicySpec) { s.Signatures[0].AssetType = "commit" }, []string{"spec.signatures[0].assetType"}},
		"a source that is half a host":    {func(s *ChangePolicySpec) { s.Signatures[1].Sources = []string{"https://files.example"} }, []string{"spec.signatures[1].sources[0]", "slash"}},
		"a source with a password":        {func(s *ChangePolicySpec) { s.Signatures[1].Sources = []string{"https://a:b@files.example/"} }, []string{"spec.signatures[1].sources[0]"}},
		"a predicate that is no URI":      {func(s *ChangePolicySpec) { s.Attestations[0].PredicateType = "slsa" }, []string{"spec.attestations[0].predicateType"}},
		"evidence of an odd type":         {func(s *ChangePolicySpec) { s.Attestations[0].EvidenceType = "a b" }, []string{"spec.attestations[0].evidenceType"}},
		"a severity that is not known":    {func(s *ChangePolicySpec) { s.Attestations[0].MaxSeverity = "some" }, []string{"spec.attestations[0].maxSeverity"}},
		"an age of nothing":               {func(s *ChangePolicySpec) { s.Attestations[0].MaxAge = &metav1.Duration{} }, []string{"spec.attestations[0].maxAge"}},
		"attestations by GPG":             {func(s *ChangePolicySpec) { s.Attestations[0].Authorities = []string{"release"} }, []string{"spec.attestations[0].authorities[0]"}},
		"reviews by nobody":               {func(s *ChangePolicySpec) { s.PeerReview.Approvals = -1 }, []string{"spec.peerReview.approvals"}},
		"an author with a name":           {func(s *ChangePolicySpec) { s.PeerReview.AutomatedAuthors = []string{"Bot <bot@example.com>"} }, []string{"spec.peerReview.automatedAuthors[0]"}},
		"evidence signed by identities":   {func(s *ChangePolicySpec) { s.SignedEvidence.Authorities = []string{"people"} }, []string{"spec.signedEvidence.authorities[0]", "by keys"}},
		"evidence signed by a logged key": {func(s *ChangePolicySpec) { s.SignedEvidence.Authorities = []string{"vault"} }, []string{"spec.signedEvidence.authorities[0]", "transparency log"}},
		"signed evidence of nobody":       {func(s *ChangePolicySpec) { s.SignedEvidence.Authorities = nil }, []string{"spec.signedEvidence.authorities"}},
		"statements of any age, given so": {func(s *ChangePolicySpec) { s.Attestations[0].MaxAge = &metav1.Duration{Duration: time.Hour} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			policy := trusting()
			policy.SetDefaults(as("admin"))
			if n := policy.Spec.PeerReview.Approvals; n != DefaultReviewApprovals {
				t.Errorf("%d approvals by default, want %d", n, DefaultReviewApprovals)
			}
			tc.edit(&policy.Spec)
			checkError(t, policy.Validate(as("admin")), tc.want)
		})
	}
}
