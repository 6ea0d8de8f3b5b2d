# make run           the quick start: sets up .venv, builds the native engine, runs recipes/quickstart.yaml
# make demo-redis    installs and starts Redis, runs recipes/redis_sweep.yaml against it, stops it; DEMOS has the others
# make build test test-servers lint format fuzz bench clean: see CONTRIBUTING.md

SHELL := /bin/bash
BIN := .venv/bin
PYTHON_RUN := $(BIN)/python
PYTEST := $(PYTHON_RUN) -m pytest -q
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --retries 5
NATIVE_SOURCES := setup.py pyproject.toml $(shell find ext -name '*.pyx' -o -name '*.pxd')
# with a compiler on Linux the native engine must build; elsewhere the portable one carries the load
HAS_COMPILER := $(shell [ "$$(uname)" = Linux ] && command -v $${CC:-cc} >/dev/null && echo yes)
LOADGEN_NATIVE := $(if $(HAS_COMPILER),required,optional)
# where Python is told to keep no compiled files, each run would spend a third of a second on it
COMPILE = $(PYTHON_RUN) -m compileall -q loadgen
FUZZ_SECONDS ?= 60
# tests wait for servers more than they compute; a file's tests share its servers and stay together
SIDE_BY_SIDE := -n $(shell getconf _NPROCESSORS_ONLN) --dist loadfile
INSTALL_SERVERS = $(PYTHON_RUN) -m servers install
# the tests of a server that cannot be had are skipped, but where all are required
ENOUGH_WITHOUT = [ "$$LOADGEN_REQUIRE" != all ]
# each a server of servers/, and a recipe of its name: NAME.yaml or NAME_sweep.yaml
DEMOS := redis postgresql minio chroma ollama vllm
# what a demo's recipe needs beside the address: MinIO starts with keys of its own
SET_minio = $(shell $(PYTHON_RUN) -c 'from servers.s3 import ACCESS_KEY, SECRET_KEY; \
  print(f"--set service.access_key={ACCESS_KEY} --set service.secret_key={SECRET_KEY}")')
# exit code 1 says that a limit of the recipe is broken: for a demo that is an answer, not an error
LIMITS_BROKEN := [ $$? -eq 1 ]
# before what compiles; not empty only where make/venv.sh had to fetch Python.h
CPATH_IF_ANY = $(addprefix CPATH=,$(shell cat .venv/cpath 2>/dev/null))

.PHONY: run build servers heavy-servers test test-servers lint format fuzz bench $(DEMOS:%=demo-%) clean

run: .venv/built
	@$(PYTHON_RUN) -m loadgen recipes/quickstart.yaml $(ARGS)

build: .venv/built

.venv/cpath: make/venv.sh
	@echo "setting up .venv"
	@make/venv.sh .venv

# installed where it lies, so that an edit of a .py needs nothing and an edit under ext/ a new build
.venv/built: .venv/cpath $(NATIVE_SOURCES)
	@echo "installing loadgen into .venv$(if $(HAS_COMPILER), and building its native engine, : no C compiler here)"
	@$(CPATH_IF_ANY) PYTHONWARNINGS=ignore LOADGEN_NATIVE=$(LOADGEN_NATIVE) $(PIP) --editable '.[html]'
	@$(COMPILE)
	@touch $@

# loadgen itself is there already: this adds its extras
.venv/tools: .venv/built
	@echo "installing what the tests and the linters need"
	@$(PIP) 'loadgen[test,lint]'
	@touch $@

servers: .venv/built
	@$(INSTALL_SERVERS) chromium llamacpp nginx redis valkey postgresql seaweedfs rclone qdrant || $(ENOUGH_WITHOUT)

heavy-servers: .venv/built
	@$(INSTALL_SERVERS) ollama vllm transformers minio chroma || $(ENOUGH_WITHOUT)

test: .venv/tools servers
	@$(PYTEST) $(SIDE_BY_SIDE) -m 'not heavy and not packaging' $(ARGS)

test-servers: .venv/tools heavy-servers
	@$(CPATH_IF_ANY) $(PYTEST) $(SIDE_BY_SIDE) -m 'heavy or packaging' --durations=5 $(ARGS)

lint: .venv/tools
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(CPATH_IF_ANY) LOADGEN_NATIVE=strict $(PYTHON_RUN) setup.py --quiet build_ext \
	  --build-temp build/strict --build-lib build/strict
	@echo "lint: ruff, mypy --strict, Cython and C without a warning"

format: .venv/tools
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

fuzz: .venv/tools
	@$(CPATH_IF_ANY) tests/fuzz/run.sh $(FUZZ_SECONDS)

bench: .venv/built
	@$(COMPILE)
	@PYTHONPATH=. $(PYTHON_RUN) bench/run.py $(ARGS)

$(DEMOS:%=demo-%): demo-%: .venv/built
	@$(INSTALL_SERVERS) $*
	@$(PYTHON_RUN) -m servers run $* -- $(PYTHON_RUN) -m loadgen $(wildcard recipes/$*.yaml recipes/$*_sweep.yaml) \
	  --set service.url={url} $(SET_$*) $(ARGS) || $(LIMITS_BROKEN)

clean:
	rm -rf .venv .servers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find loadgen -name '*.so' -delete -or -name '*.pyc' -delete
