# `make demo` shows the main job end to end, `make test` passes the tests; both set up everything that they need.
# Prerequisites: Rust, Go and a C compiler.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export GOTOOLCHAIN := local

CARGO := cargo
TESTBED := target/debug/release-testbed

.PHONY: help
help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: programs ## Tell the main job end to end, in a control plane of its own
	@$(TESTBED) demo

.PHONY: up
up: programs ## Leave a control plane running with everything installed, and print what to export
	@$(TESTBED) up

.PHONY: down
down: ## End what `make up` started
	@test ! -x $(TESTBED) || $(TESTBED) down

.PHONY: test
test: lint pure unit cluster ## Run every check: format, lints, unit tests, and the tests against a real control plane

.PHONY: lint
lint: ## Check format and lints, warnings being errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@! command -v cargo-deny >/dev/null || cargo deny --workspace check

.PHONY: fmt
fmt: ## Format the sources
	$(CARGO) fmt --all

# What release-shared must never depend on: with one of these it could do I/O.
IMPURE := tokio|hyper|tower|rustls|reqwest|kube-client|kube-runtime

.PHONY: pure
pure: ## Check that release-shared can do no I/O
	@$(CARGO) tree --locked -p release-shared -e normal --prefix none | awk '{ print $$1 }' | sort -u > target/release-shared.deps
	@! grep -Ex '$(IMPURE)' target/release-shared.deps || { echo 'release-shared depends on the crates above: it must stay pure' >&2; exit 1; }

.PHONY: unit
unit: ## Run the tests that need no cluster
	$(CARGO) test --locked --workspace --lib --bins --quiet

.PHONY: cluster
cluster: programs ## Run the tests against a real control plane
	$(CARGO) test --locked -p release-tests --test cluster

.PHONY: images
images: ## Build the container images of webhook and controller, and their bills of materials, into target/images
	deploy/images/build

.PHONY: images-test
images-test: programs ## Check what `make images` built, and do the main job with what is in it (as root)
	RELEASE_BIN_DIR=$(CURDIR)/target/images/programs $(CARGO) test --locked -p release-tests --test images

# How long each of them runs, in seconds.
FUZZ_SECONDS ?= 60

.PHONY: soak
soak: ## Keep the webhook under load for an hour while everything around it goes wrong (RELEASE_SOAK=0.02 for a part, ONLY=replacement)
	$(CARGO) build --locked --release -p kubectl-release -p release-webhook -p release-controller
	$(CARGO) build --locked -p release-tests --bins
	RELEASE_BIN_DIR=$(CURDIR)/target/release $(CARGO) test --locked -p release-tests --test soak -- --nocapture $(ONLY)

.PHONY: fuzz-smoke
fuzz-smoke: ## Fuzz every entrance, a minute each (FUZZ_SECONDS=60, FUZZ_TARGETS="review history")
	tests/fuzz/smoke $(FUZZ_SECONDS) $(FUZZ_TARGETS)

.PHONY: bench
bench: ## Measure, side by side with kubectl in the same run
	$(CARGO) build --locked --release -p kubectl-release -p release-webhook -p release-controller
	$(CARGO) build --locked -p release-tests --bins
	RELEASE_BIN_DIR=$(CURDIR)/target/release target/debug/release-bench

.PHONY: bench-review
bench-review: ## Measure a review in CPU time, beside kube's typed parse of the same bytes
	$(CARGO) bench --locked -p release-webhook --bench review -- --noplot

.PHONY: bench-webhook
bench-webhook: ## Measure the webhook under load, beside one on controller-runtime and one that only allows (QUICK=1, ONLY=create)
	$(CARGO) build --locked --release -p release-webhook
	$(CARGO) build --locked --release -p release-load
	$(CARGO) build --locked -p release-tests --bins
	RELEASE_BIN_DIR=$(CURDIR)/target/release target/debug/release-bench webhook $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)") $(if $(JSON),--json $(JSON))

.PHONY: generate
generate: ## Write the generated files anew: deploy/crds
	$(CARGO) run --locked --quiet -p release-shared --example crds -- deploy/crds

.PHONY: programs
programs:
	@$(CARGO) build --locked --workspace --bins
