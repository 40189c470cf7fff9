"""Why a run failed, in a sentence: each kind of reason, told of a run that has it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from kazoo.exceptions import ConnectionLoss

from zkfake._history.story import about
from zkfake._search.reasons import reasons
from zkfake._search.simple import is_left_out
from zkfake.simulation import Simulation, SimulationDeadlock

if TYPE_CHECKING:
    from collections.abc import Callable


def overwrites(sim: Simulation) -> None:
    ann, bob = sim.client("ann"), sim.client("bob")
    ann.create("/a", b"0")
    ann.get("/a")
    bob.set("/a", b"1")
    ann.set("/a", b"2")


def gap(sim: Simulation) -> None:
    ann, bob = sim.client("ann"), sim.client("bob")
    bob.create("/a", b"0")
    ann.get("/a")
    bob.set("/a", b"1")
    ann.exists("/a", watch=print)


def forgets(sim: Simulation) -> None:
    ann, bob = sim.client("ann"), sim.client("bob")
    bob.create("/a", b"0")
    ann.get("/a", watch=lambda _: None)
    bob.set("/a", b"1")
    sim.sleep(1)
    bob.set("/a", b"2")


def outdated(sim: Simulation) -> None:
    ann, bob = sim.client("ann"), sim.client("bob")
    bob.create("/jobs")
    ann.get_children("/jobs")
    bob.create("/jobs/paint")
    ann.create("/idle")


def outlives(sim: Simulation) -> None:
    ann, bob = sim.client("ann", timeout=4), sim.client("bob")
    ann.create("/claim", ephemeral=True)
    sim.faults.expire(ann)
    sim.sleep(2)
    bob.create("/claim", ephemeral=True)
    ann.create("/result")


def lost_watch(sim: Simulation) -> None:
    ann, bob = sim.client("ann"), sim.client("bob")
    bob.create("/a", b"0")
    ann.get("/a", watch=print)
    sim.faults.expire(ann)
    sim.sleep(5)
    bob.set("/a", b"1")


def torn(sim: Simulation) -> None:
    ann, bob = sim.client("ann"), sim.client("bob")
    sim.load({"/host": b"old", "/port": b"1"})
    ann.get("/host")
    change = bob.transaction()
    change.set_data("/host", b"new")
    change.set_data("/port", b"2")
    change.commit()
    ann.get("/port")


def blocked(sim: Simulation) -> None:
    ann, bob = sim.client("ann"), sim.client("bob")
    sim.load({"/a": b"", "/b": b""})
    ann.get("/a", watch=lambda _: sim.sleep(5))
    ann.get("/b", watch=print)
    bob.set("/a", b"1")
    bob.set("/b", b"1")
    sim.sleep(10)


def gone(sim: Simulation) -> None:
    sim.client("ann", timeout=4).create("/service", ephemeral=True)
    sim.faults.pause("ann", duration=60)
    sim.sleep(70)


def late_server(sim: Simulation) -> None:
    ann, bob = sim.client("ann", hosts="zk1:2181"), sim.client("bob", hosts="zk2:2181")
    ann.create("/a", b"0")
    bob.sync("/a")
    sim.faults.freeze(2, duration=5)
    ann.set("/a", b"1")
    sim.sleep(1)
    bob.get("/a")


def at_once(sim: Simulation) -> None:
    ann = sim.client("ann")
    ann.create("/a")
    asked = [ann.delete_async("/a") for _ in range(2)]
    assert [each.exception is None for each in asked if each.wait()] == [True, False]


@pytest.mark.parametrize(
    ("program", "servers", "faults", "said"),
    [
        (at_once, 1, True, "ann asked twice at the same time for delete /a: request 4 was sent"),
        (overwrites, 1, False, "ann read /a as of 0x3, and set it at 0x5 without the version"),
        (gap, 1, False, "ann read /a as of 0x3, and set a watch with another request, as of 0x4"),
        (forgets, 1, False, "ann got a watch event for /a (0x4), and did not read it"),
        (torn, 1, False, "before the second: ann has the old /host and the new /port"),
        (blocked, 1, False, "meanwhile nothing was called for DATA_CHANGED /b, which came at"),
        (
            gone,
            1,
            True,
            "/service was deleted with it; nobody created it again. ann was paused from 0",
        ),
        (outdated, 1, False, "out of date: bob's create /jobs/paint (0x4) came in between"),
        (outlives, 1, True, "/claim was deleted with it; bob created it again"),
        (lost_watch, 1, True, "The watch ended with its connection"),
        (late_server, 3, True, "had not reached server 2 when it answered bob's"),
    ],
)
def test_the_first_reason_is_what_went_wrong(
    program: Callable[[Simulation], None], servers: int, faults: bool, said: str
) -> None:
    with Simulation(servers=servers) as sim:
        program(sim)
    first, *_ = reasons(sim.history, AssertionError(), faults=faults)
    assert said in first.text
    entries = list(sim.history.in_order())
    assert first.events
    assert all(any(event is entry for entry in entries) for event in first.events)
    lines = about(entries, first.events).splitlines()
    assert sum(line.startswith(">") for line in lines) in range(1, len(first.events) + 1)
    assert len(lines) < 30


def leave(sim: Simulation, left: int) -> None:
    """Leave so many locks behind, of three."""
    ann = sim.client("ann")
    ann.ensure_path("/locks")
    for place in range(3):
        path = ann.create(f"/locks/{sim.seed:032x}-", ephemeral=True, sequence=True)
        if place >= left:
            ann.delete(path)
    ann.create("/result")


def test_what_is_left_behind_is_told_of_where_a_run_that_passes_leaves_less() -> None:
    simulations = {}
    for left in (0, 1, 2):
        with Simulation(seed=left) as sim:  # other names, with other numbers
            leave(sim, left)
        simulations[left] = sim.history

    def told(failing: int, passing: int) -> list[str]:
        found = reasons(
            simulations[failing], AssertionError(), faults=True, passing=simulations[passing]
        )
        return [each.text for each in found if each.kind == "stays"]

    (text,) = told(1, 0)
    assert text.startswith("ann created /locks/000000~-0000000000 at 0x3 (")
    assert ", after its create /locks at 0x2 (" in text
    assert text.endswith("A run that passes leaves no such znode behind.")
    assert len(told(2, 1)) == 1
    assert len(told(2, 0)) == 2
    assert told(1, 1) == told(1, 2) == []


def test_who_leaves_behind_what_its_last_session_was_for() -> None:
    with Simulation() as passing:
        passing.client("ann")
    with Simulation() as sim:
        ann = sim.client("ann", timeout=4)
        sim.faults.expire(ann)
        sim.sleep(2)
        ann.create("/lock", ephemeral=True)
    (only,) = reasons(sim.history, AssertionError(), faults=True, passing=passing.history)
    assert only.kind == "stays"
    assert ", after it became LOST at 0.0" in only.text
    assert only.hint
    with Simulation() as sim:
        ann = sim.client("ann")
        sim.faults.drop_before_reply(ann, operation="create")
        with suppress(ConnectionLoss):
            ann.create("/lock", ephemeral=True)
    (only,) = reasons(sim.history, AssertionError(), faults=True, passing=passing.history)
    assert only.kind == "lost answer"  # that says it


def test_of_who_hangs_the_first_reason_is_what_it_waits_for() -> None:
    with Simulation() as sim:
        ann, bob = sim.client("ann"), sim.client("bob")
        bob.create("/lock/other", makepath=True)
        ann.get_children("/lock")
        ann.get("/lock/other", watch=print)
        ann.create("/waits")
    first, *_ = reasons(sim.history, SimulationDeadlock(), faults=False)
    assert "ann waits for /lock/other to change" in first.text


def test_who_hangs_may_wait_in_a_callback() -> None:
    """Nothing comes after it: not even the time passes that is in the history."""
    with Simulation() as sim:
        ann, bob = sim.client("ann"), sim.client("bob")
        sim.load({"/a": b"", "/b": b""})
        for path in ("/a", "/b"):
            ann.get(path, watch=lambda _: ann.handler.event_object().wait(60))
            bob.set(path, b"1")
    first, *_ = reasons(sim.history, SimulationDeadlock(), faults=False)
    assert "It has not returned" in first.text
    assert "nothing was called for DATA_CHANGED /b" in first.text


def test_who_reads_both_after_the_change_has_torn_nothing() -> None:
    with Simulation() as sim:
        torn(sim)
        cy = sim.client("cy")
        cy.get("/host")
        cy.get("/port")
    (only,) = reasons(sim.history, AssertionError(), faults=False)
    assert "ann has" in only.text


def test_what_is_watched_at_the_end_is_told_of_where_nothing_else_is() -> None:
    with Simulation() as sim:
        sim.client("bob").create("/a")
        sim.client("ann").get("/a", watch=print)
    (only,) = reasons(sim.history, AssertionError(), faults=False)
    assert "ann waits for /a to change" in only.text
    with Simulation() as sim:
        overwrites(sim)
        sim.client("cy").get("/a", watch=print)
    (only,) = reasons(sim.history, AssertionError(), faults=False)
    assert "was overwritten" in only.text


def test_random_names_are_cut() -> None:
    with Simulation() as sim:
        name = f"/{'0123456789abcdef' * 2}-lock"
        sim.client("bob").create(name)
        sim.client("ann").get(name, watch=print)
    (only,) = reasons(sim.history, AssertionError(), faults=False)
    assert "ann waits for /012345~-lock to change" in only.text


def test_a_run_without_mistakes_has_no_reason() -> None:
    with Simulation() as sim:
        ann, bob = sim.client("ann"), sim.client("bob")
        ann.create("/a", b"0")
        _, stat = bob.get("/a")
        bob.set("/a", b"1", version=stat.version)
        ann.get("/a")
    assert reasons(sim.history, AssertionError(), faults=False) == []


def test_a_kind_of_fault_that_has_no_rate_is_left_out_of_simple_worlds() -> None:
    assert is_left_out("pause", {"pause": 0.0})
    assert is_left_out("freeze", {"freeze_server": 0})
    assert not is_left_out("pause", {"pause": 0.1})
    assert not is_left_out("pause", {"expire": 0.0})
