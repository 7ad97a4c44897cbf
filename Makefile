# Copyright The Countersign Authors
# SPDX-License-Identifier: Apache-2.0

##@ Countersign: change management for Tekton

# One set of build flags for every go command, so that all of them share one
# build cache: tests, images and the cluster's own binaries.
export GOFLAGS     := -trimpath
export CGO_ENABLED := 0

# Where Kubernetes is: "local" brings a whole cluster up on this machine,
# "external" uses the current kubeconfig and KO_DOCKER_REPO.
CLUSTER ?= local
export CLUSTER

# Where built programs are kept between runs, outside the checkout.
COUNTERSIGN_CACHE ?= $(if $(filter 0,$(shell id -u)),/var/cache,$(or $(XDG_CACHE_HOME),$(HOME)/.cache))/countersign
export COUNTERSIGN_CACHE

# Which story make demo tells; `make demo SCENARIO=help` lists them.
SCENARIO ?= ready

# Narrows make e2e and make unit to some tests: RUN=TestReady.
RUN ?= .

GOLANGCI_LINT_VERSION := v2.15.0
COSIGN_VERSION := v2.6.5

CLUSTER_TOOL := go -C test/cluster run .

# Evaluates the cluster's environment in front of a command.
ifeq ($(CLUSTER),local)
WITH_CLUSTER := eval "$$($(CLUSTER_TOOL) env)" &&
else
WITH_CLUSTER :=
endif

# The addresses that integration tests take from their environment. On a cluster
# of your own these are the variables that make demo asks for.
ifeq ($(CLUSTER),local)
TEST_SERVERS = \
	COUNTERSIGN_TEST_REGISTRY="$$COUNTERSIGN_REGISTRY" \
	COUNTERSIGN_TEST_GITEA_URL="$$GITEA_URL" \
	COUNTERSIGN_TEST_GITEA_TOKEN="$$(cat "$$GITEA_ADMIN_TOKEN_FILE")" \
	COUNTERSIGN_TEST_S3_ENDPOINT="$$S3_ENDPOINT" \
	COUNTERSIGN_TEST_S3_ACCESS_KEY="$$(cat "$$S3_ACCESS_KEY_FILE")" \
	COUNTERSIGN_TEST_S3_SECRET_KEY="$$(cat "$$S3_SECRET_KEY_FILE")"
else
TEST_SERVERS = \
	COUNTERSIGN_TEST_REGISTRY="$$KO_DOCKER_REPO" \
	COUNTERSIGN_TEST_GITEA_URL="$$GITEA_URL" \
	COUNTERSIGN_TEST_GITEA_TOKEN="$$GITEA_TOKEN" \
	COUNTERSIGN_TEST_S3_ENDPOINT="$$S3_ENDPOINT" \
	COUNTERSIGN_TEST_S3_ACCESS_KEY="$$S3_ACCESS_KEY" \
	COUNTERSIGN_TEST_S3_SECRET_KEY="$$S3_SECRET_KEY"
endif

.DEFAULT_GOAL := help

##@ Try it

.PHONY: demo
ifneq ($(filter help list,$(SCENARIO)),)
demo:
	@go run ./test/demo --scenario=help
else
demo: check cluster-up ## deploy an application under a change request, and watch [SCENARIO=ready]
	@$(WITH_CLUSTER) go run ./test/demo --scenario=$(SCENARIO)
endif

.PHONY: down
down: ## remove what make demo and make test made, but for the cache and Debian packages
ifeq ($(CLUSTER),local)
	@$(CLUSTER_TOOL) down
else
	@go run ./test/demo --remove
endif
	@rm -rf bin

##@ Test

.PHONY: test
test: check ## unit, integration and end-to-end tests on a real cluster
	@$(MAKE) --no-print-directory -j2 cluster-up unit
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory e2e

.PHONY: test-full
test-full: test ## make test, and what is too slow for it
ifeq ($(CLUSTER),local)
	go -C test/cluster test -tags cluster -count=1 ./...
endif
	@$(MAKE) --no-print-directory verify lint
	@$(MAKE) --no-print-directory fuzz

.PHONY: unit
unit: ## tests that need neither root nor a cluster [RUN=regexp]
	go test -run '$(RUN)' ./cmd/... ./internal/... ./pkg/... ./test/... ./examples/...
	go -C test/cluster test -run '$(RUN)' ./...

.PHONY: integration
integration: cluster-up ## tests against the real forge, registry and object storage
	$(WITH_CLUSTER) $(TEST_SERVERS) go test -tags integration -run Integration ./cmd/... ./internal/... ./pkg/... ./test/fixture/...

.PHONY: e2e
e2e: cluster-up ## whole runs on the cluster [RUN=regexp]
	$(WITH_CLUSTER) go test -tags e2e -count=1 -timeout 40m -v -run '$(RUN)' ./test/e2e/...

FUZZTIME ?= 60s
.PHONY: fuzz
fuzz: ## let the fuzzers look for crashes [FUZZTIME=60s]
	@hack/fuzz.sh $(FUZZTIME)

.PHONY: bench-run
bench-run: cluster-up ## time a run against empty pods, and the gate [writes JSON to bin/]
	@mkdir -p bin
	@$(WITH_CLUSTER) go run ./test/bench --output=bin/bench.json

.PHONY: bench
bench: ## Go benchmarks of the packages
	go test -run '^$$' -bench . -benchmem ./pkg/... ./internal/...

bin/cosign:
	GOBIN=$(CURDIR)/bin go install github.com/sigstore/cosign/v2/cmd/cosign@$(COSIGN_VERSION)

.PHONY: bench-signatures
bench-signatures: bin/cosign ## signatures of 100 images, beside cosign [writes JSON to bin/]
	go run ./test/bench/signatures --cosign=bin/cosign --output=bin/bench-signatures.json

.PHONY: bench-sbom
bench-sbom: ## merging bills of materials, beside sbomasm [writes JSON to bin/]
	@mkdir -p bin
	go run ./test/bench/sbom --output=bin/bench-sbom.json

##@ Work on it

.PHONY: build
build: ## the tkn plugin, as bin/tkn-change
	@mkdir -p bin
	go build -o bin/ ./cmd/tkn-change

.PHONY: generate
generate: ## rewrite the generated code and CRDs
	hack/update

.PHONY: verify
verify: ## fail if generated code or CRDs are stale
	hack/verify

.PHONY: lint
lint: ## golangci-lint, built on first use
	@hack/lint.sh $(GOLANGCI_LINT_VERSION)

.PHONY: fmt
fmt: ## gofmt
	gofmt -l -w cmd internal pkg test examples

##@ The cluster

.PHONY: check
check: ## say what this machine, or a cluster of your own, lacks
	@$(CLUSTER_TOOL) check

.PHONY: cluster-up
cluster-up: ## bring the local cluster up, or mend it
ifeq ($(CLUSTER),local)
	@$(CLUSTER_TOOL) up
endif

.PHONY: cluster-env
cluster-env: ## print the cluster's environment: eval "$(make -s cluster-env)"
	@$(CLUSTER_TOOL) env
	@echo 'export PATH="$(CURDIR)/bin:$$PATH"'

.PHONY: cluster-status
cluster-status: ## show each part of the cluster
	@$(CLUSTER_TOOL) status

.PHONY: help
help: ## this text
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
