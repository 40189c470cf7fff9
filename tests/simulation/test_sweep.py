"""The sweep finds what only one fault at one request brings out."""

from __future__ import annotations

from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss, NodeExistsError

from zkfake.simulation import ALL, FaultPoint, Simulation, replay, sweep
from zkfake.simulation.sweep import DROP_AFTER_REPLY, DROP_BEFORE_REPLY, DROP_BEFORE_REQUEST


def careful(sim: Simulation) -> None:
    client = sim.client()
    client.retry(client.ensure_path, "/a")
    client.retry(client.set, "/a", b"1")
    assert client.retry(client.get, "/a")[0] == b"1"


def careless(sim: Simulation) -> None:
    client = sim.client()
    client.retry(client.create, "/a")  # an answer that gets lost makes the retry fail


def stuck(sim: Simulation) -> None:
    client = sim.client()
    event = client.handler.event_object()
    client.ensure_path("/a")
    try:
        client.get("/a")
    except ConnectionLoss:
        event.wait()


def test_a_program_that_retries_what_can_be_retried_survives_everything() -> None:
    report = sweep(careful)
    assert report, str(report)
    assert (report.requests, report.runs) == (6, 6 * len(ALL))
    report.raise_if_failed()


def test_the_one_lost_reply_is_found_and_can_be_replayed() -> None:
    report = sweep(careless, faults=[DROP_BEFORE_REQUEST, DROP_BEFORE_REPLY, DROP_AFTER_REPLY])
    assert not report
    (failure,) = report.failures
    assert (failure.request, failure.fault) == (2, DROP_BEFORE_REPLY)
    assert isinstance(failure.error, NodeExistsError)
    assert not failure.hung
    assert failure.replay == "replay(program, request=2, fault='drop_before_reply', seed=0)"
    assert "create /a" in str(report)
    with pytest.raises(NodeExistsError):
        replay(careless, request=2, fault="drop_before_reply", seed=0)
    replay(careless, request=1, fault="drop_before_reply", seed=0)
    with pytest.raises(AssertionError, match="create /a"):
        report.raise_if_failed()


def test_a_program_that_hangs_is_told_from_one_that_fails() -> None:
    report = sweep(stuck, ["drop_before_request", "drop_after_reply"], stall_limit=600)
    hung = [(failure.request, failure.fault.name) for failure in report.failures if failure.hung]
    assert hung == [(5, "drop_before_request")]
    assert "hangs under drop_before_request" in str(report)


def test_a_check_runs_when_everything_is_delivered() -> None:
    def program(sim: Simulation) -> None:
        client = sim.client("writer")
        for number in range(2):
            client.create_async(f"/{number}")
        sim.sleep(1)

    def both_or_first(sim: Simulation) -> None:
        names = sim.client("reader").get_children("/")
        assert "0" in names or "1" not in names

    def both(sim: Simulation) -> None:
        assert {"0", "1"} <= {*sim.client("reader").get_children("/")}

    assert sweep(program, check=both_or_first)
    report = sweep(program, check=both, requests=[2, 3, 99])
    assert report.runs == 2 * len(ALL)
    assert {failure.request for failure in report.failures} == {2, 3}
    assert sweep(program, check=both, faults=["hold_watches"]).requests == 3


def test_a_fault_of_ones_own() -> None:
    def arm(faults: Any, client: str, number: int, _timeout: float) -> object:
        return faults.upon(lambda: faults.stop_server(1, duration=30), client, number=number)

    report = sweep(careful, faults=[FaultPoint("restart", arm)])
    assert report, str(report)


def test_unknown_faults_and_requests() -> None:
    with pytest.raises(ValueError, match="no fault 'flood', only drop_before_request"):
        sweep(careful, faults=["flood"])
    with pytest.raises(ValueError, match="no request 99"):
        replay(careful, request=99, fault="expire")
