// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/steptest"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/signature"
)

// requires is a checks file that requires one check of commits.
func requires(typeID string) string {
	return fmt.Sprintf(`{"version":"2.0","pre-deployment":[{"evidence_type_id":%q,"rules":[{"asset_type":"commit","required":[{"name":"tool","values":["*"]}]}]}]}`, typeID)
}

const (
	met   = "com.ibm.unit_tests"
	unmet = "com.example.licence_review"
)

func TestTheChecksFileOfTheTargetDecides(t *testing.T) {
	for sentence, tc := range map[string]struct {
		files map[string]string
		path  string
		ready bool
	}{
		"the file that was named":             {files: map[string]string{"a/b.json": requires(unmet), "validation.json": requires(met)}, path: "./a/b.json"},
		"of region and target, before others": {files: map[string]string{"eu.prod.validation.json": requires(unmet), "prod.validation.json": requires(met), "validation.json": requires(met)}},
		"of the target, before that of all":   {files: map[string]string{"prod.validation.json": requires(unmet), "validation.json": requires(met)}},
		"of all":                              {files: map[string]string{"validation.json": requires(unmet)}},
		"not of another region":               {files: map[string]string{"us.prod.validation.json": requires(unmet), "validation.json": requires(met)}, ready: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := steptest.New(t)
			w.Config.Commit(tc.files)
			p := w.Params("1")
			p.EvidenceChecksConfigPath = tc.path
			if got := run(t, w, p).DeploymentReady; got != tc.ready {
				t.Errorf("ready %t, want %t\n%s", got, tc.ready, &w.Log)
			}
			attached := slices.ContainsFunc(changes(t, w)[0].Spec.Attachments, func(a v1alpha1.Attachment) bool { return a.Name == assess.AttachmentEvidenceChecks })
			if !attached {
				t.Error("the checks file is not attached")
			}
		})
	}
}

func TestAChecksFileThatCannotBeUsedStopsTheRun(t *testing.T) {
	w := steptest.New(t)
	w.Config.Commit(map[string]string{"prod.validation.json": `{"version":"2.0","pre-deployment":[{"evidence_type_id":"x","rules":[{"asset_type":"commit","requird":[]}]}]}`})
	_, err := assess.Run(t.Context(), w.Params("1"), w.Clients())
	if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), "prod.validation.json:1:") || !strings.Contains(err.Error(), "requird") {
		t.Errorf("a misspelt level: %v", err)
	}

	// A link is not skipped for the next file in the order, which may ask for less.
	w = steptest.New(t)
	w.Config.Commit(map[string]string{"validation.json": requires(met)})
	w.Config.Symlink("prod.validation.json", "checks/prod.json")
	if _, err := assess.Run(t.Context(), w.Params("1"), w.Clients()); step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link: %v", err)
	}
}

func TestAPolicyInRegoDecides(t *testing.T) {
	const deny = "package one_pipeline.config\n\ndefault allow := false\n"
	for sentence, tc := range map[string]struct {
		files map[string]string
		path  string
		ready bool
	}{
		"a file that allows":                           {map[string]string{"policy/a.rego": "package one_pipeline.config\n\nallow := true\n"}, "policy/a.rego", true},
		"a file that denies":                           {map[string]string{"policy/a.rego": deny}, "policy/a.rego", false},
		"a folder, without its tests and other files":  {map[string]string{"policy/a.rego": deny, "policy/a_test.rego": "not Rego", "policy/README.md": "x"}, "./policy/", false},
		"not a policy elsewhere that nobody asked for": {map[string]string{"policy/a.rego": deny}, "", true},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := steptest.New(t)
			w.Config.Commit(tc.files)
			p := w.Params("1")
			p.PolicyPath = tc.path
			if got := run(t, w, p).DeploymentReady; got != tc.ready {
				t.Errorf("ready %t, want %t\n%s", got, tc.ready, &w.Log)
			}
		})
	}
	w := steptest.New(t)
	p := w.Params("1")
	p.PolicyPath = "no/such"
	if _, err := assess.Run(t.Context(), p, w.Clients()); step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), "policy-path") {
		t.Errorf("a path that leads nowhere: %v", err)
	}
}

func TestWhatThePolicyDemandsIsVerified(t *testing.T) {
	w := steptest.New(t)
	w.Policy.Spec.Authorities = []v1alpha1.Authority{{Name: "ci", Key: &v1alpha1.KeyAuthority{Data: publicKey(t)}}}
	w.Policy.Spec.Signatures = []v1alpha1.SignatureRule{{Entries: []string{"signed"}, Authorities: []string{"ci"}}}
	w.Policy.Spec.RequiredChecks = []v1alpha1.RequiredChecks{{AssetType: "image"}}
	if _, err := w.Countersign.CountersignV1alpha1().ChangePolicies().Update(t.Context(), w.Policy, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	image := unsigned(t, strings.TrimSuffix(w.Registry, "/changes")+"/shop/signed")
	_, digest, _ := strings.Cut(image, "@")
	w.Promote(map[string]string{"signed": fmt.Sprintf(`{"name":"signed","type":"image","version":"1","artifact":%q,"provenance":%q,"sha256":%q,"repository_url":"https://forge.example/a.git","commit_sha":%q,"pipeline_run_id":"ci-1"}`,
		image, image, digest, strings.Repeat("a", 40))}, steptest.GoodBody)

	outcome := run(t, w, w.Params("1"))
	cr := changes(t, w)[0]
	i := slices.IndexFunc(cr.Spec.Readiness.Blocking, func(c v1alpha1.CheckResult) bool {
		return c.Check == "com.ibm.cloud.verify_signature" && c.Entry == "signed"
	})
	if outcome.DeploymentReady || i < 0 || !strings.Contains(cr.Spec.Readiness.Blocking[i].Reason, "sign") {
		t.Errorf("an unsigned image: ready %t, blocking %+v\n%s", outcome.DeploymentReady, cr.Spec.Readiness.Blocking, &w.Log)
	}
	for _, want := range []string{"a: no rule", "dir/b: no rule", "com.ibm.cloud.verify_signature"} {
		if !strings.Contains(w.Log.String(), want) {
			t.Errorf("the log does not tell %q:\n%s", want, &w.Log)
		}
	}

	// It is on record: in the locker, and in the bundle for the end of the run.
	locker, err := evidence.Open(t.Context(), "file://"+w.LockerDir)
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close()
	collection, err := locker.Read(t.Context(), []evidence.Component{{Entry: "signed", Type: "image", Provenance: image}})
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for _, asset := range collection.Assets {
		for _, e := range asset.Evidences {
			if e.TypeID == "com.ibm.cloud.verify_signature" && e.Result() == evidence.ResultFailure {
				records++
			}
		}
	}
	if records != 1 {
		t.Errorf("%d records in the locker, want 1", records)
	}
	b, err := bundle.Fetch(t.Context(), cr.Spec.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := b.ReadFile(t.Context(), assess.FileVerified); err != nil || !strings.Contains(string(content), "verify_signature") {
		t.Errorf("%s: %s, %v", assess.FileVerified, content, err)
	}
}

// A success in the locker, dated a moment after the run's own finding and of the
// same tool, does not stand in for a signature.
func TestForgedEvidenceDoesNotReplaceWhatTheRunVerified(t *testing.T) {
	w := steptest.New(t)
	w.Policy.Spec.Authorities = []v1alpha1.Authority{{Name: "ci", Key: &v1alpha1.KeyAuthority{Data: publicKey(t)}}}
	w.Policy.Spec.Signatures = []v1alpha1.SignatureRule{{Entries: []string{"signed"}, Authorities: []string{"ci"}}}
	w.Policy.Spec.RequiredChecks = []v1alpha1.RequiredChecks{{AssetType: "image"}}
	if _, err := w.Countersign.CountersignV1alpha1().ChangePolicies().Update(t.Context(), w.Policy, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	image := unsigned(t, strings.TrimSuffix(w.Registry, "/changes")+"/shop/signed")
	_, digest, _ := strings.Cut(image, "@")
	w.Promote(map[string]string{"signed": fmt.Sprintf(`{"name":"signed","type":"image","version":"1","artifact":%q,"provenance":%q,"sha256":%q}`,
		image, image, digest)}, steptest.GoodBody)
	locker, err := evidence.Open(t.Context(), "file://"+w.LockerDir)
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close()
	check := evidence.Check{TypeID: signature.TypeVerifySignature, Tool: signature.Tool, Assets: []evidence.Asset{{URI: evidence.Text("docker://" + image)}}}
	if _, err := locker.Conclude(t.Context(), check, evidence.Outcome{Result: evidence.ResultSuccess}, w.Clients().Now().Add(4*time.Minute)); err != nil {
		t.Fatal(err)
	}
	run(t, w, w.Params("1"))
	blocking := changes(t, w)[0].Spec.Readiness.Blocking
	if !slices.ContainsFunc(blocking, func(c v1alpha1.CheckResult) bool {
		return c.Check == signature.TypeVerifySignature && c.Entry == "signed"
	}) {
		t.Errorf("an unsigned image with a forged success does not block: %+v\n%s", blocking, &w.Log)
	}
}

func TestATrustThatCannotBeUsedStopsTheRun(t *testing.T) {
	w := steptest.New(t)
	w.Policy.Spec.Signatures = []v1alpha1.SignatureRule{{Authorities: []string{"ci"}}}
	w.Policy.Spec.Authorities = []v1alpha1.Authority{{Name: "ci", Key: &v1alpha1.KeyAuthority{Data: "no key"}}}
	if _, err := w.Countersign.CountersignV1alpha1().ChangePolicies().Update(t.Context(), w.Policy, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := assess.Run(t.Context(), w.Params("1"), w.Clients()); step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), `authority "ci"`) {
		t.Errorf("error %v", err)
	}
	if n := len(changes(t, w)); n != 0 {
		t.Errorf("%d change requests, want none", n)
	}
}

// unsigned pushes an image and returns its reference by digest.
func unsigned(t *testing.T, repository string) string {
	t.Helper()
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(repository + ":1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tag.Name() + "@" + digest.String()
}

func publicKey(t *testing.T) string {
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
