"""The same seed and program make the same history, byte for byte, wherever they run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from zkfake.history import Connected, Note, Reply, Sent
from zkfake.simulation import NondeterministicProgram, Simulation, SimulationError

PROGRAMS = Path(__file__).with_name("programs.py")
ROOT = Path(__file__).parents[2]
PYTHONS = [each for each in os.environ.get("ZKFAKE_PYTHONS", "").split(os.pathsep) if each]
"""Other interpreters that have kazoo and greenlet: `make pythons` prints them."""
SEEDS = int(os.environ.get("ZKFAKE_SEEDS", "8"))
PART = 8
"""Seeds of one test: all in one piece would be the longest test there is."""


@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_histories_depend_on_nothing_but_the_seed(first: int) -> None:
    """Not on the process, not on its hash seed, not on the version of Python."""
    others = PYTHONS or [sys.executable]
    runs = [(sys.executable, 1), *((other, 4_000_000 + n) for n, other in enumerate(others))]
    said = {run: _digests(*run, first) for run in runs}
    expected = said[runs[0]]
    with_asyncio = len([seed for seed in range(first, first + PART) if seed % 4 == 0])
    assert len({line.split()[-1] for line in expected.splitlines()}) == 2 * PART + with_asyncio
    assert said == dict.fromkeys(runs, expected)


def _digests(python: str, hash_seed: int, first: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [python, str(PROGRAMS), str(first), str(first + PART - 1)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    ).stdout


def test_a_second_run_is_compared_step_by_step() -> None:
    def program(sim: Simulation) -> str:
        client = sim.client()
        client.create("/" + str(random.Random(1).random()))
        return "done"

    assert Simulation(check_determinism=True).run(program) == "done"


def test_a_program_that_uses_real_chance_is_found_out() -> None:
    def program(sim: Simulation) -> None:
        client = sim.client()
        client.create("/same")
        client.create("/" + uuid.uuid4().hex)

    with pytest.raises(NondeterministicProgram, match=r"(?s)differs, number 9:.*Sent"):
        Simulation(check_determinism=True).run(program)


def test_the_first_step_that_differs_is_named() -> None:
    runs: list[int] = []

    def program(sim: Simulation) -> None:
        runs.append(1)
        sim.sleep(1)
        sim.spawn(sim.sleep, len(runs), name="sleeper")
        sim.sleep(5)

    with pytest.raises(NondeterministicProgram) as caught:
        Simulation(check_determinism=True).run(program)
    assert str(caught.value).startswith(
        "step 3 differs: sleeper at 2.000000 s in the first run, sleeper at 3.000000 s in the "
        "second\nthe events of both runs are the same"
    )


@pytest.mark.parametrize("longer", ["first", "second"])
@pytest.mark.parametrize("steps", [True, False], ids=["steps", "events"])
def test_what_one_run_has_alone_is_told(longer: str, steps: bool) -> None:
    runs: list[int] = []

    def program(sim: Simulation) -> None:
        runs.append(1)
        sim.sleep(1)
        if (len(runs) == 1) is (longer == "first"):
            sim.history.note("more")
            if steps:
                sim.sleep(1)

    with pytest.raises(NondeterministicProgram) as caught:
        Simulation(check_determinism=True).run(program)
    first, second = str(caught.value).split("\n", 1)
    assert second == (
        "the history of one run ends after event 1, the other goes on with\n"
        "  Note(time=1.0, task='main', text='more')"
    )
    assert first == (
        f"step 2 (main at 2.000000 s) was made in the {longer} run only"
        if steps
        else "the steps are the same, the histories differ"
    )


def test_a_deterministic_failure_is_the_programs_own() -> None:
    def program(sim: Simulation) -> None:
        sim.sleep(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Simulation(check_determinism=True).run(program)


def test_a_with_block_cannot_run_twice() -> None:
    with pytest.raises(SimulationError, match="run"):
        Simulation(check_determinism=True).__enter__()


def test_the_history_tells_the_story() -> None:
    with Simulation(seed=1) as sim:
        client = sim.client()
        client.create("/a", b"x")
        sim.history.note("made it")
        history = sim.history
    kinds = [type(event).__name__ for event in history]
    began = ["ServerEvent", "Connected", "Sent", "ServerEvent", "Reply", "StateChange"]
    assert kinds == [*began, "Sent", "Reply", "Note"]
    assert history.of(Connected)[0] == (0.0002, "client-1", 1, 1)
    request, reply = history.of(Sent)[1], history.of(Reply)[1]
    assert (request.number, request.operation, request.paths) == (2, "create", ("/a",))
    assert (reply.number, reply.error, reply.zxid) == (2, 0, 2)
    assert b"/a" in request.frame
    assert history.of(Note) == [(0.0006, "main", "made it")]
    assert history[-1] == history.of(Note)[0]
    assert len(history[1:3]) == 2
    assert str(history).count("\n") == 8
    assert repr(request) == (
        "Sent(0.0004, 'client-1', connection=1, number=2, xid=1, create, ('/a',), data=b'x')"
    )
    assert repr(reply) == (
        "Reply(0.0006, 'client-1', connection=1, number=2, xid=1, create, ('/a',), zxid=0x2, "
        "path='/a')"
    )


def test_a_digest_covers_frames_whole() -> None:
    def digest(data: bytes) -> tuple[str, str]:
        with Simulation() as sim:
            sim.client().create("/a", data)
            return str(sim.history), sim.history.digest()

    one, other = digest(b"x" * 100 + b"1"), digest(b"x" * 100 + b"2")
    assert one[0] == other[0]
    assert one[1] != other[1]


def test_the_history_does_not_grow_when_the_simulation_is_over() -> None:
    with Simulation() as sim:
        sim.client()
        before = len(sim.history)
    assert len(sim.history) == before
