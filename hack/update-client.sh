#!/usr/bin/env bash
# Copyright The Countersign Authors
# SPDX-License-Identifier: Apache-2.0

# Generates deep copies, the typed client, listers, informers and the knative
# injection around them, from the types in pkg/apis. The generators are tools of
# go.mod, so that their versions are those of the libraries.

set -o errexit -o nounset -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0 GOFLAGS="${GOFLAGS:--trimpath}"

module=$(go list -m)
group=countersign
version=v1alpha1
apis=${module}/pkg/apis
client=${module}/pkg/client
input=${apis}/${group}/${version}
header=hack/boilerplate.go.txt

rm -rf pkg/client
find pkg/apis -name zz_generated.deepcopy.go -delete

echo "deepcopy, client, listers, informers, injection: ${input}"

go tool deepcopy-gen \
  --go-header-file "${header}" \
  --output-file zz_generated.deepcopy.go \
  "${input}"

go tool client-gen \
  --go-header-file "${header}" \
  --output-dir pkg/client/clientset \
  --output-pkg "${client}/clientset" \
  --clientset-name versioned \
  --input-base "${apis}" \
  --input "${group}/${version}"

go tool lister-gen \
  --go-header-file "${header}" \
  --output-dir pkg/client/listers \
  --output-pkg "${client}/listers" \
  "${input}"

go tool informer-gen \
  --go-header-file "${header}" \
  --output-dir pkg/client/informers \
  --output-pkg "${client}/informers" \
  --versioned-clientset-package "${client}/clientset/versioned" \
  --listers-package "${client}/listers" \
  "${input}"

go tool injection-gen \
  --go-header-file "${header}" \
  --input-dirs "${input}" \
  --versioned-clientset-package "${client}/clientset/versioned" \
  --external-versions-informers-package "${client}/informers/externalversions" \
  --listers-package "${client}/listers" \
  --output-package "${client}/injection" \
  --output-dir pkg/client/injection
