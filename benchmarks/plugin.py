"""What the plugin's fixtures cost: ``python -m benchmarks plugin``.

* 1,000 trivial tests with each fixture, on the fake, on live and in virtual time, beside as many
  bare ones: milliseconds a test more than a bare one takes. Every round of each is a pytest of its
  own, in turns; the best round counts: other work on the machine only ever takes time away. Beside
  it the processor time of the process with the tests, which other work does not change much;
* what such a run leaves between its 200th and its last test: memory, threads, descriptors. pytest
  itself keeps some kilobytes of each test that has fixtures till the end of the run, so memory is
  measured beside as many tests with a chain of fixtures that do nothing;
* how long the import of the plugin takes in a run that does not use it.

Without a live server (no Java, no ZooKeeper) its rows are missing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from pytest_zkdict.live import LiveUnavailableError, find_installation

ROUNDS = 3
TESTS = 1_000
WARM_UP = 200

#: Milliseconds that a test may take longer than a bare one, by fixture and backend.
BOUNDS = {
    "zk_simulation": 1.0,
    "zk_client on fake": 4.0,
    "zk_dict on fake": 6.0,
    "zk_client on live": None,
    "zk_dict on live": None,
}
#: Milliseconds that the import of the unused plugin may take.
IMPORT = 3.0
#: Kilobytes that the memory of such a run may grow by more than one with plain fixtures.
GROWTH = 1_024

CONFTEST = """
import json, os, resource, threading, time
import pytest

seen = {{}}

def pytest_runtest_logstart(nodeid):
    count = seen["count"] = seen.get("count", 0) + 1
    if count == {warm_up}:
        seen["before"] = look()

def pytest_sessionfinish():
    before, after = seen["before"], look()
    with open("figures", "w") as file:
        json.dump([now - then for then, now in zip(before, after)], file)

@pytest.fixture(scope="session")
def one(): pass

@pytest.fixture(scope="session")
def two(one): pass

@pytest.fixture
def three(two): pass

@pytest.fixture
def four(two, three): pass

@pytest.fixture
def five(four): yield

@pytest.fixture
def plain(five, two): yield

def look():
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    descriptors = len(os.listdir("/dev/fd"))
    return time.perf_counter(), memory, threading.active_count(), descriptors, time.process_time()
"""

TEST = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it({fixture}number):
    pass
"""


def main() -> bool:
    """Run everything and print the tables; whether all targets are met."""
    fixtures = ["bare", "plain", *BOUNDS]
    try:
        find_installation()
    except LiveUnavailableError as error:
        print(f"{error}\n")
        fixtures = [name for name in fixtures if not name.endswith("live")]
    rounds: dict[str, list[list[float]]] = {name: [] for name in fixtures}
    for _ in range(ROUNDS):
        for name in fixtures:
            rounds[name].append(figures(name))
    best = {name: min(found) for name, found in rounds.items()}
    met = [costs(best), growth(best), imported()]
    return all(met)


def figures(name: str) -> list[float]:
    """Seconds, the growth of memory (kilobytes), threads and descriptors, and seconds of processor
    time, of one run.
    """
    fixture, _, backend = name.partition(" on ")
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "conftest.py").write_text(CONFTEST.format(warm_up=WARM_UP), "utf-8")
        argument = "" if fixture == "bare" else f"{fixture}, "
        text = TEST.format(tests=TESTS + WARM_UP, fixture=argument)
        (folder / "test_it.py").write_text(text, "utf-8")
        run_pytest(folder, f"--zk-backend={backend or 'fake'}")
        found: list[float] = json.loads((folder / "figures").read_text("utf-8"))
    return found


def run_pytest(folder: Path, *arguments: str) -> str:
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={folder}", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ZK")}
    environment["ZOOKEEPER_HOME"] = os.environ.get("ZOOKEEPER_HOME", "")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a module is compiled once, not in each run
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if ran.returncode:
        raise RuntimeError(f"{ran.stdout}\n{ran.stderr[-2000:]}")
    return ran.stderr


def costs(best: dict[str, list[float]]) -> bool:
    """Print what a test costs; whether it is cheap enough."""
    bare = 1000 * best["bare"][0] / TESTS
    print(f"milliseconds a test, best of {ROUNDS} rounds of {TESTS:,} tests")
    print(f"{'':24}{'a test':>8}{'more':>8}{'ratio':>8}{'CPU':>8}")
    met = True
    for name, found in best.items():
        mean = 1000 * found[0] / TESTS
        cpu = 1000 * found[4] / TESTS
        bound = BOUNDS.get(name)
        text = ""
        if bound is not None:
            enough = mean - bare <= bound
            met = met and enough
            text = f"   at most {bound:g} more   {'met' if enough else 'MISSED'}"
        print(f"{name:24}{mean:8.2f}{mean - bare:8.2f}{mean / bare:8.1f}{cpu:8.2f}{text}")
    print()
    return met


def growth(best: dict[str, list[float]]) -> bool:
    """Print what the tests left; whether it is nothing."""
    plain = best["plain"][1]
    print(f"left by {TESTS:,} tests")
    print(f"{'':24}{'kB more than plain':>20}{'threads':>9}{'descriptors':>13}")
    met = True
    for name, (_, memory, threads, descriptors, _cpu) in best.items():
        enough = memory - plain <= GROWTH and not threads and not descriptors
        met = met and enough
        verdict = "" if name in ("bare", "plain") else f"   {'met' if enough else 'MISSED'}"
        print(f"{name:24}{memory - plain:20,.0f}{threads:9.0f}{descriptors:13.0f}{verdict}")
    print()
    return met


def imported() -> bool:
    """Print what the unused plugin costs a run; whether it is little enough."""
    found = []
    whole = []
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "test_it.py").write_text("def test_it(): pass\n", "utf-8")
        for _ in range(2 * ROUNDS + 1):
            lines = re.findall(r"import time:\s*(\d+) \|\s*(\d+) \| *([\w.]+)", run_pytest(folder))
            own = [int(time) for time, _, name in lines if name.startswith("pytest_zkdict")]
            found.append(sum(own) / 1000)
            whole.append(sum(int(time) for time, _, _ in lines) / 1000)
    best = min(found)
    met = best <= IMPORT
    print(
        f"{'import, unused':24}{best:8.2f} ms of {min(whole):.0f}   at most {IMPORT:g}"
        f"   {'met' if met else 'MISSED'}\n"
    )
    return met
