// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package drivers links the storage drivers that evidence.Open can use: S3
// compatible buckets (s3://), Google Cloud Storage (gs://), Azure Blob Storage
// (azblob://) and folders (file://). Import it for its side effects.
//
// It also tells package evidence how each object storage replaces an object only
// if nobody else has changed it, so that no writer of a locker undoes another's
// work, and bounds how often the driver of Google Cloud Storage tries again.
package drivers

import (
	"errors"
	"net/http"
	"strconv"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azblobblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/fileblob"  // file://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
	"google.golang.org/api/googleapi"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

func init() {
	evidence.RegisterStorage(s3Storage)
	evidence.RegisterStorage(gcsStorage)
	evidence.RegisterStorage(azureStorage)
}

var s3Storage = evidence.Storage{
	Version: func(r *blob.Reader) string {
		var out s3.GetObjectOutput
		if !r.As(&out) || out.ETag == nil {
			return ""
		}
		return *out.ETag
	},
	ReplaceOnly: func(version string, as func(any) bool) bool {
		var in *s3.PutObjectInput
		if !as(&in) {
			return false
		}
		in.IfMatch = &version
		return true
	},
	// The AWS library's errors tell their status themselves.
}

// gcsAttempts is how often a request is tried: by default the library tries for
// as long as it may.
const gcsAttempts = 5

var gcsStorage = evidence.Storage{
	Prepare: func(b *blob.Bucket) {
		var client *storage.Client
		if b.As(&client) {
			client.SetRetry(storage.WithMaxAttempts(gcsAttempts))
		}
	},
	Version: func(r *blob.Reader) string {
		var reader *storage.Reader
		if !r.As(&reader) || reader.Attrs.Generation == 0 {
			return ""
		}
		return strconv.FormatInt(reader.Attrs.Generation, 10)
	},
	ReplaceOnly: func(version string, as func(any) bool) bool {
		var object **storage.ObjectHandle
		generation, err := strconv.ParseInt(version, 10, 64)
		if err != nil || !as(&object) {
			return false
		}
		*object = (*object).If(storage.Conditions{GenerationMatch: generation})
		return true
	},
	Status: func(err error) int {
		var answer *googleapi.Error
		if errors.As(err, &answer) {
			return answer.Code
		}
		if errors.Is(err, storage.ErrBucketNotExist) || errors.Is(err, storage.ErrObjectNotExist) {
			return http.StatusNotFound
		}
		return 0
	},
}

var azureStorage = evidence.Storage{
	Version: func(r *blob.Reader) string {
		var out azblobblob.DownloadStreamResponse
		if !r.As(&out) || out.ETag == nil {
			return ""
		}
		return string(*out.ETag)
	},
	ReplaceOnly: func(version string, as func(any) bool) bool {
		var options *azblob.UploadStreamOptions
		if !as(&options) {
			return false
		}
		tag := azcore.ETag(version)
		options.AccessConditions = &azblob.AccessConditions{
			ModifiedAccessConditions: &azblobblob.ModifiedAccessConditions{IfMatch: &tag},
		}
		return true
	},
	Status: func(err error) int {
		var answer *azcore.ResponseError
		if errors.As(err, &answer) {
			return answer.StatusCode
		}
		return 0
	},
}
