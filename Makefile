# Two commands from an empty clone: `make demo` and `make test`. Both set up what they need in .venv; done
# once, that is not done again until pyproject.toml changes.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
FRAMES ?= 2000000
FUZZ_SECONDS ?= 3600
MUTANTS ?=
KILLS ?= 300
RUNS ?= 10
FLAKES ?=
SCHEMA_SECONDS ?= 600
SCHEMA_ARGS ?=
HUNT ?=
HUNT_SECONDS ?= $(if $(HUNT_WORLDS),,3600)
HUNT_WORLDS ?=
SPHINX_ARGS ?=

# Some images forbid Python to write what it has compiled. Then each run of pytest that a test starts would compile
# Hypothesis again, which takes a second.
unexport PYTHONDONTWRITEBYTECODE

# pip compiles nothing, in any environment: Python compiles what it imports, which is less than what is installed.
# A false value turns this option of pip on.
export PIP_NO_COMPILE := 0

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# An environment without a pip of its own is made in a tenth of the time: that of $(VENV) fills it.
PIP_INTO := $(BIN)/python -m pip --disable-pip-version-check --quiet --python
DIST := build/dist
APT_GET := apt-get -o DPkg::Lock::Timeout=120 -qq

.PHONY: help demo test coverage check format bench targets hunt watching dev live browser redis kazoo-suite canary lowest hostile fuzz mutants pythons downstream dist release found kills schema docs clean flakes nightly

help:
	@echo "make demo    run the dict on the embedded fake: two clients, both views printed"
	@echo "make test    run the whole test suite, on the fake and, where it can be had, on a live server"
	@echo "make coverage  the same, and which lines and branches of the three packages no test reaches"
	@echo "make kazoo-suite  run kazoo's own test suite on the fake (docs/kazoo_suite.md)"
	@echo "make canary KAZOO=2.9.0   the tests, and kazoo's own, on another kazoo; or on a checkout: KAZOO=../kazoo"
	@echo "make lowest  the tests on the oldest versions that the metadata allows"
	@echo "make bench   figures of everything beside its peers; writes the tables and plots of docs/benchmarks.md and docs/capacity.md"
	@echo "make targets the comparisons that have bounds, and which of them are met"
	@echo "make hunt    worlds that nobody has seen yet, for an hour (HUNT_SECONDS=3600, or HUNT_WORLDS=20000)"
	@echo "make watching  the dict's tests, where every client can watch a subtree at once"
	@echo "make doctor  looks for habits that hurt in the dict's tests, in kazoo's own and in its recipes (docs/doctor.md)"
	@echo "make hostile FRAMES hostile frames against the fake while honest clients check it, in figures"
	@echo "make fuzz    a coverage-guided fuzzer on a connection of the fake for FUZZ_SECONDS"
	@echo "make kills   a server with a data directory is killed KILLS times under load, and judged (KILLS=300)"
	@echo "make schema  asks a control endpoint all that its OpenAPI document allows, and more, for SCHEMA_SECONDS (600)"
	@echo "make mutants changes the code in 200 places, one after the other: the tests that cover a place have to see it"
	@echo "make pythons the machine's other Pythons, as the tests that compare them want them"
	@echo "make downstream  a project that uses the plugin, from the wheel, on the machine's Pythons"
	@echo "make dist    the source distribution and the wheel, in build/dist"
	@echo "make release builds them twice and judges them: contents, metadata, the same bytes"
	@echo "make flakes RUNS=10  runs the tests as CI does, ten times, and names those that failed (FLAKES=--pauses: as on a busy machine)"
	@echo "make nightly  everything that is too long for CI, seven hours on two cores (CONTRIBUTING.md)"
	@echo "make found   the defects of other libraries that docs/found.md tells of, each in an environment of its own"
	@echo "make docs    these pages and the reference, in build/docs; a warning is an error"
	@echo "make check   ruff, mypy and import-linter"
	@echo "make format  let ruff format the code"
	@echo "make clean   remove the virtual environment and the caches"

demo: $(VENV)/.demo
	@$(BIN)/python examples/demo.py

# PYTEST_ARGS='-k watch --zk-backend fake', for instance.
test: dev live browser redis
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

# Twice the time of `make test`. A process that is killed leaves no data, so what only such processes run is listed.
# From Python 3.14 on, coverage.py counts branches by sys.monitoring, unless it is told of greenlets, which it sees
# there anyway. That takes less than half the processor time, and no test can take it away as it can a trace function.
coverage: dev live browser redis
	@$(BIN)/python -m coverage erase
	@status=0; concurrency=$$($(BIN)/python -c 'import sys; print("thread" if sys.version_info >= (3, 14) else "thread,greenlet")'); \
	$(BIN)/python -m coverage run --concurrency=$$concurrency -m pytest $(PYTEST_ARGS) || status=$$?; \
	$(BIN)/python -m coverage combine --quiet && $(BIN)/python -m coverage report || status=$$?; \
	exit $$status

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# BENCH=--quick measures little and leaves docs/ alone, BENCH=--draw measures nothing, BENCH=capacity is one part.
bench: dev live $(VENV)/.bench
	@$(BIN)/python -m benchmarks.report $(BENCH)

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	@$(PIP) --editable '.[bench]'
	@touch $@

targets: dev live
	@$(BIN)/python -m benchmarks

# HUNT=hostile-1,hostile-3 chooses properties (tests/hunt/properties.py).
hunt: dev
	@$(BIN)/python -m tests.hunt $(if $(HUNT_SECONDS),--seconds $(HUNT_SECONDS)) \
		$(if $(HUNT_WORLDS),--worlds $(HUNT_WORLDS)) $(if $(HUNT),--only $(HUNT))

# CI runs tests/dict/test_subtree.py of it.
watching: dev live redis
	@ZKDICT_CLIENT=watching $(BIN)/python -m pytest tests/dict $(PYTEST_ARGS)

format: dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dev: $(VENV)/.dev

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is needed; name one by: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) comes without venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# A live ZooKeeper for the other half of the tests, and its command-line clients in Java and C. Without one they are skipped, and say what to install.
live:
	@if [ -n "$$ZOOKEEPER_HOME" ] || { [ -e /usr/share/java/zookeeper.jar ] && [ -e /usr/lib/zookeeper/bin/cli_mt ] && command -v java >/dev/null; }; then \
		exit 0; \
	elif ! command -v apt-get >/dev/null; then \
		why="this is not Debian or Ubuntu"; \
	elif [ "$$(id -u)" = 0 ]; then \
		$(APT_GET) update && DEBIAN_FRONTEND=noninteractive $(APT_GET) install --yes zookeeper zookeeper-bin >/dev/null \
			&& exit 0; \
		why="apt-get could not install it"; \
	elif sudo -n true 2>/dev/null; then \
		sudo -n $(APT_GET) update \
			&& sudo -n DEBIAN_FRONTEND=noninteractive $(APT_GET) install --yes zookeeper zookeeper-bin >/dev/null \
			&& exit 0; \
		why="apt-get could not install it"; \
	else \
		why="that takes root: sudo apt-get install zookeeper zookeeper-bin"; \
	fi; \
	echo "No live ZooKeeper: $$why. The tests on it are skipped; any release of ZooKeeper will do, named by ZOOKEEPER_HOME."

# A browser for the tests of the page that a timeline is. Without one they are skipped, and say what to install.
browser:
	@if command -v chromedriver >/dev/null || ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then exit 0; fi; \
	$(APT_GET) update && DEBIAN_FRONTEND=noninteractive $(APT_GET) install --yes --no-install-recommends chromium chromium-driver >/dev/null \
		|| echo "No browser: apt-get could not install chromium and chromium-driver. The tests in it are skipped."

# A Redis for the tests of RedisDict, each run of which starts its own: the service that Debian makes of it is stopped.
# Without one they are skipped, and say what to install.
redis:
	@if command -v redis-server >/dev/null || ! command -v apt-get >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then root=; elif sudo -n true 2>/dev/null; then root="sudo -n"; else exit 0; fi; \
	$$root $(APT_GET) update \
		&& $$root env DEBIAN_FRONTEND=noninteractive $(APT_GET) install --yes --no-install-recommends redis-server >/dev/null \
		&& { $$root service redis-server stop; $$root update-rc.d redis-server disable; } >/dev/null 2>&1 \
		|| command -v redis-server >/dev/null || echo "No Redis: apt-get could not install redis-server. The tests on it are skipped."

# What is found there is argued in docs/doctor.md.
doctor: dev $(VENV)-kazoo/.done
	@status=0; \
	$(BIN)/python -m pytest -q -p tests.history.doctor -p no:cacheprovider --zk-backend fake tests/dict || status=1; \
	(cd tests/kazoo_suite && PYTHONPATH=$(CURDIR) $(abspath $(VENV))-kazoo/bin/python -m pytest -q \
		-p tests.history.doctor --pyargs kazoo.tests) || status=1; \
	$(BIN)/python -m tests.history.doctor || status=1; \
	exit $$status

# An environment of its own: kazoo's tests want packages that nothing else here needs.
kazoo-suite: $(VENV)-kazoo/.done
	@cd tests/kazoo_suite && $(abspath $(VENV))-kazoo/bin/python -m pytest -q -n 2 --pyargs kazoo.tests $(PYTEST_ARGS)

$(VENV)-kazoo/.done: pyproject.toml $(VENV)/.dev
	@$(BIN)/python -m venv --without-pip $(VENV)-kazoo
	@$(PIP_INTO) $(VENV)-kazoo install --editable '.[kazoo-suite]'
	@touch $@

# Another kazoo in an environment of its own, whatever the bounds of the dependency say: where the simulation or the
# harness cannot patch it, they say so. kazoo 2.8 calls what Python
# deprecates, and its tests import mock. Both runs are made, also when the first fails.
CANARY := $(VENV)-canary/bin/python
CANARY_TESTS ?= tests/client tests/dict tests/simulation tests/plugin/test_kazoo_harness.py

canary:
	@[ -n "$(KAZOO)" ] || { echo "Which kazoo? make canary KAZOO=2.9.0, or KAZOO=../kazoo for a checkout" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(VENV)-canary/.done
	@$(CANARY) -m pip --disable-pip-version-check uninstall --quiet --yes kazoo
	@$(CANARY) -m pip --disable-pip-version-check install --quiet $(if $(wildcard $(KAZOO)/),$(abspath $(KAZOO)),kazoo==$(KAZOO))
	@$(CANARY) -c 'import sys, kazoo.version; print("kazoo", kazoo.version.__version__, "from $(KAZOO), Python", sys.version.split()[0])'
	@status=0; \
	$(CANARY) -m pytest -q -n 2 -p no:cacheprovider --zk-backend fake -W 'ignore:isSet:DeprecationWarning' $(CANARY_TESTS) $(PYTEST_ARGS) || status=1; \
	cd tests/kazoo_suite && $(abspath $(CANARY)) -m pytest -q -n 2 --pyargs kazoo.tests $(PYTEST_ARGS) || status=1; \
	exit $$status

$(VENV)-canary/.done: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)-canary
	@$(CANARY) -m pip --disable-pip-version-check install --quiet --editable '.[dev,kazoo-suite]' mock
	@touch $@

# The oldest versions that the metadata allows; but for Hypothesis, in which our tests lean on newer parts than
# pytest_zkdict.stateful does: DOWNSTREAM_ARGS=--lowest make downstream has that one too.
LOWEST_TESTS ?= tests/client tests/dict tests/simulation tests/plugin

lowest: $(VENV)-lowest/.done
	@$(VENV)-lowest/bin/python -m pytest -q -n 2 -p no:cacheprovider --zk-backend fake -W 'ignore:isSet:DeprecationWarning' $(LOWEST_TESTS) $(PYTEST_ARGS)

$(VENV)-lowest/.done: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)-lowest
	@grep -oE '"(kazoo|pytest|greenlet|pydantic|redis)>=[^"]*"' pyproject.toml | sed 's/"//g; s/>=/==/; s/,<[0-9.]*//' >$(VENV)-lowest/versions.txt
	@$(VENV)-lowest/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[dev]' -r $(VENV)-lowest/versions.txt
	@touch $@

hostile: dev
	@$(BIN)/python -m tests.hostile --frames $(FRAMES)

# On one server and on three.
kills: dev
	@$(BIN)/python -m tests.offline.kills --kills $(KILLS)
	@$(BIN)/python -m tests.offline.kills --kills $(KILLS) --servers 3

# An environment of its own: the tool is a plugin of pytest, too, which every run would import.
schema: $(VENV)-schema/.done
	@$(VENV)-schema/bin/python -m tests.web.schema --seconds $(SCHEMA_SECONDS) $(SCHEMA_ARGS)

$(VENV)-schema/.done: pyproject.toml $(VENV)/.dev
	@$(BIN)/python -m venv --without-pip $(VENV)-schema
	@$(PIP_INTO) $(VENV)-schema install --editable '.[schema]'
	@touch $@

# An environment of its own: atheris has no wheels for every Python and system.
fuzz: $(VENV)-fuzz/.done
	@$(VENV)-fuzz/bin/python -m tests.hostile.fuzz $(FUZZ_SECONDS)

$(VENV)-fuzz/.done: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)-fuzz
	@$(VENV)-fuzz/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[fuzz]'
	@touch $@

# An environment of its own: the tool brings a web server and a database. MUTANTS='--seed 7 --sample 50', for instance.
mutants: $(VENV)-mutants/.done
	@$(VENV)-mutants/bin/python -m tests.mutation --work $(VENV)-mutants/work $(MUTANTS)

$(VENV)-mutants/.done: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)-mutants
	@$(VENV)-mutants/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[dev,mutants]'
	@touch $@

# Every other Python of the machine, in the form of ZKFAKE_PYTHONS: the simulation's histories are compared on them.
pythons: dev
	@$(BIN)/python tests/simulation/interpreters.py $(VENV)

# A project that uses the plugin, from the wheel, in empty environments of the machine's Pythons.
# DOWNSTREAM_ARGS='--only 3.12 --lowest --no-live', for instance.
downstream: dev dist
	@$(BIN)/python tests/downstream/run.py $(DIST) $(VENV)-downstream $(DOWNSTREAM_ARGS)

# The source distribution, and the wheel that it makes.
dist: $(VENV)-release/.done
	@$(VENV)-release/bin/python -m tests.release.building $(DIST)

# FLAKES='-n 2 tests/client', for instance.
flakes: dev live browser redis
	@$(BIN)/python -m tests.release.flakes $(RUNS) $(FLAKES)

# One after the other; what fails is told at the end. CONTRIBUTING.md has what each takes.
NIGHTLY := nightly-tests hunt hostile kills schema found doctor downstream nightly-canary lowest fuzz mutants
.PHONY: $(NIGHTLY)

nightly:
	@failed=; for each in $(NIGHTLY); do \
		began=$$(date +%s); $(MAKE) --no-print-directory $$each && how=passed || { how=FAILED; failed="$$failed $$each"; }; \
		echo "== $$each: $$how after $$(( $$(date +%s) - began )) s"; \
	done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

# All tests, also those that CI leaves out, on fresh examples. Then what has a fixed part in them, in full: more seeds,
# steps and rounds.
nightly-tests: dev live browser redis
	@export CI= ZKFAKE_PYTHONS=$$($(MAKE) --silent pythons); \
	$(BIN)/python -m pytest -q -n 4 --dist worksteal || status=1; \
	ZKFAKE_SEEDS=400 ZKDICT_ROUNDS=10000 ZK_DIFFERENTIAL_STEPS=200000 ZK_ENSEMBLE_STEPS=20000 TEST_LIMIT=7200 \
		$(BIN)/python -m pytest -q -n 2 tests/simulation/test_determinism.py tests/simulation/recipes \
		tests/differential tests/dict/test_snapshots.py tests/dict/test_concurrency.py || status=1; \
	exit $${status:-0}

nightly-canary:
	@for each in 2.8.0 2.9.0 2.10.0; do $(MAKE) --no-print-directory canary KAZOO=$$each || exit 1; done

# What was built is right, and a second build gives the same bytes.
release: dist
	@$(VENV)-release/bin/python -m tests.release $(DIST)

$(VENV)-release/.done: pyproject.toml $(VENV)/.dev
	@$(BIN)/python -m venv --without-pip $(VENV)-release
	@$(PIP_INTO) $(VENV)-release install --editable '.[release]'
	@touch $@

# FOUND_ARGS='--only kombu', for instance; --write writes what the programs print into the page.
found: dev
	@$(BIN)/python -m tests.found build/found $(FOUND_ARGS)

# An environment of its own: what makes pages is no part of the tests. No network: docs/inventories has what is linked to.
docs: $(VENV)-docs/.done
	@$(VENV)-docs/bin/python -m sphinx --fail-on-warning --nitpicky --quiet docs build/docs $(SPHINX_ARGS)

$(VENV)-docs/.done: pyproject.toml $(VENV)/.dev
	@$(BIN)/python -m venv --without-pip $(VENV)-docs
	@$(PIP_INTO) $(VENV)-docs install --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
