// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cluster

// These tests use the cluster that `up` has brought up; they leave nothing in
// it. Run them with: go test -tags cluster -count 1 .
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func runningCluster(t *testing.T) *cluster {
	t.Helper()
	l, err := newLayout()
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{layout: l, progress: newProgress(os.Stderr)}
}

// unique names what a test makes, so that runs side by side do not meet.
func unique(prefix string) string {
	return prefix + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}

func TestClusterIsHealthy(t *testing.T) {
	for _, part := range runningCluster(t).status(t.Context()) {
		if part.State != stateHealthy {
			t.Errorf("%s is %s: %s", part.Name, part.State, part.Problem)
		}
	}
}

func TestPipelineRunInRestrictedNamespace(t *testing.T) {
	c := runningCluster(t)
	namespace := unique("three")
	content, err := os.ReadFile("testdata/three-taskruns.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(t.TempDir(), "manifest.yaml")
	content = bytes.ReplaceAll(content, []byte("NAMESPACE"), []byte(namespace))
	if err := os.WriteFile(manifest, content, 0o644); err != nil {
		t.Fatal(err)
	}
	kubectl := func(ctx context.Context, args ...string) string {
		t.Helper()
		out, err := c.kubectl(ctx, append([]string{"--namespace=" + namespace}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	t.Cleanup(func() {
		kubectl(context.Background(), "delete", "namespace", namespace, "--wait=false")
	})
	// The service account comes a moment after the namespace, and Tekton waits
	// for it.
	kubectl(t.Context(), "apply", "-f", manifest)
	kubectl(t.Context(), "wait", "--for=condition=Succeeded", "--timeout=180s", "pipelinerun/three")
	got := kubectl(t.Context(), "get", "pipelinerun/three", "-o", "jsonpath={.status.results[0].value}")
	if diff := cmp.Diff("hello hello world", got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestRegistryPushPullDelete(t *testing.T) {
	runningCluster(t)
	built, err := staticBase([]byte(unique("roots"))).build()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := built.Digest()
	if err != nil {
		t.Fatal(err)
	}
	repository, err := name.NewRepository(registryAddress + "/test/" + unique("push"))
	if err != nil {
		t.Fatal(err)
	}
	reference := repository.Digest(digest.String())
	if err := remote.Write(reference, built); err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(reference)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pulled.Digest(); err != nil || got != digest {
		t.Errorf("pulled %v, %v, want %v", got, err, digest)
	}
	if err := remote.Delete(reference); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(reference); err == nil {
		t.Error("the image is there after it was deleted")
	}
}

func TestGiteaMakesRepositories(t *testing.T) {
	c := runningCluster(t)
	token, err := os.ReadFile(c.secret("gitea-token"))
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string, want int) {
		t.Helper()
		request, err := http.NewRequestWithContext(context.Background(), method, "http://"+giteaAddress+"/api/v1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "token "+strings.TrimSpace(string(token)))
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != want {
			answer, _ := io.ReadAll(response.Body)
			t.Fatalf("%s %s: %s, want %d: %s", method, path, response.Status, want, answer)
		}
	}
	repository := unique("repository")
	call(http.MethodPost, "/user/repos", `{"name":"`+repository+`","auto_init":true}`, http.StatusCreated)
	call(http.MethodGet, "/repos/"+giteaAdmin+"/"+repository+"/branches/main", "", http.StatusOK)
	call(http.MethodDelete, "/repos/"+giteaAdmin+"/"+repository, "", http.StatusNoContent)
}

func TestS3PutGetDelete(t *testing.T) {
	c := runningCluster(t)
	bucket := "/" + unique("bucket")
	c.s3Call(t, http.MethodPut, bucket, "", http.StatusOK)
	c.s3Call(t, http.MethodPut, bucket+"/key", "value", http.StatusOK)
	if got := c.s3Call(t, http.MethodGet, bucket+"/key", "", http.StatusOK); got != "value" {
		t.Errorf("got %q, want %q", got, "value")
	}
	c.s3Call(t, http.MethodDelete, bucket+"/key", "", http.StatusNoContent)
	c.s3Call(t, http.MethodDelete, bucket, "", http.StatusNoContent)
}

// s3Call makes a request signed with AWS Signature Version 4.
func (c *cluster) s3Call(t *testing.T, method, path, body string, want int) string {
	t.Helper()
	access, err := c.secretValue("s3-access-key", 0)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := c.secretValue("s3-secret-key", 0)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s3Address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	scope := day + "/" + s3Region + "/s3/aws4_request"
	const signed = "host;x-amz-content-sha256;x-amz-date"
	canonical := fmt.Sprintf("%s\n%s\n\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s",
		method, path, s3Address, digest(body), stamp, signed, digest(body))
	key := []byte("AWS4" + secret)
	for _, part := range []string{day, s3Region, "s3", "aws4_request"} {
		key = sign256(key, part)
	}
	signature := sign256(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+digest(canonical))
	request.Header.Set("X-Amz-Content-Sha256", digest(body))
	request.Header.Set("X-Amz-Date", stamp)
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		access, scope, signed, hex.EncodeToString(signature)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != want {
		t.Fatalf("%s %s: %s, want %d: %s", method, path, response.Status, want, answer)
	}
	return string(answer)
}

func sign256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
