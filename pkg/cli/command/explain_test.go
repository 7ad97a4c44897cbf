// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	ociname "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/clitest"
	"github.com/countersign-dev/countersign/pkg/evidence"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

// upload puts a document into a real registry.
func upload(t *testing.T, documentName string, content []byte) v1alpha1.Attachment {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	repository, err := ociname.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/changes")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteLayer(repository, static.NewLayer(content, types.MediaType("application/json"))); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	return v1alpha1.Attachment{
		Name: documentName, FileName: "summary.json", MediaType: "application/json",
		Size: int64(len(content)), Digest: digest, Reference: repository.Name() + "@" + digest,
	}
}

const (
	imageURI  = "docker://registry.example/team-a/hello@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitURI = "https://forge.example/team-a/hello.git#1111111111111111111111111111111111111111"
)

// judged is a verdict with all that a table can show.
func judged(ready bool) readiness.Verdict {
	v := readiness.Verdict{
		Ready: ready, EvaluatedAt: clitest.Opened, Passed: 1, Checks: []readiness.Check{
			{Entry: "hello", Asset: commitURI, AssetType: evidence.AssetCommit, Check: "com.ibm.static_scan", Tool: "semgrep", Rule: "required", Result: "success", Outcome: readiness.Pass, Reason: readiness.ReasonSuccess, Message: "the check succeeded"},
		},
	}
	if !ready {
		v.Blocked = 2
		v.Checks = append(v.Checks,
			readiness.Check{Entry: "hello", Asset: commitURI, AssetType: evidence.AssetCommit, Check: "com.ibm.unit_tests", Tool: "go-test", Rule: "required", Result: "failure", Outcome: readiness.Block, Reason: readiness.ReasonFailure, Message: "the check failed with 2 findings", Unblock: "fix what it found and run it again", Evidence: strings.Repeat("e", 64), Date: "2026-08-03T09:00:00Z"},
			readiness.Check{Entry: "hello", Asset: imageURI, AssetType: evidence.AssetImage, Check: "com.ibm.cloud.image_signing", Rule: "required", Result: "missing", Outcome: readiness.Block, Reason: readiness.ReasonMissing, Message: "no evidence of a check that every image must have", Unblock: "run the check on this image and collect its evidence"},
		)
	}
	return v
}

func document(t *testing.T, v readiness.Verdict) []byte {
	t.Helper()
	content, err := readiness.Summary{Readiness: v}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// with gives a change a Delta Summary.
func with(document v1alpha1.Attachment) func(*v1alpha1.ChangeRequest) {
	return func(change *v1alpha1.ChangeRequest) {
		change.Spec.Attachments = []v1alpha1.Attachment{document}
	}
}

func TestExplain(t *testing.T) {
	change := clitest.Change(with(upload(t, "Delta Summary", document(t, judged(false)))))
	for file, args := range map[string][]string{
		"explain.golden":          {"explain", id},
		"explain-blocking.golden": {"explain", id, "--blocking"},
		"explain-markdown.golden": {"explain", id, "-o", "markdown"},
		"explain-json.golden":     {"explain", id, "-o", "json", "--blocking"},
	} {
		t.Run(file, func(t *testing.T) {
			w := newWorld(change)
			w.expect(t, w.run(args...), ExitNotReady)
			clitest.Golden(t, file, w.out.Bytes())
			if w.err.Len() > 0 {
				t.Errorf("an error is told: %s", &w.err)
			}
		})
	}
}

func TestExplainReadyIsZero(t *testing.T) {
	w := newWorld(clitest.Change(with(upload(t, "Delta Summary", document(t, judged(true)))), func(change *v1alpha1.ChangeRequest) {
		change.Spec.Readiness = v1alpha1.ReadinessVerdict{Ready: true, Passed: 1}
		change.Status.Approval.Reasons = []string{"an outage of 10m0s is planned"}
	}))
	w.expect(t, w.run("explain", id), ExitOK)
	if first, _, _ := strings.Cut(w.out.String(), "\n"); first != "Ready, and yet not approved: an outage of 10m0s is planned" {
		t.Errorf("first line %q", first)
	}
}

func TestExplainWithoutTheRegistryShowsTheRecord(t *testing.T) {
	w := newWorld(clitest.Change(with(v1alpha1.Attachment{
		Name: "Delta Summary", Size: 1, Digest: "sha256:" + strings.Repeat("6", 64),
		Reference: "127.0.0.1:1/changes@sha256:" + strings.Repeat("6", 64),
	})))
	w.expect(t, w.run("explain", id), ExitNotReady)
	for _, want := range []string{"Blocked by com.ibm.unit_tests of hello (failure), and 2 more checks.", "could not be read", "com.ibm.cloud.image_signing"} {
		if !strings.Contains(w.out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &w.out)
		}
	}
}

func TestASummaryThatIsNotTheRecordsIsNotShown(t *testing.T) {
	for sentence, tc := range map[string]struct {
		content []byte
		code    int
		want    string
	}{
		"another verdict than the record's": {document(t, judged(true)), ExitError, "trust neither"},
		"a verdict that contradicts itself": {[]byte(`{"readiness":{"ready":true,"checks":[{"outcome":"block"}]}}`), ExitNotReady, "contradicts itself"},
		"an outcome that is none":           {[]byte(`{"readiness":{"ready":true,"checks":[{"outcome":"fine"}]}}`), ExitNotReady, "none of pass"},
		"no verdict":                        {[]byte(`{}`), ExitNotReady, "no verdict"},
		"no JSON":                           {[]byte(`<html>`), ExitNotReady, "reading the summary"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(clitest.Change(with(upload(t, "Delta Summary", tc.content))))
			w.expect(t, w.run("explain", id), tc.code)
			if said := w.out.String() + w.err.String(); !strings.Contains(said, tc.want) || strings.Contains(said, "DEPLOYMENT_READY=true\n") {
				t.Errorf("%q is missing in:\n%s", tc.want, said)
			}
		})
	}
}

func TestExplainAtClosure(t *testing.T) {
	w := newWorld(clitest.Change())
	w.expect(t, w.run("explain", id, "--closing"), ExitNotFound)
	attached := upload(t, "Closing Summary", document(t, judged(true)))
	w = newWorld(clitest.Change(clitest.Closed, func(change *v1alpha1.ChangeRequest) {
		change.Status.Attachments = append(change.Status.Attachments, attached)
	}))
	w.expect(t, w.run("explain", id, "--closing"), ExitOK)
	if !strings.HasPrefix(w.out.String(), "Ready: nothing blocks, 1 check passes.\n") {
		t.Errorf("out: %s", &w.out)
	}
}

// folders makes an inventory and a locker in the working folder.
func folders(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, dir := range []string{"inventory", "locker/raw"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	entry, err := json.Marshal(map[string]string{
		"type": "image", "provenance": strings.TrimPrefix(imageURI, "docker://"),
		"repository_url": "https://forge.example/team-a/hello", "commit_sha": strings.Repeat("1", 40),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("inventory/hello", entry, 0o644); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	l, err := evidence.Open(t.Context(), "file://"+dir+"/locker")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, check := range []struct{ typeID, asset string }{
		{evidence.TypeUnitTests, commitURI}, {evidence.TypeStaticScan, commitURI}, {evidence.TypeDetectSecrets, commitURI},
		{evidence.TypeCodeBOM, commitURI}, {evidence.TypeImageSigning, imageURI},
	} {
		made := evidence.Check{TypeID: check.typeID, Tool: "scanner", Origin: evidence.Origin{PipelineRunID: "run-1"}, Assets: []evidence.Asset{{URI: evidence.Text(check.asset)}}}
		if _, err := l.Conclude(t.Context(), made, evidence.Outcome{Result: evidence.ResultSuccess}, clitest.Opened); err != nil {
			t.Fatal(err)
		}
	}
	pending := evidence.Check{TypeID: evidence.TypeImageVulnerabilityScan, Tool: "trivy", Assets: []evidence.Asset{{URI: evidence.Text(imageURI)}}}
	if _, err := l.Begin(t.Context(), pending, clitest.Opened.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
}

func TestExplainAFolder(t *testing.T) {
	golden, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	folders(t)
	if err := os.WriteFile("policy.yaml", []byte("apiVersion: countersign.dev/v1alpha1\nkind: ChangePolicy\nmetadata: {name: prod}\nspec: {namespaceSelector: {}, peerReview: {}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	code := w.run("explain", "--inventory", "inventory", "--locker", "locker", "--target", "prod", "--region", "eu-de", "--policy", "policy.yaml")
	w.expect(t, code, ExitNotReady)
	t.Chdir(golden)
	clitest.Golden(t, "explain-offline.golden", w.out.Bytes())
}

func TestExplainFlagsGoTogether(t *testing.T) {
	for sentence, tc := range map[string]struct {
		args []string
		want string
	}{
		"nothing":                  {[]string{"explain"}, "the id of one change request"},
		"a locker alone":           {[]string{"explain", "--locker", "x"}, "--locker goes with --inventory"},
		"an id and a region":       {[]string{"explain", id, "--region", "x"}, "--region goes with --inventory"},
		"an inventory alone":       {[]string{"explain", "--inventory", "x"}, "wants --locker and --target"},
		"no target":                {[]string{"explain", "--inventory", "x", "--locker", "y"}, "wants --target"},
		"an inventory and an id":   {[]string{"explain", id, "--inventory", "x", "--locker", "y", "--target", "z"}, "is not known to"},
		"two checks files":         {[]string{"explain", "--inventory", "x", "--locker", "y", "--target", "z", "--checks", "a", "--config", "b"}, "choose one of"},
		"another form of output":   {[]string{"explain", id, "-o", "yaml"}, "choose one of table, markdown, json"},
		"a target that is no name": {[]string{"explain", "--inventory", "x", "--locker", "y", "--target", "a/b"}, "--target"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(clitest.Change())
			w.expect(t, w.run(tc.args...), ExitUsage)
			if !strings.Contains(w.err.String(), tc.want) {
				t.Errorf("err: %s", &w.err)
			}
		})
	}
}

func TestExplainOnANarrowTerminal(t *testing.T) {
	w := newWorld(clitest.Change(with(upload(t, "Delta Summary", document(t, judged(false))))))
	w.columns = 80
	w.expect(t, w.run("explain", id), ExitNotReady)
	clitest.Golden(t, "explain-narrow.golden", w.out.Bytes())
	for line := range strings.Lines(w.out.String()) {
		if plaintext.Columns(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("wider than the terminal: %q", line)
		}
	}
}
