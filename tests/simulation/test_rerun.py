"""A run can be gone back in: it is run again up to a point, and stands there."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkfake._simulation.stand_ins.current import current
from zkfake.simulation import NondeterministicProgram, Simulation, SimulationError


def program(sim: Simulation) -> None:
    client = sim.client("ann", timeout=4)
    client.create("/jobs", b"")
    for number in range(3):
        client.create(f"/jobs/{number}", b"%d" % number, ephemeral=True)
    sim.faults.drop("ann")
    client.retry(client.get, "/jobs/1")
    sim.sleep(60)
    client.stop()


def work(sim: Simulation) -> None:
    def put(name: str) -> None:
        client = sim.client(name)
        for _ in range(4):
            client.create("/n", b"", sequence=True)
            client.get_children("/", watch=lambda _: None)

    for task in [sim.spawn(put, name, name=name) for name in ("ann", "bob")]:
        with suppress(Exception):  # whatever the world does to it
            task.result(300)


def ran(function: Any = program, **arguments: Any) -> Simulation:
    sim = Simulation(**arguments)
    sim.run(function)
    return sim


def look(sim: Simulation) -> tuple[Any, ...]:
    trees = [(each.store.tree.zxid, sorted(each.store.tree.nodes)) for each in sim.replicas]
    return sim.now, sim.dump(), sim.sessions, sim.watches, sim.clients, sim.last_zxid, trees


@pytest.mark.parametrize("servers", [1, 3])
def test_what_is_there_at_an_event_is_there_again(
    servers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a debugger sees it that stands at the event."""
    events = [*ran(servers=servers).history]
    seen: list[tuple[Any, ...]] = []

    def note() -> None:
        import sys

        seen.append(look(sys._getframe(1).f_locals["sim"]))

    monkeypatch.setattr("sys.breakpointhook", note)
    run = ran(servers=servers)
    first = len(Simulation(servers=servers).run(lambda sim: [*sim.history]))
    for number in range(first + 1, len(events) + 1, 3):
        seen.clear()

        def stopped(sim: Simulation, number: int = number) -> None:
            sim.pause_at(number)
            program(sim)

        Simulation(servers=servers).run(stopped)
        past = run.rerun(until=number)
        assert [*map(repr, past.history)] == [*map(repr, events[:number])]
        assert look(past) == seen[0]
        assert past.tasks


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    profile=st.sampled_from(["hostile", "swarm"]),
    part=st.floats(0, 1),
)
def test_any_run_goes_back_to_any_point(seed: int, profile: str, part: float) -> None:
    run = ran(work, seed=seed, profile=profile)
    number = 1 + int(part * (len(run.history) - 1))
    past = run.rerun(until=number)
    events = [*map(repr, past.history)]
    assert events == [*map(repr, run.history)][: len(events)]
    assert len(events) >= number
    earlier = past.rerun(until=number)
    assert [*map(repr, earlier.history)] == events
    when = run.rerun(until=part * run.now)
    assert when.now <= part * run.now + 1e-6
    assert all(event.time <= when.now for event in when.history)


def test_a_point_can_be_a_time_or_a_kind_of_event() -> None:
    run = ran()
    assert run.rerun(until=30.0).now == 30.0
    assert len(run.rerun(until=30.0).history) < len(run.history)
    past = run.rerun(until="Sent:/jobs/1")
    assert past.dump("/jobs") == {"/jobs": b"", "/jobs/0": b"0"}
    assert past.clients["ann"].waiting == 1
    assert past.at(past.last_zxid) is not None


def test_clients_are_as_they_were_and_as_they_are() -> None:
    run = ran()
    (lost,) = [
        number
        for number, event in enumerate(run.history, 1)
        if repr(event).endswith("state='SUSPENDED')")
    ]
    assert run.rerun(until=lost).clients["ann"].state == "SUSPENDED"
    assert run.rerun(until=lost).clients["ann"].server == 0
    before = run.rerun(until=lost - 3).clients["ann"]
    assert (before.state, before.server) == ("CONNECTED", 1)
    assert before.session_id == run.rerun(until=50.0).clients["ann"].session_id != 0
    assert run.clients["ann"].state == "LOST"  # it was stopped
    with Simulation() as sim:
        sim.client("bob")
        assert sim.clients["bob"].state == "CONNECTED"
        assert sim.tasks[0].startswith("main is running")
    assert sim.clients["bob"].state == "CONNECTED"
    assert sim.tasks == ()


def test_it_is_there_at_the_prompt_of_a_debugger(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def prompt() -> None:
        import sys

        sim: Any = sys._getframe(1).f_locals["sim"]
        here = current()
        past = sim.rerun(until=len(sim.history) - 2)
        assert current() is here
        seen.append((sim.dump(), past.dump()))

    monkeypatch.setattr("sys.breakpointhook", prompt)
    monkeypatch.setenv("ZKFAKE_BREAK", "Sent:/jobs/2")
    ran()
    ((now, then),) = seen
    assert set(now) - set(then) == {"/jobs/1"}


def test_nothing_goes_on_in_it_and_nothing_is_left() -> None:
    threads = threading.active_count()
    past = ran().rerun(until=20)
    assert threading.active_count() == threads
    assert current() is None
    with pytest.raises(SimulationError, match="is over"):
        past.sleep(1)
    before = len(past.history)
    past.history.note("after it")
    assert len(past.history) == before


def test_a_program_that_catches_everything_does_not_go_on() -> None:
    beyond: list[str] = []

    def stubborn(sim: Simulation) -> None:
        client = sim.client("ann")
        try:
            for number in range(5):
                client.create(f"/{number}")
        except BaseException:
            client.delete("/0")
            beyond.append("it went on")
        finally:
            sim.load({"/more": b""})

    run = ran(stubborn)
    past = run.rerun(until="Sent:/3")
    assert set(past.dump()) == {"/0", "/1", "/2"}
    assert beyond == []


def test_the_body_of_a_with_block_is_given_as_a_function() -> None:
    with Simulation(seed=5) as sim:
        program(sim)
        with pytest.raises(SimulationError, match="give it as a function"):
            sim.rerun(until=3)
        past = sim.rerun(program, until=20)
        assert [*map(repr, past.history)] == [*map(repr, sim.history)][:20]
    assert past.rerun(until=18).now <= past.now


@pytest.mark.parametrize("until", [0, 10_000, -1.0, 1e9, "Sent:/none", "Sand"])
def test_a_point_that_the_run_has_not_come_to_is_refused(until: Any) -> None:
    run = ran()
    with pytest.raises(ValueError, match=r"until=|does not name an event"):
        run.rerun(until=until)


def test_another_run_is_told_of() -> None:
    def random(sim: Simulation) -> None:
        client = sim.client("ann")
        client.create("/" + uuid.uuid4().hex)
        client.exists("/")

    run = ran(random)
    with pytest.raises(NondeterministicProgram, match=r"event \d+ was Sent.*, and is Sent"):
        run.rerun(until=len(run.history))
    with pytest.raises(SimulationError, match="has not begun"):
        Simulation().rerun(random, until=1)
    turns: list[int] = []

    def once(sim: Simulation) -> None:
        turns.append(1)
        if len(turns) == 1:
            sim.client("ann")

    run = ran(once)
    with pytest.raises(NondeterministicProgram, match=r"it ends after event \d+"):
        run.rerun(until=len(run.history))


@pytest.mark.parametrize(
    "name",
    [
        "now",
        "epoch_time",
        "replicas",
        "sessions",
        "log",
        "server_latency",
        "election_time",
        "tasks",
    ],
)
def test_before_it_begins_there_is_nothing_to_look_at(name: str) -> None:
    with pytest.raises(SimulationError, match="has not begun"):
        getattr(Simulation(), name)
