// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package drivers links the storage drivers that evidence.Open can use: S3
// compatible buckets (s3://) and folders (file://). Import it for its side
// effects.
package drivers

import (
	_ "gocloud.dev/blob/fileblob" // file://
	_ "gocloud.dev/blob/s3blob"   // s3://
)
