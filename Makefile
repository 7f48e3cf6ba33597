# The commands of this project. CI and people run the same ones.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CLIENT := .cache/client
EARLIER := $(patsubst tests/client/earlier/%/package.json,.cache/client-%/.installed,$(wildcard tests/client/earlier/*/package.json))
PIP    := $(BIN)/python -m pip --disable-pip-version-check
XDIST  ?= -n 2
PYTHONS := src tests typing_tests tools benchmarks

.PHONY: help demo test nightly check lint fmt types contracts client clients system mutants squatter faults soak soak-day bench bench-guard bench-system profile lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the runtime dependencies (hash-locked)" >&2
	@$(PIP) install -q --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "installing the development tools (hash-locked)" >&2
	@$(PIP) install -q --require-hashes -r requirements/dev.txt
	@touch $@

$(CLIENT)/.installed: tests/client/package.json tests/client/package-lock.json
	$(install-client)

.cache/client-%/.installed: tests/client/earlier/%/package.json tests/client/earlier/%/package-lock.json
	$(install-client)

define install-client
@echo "installing a real Claude Code client from npm into $(@D) (about 370 MB)" >&2
@command -v npm >/dev/null || { echo "npm not found: the tests drive the real client. hint: install Node.js" >&2; exit 1; }
@mkdir -p $(@D) && cp $^ $(@D)/
@cd $(@D) && npm ci --no-audit --no-fund --loglevel=error
@touch $@
endef

demo: $(VENV)/.runtime ## the whole job on embedded simulators: no accounts, no client
	@$(BIN)/openclaude demo

client: $(CLIENT)/.installed ## install the real Claude Code client for the tests

clients: $(CLIENT)/.installed $(EARLIER) ## install that client and the earlier versions of it that are tested too

system: ## install what the tests need of the system: a browser, strace, a C compiler with OpenSSL and zlib (Debian, as root)
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null && command -v strace >/dev/null && $(COMPILES) || $(MAKE) -s missing PACKAGES="chromium strace $(COMPILER)"

bench-system: ## install what the benchmark needs of the system: nginx, haproxy, strace and that compiler (Debian, as root)
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && command -v haproxy >/dev/null && command -v strace >/dev/null && $(COMPILES) || $(MAKE) -s missing PACKAGES="nginx haproxy strace $(COMPILER)"

COMPILER := gcc libc6-dev libssl-dev zlib1g-dev
COMPILES := $${CC:-cc} -fsyntax-only -include openssl/ssl.h -include zlib.h -x c /dev/null 2>/dev/null

.PHONY: missing
missing:
	@command -v apt-get >/dev/null && test "$$(id -u)" = 0 || { echo "not all of these are installed: $(PACKAGES). hint: install them with your system's package manager" >&2; exit 1; }
	@echo "installing $(PACKAGES) (Debian packages)" >&2
	@apt-get update -qq
	@DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null

squatter: $(VENV)/.dev $(CLIENT)/.installed ## take a killed gateway's port fifty times in one session of the real client
	OPENCLAUDE_TAKEOVERS=50 $(BIN)/python -m pytest -n0 tests/client/test_takeover.py

MINUTES ?= 10
STREAMS ?= 1000
STALLED ?= 200
FAULTS  ?= 0
SOAK     = PYTHONPATH=tests $(BIN)/python -m load.soak

soak: $(VENV)/.dev ## hold 1,000 streams open, 200 readers stalled (MINUTES, STREAMS, STALLED; FAULTS=1: a stream in a hundred goes wrong)
	$(SOAK) --minutes $(MINUTES) --streams $(STREAMS) --stalled $(STALLED) --faults $(FAULTS) $(if $(filter-out 0,$(FAULTS)),--short)

soak-day: $(VENV)/.dev ## 50 streams for 24 hours, one in a hundred goes wrong
	$(MAKE) soak MINUTES=1440 STREAMS=50 STALLED=10 FAULTS=1

mutants: $(VENV)/.dev ## put 66 leaks into copies of the product; the leak oracle has to notice each
	$(BIN)/python tools/mutants.py

bench: $(VENV)/.runtime bench-system ## measure gateways side by side (half an hour); ROWS=, GATEWAYS= and REPS= for a part
	$(BIN)/python -m benchmarks.run --rows "$(ROWS)" --gateways "$(GATEWAYS)" $(if $(REPS),--reps $(REPS)) $(if $(SECONDS),--seconds $(SECONDS))

bench-guard: $(VENV)/.runtime bench-system ## five minutes against nginx: fails when openClaude has become a quarter slower
	$(BIN)/python -m benchmarks.guard $(if $(RECORD),--record)

profile: $(VENV)/.runtime bench-system ## a flame graph and the system calls of a row of the benchmark: ROW=http:json-2k@16 (as root)
	$(BIN)/python -m benchmarks.flame "$(ROW)"

test: $(VENV)/.dev $(CLIENT)/.installed $(EARLIER) system ## every test, the real client included
	$(BIN)/python -m pytest $(XDIST) --dist=worksteal $(PYTEST)

faults: $(VENV)/.dev ## every fault of providers and clients, in every mode; the table is .cache/faults/report.md
	FAULTS=all FAULTS_REPORT=.cache/faults/report.md $(BIN)/python -m pytest $(XDIST) --dist=worksteal tests/faults $(PYTEST)

nightly: $(VENV)/.dev ## the fuzz tests with 20,000 examples each
	FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest $(XDIST) --dist=worksteal tests/fuzz $(PYTEST)

check: lint types contracts ## formatting, lint, types and import contracts

lint: $(VENV)/.dev
	$(BIN)/ruff format --check $(PYTHONS)
	$(BIN)/ruff check $(PYTHONS)

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/mypy -p benchmarks
	$(BIN)/mypy typing_tests

contracts: $(VENV)/.dev
	$(BIN)/lint-imports --config pyproject.toml

fmt: $(VENV)/.dev ## format and fix what can be fixed
	$(BIN)/ruff format $(PYTHONS)
	$(BIN)/ruff check --fix $(PYTHONS)

lock: ## compile requirements/*.txt: hashes, no download addresses
	$(PYTHON) tools/lock.py

clean: ## remove what the commands above made
	rm -rf $(VENV) .cache dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
