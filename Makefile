.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
# What `make bench` measures, where it is not everything: ASKED="--size 5000000 --part days"; how
# many days `make decade` lets pass: ASKED="--days 1461"
ASKED ?=
# Which files `make trials` runs, where it is not all of them; then no page is written.
TRIED ?=
# `make dev` shows no day after the last of SAMPLE_DAYS, unless VYE_END_DATE says otherwise.
DEMOS_LAST_DAY := 2025-04-14
# A shell without a terminal lets what it starts in the background ignore INT and TERM.
HEED_SIGNALS = $(shell env --default-signal=INT,TERM true 2>/dev/null && echo env --default-signal=INT,TERM)

help: ## list what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 8

demo: $(READY) ## run ten sample days with failures, and repair them
	@$(VENV)/bin/vye demo

test: $(READY) ## run all tests
	@$(VENV)/bin/pytest -n 2 --dist loadfile

trials: $(READY) ## kill runs at every point and set them against each other; writes docs/reliability.md and docs/compatibility.md
	@$(VENV)/bin/pytest -m long -n 2 --dist loadfile $(if $(TRIED),$(TRIED),--write-page --sequences 200)

bench: $(READY) ## time days of 10,000 to 1,000,000 users beside their floors; writes docs/performance.md
	@$(VENV)/bin/python -W ignore -m vye_pipeline_tests.bench --write-page $(ASKED)

decade: $(READY) ## let ten years of small days pass with all that happens in them; writes docs/decade.md
	@$(VENV)/bin/python -W ignore -m vye_pipeline_tests.decade --write-page $(ASKED)

docs: $(READY) ## write what commands print, and the pictures, into docs/ anew
	@$(VENV)/bin/pytest -q -m long vye_pipeline_tests/integration/test_documentation.py --write-docs
	@$(VENV)/bin/python -m vye_pipeline_tests.screenshots

sbom: $(READY) ## write sbom.json: what production installs, from constraints.txt (CycloneDX)
	@$(VENV)/bin/python .ci/sbom.py

dev: $(READY) ## open the Dagster UI on http://localhost:3000, on what the demo left
	@umask 077; export VYE_LOCAL_DIR="$${VYE_LOCAL_DIR:-data/local}" VYE_END_DATE="$${VYE_END_DATE-$(DEMOS_LAST_DAY)}" && \
	mkdir -p "$$VYE_LOCAL_DIR" && VYE_LOCAL_DIR=$$(cd "$$VYE_LOCAL_DIR" && pwd) && \
	home=$$($(VENV)/bin/python -m vye_pipeline.orchestration.instance) && cd "$$home" && \
	DAGSTER_HOME="$$home" PATH="$(CURDIR)/$(VENV)/bin:$$PATH" exec $(HEED_SIGNALS) \
	python -W 'ignore:Function `dev_command` is superseded' -m dagster dev -w "$(CURDIR)/workspace.yaml"

lint: $(READY) ## check style, format and types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

clean: ## remove the virtual environment and all that runs have left in data/local
	@rm -rf $(VENV) data/local .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

$(READY): constraints.txt constraints-dev.txt pyproject.toml
	@echo "making the virtual environment in $(VENV) (a minute or two, once)"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	{ echo "Python 3.11 to 3.13 is needed: say which by make PYTHON=python3.11"; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	-r constraints.txt -r constraints-dev.txt
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: help demo test trials bench decade docs sbom dev lint clean
