# nsdviewer from a fresh clone: `make demo` installs what is missing and opens the demo subject.
# `make help` lists the targets. Nothing is written outside this folder but pip's own cache,
# the demo's data, and, on Debian and Ubuntu, the system packages Qt and OpenGL need.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
READY := .venv/.ready
SYSTEM := $(shell uname -s)

# Qt's "offscreen" platform has no OpenGL, so on Linux the windows of tests open on a virtual
# X server with Mesa's software renderer. macOS draws on its own display.
WINDOW_ENV := OMP_NUM_THREADS=2 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
ifneq ($(SYSTEM),Darwin)
WINDOW_ENV += QT_QPA_PLATFORM=xcb LIBGL_ALWAYS_SOFTWARE=1
VIRTUAL_DISPLAY := xvfb-run -a -s "-screen 0 2560x1440x24"
endif

# A Python of your choice: make setup PYTHON=/opt/python3.12/bin/python3
PYTHON ?=
PYTHON_CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11)

.PHONY: help setup demo test bench screenshots lint format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## install everything into .venv (about 7 GB on Linux)

# The stamp is written last, so an interrupted installation is taken up again by the next call.
$(READY): pyproject.toml constraints.txt packaging/install-system-libraries packaging/peers.txt
	@set -e; python=; \
	for candidate in $(PYTHON_CANDIDATES); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "nsdviewer needs Python 3.11 or later, and none of these is one: $(PYTHON_CANDIDATES)." >&2; \
	  echo "Install it (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv;" >&2; \
	  echo "macOS: brew install python@3.12), or name one: make setup PYTHON=PATH" >&2; \
	  exit 1; \
	fi; \
	PYTHON="$$python" packaging/install-system-libraries; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "Making .venv with $$("$$python" --version)"; \
	  "$$python" -m venv --clear .venv; \
	fi
	@echo "Installing nsdviewer and its libraries into .venv. On Linux that is about 7 GB, because"
	@echo "PyTorch brings CUDA along; the first time takes a few minutes."
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check \
	  -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps -r packaging/peers.txt
	@touch $@
	@echo "Installed."

demo: $(READY) ## open the demo subject; with NSDVIEWER_HEADLESS=1 write demo.png and demo.json
ifeq ($(NSDVIEWER_HEADLESS),1)
	$(BIN)/nsdviewer demo --headless demo.png
else
	$(BIN)/nsdviewer demo
endif

lint: $(READY) ## style, types and the arrows between the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers auto
	$(BIN)/lint-imports

test: lint ## lint, then every test that is not marked slow
	$(WINDOW_ENV) OMP_NUM_THREADS=1 $(VIRTUAL_DISPLAY) $(BIN)/python -m pytest -m "not slow" \
	  -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

# `make bench data` measures one part: the words after `bench` name it.
BENCH_PARTS := $(filter-out bench,$(MAKECMDGOALS))
ifneq ($(filter bench,$(MAKECMDGOALS)),)
.PHONY: $(BENCH_PARTS)
$(BENCH_PARTS): bench
	@:
endif

bench: $(READY) ## measure the budgets, or one part: bench data, app, science, generator, monkey; writes bench.json
	$(WINDOW_ENV) $(VIRTUAL_DISPLAY) $(BIN)/python -m tests.bench $(BENCH_PARTS)

# `make screenshots SHOTS="window lesion"` makes some of them.
screenshots: $(READY) ## make the pictures of README and guide from the window, and the list of commands
	$(WINDOW_ENV) $(VIRTUAL_DISPLAY) $(BIN)/python packaging/screenshots.py $(SHOTS)
	$(BIN)/python packaging/command_list.py

format: $(READY) ## put the sources into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove caches, builds and figures; the environment stays (rm -r .venv removes it)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	rm -rf demo.png demo.json bench.json
	find app nsdviewer tests -name __pycache__ -type d -prune -exec rm -rf {} +
