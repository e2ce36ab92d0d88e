# Every target works from a fresh clone: it needs Python >= 3.11 with its headers, a C compiler and the
# package index. PYTHON chooses the interpreter; PORT and FAREBOX_DATA_DIR are respected by `run`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help build run test lint types bench check crash generated sanitized

help: ## show this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

build: $(VENV)/.built ## make .venv with a working .venv/bin/farebox

run: build ## serve the demonstration on 127.0.0.1:8000 until Ctrl-C
	@FAREBOX_DATA_DIR="$${FAREBOX_DATA_DIR:-$(CURDIR)/.farebox}" exec $(BIN)/farebox serve --demo

test: $(VENV)/.tested ## everything: style, types, contracts, unit, HTTP, crash and storm tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q

check: test ## what CI runs: the same as `make test`

crash: $(VENV)/.tested ## the long crash run: a hundred SIGKILLs under load, nothing lost or doubled
	$(BIN)/python -m tests.crash

generated: $(VENV)/.tested ## 20 000 calls of each API made up from the OpenAPI document, every answer judged
	$(BIN)/python -W ignore -m tests.api.generated

# A copy of the package with other native modules; the ordinary build stays as it is.
sanitized: $(VENV)/.tested ## the core's tests under the sanitizers (addresses, undefined behaviour)
	rm -rf build/sanitized && mkdir -p build/sanitized && cp -r src/farebox build/sanitized/
	FAREBOX_SANITIZE=1 $(BIN)/python setup.py -q build_ext -j $(WORKERS) \
	  --build-lib build/sanitized --build-temp build/sanitized/objects
	ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$$($${CC:-cc} -print-file-name=libasan.so)" \
	  PYTHONPATH=build/sanitized $(BIN)/python -m pytest -q -p no:faulthandler tests/core

lint: $(VENV)/.tested ## format, ruff, cython-lint and import contracts
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/cython-lint native
	$(BIN)/lint-imports

types: $(VENV)/.tested ## mypy, strict
	$(BIN)/mypy

bench: build ## measure core, engine and HTTP against their baselines (a few minutes)
	$(BIN)/farebox bench

# An interrupted set-up leaves no working pip, and starts again here.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Farebox needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys, sysconfig, os; \
	  sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || { \
	  echo "The headers of $(PYTHON) are missing (python3-dev or python3-devel)." >&2; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { \
	  echo "A C compiler is missing (gcc or clang; CC names another)." >&2; exit 1; }
	@echo "Making $(VENV): a minute or two, once"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.built: $(BIN)/python pyproject.toml setup.py $(wildcard native/*)
	$(PIP) install -q --upgrade 'pip>=25.1' 'setuptools>=77' 'Cython>=3.1,<4'
	$(PIP) install -q --no-build-isolation -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.built
	$(PIP) install -q --group test
	@$(BIN)/python -m tests.outbound.freeradius
	@touch $@
