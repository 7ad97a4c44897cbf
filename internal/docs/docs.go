// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package docs holds no code: its tests compare the documents with the program.
// A field, reason, flag or feature that a page should name and does not, an
// example that the API would refuse, or a link that leads nowhere, fails them.
package docs
