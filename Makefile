# The commands of this project. `make` lists them.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# How many test processes run at once, each with servers of its own.
JOBS ?= 2

NODE_IMAGE ?= flame-node-agent:latest
BASE_IMAGE ?=
PIP_INDEX_URL ?=
TRUST_TARGETS := up-local-trust down-local-trust restart-local-trust logs-local-trust status-local-trust \
    doctor-local-trust upgrade-local-trust backup-local-trust restore-local-trust check-local-trust

.DEFAULT_GOAL := help
.PHONY: help install demo dev test lint bench bench-quick lock clean image sbom test-deploy $(TRUST_TARGETS)

help: ## List the commands
	@{ grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST); grep -hE '^[a-z]+-local-trust:.*## ' trust/Makefile | grep -v '^config-'; } \
	    | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Install everything into .venv

$(INSTALLED): requirements-dev.lock pyproject.toml scripts/find-python
	@echo "Installing into $(VENV) …"
	@python="$$(scripts/find-python)" && "$$python" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(INSTALLED)

demo: install ## Watch results and cohort numbers travel to a hub on this machine, through a crash and an outage
	@$(BIN)/flame-node demo

dev: install ## Run the node with everything it needs and synthetic patients on this machine, until Ctrl-C
	@$(BIN)/flame-node dev --state-dir .dev/state --ready-file .dev/ready.json

test: install lint ## Check the code and run all tests (PostgreSQL, S3 and the hub are embedded)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m 'live or not live'

lint: install ## Check style, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

image: ## Build the image of all services, NODE_IMAGE
	docker build --tag $(NODE_IMAGE) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
	    $(if $(PIP_INDEX_URL),--build-arg PIP_INDEX_URL=$(PIP_INDEX_URL)) \
	    --build-arg VERSION="$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
	    --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
	    --build-arg CREATED="$$(git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null || echo 1970-01-01T00:00:00Z)" \
	    --build-arg SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct 2>/dev/null || echo 0)" .

sbom: ## Write sbom.cdx.json: every Python package of the image NODE_IMAGE
	@docker run --rm -i --network none --read-only --cap-drop ALL --no-healthcheck $(NODE_IMAGE) \
	    python - <scripts/sbom.py >sbom.cdx.json.partial && mv sbom.cdx.json.partial sbom.cdx.json
	@echo "sbom.cdx.json has been written."

# Commands for a trust on premises, which are trust/Makefile's own: `make -C trust` lists them.
$(TRUST_TARGETS):
	@$(MAKE) --no-print-directory -C trust $@

test-deploy: install ## Test the deployment with a Docker engine of its own (as root, about ten minutes)
	$(BIN)/python -m pytest tests/deploy -m deploy -p no:xdist

bench: install ## Measure throughput, latency and memory; writes docs/explanation/benchmark
	$(BIN)/python -m benchmarks

bench-quick: install ## The same with small files, to try the benchmark itself
	$(BIN)/python -m benchmarks --quick

lock: install ## Renew the pinned requirements (needs uv)
	uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-header \
	    pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-header \
	    --extra dev pyproject.toml -o requirements-dev.lock
	@echo hatchling | uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-header \
	    --constraint requirements-dev.lock - -o requirements-build.lock

clean: ## Remove what was installed and built
	rm -rf $(VENV) .dev .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist

# Provisioning hosts of trusts: add-local-trust, allow-local-trust, full-deploy-hybrid.
include ansible/targets.mk
