# Every command there is. `make run` and `make test` need Python 3.11+ and make, nothing else.

PYTHON ?= python3
ARGS ?=
UV := .venv/bin/uv
UV_VERSION := 0.13.9
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url
LOCK_OPTIONS ?=

.PHONY: help run test test-full check bench reset lock schema assets install
.DEFAULT_GOAL := help

help:
	@echo "make run        start everything on 127.0.0.1:8000 (ARGS='--port 8123' passes options on)"
	@echo "make test       every test, with its own PostgreSQL and Redis (ARGS='-k booking' passes options on)"
	@echo "make test-full  the same and the long ones"
	@echo "make check      lint, formatting, types, floors, contracts"
	@echo "make bench      measurements"
	@echo "make schema     regenerate schema.graphql and sql/schema.sql"
	@echo "make lock       resolve the dependencies anew (LOCK_OPTIONS='--upgrade' raises them)"
	@echo "make reset      wipe the data of 'make run'"

run: install assets
	@exec .venv/bin/python -m app dev $(ARGS)

test: install assets
	.venv/bin/python -m pytest $(ARGS)

test-full: install assets
	.venv/bin/python -m pytest -m "full or not full" $(ARGS)

check: install assets
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m pytest tests/contract -q

bench: install
	.venv/bin/python -m tests.benchmarks $(ARGS)

schema: install
	.venv/bin/python -m app schema > schema.graphql.new && mv schema.graphql.new schema.graphql
	.venv/bin/python -m tests.contract.dump_schema > sql/schema.sql.new && mv sql/schema.sql.new sql/schema.sql

reset:
	rm -rf .data

# ---------------------------------------------------------------- what the commands stand on

install: .venv/installed
assets: app/web/vendor/installed

.venv/installed: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Slotwright needs Python 3.11 or newer; this is " + sys.version.split()[0] + " (choose another with PYTHON=…).")'
	@echo "slotwright: making .venv and installing the locked dependencies (under a minute) …"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The machine's npm installs the browser libraries; where there is none, the Node.js of a PyPI wheel does.
app/web/vendor/installed: app/web/package-lock.json app/web/package.json requirements-node.lock | install
	@echo "slotwright: installing the browser libraries (npm) …"
	@command -v npm >/dev/null 2>&1 || .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements-node.lock
	@.venv/bin/python -m app.web.assets
	@touch $@

lock: install
	@test -x $(UV) || .venv/bin/python -m pip install --disable-pip-version-check uv==$(UV_VERSION)
	$(LOCK) $(LOCK_OPTIONS) -o requirements.lock pyproject.toml
	$(LOCK) $(LOCK_OPTIONS) -c requirements.lock --extra embedded --extra dev pyproject.toml -o requirements-dev.lock
	$(LOCK) $(LOCK_OPTIONS) --group node -o requirements-node.lock
