"""The sweep finds what only one fault at one request brings out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss, NodeExistsError, SessionExpiredError

import zkfake.simulation
from zkfake._search.sweeping import Sweeping
from zkfake._search.trials import Trial
from zkfake._simulation.faults.points import fault_point
from zkfake.history import Fault
from zkfake.simulation import (
    ALL,
    CLIENT_FAULTS,
    SERVER_FAULTS,
    FaultPoint,
    Simulation,
    SweepReport,
    replay,
    sweep,
)

DROPS = ("drop_before_request", "drop_before_reply", "drop_after_reply")


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
    assert (report.requests, report.runs) == (6, 6 * len(CLIENT_FAULTS))
    report.raise_if_failed()


def test_what_pytest_shows_of_a_report_has_the_line_that_repeats_the_first_failure() -> None:
    """It cuts a repr after 240 characters, in the middle."""
    shown = repr(sweep(careless))
    assert len(shown) < 240
    assert "2 requests, 14 runs, " in shown
    assert "of them went wrong; the first again by replay(careless, request=2, fault='" in shown
    assert repr(sweep(careful, requests=[1])) == (
        f"<SweepReport: 6 requests, {len(CLIENT_FAULTS)} runs, 0 of them went wrong>"
    )


def test_an_exception_without_a_text_is_told_by_the_line_of_the_program() -> None:
    """As that of an assertion in code under test, which pytest does not rewrite."""

    class PlainError(AssertionError):
        pass

    def check(sim: Simulation) -> None:
        if sim.client().get("/a")[1].version != 1:
            raise PlainError

    def twice(sim: Simulation) -> None:
        client = sim.client()
        client.retry(client.ensure_path, "/a")
        client.retry(client.set, "/a", b"")

    report = sweep(twice, faults=["drop_before_reply"], check=check)
    (failure,) = report.failures
    assert ": PlainError: raise PlainError (test_sweep.py:" in str(failure)

    def hasty(sim: Simulation) -> None:
        sim.client().create("/a")

    report = sweep(hasty, faults=["drop_before_reply"], requests=[2])
    assert ': ConnectionLoss: sim.client().create("/a") (test_sweep.py:' in str(report)


def test_the_one_lost_reply_is_found_and_can_be_replayed() -> None:
    report = sweep(careless, faults=DROPS)
    assert not report
    (failure,) = report.failures
    assert (failure.request, failure.fault.name) == (2, "drop_before_reply")
    assert isinstance(failure.error, NodeExistsError)
    assert not failure.hung
    assert failure.replay == "replay(careless, request=2, fault='drop_before_reply', seed=0)"
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
    assert report.runs == 2 * len(CLIENT_FAULTS)
    assert {failure.request for failure in report.failures} == {2, 3}
    assert sweep(program, check=both, faults=["hold_watches"]).requests == 3


def test_a_fault_of_ones_own() -> None:
    def arm(faults: Any, client: str, number: int, _timeout: float) -> object:
        return faults.upon(lambda: faults.stop_server(1, duration=30), client, number=number)

    report = sweep(careful, faults=[FaultPoint("restart", arm)])
    assert report, str(report)


def test_unknown_faults_and_requests() -> None:
    with pytest.raises(
        ValueError, match="'flood' is not a fault; expected one of drop_before_request"
    ):
        sweep(careful, faults=["flood"])
    with pytest.raises(ValueError, match="no request 99"):
        replay(careful, request=99, fault="expire")
    with pytest.raises(TypeError, match="expected several, such as"):
        sweep(careful, "expire")


# -- what it prints repeats what it found


def visits(sim: Simulation) -> None:
    counter = sim.client().Counter("/visits")
    counter += 1


def one_visit(sim: Simulation) -> None:
    value = sim.client().Counter("/visits").value
    assert value == 1


def pasted(failure: Any) -> Any:
    """Run what a failure prints, with the names that a program has."""
    return eval(failure.replay, {**vars(zkfake.simulation), **globals()})


def test_every_failure_fails_again_when_its_replay_is_pasted() -> None:
    report = sweep(visits, ALL, check=one_visit, seed=3, servers=3, replica_lag=(0, 0.01))
    assert report.failures
    for failure in report.failures:
        assert "check=one_visit, seed=3, servers=3, replica_lag=(0, 0.01)" in failure.replay
        assert failure.replay in str(report)
        with pytest.raises(type(failure.error)) as caught:
            pasted(failure)
        assert str(caught.value).splitlines()[0] == str(failure.error).splitlines()[0]


def test_servers_can_be_struck() -> None:
    calls: list[str] = []

    def program(sim: Simulation) -> None:
        client = sim.client()
        client.retry(client.ensure_path, "/a")
        calls.extend(f"{event.name}: {event.text}" for event in sim.history.of(Fault))

    report = sweep(program, SERVER_FAULTS, servers=3)
    assert report, str(report)
    for fault in ("upon: stop_leader", "stop server", "lose quorum: servers", "isolate server"):
        assert any(call.startswith(fault) for call in calls), calls


def test_a_leader_is_not_struck_where_none_leads() -> None:
    """A second fault may come before the servers have another leader: no mistake of the program."""

    def reader(sim: Simulation) -> None:
        client = sim.client()
        with suppress(ConnectionLoss, SessionExpiredError):
            client.get("/")

    assert sweep(reader, ("stop_leader",), servers=3, requests=[1], pairs=True)


def twice_lucky(sim: Simulation) -> None:
    """Fails where two replies are lost."""
    client = sim.client()
    client.retry(client.ensure_path, "/a")
    lost = 0
    for _ in range(4):
        try:
            client.set("/a", b"")
        except ConnectionLoss:  # noqa: PERF203
            lost += 1
    assert lost < 2


def test_pairs_of_faults_find_what_needs_two() -> None:
    assert sweep(twice_lucky, DROPS, stall_limit=600)
    report = sweep(twice_lucky, ["drop_before_reply"], pairs=True, stall_limit=600)
    assert report.failures
    for failure in report.failures:
        assert failure.then is not None
        assert failure.then[0] > failure.request
        assert f"then=({failure.then[0]}, 'drop_before_reply')" in failure.replay
        with pytest.raises(AssertionError, match="2 < 2"):
            pasted(failure)


def test_what_a_program_may_raise_is_no_failure() -> None:
    def program(sim: Simulation) -> None:
        sim.client().create("/a")

    def check(sim: Simulation) -> None:
        sim.client().exists("/a")

    assert not sweep(program, DROPS)
    assert sweep(program, DROPS, check=check, allow=ConnectionLoss)
    (failure,) = sweep(
        careless, DROPS, check=check, allow=(ConnectionLoss, ZeroDivisionError)
    ).failures
    assert "allow=(ConnectionLoss, ZeroDivisionError)" in failure.replay


def test_outcomes_of_pytest_are_failures() -> None:
    def program(sim: Simulation) -> None:
        client = sim.client()
        try:
            client.create("/a")
        except ConnectionLoss:
            pytest.fail("the answer was lost")

    report = sweep(program, DROPS)
    assert [type(failure.error).__name__ for failure in report.failures] == ["Failed"] * 2


# -- other orders


def apart(sim: Simulation) -> None:
    """Two that meet in one place only: each says whether it was the first one there."""
    first: list[str] = []

    def come(name: str) -> None:
        sim.sleep(1)
        first.append(name)

    for name in ("ann", "bob", "cat"):
        sim.spawn(come, name, name=name)
    sim.sleep(2)
    assert first[-1] != "ann", f"ann was the last of {first}"


def test_another_order_is_found_and_its_replay_pasted() -> None:
    report = sweep(apart, (), deviations=2)
    assert report.requests == 0
    assert report.failures
    for failure in report.failures:
        assert (failure.request, failure.fault, failure.then) == (None, None, None)
        assert 1 <= len(failure.schedule) <= 2
        assert failure.replay == f"replay(apart, schedule={failure.schedule!r}, seed=0)"
        assert "fails under another order: at choice " in str(failure)
        assert " runs before task " in failure.text
        with pytest.raises(AssertionError, match="ann was the last of"):
            pasted(failure)
    replay(apart, schedule={}, seed=0)


def test_one_deviation_is_less_than_two() -> None:
    """That ann is the last of three takes two other choices."""
    one, two = (sweep(apart, (), deviations=number) for number in (1, 2))
    assert one
    assert not two
    assert one.runs < two.runs
    assert one.choices == two.choices > 2
    assert f"{one.choices} choices, {one.runs} runs, 0 of them went wrong" in str(one)


def test_every_option_of_every_choice_is_taken_once() -> None:
    """Three tasks that are ready together come in four orders with one choice, in six with two."""
    orders: list[str] = []

    def three(sim: Simulation) -> None:
        seen: list[str] = []
        for task in [sim.spawn(seen.append, name, name=name) for name in "abc"]:
            task.join()
        orders.append("".join(seen))

    assert sweep(three, (), deviations=1)
    assert set(orders) == {"abc", "acb", "bac", "cab"}
    orders.clear()
    assert sweep(three, (), deviations=2)
    assert set(orders) == {"abc", "acb", "bac", "bca", "cab", "cba"}


def unlucky(sim: Simulation) -> None:
    """Fails where bob comes first and loses the reply to his write."""
    sim.load({"/a": b""})
    lost: list[str] = []
    came: list[str] = []

    def work(name: str) -> None:
        client = sim.client(name)
        sim.sleep(1 - sim.now)
        came.append(name)
        try:
            client.set("/a", name.encode())
        except ConnectionLoss:
            lost.append(name)

    for task in [sim.spawn(work, name, name=name) for name in ("ann", "bob")]:
        task.result()
    assert not (came[0] == "bob" and lost == ["bob"]), "bob came first and lost"


def test_a_fault_strikes_in_whatever_order() -> None:
    """Requests are counted in a run that is the same up to the fault."""
    struck: list[int] = []

    def program(sim: Simulation) -> None:
        try:
            unlucky(sim)
        finally:
            struck.append(sum("drop" in event.name for event in sim.history.of(Fault)))

    orders = sweep(program, (), deviations=1, allow=AssertionError)
    struck.clear()
    both = sweep(program, ["drop_before_reply"], deviations=1, allow=AssertionError)
    assert len(struck) == both.runs + 1  # and the undisturbed one
    assert struck.count(0) == orders.runs + 1
    assert struck.count(1) == both.runs - orders.runs > both.requests


def test_no_run_of_a_sweep_is_made_twice() -> None:
    faults = [fault_point("drop_before_reply")]
    sweeping = Sweeping(Trial(unlucky), 0, faults, deviations=1)
    points = []
    for point in sweeping.points(sweeping.undisturbed(), None):
        points.append(point)
        sweeping.run(point)
    assert len(points) == len(set(points)) > 100


def test_a_fault_in_another_order_is_replayed() -> None:
    assert sweep(unlucky, ["drop_before_reply"])
    assert sweep(unlucky, (), deviations=1)
    report = sweep(unlucky, ["drop_before_reply"], deviations=1)
    assert report.failures
    for failure in report.failures:
        assert failure.fault is not None
        assert failure.schedule
        assert f"fault='drop_before_reply', schedule={failure.schedule!r}, seed=0" in failure.replay
        with pytest.raises(AssertionError, match="bob came first and lost"):
            pasted(failure)


def test_the_choices_of_the_check_are_not_deviated_from() -> None:
    def check(sim: Simulation) -> None:
        for name in "abcdef":
            sim.spawn(sim.sleep, 1, name=name)
        sim.sleep(2)

    assert sweep(apart, (), check=check, deviations=1).runs == sweep(apart, (), deviations=1).runs


@pytest.mark.parametrize("deviations", [-1, 3, "1", None])
def test_other_deviations_are_refused(deviations: Any) -> None:
    with pytest.raises(ValueError, match=r"deviations=.*; expected 1 or 2, or 0 for none"):
        sweep(careful, deviations=deviations)


def test_deviations_are_those_from_first_come_first_served() -> None:
    assert sweep(apart, (), deviations=1, schedule="fifo")
    for schedule in ("random", "pct", {1: 1}):
        with pytest.raises(ValueError, match="leave schedule= out"):
            sweep(apart, (), deviations=1, schedule=schedule)


@pytest.mark.parametrize(
    "arguments", [{"request": 2}, {"fault": "expire"}, {"then": (3, "expire")}]
)
def test_a_request_is_replayed_with_its_fault(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected a request and its fault"):
        replay(careful, **arguments)


# -- sweeps that end early


def test_a_sweep_can_be_bounded_and_says_so() -> None:
    report = sweep(careless, DROPS, max_runs=3)
    assert (report.runs, report.stopped) == (3, "it had made 3 runs (max_runs)")
    assert "3 runs, 0 of them went wrong; stopped early: it had made 3 runs" in str(report)
    report = sweep(careless, DROPS, budget=0)
    assert (report.runs, report.stopped) == (0, "its budget of 0 s was spent")
    whole = sweep(careless, DROPS)
    assert (whole.runs, whole.stopped) == (sweep(careless, DROPS, max_runs=whole.runs).runs, "")


def test_ctrl_c_gives_what_was_found_so_far() -> None:
    def interrupt(report: SweepReport) -> None:
        if report.failures:
            raise KeyboardInterrupt

    report = sweep(careless, DROPS, progress=interrupt)
    assert len(report.failures) == 1
    assert report.stopped == "Ctrl-C"

    runs: list[int] = []

    def program(sim: Simulation) -> None:
        runs.append(1)
        client = sim.client()
        if len(runs) == 4:
            raise KeyboardInterrupt
        client.ensure_path("/a")

    report = sweep(program, DROPS)
    assert (report.runs, report.stopped, report.failures) == (3, "Ctrl-C", [])


def test_a_terminal_sees_the_runs_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(careful, DROPS)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    report = sweep(careful, DROPS)
    err = capsys.readouterr().err
    assert err.startswith("\rsweep: 1 runs, 0 failures\r")
    assert err.endswith(f"\rsweep: {report.runs} runs, 0 failures\n")
