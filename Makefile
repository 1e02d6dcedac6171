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
TRUST := $(MAKE) --no-print-directory -C trust

.DEFAULT_GOAL := help
.PHONY: help install demo dev test lint bench bench-quick lock clean image sbom test-deploy \
    up-local-trust stop-local-trust down-local-trust restart-local-trust logs-local-trust status-local-trust doctor-local-trust \
    upgrade-local-trust rollback-local-trust backup-local-trust restore-local-trust check-local-trust

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-21s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Install everything into .venv

$(INSTALLED): requirements-dev.lock pyproject.toml scripts/find-python
	@echo "Installing into $(VENV) …"
	@python="$$(scripts/find-python)" && "$$python" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(INSTALLED)

demo: install ## Watch results and cohort numbers reach a hub, through crash and outage
	@$(BIN)/flame-node demo

dev: install ## Run the node with all it needs and synthetic patients, until Ctrl-C
	@$(BIN)/flame-node dev --state-dir .dev/state --ready-file .dev/ready.json

test: install lint ## Check the code and run all tests but those of test-deploy; no Docker
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m 'live or not live'

lint: install ## Check style, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

image: ## Build the image of all services, NODE_IMAGE
	@index="$$PIP_INDEX_URL" && index="$${index#*://}" && case "$${index%%/*}" in *@*) \
	    echo "✘ PIP_INDEX_URL has a user or a password in it, which the list of processes and the build's history would show." >&2; \
	    echo "  Name a mirror that this machine may read without one." >&2; exit 1 ;; esac
	docker build --tag $(NODE_IMAGE) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
	    $(if $(PIP_INDEX_URL),--build-arg PIP_INDEX_URL=$(PIP_INDEX_URL)) \
	    --build-arg VERSION="$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
	    --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
	    --build-arg CREATED="$$(git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null || echo 1970-01-01T00:00:00Z)" \
	    --build-arg SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct 2>/dev/null || echo 0)" .

sbom: ## Write sbom.cdx.json: every Python package of NODE_IMAGE
	@docker run --rm -i --network none --read-only --cap-drop ALL --no-healthcheck $(NODE_IMAGE) \
	    python - <scripts/sbom.py >sbom.cdx.json.partial && mv sbom.cdx.json.partial sbom.cdx.json
	@echo "sbom.cdx.json has been written."

# A trust on premises: the commands are trust/Makefile's own, and are forwarded.
up-local-trust: ## Start the trust, or bring it to what the kit says now
	@$(TRUST) $@

stop-local-trust: ## Stop the services; containers, their logs and data stay
	@$(TRUST) $@

down-local-trust: ## Stop the trust; data stay
	@$(TRUST) $@

restart-local-trust: ## Stop and start the trust's services, or SERVICE alone
	@$(TRUST) $@

logs-local-trust: ## Follow the logs of all services, or of SERVICE
	@$(TRUST) $@

status-local-trust: ## Show what runs, and how it is
	@$(TRUST) $@

doctor-local-trust: ## Look at the machine and all services, and say what to do
	@$(TRUST) $@

check-local-trust: ## Look at engine, kit and names, and change nothing
	@$(TRUST) $@

upgrade-local-trust: ## Back up, then run NODE_IMAGE instead of what runs
	@$(TRUST) $@

rollback-local-trust: ## Go back to image and data of BACKUP=<folder>, or before the upgrade
	@$(TRUST) $@

backup-local-trust: ## Copy database and bucket into a new folder below BACKUP_DIR
	@$(TRUST) $@

restore-local-trust: ## Put database and bucket back as they are in BACKUP=<folder>
	@$(TRUST) $@

test-deploy: install ## Test the deployment with a Docker engine of its own (root, minutes)
	$(BIN)/python -m pytest tests/deploy -m deploy -p no:xdist -v --durations=15

bench: install ## Measure throughput, latency, memory; writes docs/explanation/benchmark
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

# Provisioning hosts of trusts; what these do is in ansible/targets.mk.
include ansible/targets.mk
add-local-trust: $(DEPLOY_INSTALLED)
allow-local-trust: $(DEPLOY_INSTALLED)
full-deploy-hybrid: $(DEPLOY_INSTALLED) install
