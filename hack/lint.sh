#!/usr/bin/env bash
# Copyright The Countersign Authors
# SPDX-License-Identifier: Apache-2.0

# Runs golangci-lint at the version given, built from its Go module into the
# cache on first use.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1
bin=${COUNTERSIGN_CACHE:?run make lint}/golangci-lint-$version
if [[ ! -x $bin/golangci-lint ]]; then
  echo "building golangci-lint $version, once" >&2
  GOBIN=$bin go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
fi
"$bin/golangci-lint" run ./...
(cd test/cluster && "$bin/golangci-lint" run --config ../../.golangci.yml ./...)
