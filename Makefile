# `make` alone lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run ready test test-servers lint security audit fmt bench bench-servers bench-image docs image lock clean

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
IMAGE ?= shop
SOURCES := src tests docs deploy deploy/release $(wildcard bench)

# Installing happens once for each change of a pin; these files remember it.
RUNTIME := $(VENV)/.runtime
TESTING := $(VENV)/.testing
CHECKS := $(VENV)/checks/.installed
DOCS := $(VENV)/docs/.installed

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNTIME) ## start the shop, with its demo catalogue, on http://localhost:8000
	@exec $(PY) -m shop run --demo $(ARGS)

ready: $(TESTING) $(CHECKS) $(DOCS) test-servers # what tests need; with -j side by side

# Whole files go to the workers in their order: those that wait come first, and units fill up what
# is left at the end. For some tests one process is quicker, unless ARGS has an -n. What is compiled
# is kept, wherever Python is told not to: many processes start from it.
ALL := -n auto --dist loadfile --no-loadscope-reorder
test: ## run all tests; ARGS="tests/unit -k cart" runs some
	@$(MAKE) --no-print-directory -j4 ready
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	  || echo "make test: NO CHROMIUM here: the browser tests are SKIPPED (Debian: apt-get install chromium)." >&2
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest $(or $(ARGS),$(ALL))

# What the tests start as private processes: `command:package` for the system's package manager, or
# `this/that:package` where either command will do.
SERVERS := mariadbd/mysqld:mariadb-server redis-server:redis-server java:default-jdk-headless mvn:maven \
	kcat:kcat promtool:prometheus buildah:buildah debootstrap:debootstrap
test-servers: ## install the servers that tests start for themselves, where they are missing
	@missing=; for one in $(SERVERS); do \
	  names=$${one%%:*}; for name in $${names%%/*} $${names##*/}; do \
	    PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v $$name >/dev/null && continue 2; \
	  done; missing="$$missing $${one##*:}"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "make test-servers: installing$$missing"; \
	  { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
	    apt-get install -qq -y --no-install-recommends $$missing >/dev/null; } && exit 0; \
	  hint="apt-get could not install them"; \
	elif command -v apt-get >/dev/null; then hint="run: sudo apt-get install$$missing"; \
	elif command -v brew >/dev/null; then hint="run: brew install mariadb redis openjdk maven kcat"; \
	else hint="install them, or set TEST_DATABASE_URL, TEST_REDIS_URL and TEST_KAFKA_URL"; fi; \
	echo "make test-servers: MISSING$$missing: $$hint." >&2; [ "$$TEST_REQUIRE_SERVERS" != 1 ]

lint: $(TESTING) ## check style, format, types and import direction
	$(PY) -m ruff check $(SOURCES)
	$(PY) -m ruff format --check $(SOURCES)
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --cache-dir build/import-linter

# What only looks like a password by its name is judged by ruff (S105, S106). In tests all random
# text is of nobody, yet the tokens and keys of real services are looked for there too.
SECRETS = xargs -0 $(VENV)/checks/bin/detect-secrets-hook \
	--disable-plugin KeywordDetector --disable-plugin BasicAuthDetector
security: $(CHECKS) ## look for holes in the code, and for secrets in what Git knows
	$(VENV)/checks/bin/bandit --quiet --configfile pyproject.toml --recursive src deploy
	git ls-files -z -- . ':!tests' ':!*.lock' | $(SECRETS)
	git ls-files -z -- tests | $(SECRETS) \
	  --disable-plugin Base64HighEntropyString --disable-plugin HexHighEntropyString

audit: $(CHECKS) ## ask the advisory databases about the dependencies; needs the network
	for lock in requirements.lock requirements-build.lock requirements-test.lock; do \
	  $(VENV)/checks/bin/pip-audit --strict --disable-pip --require-hashes --requirement $$lock || exit 1; done

fmt: $(TESTING) ## format the code and mend what can be mended safely
	$(PY) -m ruff format $(SOURCES)
	$(PY) -m ruff check --fix $(SOURCES)

bench: $(TESTING) ## measure the shop on this machine; writes build/bench.json
	@exec $(PY) bench/run.py $(ARGS)

bench-servers: $(TESTING) test-servers ## measure it on MariaDB, Redis, Kafka; writes build/bench-servers.json
	@exec $(PY) bench/run_servers.py $(ARGS)

bench-image: $(TESTING) test-servers ## measure the container image (as root); writes build/bench-image.json
	@exec $(PY) bench/run_image.py

docs: $(TESTING) $(DOCS) ## build the documentation into build/docs, without a warning
	@$(PY) -m docs.generate build/docs-src
	@rm -rf build/docs
	@$(VENV)/docs/bin/sphinx-build --fail-on-warning --keep-going --nitpicky --fresh-env --quiet \
	  --doctree-dir build/docs-cache build/docs-src build/docs
	@echo "build/docs/index.html"

image: ## build the container image (docker or podman); IMAGE=name:tag
	@tool=$$(command -v docker || command -v podman) \
	  || { echo "make image: needs docker or podman." >&2; exit 1; }; \
	"$$tool" build --tag $(IMAGE) .

# The test set is solved first and binds the others, as all three go into one environment.
# The environment's own find-links must not leak into the hashes.
COMPILE = env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(VENV)/bin/uv pip compile --quiet --no-config --universal \
	--python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url $(ARGS)
lock: $(RUNTIME) ## renew the lock files; ARGS=--upgrade takes the newest versions
	@$(PIP) uv
	$(COMPILE) pyproject.toml --extra traces --group test --group build --output-file requirements-test.lock
	$(COMPILE) pyproject.toml --constraint requirements-test.lock --output-file requirements.lock
	$(COMPILE) --group pyproject.toml:build --constraint requirements-test.lock --output-file requirements-build.lock
	$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["traces"], sep="\n")' \
	  | $(COMPILE) - --constraint requirements-test.lock --output-file requirements-traces.lock
	$(COMPILE) --group pyproject.toml:checks --output-file requirements-checks.lock
	$(COMPILE) --group pyproject.toml:docs --output-file requirements-docs.lock

clean: ## remove the environment and build results; the shop's data in var/ stays
	rm -rf $(VENV) build dist .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@python=; for name in python3 python3.13 python3.12 python3.11; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	[ -n "$$python" ] || { \
	  echo "make: needs Python 3.11 or newer, found $$(python3 --version 2>/dev/null || echo none)." >&2; exit 1; }; \
	$$python -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $$python cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 1; }; \
	$$python -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUNTIME): requirements.lock requirements-build.lock pyproject.toml | $(PY)
	@echo "Installing what the shop needs (once) …"
	@$(PIP) --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(TESTING): requirements-test.lock $(RUNTIME)
	@echo "Installing what the tests need (once) …"
	@$(PIP) --require-hashes -r requirements-test.lock
	@touch $@

$(CHECKS): requirements-checks.lock | $(PY)
	@echo "Installing what checks containers, manifests and workflows (once) …"
	@$(PY) -m venv $(VENV)/checks
	@$(VENV)/checks/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-checks.lock
	@touch $@

$(DOCS): requirements-docs.lock | $(PY)
	@echo "Installing what makes the documentation (once) …"
	@$(PY) -m venv $(VENV)/docs
	@$(VENV)/docs/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-docs.lock
	@touch $@
