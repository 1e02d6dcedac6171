# The commands of this project. `make` lists them.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# How many test processes run at once, each with servers of its own.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo dev test lint bench bench-quick lock clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

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

bench: install ## Measure throughput, latency and memory; writes docs/explanation/benchmark
	$(BIN)/python -m benchmarks

bench-quick: install ## The same with small files, to try the benchmark itself
	$(BIN)/python -m benchmarks --quick

lock: install ## Renew the pinned requirements (needs uv)
	uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-header \
	    pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-header \
	    --extra dev pyproject.toml -o requirements-dev.lock

clean: ## Remove what was installed and built
	rm -rf $(VENV) .dev .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
