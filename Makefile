# make quickstart   install into .venv and see the whole pipeline run once
# make fast         what to run after each edit
# make test         all checks and tests; .ci/run calls this
#
# PYTHON=python3.12 chooses the interpreter; PIP_FLAGS is passed to pip, for example
# PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu" for the smaller build of torch without CUDA.

PYTHON ?= python3
PIP_FLAGS ?=
DATASET ?= omniglot
BIN := .venv/bin
INSTALLED := .venv/.tnas-installed
AXE := build/node_modules/axe-core/axe.min.js

.PHONY: help quickstart install fast test check fuzz kills borders release-check bench bench-data equations growth profile docs site clean

help:
	@echo "make quickstart   install into .venv, then run the whole pipeline on the embedded data set (minutes)"
	@echo "make fast         lint, types, imports and the quick tests; after each edit"
	@echo "make test         lint, types, imports and all tests, with the coverage of src/"
	@echo "make check        lint, types and imports"
	@echo "make borders      let every call of the system of every command fail once (half an hour)"
	@echo "make kills        kill every command at many moments and at every call that changes the disk, and continue it (hours)"
	@echo "make fuzz         read damaged and hostile files of every kind, a minute each; findings are kept in fuzz-findings/"
	@echo "make release-check  what has to hold before a release: same bytes twice, bare environments of every Python here"
	@echo "make bench        measure both engines and a plain loop, side by side on this machine (minutes)"
	@echo "make bench-data   measure preparing and reading data (OMNIGLOT=DIR CIFAR100=DIR add real data)"
	@echo "make equations    measure Equations 5 and 6 beside 7 and 8: time and memory"
	@echo "make growth       measure and draw how cost grows with way, shot, tasks, steps and image size"
	@echo "make profile      measure where the time of a real search goes (DATASET=omniglot, prepared)"
	@echo "make docs         write docs/cli.md, docs/api.md, the tables of docs/settings.md and records.md, and what shells complete"
	@echo "make site         build/site: the docs as pages to read and search in a browser, also without a network"

quickstart: $(INSTALLED)
	$(BIN)/tnas doctor --warm
	$(BIN)/tnas quickstart

install: $(INSTALLED)

# pip runs again if a file that decides what is installed is newer than this stamp.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e ".[dev]"
	@touch $@

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two processes: more would compete for the caches of a small machine. Tests of one file stay together, to share fixtures.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

fast: check
	$(PYTEST) -q -m "not slow"

# Checks the report's page for readers who do not see it; without npm or a network that test is skipped, and says so.
$(AXE):
	-@npm install --silent --no-audit --no-fund --prefix build axe-core@4.14.1

test: check $(AXE)
	$(PYTEST) --cov --cov-report=term --durations=25

borders: $(INSTALLED)
	$(BIN)/python tests/borders.py

kills: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python tests/kills.py

fuzz: $(INSTALLED)
	$(BIN)/python tests/fuzz.py --seconds 60

# PYTHONS="python3.12 python3.13" chooses the interpreters to install into.
release-check: $(INSTALLED)
	$(BIN)/python tests/release.py $(addprefix --python ,$(PYTHONS))

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/methods.py
	$(BIN)/python benchmarks/predict.py
	$(BIN)/python benchmarks/statistics_cost.py

bench-data: $(INSTALLED)
	$(BIN)/python benchmarks/data.py $(if $(OMNIGLOT),--omniglot $(OMNIGLOT)) $(if $(CIFAR100),--cifar100 $(CIFAR100))

equations: $(INSTALLED)
	$(BIN)/python benchmarks/equations.py

growth: $(INSTALLED)
	$(BIN)/python benchmarks/growth.py

profile: $(INSTALLED)
	$(BIN)/python benchmarks/search_profile.py --dataset $(DATASET)

docs: $(INSTALLED)
	$(BIN)/python docs/write_cli_page.py
	$(BIN)/python docs/write_api_page.py
	$(BIN)/python docs/write_settings_page.py
	$(BIN)/python docs/write_records_page.py

site: $(INSTALLED)
	$(BIN)/python -m sphinx -W --keep-going -n -q -c docs -b html . build/site
	@echo "build/site/index.html"

clean:
	rm -rf .coverage build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
