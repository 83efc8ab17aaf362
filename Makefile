# make demo   set up and run the main job on what the package carries
# make test   set up and run lint, types and tests
# make web    set up and build the web pages' scripts, which the wheel carries; needs Node 20
# make docs   set up and build the documentation's site
# make fuzz   set up and read 10,000 damaged files
# make bench  set up and measure speed and memory, beside the peers

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: web demo test lint types system docs bench fuzz clean

demo: .venv/.base
	$(BIN)/camlucida demo --out demo

test: lint types system docs .venv/.fiftyone
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

system:
	scripts/system_packages.sh

docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

web: web-ui/node_modules/.installed
	cd web-ui && npx tsc && npx vitest run && node build.mjs

web-ui/node_modules/.installed: web-ui/package.json
	cd web-ui && npm install --no-package-lock
	touch $@

bench: .venv/.dev
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/explain.py
	$(BIN)/python benchmarks/workbench.py

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "camlucida needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

.venv/.base: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[web]'
	touch $@

.venv/.dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	touch $@ .venv/.base

# FiftyOne wants an older Starlette than the workbench: a folder that its test alone puts on the path.
.venv/.fiftyone: .venv/.dev tests/integrations/fiftyone.txt
	rm -rf .venv/fiftyone
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-compile \
	  --target .venv/fiftyone -r tests/integrations/fiftyone.txt && touch $@ \
	  || { [ -z "$$CI" ] && echo "FiftyOne cannot be installed here: the test of its bridge is skipped"; }

fuzz: .venv/.dev
	$(BIN)/python -m tests.support.fuzz 10000

clean:
	rm -rf .venv demo site explanations .pytest_cache .mypy_cache .ruff_cache .hypothesis web-ui/node_modules
