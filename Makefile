# make demo | demo-device | test | test-fast | lint | lock | clean
# uv is used where it is installed, else venv and pip; both install the hashed requirements files and nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
PYTEST := $(BIN)/python -m pytest

.PHONY: setup setup-dev demo demo-device test test-fast lint lock wheel clean

ifeq ($(UV),)
CREATE  = $(PYTHON) -m venv $(VENV)
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r
else
CREATE  = uv venv --quiet --python $(PYTHON) $(VENV)
INSTALL = uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r
endif

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13) and \
		"error: $(PYTHON) is Python %d.%d, allowed: 3.11 to 3.13; set PYTHON=python3.12, say" % v)'
	@echo "creating $(VENV)"
	@$(CREATE)

$(VENV)/.run: requirements/run.txt | $(BIN)/python
	@echo "installing what a user needs (about 2 GB, some minutes the first time)"
	@$(INSTALL) requirements/run.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(BIN)/python
	@echo "installing what a developer needs (about 2 GB, some minutes the first time)"
	@$(INSTALL) requirements/dev.txt
	@touch $@

setup: $(VENV)/.run
setup-dev: $(VENV)/.dev

demo: setup
	@status=0; $(BIN)/python -m sweep multirun width=0.35,0.5 res=96,128 workers=2 sweep=demo || status=$$?; \
		if [ $$status -le 1 ]; then $(BIN)/python -m sweep report sweep=demo; fi; exit $$status
	@echo "To compare the runs in MLflow's UI: $(BIN)/python -m sweep ui"

# From the sweep of `make demo`, which is read back where it is finished, to a firmware folder that was checked. What it
# recommends fits its board with the runtime of that board; TensorFlow Lite Micro may take more RAM, which the export warns of.
demo-device: demo
	$(BIN)/python -m sweep export candidate=BEST sweep=demo --out mlruns/firmware --force --allow-over-limit

# By file: what a file's tests share, a sweep or a browser, is made once. In order, so that the short ones come last.
test: setup-dev
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder

test-fast: setup-dev
	$(PYTEST) -n 2 -m "not slow"

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Universal for Python 3.11 to 3.13; hashes, but no addresses.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" pyproject.toml --extra vela --extra dask --extra postgresql --extra dashboard --extra studio --group dev -c requirements/run.txt -o requirements/dev.txt

wheel: setup-dev
	$(BIN)/python -m hatchling build -t wheel -d dist

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache
