# Needs Python 3.11 or later and make; everything else is set up in .venv by the targets themselves.
# PYTHON=python3.12 chooses another interpreter, ARGS="…" is handed on to the command of the target.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Images of containers often forbid it, and then every process compiles every module anew: that is half of the
# time that starting one takes.
export PYTHONDONTWRITEBYTECODE :=

# One worker per processor; each starts a PostgreSQL of its own.
WORKERS ?= logical

# Of another interpreter than before nothing can be kept.
WHICH := import sys; print(sys.base_prefix, sys.version_info)

.DEFAULT_GOAL := help
.PHONY: help setup up test check simulate kill-points demo bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED) ## Make .venv and install the pinned requirements into it

up: setup ## Run Caudal on this machine: database, API, worker
	@$(BIN)/caudal up $(ARGS)

test: setup ## Run the tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: setup ## Check style, types, imports and licences
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pip-licenses --from=all --with-system --format=json | $(BIN)/python tools/check_licences.py
	$(BIN)/python tools/check_style.py

simulate: setup ## Let payments meet partners that misbehave and processes that are killed
	@$(BIN)/caudal simulate payments $(ARGS)

kill-points: setup ## Kill processes at every point of a payment's way, and write down what helped (minutes)
	@$(BIN)/python -m pytest tests/kill_points --write-kill-points $(ARGS)

demo: setup ## Let a trading day pass in a minute, and tell what became of it
	@$(BIN)/caudal demo day $(ARGS)

bench: setup ## Measure the ledger and payments against the floor of this machine
	@$(BIN)/caudal bench ledger $(ARGS)
	@$(BIN)/caudal bench payments $(ARGS)

lock: setup ## Pin what pyproject.toml asks for, anew, in requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra models --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --quiet -o requirements.txt $(ARGS)

clean: ## Remove .venv and every cache; data directories stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed; $(PYTHON) is not. Say which: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. Debian, Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) …"
	@test "$$($(PYTHON) -c '$(WHICH)')" = "$$($(BIN)/python -c '$(WHICH)' 2>/dev/null)" || \
		$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
