# Two commands: `make demo` shows the connector at work, `make test` checks it.
# Both build what they need in .venv, from requirements.lock, with Python 3.11 or newer alone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GROUPS := --all-extras --group dev --group demo --group bench

.DEFAULT_GOAL := help
# Half as many again as there are processors: many tests wait for what they have killed or delayed.
WORKERS ?= $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )))
PACKAGES := $(wildcard pixxel_* tap_* target_*)

.PHONY: help demo test coverage audit bench lock clean

help:  ## Say what can be made.
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/'

demo: $(VENV)/.ready  ## Sync the sandbox into DuckDB and STAC with Meltano, deliver what is new, and show what came.
	@$(BIN)/python -m demo $(if $(SCHEMAS),--schemas '$(SCHEMAS)')

test: $(VENV)/.ready  ## Run the linters, the type checker and the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(WORKERS)

# Slower than `make test` by half or more, as each program that a test starts is measured, too.
coverage: $(VENV)/.ready  ## Run the tests with coverage of lines and branches: 95 % of each package.
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS)
	$(BIN)/coverage combine --quiet
	@for each in $(PACKAGES); do $(BIN)/coverage report --include="$$each/*" || exit 1; done

# An index that has no advisories is no clean bill: --strict fails on what cannot be looked up.
audit: $(VENV)/.ready  ## Look for known weaknesses in what requirements.lock installs.
	$(BIN)/uv tool run --isolated pip-audit==2.10.1 --strict --require-hashes --disable-pip \
	  --requirement requirements.lock

bench: $(VENV)/.ready  ## Print the README's benchmark tables.
	@$(BIN)/python -m benchmarks.archive
	@$(BIN)/python -m benchmarks.memory
	@$(BIN)/python -m benchmarks.conversion
	@$(BIN)/python -m benchmarks.export
	@$(BIN)/python -m benchmarks.deliveries

lock: $(VENV)/.ready  ## Resolve requirements.lock anew, for all platforms and Python versions.
	$(BIN)/uv pip compile pyproject.toml --universal $(GROUPS) --generate-hashes --upgrade \
	  --quiet --no-header --no-annotate --output-file requirements.lock

clean:  ## Remove all that was built.
	rm -rf $(VENV) .build

# uv installs in seconds; pip does it where uv cannot reach the index (it does not read pip.conf).
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11'; exit 1; }
	@echo 'Building $(VENV) ...'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable . || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
