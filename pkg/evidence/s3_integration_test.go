// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build integration

package evidence_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// s3Bucket makes a bucket on the S3 server under test and returns the URL of a
// locker in it.
func s3Bucket(t *testing.T) (name, lockerURL string) {
	t.Helper()
	env := map[string]string{}
	for _, key := range []string{"ENDPOINT", "ACCESS_KEY", "SECRET_KEY"} {
		if env[key] = os.Getenv("COUNTERSIGN_TEST_S3_" + key); env[key] == "" {
			t.Fatalf("COUNTERSIGN_TEST_S3_%s is not set: this test needs an S3 server", key)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", env["ACCESS_KEY"])
	t.Setenv("AWS_SECRET_ACCESS_KEY", env["SECRET_KEY"])
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")

	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(env["ENDPOINT"]), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(env["ACCESS_KEY"], env["SECRET_KEY"], ""),
	})
	random := make([]byte, 6)
	_, _ = rand.Read(random)
	name = "evidence-test-" + hex.EncodeToString(random)
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("creating bucket %s: %v", name, err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		objects := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &name})
		for objects.HasMorePages() {
			page, err := objects.NextPage(ctx)
			if err != nil {
				t.Errorf("emptying bucket %s: %v", name, err)
				return
			}
			for _, object := range page.Contents {
				_, _ = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &name, Key: object.Key})
			}
		}
		if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name}); err != nil {
			t.Errorf("deleting bucket %s: %v", name, err)
		}
	})
	query := url.Values{"endpoint": {env["ENDPOINT"]}, "region": {"us-east-1"}, "use_path_style": {"true"}}
	return name, "s3://" + name + "?" + query.Encode()
}

func TestIntegrationS3Locker(t *testing.T) {
	_, lockerURL := s3Bucket(t)
	l, err := evidence.Open(t.Context(), lockerURL+"&prefix=team-a")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fill(t, l)
	ref, err := l.WriteAttachment(t.Context(), "log", []byte("log"))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := l.ReadAttachment(t.Context(), ref); err != nil || string(data) != "log" {
		t.Errorf("attachment: got %q, %v", data, err)
	}

	// More markers than one page of a listing, and a folder object, which some
	// consoles create.
	bucket, err := blob.OpenBucket(t.Context(), lockerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	put(t, bucket, "team-a/"+markerKey(imageDigest, ""), "")
	for i := range 1005 {
		put(t, bucket, "team-a/"+markerKey(imageDigest, fmt.Sprintf("%064x", i)), "")
	}
	// An object beyond the limit, refused by its size.
	big := strings.Repeat("f", 64)
	put(t, bucket, "team-a/"+markerKey(commitID, big), "")
	put(t, bucket, "team-a/"+evidenceKey(big), strings.Repeat(" ", 5<<20))

	c, err := l.Read(t.Context(), []evidence.Component{shop})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.Assets[imageDigest].Problems); got != 1005 {
		t.Errorf("got %d problems, want 1005 markers without evidence", got)
	}
	got := found(c)
	want := []string{
		"shop entry image: cloud.image_signing=success" + strings.Repeat(" EvidenceMissing", 1005),
		"shop entry commit: unit_tests=success TooLarge",
		"shop related pipelinerun: pipeline_logs=success",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIntegrationS3LockerErrors(t *testing.T) {
	name, lockerURL := s3Bucket(t)
	missing := strings.Replace(lockerURL, name, "no-such-bucket-"+name, 1)
	if _, err := evidence.Open(t.Context(), missing); err == nil || !strings.Contains(err.Error(), "does the bucket exist?") {
		t.Errorf("a missing bucket: got %v", err)
	}
	noRegion := strings.Replace(lockerURL, "region=us-east-1&", "", 1)
	if _, err := evidence.Open(t.Context(), noRegion); err == nil || !strings.Contains(err.Error(), "set region=") {
		t.Errorf("no region: got %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	if _, err := evidence.Open(t.Context(), lockerURL); err == nil || !strings.Contains(err.Error(), "check the credentials") {
		t.Errorf("wrong credentials: got %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	if _, err := evidence.Open(t.Context(), lockerURL); err == nil || !strings.Contains(err.Error(), "check the credentials") {
		t.Errorf("no credentials: got %v", err)
	}
}
