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
	"sync"
	"testing"
	"time"

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

// Steps of one run record their checks at once, signed; none undoes another's
// work, and only what somebody trusted signed counts.
func TestIntegrationS3Record(t *testing.T) {
	_, lockerURL := s3Bucket(t)
	open := func(options ...evidence.Option) *evidence.Locker {
		t.Helper()
		l, err := evidence.Open(t.Context(), lockerURL, options...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	const steps = 8
	var group sync.WaitGroup
	for i := range steps {
		signer := "ci"
		if i == 0 {
			signer = "eve"
		}
		l := open(seal(signer), trustCI)
		check := evidence.Check{
			TypeID: fmt.Sprint("com.acme.check-", i), Tool: "tool", Origin: evidence.Origin{PipelineRunID: "run-7"},
			Assets:  []evidence.Asset{{URI: evidence.Text(imageURI)}},
			Related: []evidence.Asset{{URI: evidence.Text(commitURI)}, {URI: evidence.Text(fmt.Sprint("https://files.example/", i))}},
		}
		outcome := evidence.Outcome{
			Result:      evidence.ResultSuccess,
			Attachments: []evidence.Attachment{{Label: "log", Content: []byte("the same for all")}},
		}
		group.Go(func() {
			if _, err := l.Begin(t.Context(), check, now.Add(-time.Minute)); err != nil {
				t.Error(err)
			}
			for range 2 {
				if _, err := l.Conclude(t.Context(), check, outcome, now); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	l := open(trustCI)
	c, err := l.Read(t.Context(), []evidence.Component{shop})
	if err != nil {
		t.Fatal(err)
	}
	image := c.Assets[imageDigest]
	if len(image.Evidences) != 2*steps || len(image.Problems) != 0 {
		t.Errorf("got %d evidences and %v", len(image.Evidences), image.Problems)
	}
	if image.Record == nil || len(image.Record.Related) != steps+1 {
		t.Errorf("got %+v, want %d links", image.Record, steps+1)
	}
	current, problems := evidence.Newest(image.Evidences, now)
	good := 0
	for _, e := range current {
		if e.Result() == evidence.ResultSuccess && e.Signature.Signer == "ci" {
			good++
		}
	}
	if good != steps-1 || len(problems) != 1 || problems[0].Reason != evidence.ReasonUnsigned {
		t.Errorf("%d checks are good, with problems %v; want %d, and the stranger's as one", good, problems, steps-1)
	}
	list := c.Attachments("com.acme.check-1", now)
	if problems, err := l.CheckAttachments(t.Context(), list); err != nil || len(list) != 1 || len(problems) != 0 {
		t.Errorf("attachments %v: %v, %v", list, problems, err)
	}
	list[0].Hash = evidence.Text(strings.Repeat("0", 64))
	if problems, err := l.CheckAttachments(t.Context(), list); err != nil || len(problems) != 1 || problems[0].Reason != evidence.ReasonAttachmentMissing {
		t.Errorf("a missing attachment: %v, %v", problems, err)
	}
}

func TestIntegrationS3LinksAreNotLost(t *testing.T) {
	_, lockerURL := s3Bucket(t)
	addLinksConcurrently(t, func() *evidence.Locker {
		l, err := evidence.Open(t.Context(), lockerURL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}, func(l *evidence.Locker, link string) error {
		return evidence.AddLink(t.Context(), l, imageURI, link)
	})
}
