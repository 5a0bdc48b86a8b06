# `make demo` runs the connector against the sandbox, `make test` runs all checks.
# Both install requirements.lock into .venv; they need only Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .build/venv-lowest
NEXT := .build/venv-next
AIRFLOW := .build/venv-airflow
SBOM := .build/sbom
DOCUMENTS := .build/stac-documents
WITHOUT_LOADERS := --ignore tests/loaders --ignore tests/project/test_demo.py \
  --ignore tests/project/test_hub_definitions.py --ignore tests/docs/test_console_blocks.py
GROUPS := --all-extras --group dev --group demo --group bench --group docs --group loaders --group notebook

.DEFAULT_GOAL := help
# Two workers per processor, because many tests wait for processes and delays.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 2 )))
PACKAGES := $(wildcard pixxel_* tap_* target_*)
# Many container images set it; every program that a test or a benchmark starts would compile all
# modules again, which an installed program has done at its first start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo docs docs-tables pictures test test-pythons test-lowest test-next test-airflow coverage audit sbom dist bench lock clean

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/'

demo: $(VENV)/.ready  ## Sync the sandbox into DuckDB and STAC with Meltano, deliver and download new catalogs.
	@$(BIN)/python -m demo $(if $(SCHEMAS),--schemas '$(SCHEMAS)')

docs: $(VENV)/.ready  ## Build the documentation into .build/docs; a broken link is an error.
	@$(BIN)/zensical build --clean --strict

docs-tables: $(VENV)/.ready  ## Write what repeats the code: tables of the documentation, definitions for Meltano Hub.
	@$(BIN)/python -m docs_tools.tables
	@$(BIN)/python -m docs_tools.hub_definitions

pictures: $(VENV)/.ready  ## Make the pictures of the documentation from real output; needs chromium.
	@$(BIN)/python -m docs_tools.pictures

test: docs $(VENV)/.ready $(DOCUMENTS)/.ready  ## Run the linters, the type checker, the import contracts and the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --cache-dir .build/import-linter
	$(BIN)/deptry $(PACKAGES)
	$(BIN)/deptry benchmarks demo docs_tools tests --ignore DEP002,DEP004
	$(BIN)/python -m pytest -n $(WORKERS)

test-pythons: $(VENV)/.ready  ## Run `make test` with each of Python 3.12 to 3.14 that uv finds.
	@for version in 3.12 3.13 3.14; do \
	  if python=$$($(BIN)/uv python find --no-python-downloads $$version); then \
	    $(MAKE) test PYTHON=$$python VENV=.build/venv-$$version || exit 1; \
	  else echo "Python $$version was not found"; fi; done

# Both without the demo and the loaders, whose packages require versions of their own.
test-lowest: $(VENV)/.ready  ## Run the tests with the lowest versions that pyproject.toml allows.
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(LOWEST)
	$(BIN)/uv pip compile pyproject.toml --all-extras --resolution lowest-direct --no-deps \
	  --only-binary :all: --quiet --no-header --no-annotate --output-file $(LOWEST)/lowest.txt
	$(BIN)/uv pip install --quiet --python $(LOWEST) --constraint $(LOWEST)/lowest.txt \
	  --requirement pyproject.toml --all-extras --group dev --editable .
	$(LOWEST)/bin/python -m pytest -n $(WORKERS) $(WITHOUT_LOADERS)

test-next: $(VENV)/.ready  ## Run the type checker and the tests with the pre-release of the next SDK.
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(NEXT)
	$(BIN)/uv pip install --quiet --python $(NEXT) 'singer-sdk>=0.55.0a0' \
	  --requirement pyproject.toml --all-extras --group dev --editable .
	$(NEXT)/bin/mypy --cache-dir .build/mypy-next $(PACKAGES)
	$(NEXT)/bin/python -m pytest -n $(WORKERS) $(WITHOUT_LOADERS)

# Takes a minute and an environment of 200 MB, so it is not part of `make test`.
test-airflow: $(VENV)/.ready  ## Run the DAG of examples/airflow with Airflow against the sandbox.
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(AIRFLOW)
	$(BIN)/uv pip install --quiet --python $(AIRFLOW) 'apache-airflow>=3.3,<4'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pixxel-sandbox run --no-s3 --items 60 -- \
	  $(AIRFLOW)/bin/python examples/airflow/check_dag.py

# At least 1.5 times slower than `make test`, because programs that tests start are measured too.
coverage: $(VENV)/.ready  ## Run the tests, and require 95 % coverage of lines and branches in each package.
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS)
	$(BIN)/coverage combine --quiet
	@for package in $(PACKAGES); do $(BIN)/coverage report --include="$$package/*" || exit 1; done

# --strict fails if the index has no advisories for a package, instead of passing it as safe.
audit: $(VENV)/.ready  ## Check requirements.lock for known vulnerabilities.
	$(BIN)/uv tool run --isolated pip-audit==2.10.1 --strict --require-hashes --disable-pip \
	  --requirement requirements.lock

# From an environment, because only that has the licenses, and which package needs which.
sbom: $(VENV)/.ready  ## Write a bill of materials (CycloneDX) of the package with all extras to .build/sbom.json.
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SBOM)
	$(BIN)/uv pip install --quiet --python $(SBOM) --constraint requirements.lock \
	  --requirement pyproject.toml --all-extras .
	$(BIN)/uv tool run --isolated --from cyclonedx-bom==7.5.0 cyclonedx-py environment \
	  --pyproject pyproject.toml --output-reproducible $(SBOM_OPTIONS) --output-file $(SBOM).json $(SBOM)

dist: $(VENV)/.ready  ## Build the source distribution and the wheel into dist/.
	@$(BIN)/uv build --quiet --clear --out-dir dist

bench: $(VENV)/.ready  ## Print the tables of docs/benchmarks.md.
	@$(BIN)/python -m benchmarks.archive
	@$(BIN)/python -m benchmarks.conversion
	@$(BIN)/python -m benchmarks.export
	@$(BIN)/python -m benchmarks.export_updates
	@$(BIN)/python -m benchmarks.deliveries

lock: $(VENV)/.ready  ## Update requirements.lock, for all platforms and Python versions.
	$(BIN)/uv pip compile pyproject.toml --universal $(GROUPS) --generate-hashes --upgrade \
	  --quiet --no-header --no-annotate --output-file requirements.lock

clean:  ## Remove .venv and .build.
	rm -rf $(VENV) .build

# STAC documents of many versions and extensions, which the project need not hold for that: the tests
# of those packages have the most. Without a network a test of target-stac is skipped.
$(DOCUMENTS)/.ready: requirements.lock | $(VENV)/.ready
	@mkdir -p $(DOCUMENTS)
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
	  --constraint requirements.lock --dest $(DOCUMENTS) \
	  $(addprefix pystac-ext-,eo file pointcloud projection raster table version) && touch $@ || \
	  echo 'STAC documents of pystac cannot be downloaded; a test is skipped'

# uv installs in seconds; pip is used if uv cannot reach the index (uv does not read pip.conf).
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
