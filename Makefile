# Risveglio. `make` alone explains.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV ?= $(BIN)/uv
CONFIG ?= local/config
# Passed to pip as they are, such as INSTALL_OPTIONS="--index-url https://pypi.example/simple".
INSTALL_OPTIONS ?=
# As many test processes as there are processors, but not more than this.
WORKERS ?= 4
TESTS ?= tests

# Isolated: neither PIP_* variables nor a person's pip.conf change what is installed.
PIP := $(BIN)/python -I -m pip --isolated --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help venv install demo serve test check fmt lock bench chaos dist clean
.DELETE_ON_ERROR:

help:
	@echo "Risveglio, a multichannel messaging gateway. Everything is installed into $(VENV) on first use."
	@echo
	@echo "  make demo     wake up 2,357 sleeping customers on this machine: e-mail, SMS, push and print"
	@echo "  make serve    run the gateway with the settings in $(CONFIG), made at the first start"
	@echo
	@echo "  make test     the whole test suite; make test TESTS=tests/domain for a part of it"
	@echo "  make check    style, types and layers, as CI asks for them"
	@echo "  make fmt      put the style right"
	@echo "  make bench    measure how fast it is here"
	@echo "  make chaos    kill its processes while it works, and ask whether it kept its promises;"
	@echo "                make chaos CHAOS_MINUTES=10 CHAOS_KILLS=300 CHAOS_RUNS=3, CHAOS_SEED=7 to see a run again"
	@echo
	@echo "  make install  only install; needs Python 3.11 or newer: make install PYTHON=python3.13"
	@echo "  make lock     choose the newest dependencies that pyproject.toml allows, and write requirements/"
	@echo "  make dist     the wheel and the source archive, in dist/"
	@echo "  make clean    remove whatever make has made, $(VENV) included"

venv install: $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/risveglio demo

serve: $(VENV)/.installed
	@test -e $(CONFIG)/gateway.toml || $(BIN)/risveglio init $(CONFIG)
	$(BIN)/risveglio serve --config $(CONFIG)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n logical --maxprocesses $(WORKERS) $(TESTS)
	@echo "One part: make test TESTS=tests/domain   One test: $(BIN)/pytest tests/domain -k quiet"

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy gateway channels plugins
	$(BIN)/lint-imports --no-logo --no-cache

fmt: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	$(BIN)/risveglio bench

# CHAOS_DATABASES="sqlite" for one of the two, CHAOS_PEOPLE=20000 for more mail in each minute.
chaos: $(VENV)/.installed
	$(BIN)/python -W "ignore:XDG_RUNTIME_DIR is not set" -m tests.acceptance.chaos

dist: $(VENV)/.installed
	$(BIN)/python -m hatchling build
	@ls -l dist

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find gateway channels plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: a second `make test` finds them and installs nothing.

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

# Two steps, because a few packages come as sources: what builds them has to be there first, from
# the lock as well. Versions and hashes are the lock's; pip has nothing left to choose.
$(VENV)/.locked: requirements/build.lock requirements/dev.lock | $(VENV)/pyvenv.cfg
	$(PIP) install --quiet --require-hashes --no-deps --only-binary :all: $(INSTALL_OPTIONS) -r requirements/build.lock
	$(PIP) install --quiet --require-hashes --no-deps --no-build-isolation --use-pep517 $(INSTALL_OPTIONS) -r requirements/dev.lock
	@touch $@

$(VENV)/pyvenv.cfg:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Risveglio needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# `make lock` reads pyproject.toml and asks the package index. One lock serves Python 3.11 and newer, on
# all systems. To move one package alone: make lock LOCK="--upgrade-package litestar".
LOCK ?= --upgrade
COMPILE = $(UV) pip compile $(LOCK) --no-config --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock"

lock: $(UV)
	$(COMPILE) --group build -o requirements/build.lock
	$(COMPILE) pyproject.toml -o requirements/runtime.lock
	$(COMPILE) pyproject.toml --all-extras --group dev --constraint requirements/build.lock -o requirements/dev.lock

$(BIN)/uv: | $(VENV)/pyvenv.cfg
	$(PIP) install --quiet $(INSTALL_OPTIONS) "uv>=0.9"
