# Two commands are enough on a new machine: `make demo` and `make test`.

.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
PORT ?= 8025
DATA ?= data/sandbox
TESTS ?= tests
RUNS ?= 1000000
TARGET ?= all
# Tests wait for disks and clocks more than for cores: three at a time keep two cores busy.
PYTEST ?= -n 3 --dist worksteal

# Tests that have a long form.
SOAK ?= tests/faults tests/fuzz tests/chain/test_cancel_race.py tests/chain/test_crash.py \
	tests/chain/test_lives.py tests/chain/test_number_crash.py tests/chain/test_parcel_crash.py \
	tests/dialects/iletimerkezi/test_fuzz.py tests/service/test_days.py \
	tests/service/test_parcel_days.py tests/service/test_purchase_days.py

# Tests start many processes. Each would compile the program again where the environment forbids to keep that.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo test check lock bench faults soak fuzz clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.run ## Set up .venv with what Ulak needs

demo: .venv/.run ## Start a sandbox in the foreground, with everything simulated (PORT=8025 DATA=data/sandbox)
	@exec $(BIN)/ulak sandbox --data $(DATA) --port $(PORT)

test: .venv/.test .venv/.tools ## Install what tests need, then run all checks and tests (TESTS=tests/core)
	@status=0; \
	$(MAKE) --no-print-directory check >.venv/check.log 2>&1 & \
	$(BIN)/python -m pytest $(PYTEST) $(TESTS) || status=1; \
	wait $$! || status=1; \
	cat .venv/check.log; \
	exit $$status

check: .venv/.test ## Style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock: .venv/.test ## Choose the newest versions that fit and pin them in requirements/
	@$(BIN)/pip install --quiet --upgrade uv
	@$(BIN)/uv --version | sed 's/^uv \([^ ]*\).*/uv==\1/' >requirements/uv.txt
	@$(BIN)/uv pip compile $(LOCK) --upgrade pyproject.toml --extra lightning --extra shared -o requirements/run.txt
	@$(BIN)/uv pip compile $(LOCK) --upgrade pyproject.toml --extra lightning --extra shared --group test -c requirements/run.txt -o requirements/test.txt

bench: .venv/.test ## Measure the figures of benchmarks/README.md
	@$(BIN)/python -m benchmarks

faults: .venv/.test .venv/.tools ## Do everything that docs/faults.md tells of, and write it again
	@$(BIN)/python -m pytest $(PYTEST) -m fault --faults docs/faults.md tests

soak: .venv/.test .venv/.tools ## The long forms of tests, for hours; write their column of docs/faults.md (ULAK_TEST_SEED=N SOAK=tests/faults)
	@seed=$${ULAK_TEST_SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; \
	echo "ULAK_TEST_SEED=$$seed"; \
	ULAK_TEST_SOAK=1 ULAK_TEST_SEED=$$seed $(BIN)/python -m pytest $(PYTEST) -o faulthandler_timeout=0 \
		--faults docs/faults.md $(SOAK)

fuzz: .venv/.test ## Fuzz every parser with atheris (RUNS=1000000 TARGET=all)
	@$(BIN)/python -m tests.fuzz $(TARGET) --runs $(RUNS)

clean: ## Remove what was installed and made; the data of the sandbox stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist tests/peers/node_modules

LOCK := --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url

# Stamps: pip runs again only when a file it depends on was changed.

.venv/bin/python:
	@.ci/need python git
	@$$(.ci/need --python) -m venv .venv

.venv/.run: requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "setting up .venv"
	@.ci/install -r requirements/run.txt -e .
	@touch $@

.venv/.test: requirements/test.txt pyproject.toml | .venv/bin/python
	@echo "setting up .venv for tests"
	@.ci/install -r requirements/test.txt -e .
	@touch $@ .venv/.run

.venv/.tools: $(wildcard tests/peers/package-lock.json) | .venv/bin/python
	@.ci/need --maybe npm kannel
	@if [ -e tests/peers/package-lock.json ] && command -v npm >/dev/null; then \
		npm ci --prefix tests/peers --silent --no-audit --no-fund && touch $@; \
	fi
