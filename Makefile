# Songkeep's list of commands. `make help` explains them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# Programs that only the checks need are kept here, outside the clone, so that they are built once.
export BUILD_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/songkeep-build
CARGO_DENY_VERSION := 0.20.2
HADOLINT_VERSION := 2.15.1
# 0 leaves out the web apps, which need Node and, once, the network.
export WEB ?= 1
export SONGKEEP_TEST_TOOLS_DIR ?= $(CURDIR)/target/test-tools

.PHONY: help run build web test e2e screenshots chaos test-deps lint deny gen bench bench-distributed fake-youtube image image-check

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build and start Songkeep on http://localhost:3000
	@scripts/check-python.sh
	@exec target/release/songkeep serve

build: web ## Build the songkeep binary (release) with its web apps
	$(CARGO) build --release --locked -p songkeep

web: ## Build the web apps where they changed (WEB=0 leaves them out, here and elsewhere)
	@scripts/web.sh build

test: test-deps web ## Run all tests
	@scripts/web.sh test
	$(CARGO) build --locked --workspace --all-targets
	target/debug/songkeep tools provision --dir "$(SONGKEEP_TEST_TOOLS_DIR)"
	@scripts/web.sh e2e
	scripts/run-tests.sh

e2e: test-deps web ## Run the stories in a real browser (part of `make test`)
	$(CARGO) build --locked -p songkeep -p songkeep-testkit
	target/debug/songkeep tools provision --dir "$(SONGKEEP_TEST_TOOLS_DIR)"
	@scripts/web.sh e2e

screenshots: test-deps web ## Take pictures of each main view, into target/screenshots
	$(CARGO) build --locked -p songkeep -p songkeep-testkit
	target/debug/songkeep tools provision --dir "$(SONGKEEP_TEST_TOOLS_DIR)"
	@scripts/web.sh screens

chaos: test-deps ## Kill, freeze and break parts of a fleet under load (part of `make test`)
	$(CARGO) build --locked -p songkeep --all-targets
	target/debug/songkeep tools provision --dir "$(SONGKEEP_TEST_TOOLS_DIR)"
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  $(CARGO) nextest run --locked -p songkeep --no-fail-fast -E 'test(/^chaos::/)'; \
	else $(CARGO) test --locked -p songkeep --test it -- chaos:: --test-threads=1; fi

test-deps: ## Install what the tests need from Debian's packages, or say what is missing
	@scripts/test-deps.sh

lint: deny ## Format, clippy, web apps, layers, generated files, dependencies, Dockerfile
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) run --locked -q -p xtask -- check-layers
	$(CARGO) run --locked -q -p xtask -- gen --check
	@scripts/web.sh lint
	@scripts/hadolint.sh "$(BUILD_TOOLS)" "$(HADOLINT_VERSION)"

deny: ## Check licences, bans and sources of dependencies
	@scripts/cargo-deny.sh "$(BUILD_TOOLS)" "$(CARGO_DENY_VERSION)"

gen: ## Write the files that are made from the code
	$(CARGO) run --locked -q -p xtask -- gen
	@scripts/web.sh gen

bench: ## Measure; prints tables beside nginx and others (see docs/performance.md)
	$(CARGO) build --release --locked -p songkeep -p songkeep-testkit
	$(CARGO) build --release --locked -p songkeep-auth --example hash_rate
	python3 bench/run.py

bench-distributed: test-deps ## Measure what it costs to run each role on its own over PostgreSQL, Redis and S3
	$(CARGO) build --release --locked -p songkeep -p songkeep-testkit
	target/release/with-test-servers -- python3 bench/distributed.py

fake-youtube: ## Start a stand-in for YouTube, for trying Songkeep without it
	$(CARGO) run --locked -p songkeep-testkit --bin fake-youtube -- --port 9090

image: ## Build the container image with docker, podman or buildah
	@scripts/image.sh

image-check: test-deps ## Build the image without any registry and try its services together (root, buildah)
	@scripts/image-check.sh
