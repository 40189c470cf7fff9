"""`explore`: what it runs, how it groups failures, and what it tells."""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import suppress
from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss, KazooException, NoNodeError

from zkfake._search.causes import cause_of
from zkfake.simulation import PROBES, Exploration, Failure, Simulation, explore

from .programs import (
    count,
    counted_to_four,
    lead,
    one_leader,
    put_jobs,
    put_jobs_once,
    three_jobs,
)


def pasted(failure: Failure, **names: Any) -> BaseException:
    """What the program of a failure raises."""
    with pytest.raises(BaseException) as raised:  # noqa: PT011  # any, also of pytest
        exec(
            failure.program,
            {
                "KazooException": KazooException,
                **names,
            },
        )
    return raised.value


def test_a_lost_reply_is_all_that_a_repeated_job_needs() -> None:
    found = explore(put_jobs, three_jobs, seeds=40, allow=KazooException, jobs=1)
    assert not found
    (failure,) = found.failures
    assert failure.shrunk
    assert failure.faults == ["sim.faults.drop_before_reply('ann', nth=2)"]
    assert failure.program.splitlines()[4:6] == [
        "with Simulation() as sim:",
        "    sim.faults.drop_before_reply('ann', nth=2)",
    ]
    error = pasted(failure, put_jobs=put_jobs, three_jobs=three_jobs)
    assert cause_of(error) == failure.cause == cause_of(failure.error)
    assert "the connection of ann is lost before the reply" in failure.explanation
    assert "Without it, it passes." in " ".join(failure.explanation.split())
    assert "ann loses its connection" in failure.explanation


def test_a_mended_program_passes() -> None:
    assert explore(put_jobs_once, seeds=40, allow=KazooException, jobs=1)


def test_a_program_without_a_version_needs_no_fault() -> None:
    found = explore(count, counted_to_four, seeds=5, allow=KazooException, jobs=1)
    assert found.failures[0].faults == []
    assert "needs no fault and no delay" in found.failures[0].explanation


def test_a_broken_promise_is_told_with_its_story() -> None:
    found = explore(lead, one_leader, seeds=60, jobs=1, stop_after=1)
    (failure,) = found.failures
    assert failure.cause.promise
    assert len(failure.faults) <= 2
    assert "Promised:" in failure.explanation
    assert cause_of(pasted(failure, lead=lead, one_leader=one_leader)) == failure.cause


def test_the_report_does_not_depend_on_the_number_of_processes() -> None:
    def look(jobs: int) -> tuple[Any, ...]:
        found = explore(put_jobs, three_jobs, seeds=40, allow=KazooException, jobs=jobs)
        assert multiprocessing.active_children() == []
        return str(found), found.runs, found.failed, [each.seed for each in found.failures]

    assert look(1) == look(2)


def test_other_threads_do_not_hang_it() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        found = explore(lambda _: None, seeds=4, jobs=2)
    finally:
        over.set()
        thread.join()
    assert found.runs == 4


# -- causes


def _fail_by_seed(sim: Simulation) -> None:
    value = sim.seed % 3
    if value == 1:
        raise ValueError(f"seed {sim.seed}")
    if value == 2:
        sim.spawn(_fail, sim.seed, name="other")
        sim.sleep(1)


def _fail(seed: int) -> None:
    raise KeyError(seed)


def test_failures_are_grouped_by_kind_and_line_not_by_their_values() -> None:
    found = explore(_fail_by_seed, seeds=9, jobs=1)
    assert (found.runs, found.failed) == (9, 6)
    assert [(each.cause.error, each.count, each.seed, each.run) for each in found.failures] == [
        ("ValueError", 3, 1, 2),
        ("KeyError", 3, 2, 3),
    ]
    assert "test_explore.py" in found.failures[1].cause.place
    assert "in _fail" in found.failures[1].cause.place


def test_a_program_that_waits_for_ever_is_a_failure() -> None:
    def wait(sim: Simulation) -> None:
        sim.client("ann").Lock("/l", "a").acquire()
        sim.client("bob").Lock("/l", "b").acquire()

    found = explore(wait, seeds=1, jobs=1, profile="calm", shrink=False)
    assert found.failures[0].cause.error == "SimulationDeadlock"
    assert "in wait" in found.failures[0].cause.place


def test_what_is_allowed_is_for_the_check_to_judge() -> None:
    def miss(sim: Simulation) -> None:
        sim.client().get("/none")

    def check(sim: Simulation) -> None:
        assert sim.seed != 2

    assert explore(miss, seeds=2, jobs=1, profile="calm", allow=NoNodeError)
    assert not explore(miss, seeds=2, jobs=1, profile="calm")
    found = explore(miss, check, seeds=3, jobs=1, profile="calm", allow=(NoNodeError,))
    assert [each.seed for each in found.failures] == [2]
    assert "with suppress(NoNodeError):" in found.failures[0].program


# -- ends


def test_it_stops_when_it_has_found_enough() -> None:
    found = explore(_fail_by_seed, seeds=100, jobs=1, stop_after=2, shrink=False)
    assert (found.runs, len(found.failures)) == (3, 2)
    assert "stop_after" in found.stopped
    assert found.failures[0].program == (
        "from zkfake.simulation import Simulation\n\n"
        "with Simulation(seed=1, profile='swarm') as sim:\n    _fail_by_seed(sim)"
    )


def test_it_stops_when_its_budget_is_spent() -> None:
    found = explore(lambda _: None, seeds=100, jobs=1, budget=0.0)
    assert found.runs == 1
    assert "budget" in str(found)


def test_ctrl_c_gives_what_there_is_so_far() -> None:
    def interrupt(report: Exploration) -> None:
        if report.runs == 5:
            raise KeyboardInterrupt

    found = explore(_fail_by_seed, seeds=100, jobs=1, progress=interrupt)
    assert found.runs == 5
    assert "Ctrl-C" in str(found)
    assert multiprocessing.active_children() == []


def test_what_it_finds_is_raised_and_shown() -> None:
    found = explore(_fail_by_seed, seeds=2, jobs=1)
    with pytest.raises(AssertionError, match=r"2 runs \(swarm\), 1 failed, all in one way"):
        found.raise_if_failed()
    assert "ValueError" in repr(found)
    assert len(repr(found)) < 240
    explore(lambda _: None, seeds=2, jobs=1).raise_if_failed()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"seeds": 0}, ValueError, "at least one"),
        ({"jobs": 0}, ValueError, "at least one process"),
        ({"profile": "cosy"}, ValueError, "not a profile"),
        ({"schedule": "fair"}, ValueError, "expected one of fifo"),
        ({"seed": 3}, TypeError, "seed=3; expected seeds="),
        ({"patience": 3}, TypeError, "not an argument of a Simulation"),
        ({"allow": "ConnectionLoss"}, TypeError, "expected classes of exceptions"),
    ],
)
def test_invalid_arguments_are_refused_before_the_first_run(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    def program(_sim: Simulation) -> None:
        raise SystemExit("it ran")

    with pytest.raises(error, match=text):
        explore(program, **arguments)


def test_it_is_as_good_without_shrinking() -> None:
    found = explore(put_jobs, three_jobs, seeds=40, allow=KazooException, jobs=1, shrink=False)
    (failure,) = found.failures
    assert not failure.shrunk
    assert cause_of(pasted(failure, put_jobs=put_jobs, three_jobs=three_jobs)) == failure.cause


def test_a_knob_and_an_allowed_error_are_in_the_program_to_paste() -> None:
    def program(sim: Simulation) -> None:
        client = sim.client("ann")
        with suppress(ConnectionLoss):
            client.create("/a")
        assert sim.now < 1, "it is late"

    found = explore(program, seeds=3, jobs=1, servers=3, latency=(0.4, 0.4))
    assert "servers=3" in found.failures[0].program
    assert "latency=(0.4, 0.4)" in found.failures[0].program or found.failures[0].faults
    assert cause_of(pasted(found.failures[0], program=program)) == found.failures[0].cause


# -- probes


def _probing(sim: Simulation) -> None:
    sim.reachable("begins")
    if sim.seed % 2:
        sim.reachable("odd")
    sim.sometimes(sim.seed == 3, "three")
    sim.sometimes(sim.seed == 99, "ninety-nine")


@pytest.mark.parametrize("jobs", [1, 2])
def test_probes_are_counted_by_run(jobs: int) -> None:
    found = explore(_probing, seeds=10, jobs=jobs, profile="calm")
    assert found.probes == {"begins": 10, "odd": 5, "three": 1, "ninety-nine": 0}


def test_a_probe_that_is_demanded_has_to_fire() -> None:
    assert explore(_probing, seeds=10, jobs=1, profile="calm", demand=["three"])
    found = explore(_probing, seeds=10, jobs=1, demand=["ninety-nine", "re-election", "forty"])
    assert found.missing == ("ninety-nine", "re-election", "forty")
    assert not found
    with pytest.raises(AssertionError, match=r"never seen: 'ninety-nine' \(it was looked at"):
        found.raise_if_failed()
    assert str(found).count("no run had a probe of this name") == 1


def test_a_single_name_is_not_a_list_of_names() -> None:
    with pytest.raises(TypeError, match=r"such as \['three'\]"):
        explore(_probing, demand="three")


def test_what_has_to_be_true_always() -> None:
    def program(sim: Simulation) -> None:
        sim.always(sim.seed < 3, "small")

    found = explore(program, seeds=5, jobs=1, profile="calm")
    assert found.failures[0].seed == 3
    assert str(found.failures[0].error) == "not always: small"
    assert found.probes == {"small": 3}


def test_built_in_probes_are_counted() -> None:
    found = explore(put_jobs_once, seeds=60, jobs=1, allow=KazooException, shrink=False)
    assert found.probes["write torn off, applied"] > 0
    assert found.probes.keys() <= PROBES.keys()
