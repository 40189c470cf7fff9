"""Persistent watches, watches of znodes that not everybody may read, and the reads that few use."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl

from zkfake._history.checking import check
from zkfake.history import Committed, Reply, WatchEvent
from zkfake.simulation import Simulation

from ..support import wire
from .traffic import PERSISTENT, READER, RECURSIVE, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.history import Verdict

Entries = list[Any]


def world(version: str) -> Entries:
    """One client writes, another one has persistent watches and reads in every way."""
    with Simulation(seed=1, version=version) as sim:
        writer, reader = sim.client("writer"), sim.client("reader")
        watching = Traffic(reader, 0, Random(0))
        writer.ensure_path("/a")
        writer.ensure_path("/b/c")
        watching.send("addWatch", wire.path_version("/a", PERSISTENT))
        watching.send("addWatch", wire.path_version("/b", RECURSIVE))
        for number in range(2):
            writer.set("/a", b"%d" % number)
            writer.create("/a/x", b"")
            writer.delete("/a/x")
            writer.set("/b/c", b"%d" % number)
            writer.create("/b/c/d", b"")
            writer.delete("/b/c/d")
            reader.sync("/")
            reader.exists("/a")
            reader.exists("/b/c")
            writer.exists("/a")
        writer.delete("/a")
        writer.set_acls("/b", [make_digest_acl("reader", "secret", all=True), *OPEN_ACL_UNSAFE])
        reader.sync("/")
        reader.get_acls("/b")
        parts = [(wire.OPS["getData"], wire.path_watch(path)) for path in ("/b/c", "/gone")]
        parts.append((wire.OPS["getChildren"], wire.path_watch("/b")))
        watching.send("multiRead", wire.multi(parts))
        return list(sim.history.in_order())


def judged(entries: Entries, log: bool) -> Verdict:
    return check(
        (entry for entry in entries if log or type(entry) is not Committed),
        has_log=log,
        complete=True,
    )


@pytest.fixture(scope="module", params=["3.8", "3.9"])
def entries(request: pytest.FixtureRequest) -> Entries:
    return world(request.param)


@pytest.mark.parametrize("log", [True, False])
def test_a_legal_world_breaks_nothing(entries: Entries, log: bool) -> None:
    verdict = judged(entries, log)
    verdict.raise_if_broken()
    assert "watches are told" not in verdict.undecided


def places(entries: Entries) -> list[int]:
    return [place for place, entry in enumerate(entries) if type(entry) is WatchEvent]


def is_seen(entries: Entries, log: bool) -> bool:
    found = [each for each in judged(entries, log).broken if each.judge == "watches are told"]
    assert all(1 <= len(each.evidence) <= 6 for each in found)
    return bool(found)


def test_each_event_of_a_persistent_watch_is_missed(entries: Entries) -> None:
    events = places(entries)
    assert {entries[place].type for place in events} == {
        "CREATED",
        "DELETED",
        "DATA_CHANGED",
        "CHILDREN_CHANGED",
    }
    for place in events:
        assert is_seen([*entries[:place], *entries[place + 1 :]], log=True), entries[place]


def test_without_the_log_the_events_of_known_changes_are_missed(entries: Entries) -> None:
    """Each write was acknowledged, so every change is known."""
    for place in places(entries):
        assert is_seen([*entries[:place], *entries[place + 1 :]], log=False), entries[place]


def test_an_event_of_nothing_and_one_too_many_are_seen(entries: Entries) -> None:
    for place in places(entries):
        event = entries[place]
        assert is_seen([*entries[:place], event, *entries[place:]], log=True)
        assert is_seen(
            [*entries[:place], event._replace(path="/none"), *entries[place:]], log=False
        )


def test_a_multi_that_makes_a_znode_anew_is_told_of_in_steps() -> None:
    """Its client is told what is there in the end; a watcher, of the deletion too."""
    with Simulation(seed=1, version="3.9") as sim:
        writer, reader = sim.client("writer"), sim.client("reader")
        writer.create("/a", b"")
        Traffic(reader, 0, Random(0)).send("addWatch", wire.path_version("/a", PERSISTENT))
        transaction = writer.transaction()
        transaction.delete("/a")
        transaction.create("/a", b"")
        transaction.commit()
        reader.sync("/")
    entries = list(sim.history.in_order())
    assert [entries[place].type for place in places(entries)] == ["DELETED", "CREATED"]
    for log in (True, False):
        judged(entries, log).raise_if_broken()


# -- znodes that not everybody may read


def closed_world(may_read: bool, told: bool) -> Verdict:
    """A client watches a znode that is closed to the world, as somebody who may read it, or not;
    ``told``: whether its event is left in the history.
    """
    with Simulation(seed=1, version="3.9") as sim:
        writer = sim.client("writer")
        reader = sim.client("reader", auth_data=[READER] if may_read else None)
        writer.create("/a", b"")
        others = OPEN_ACL_UNSAFE[0]._replace(perms=30)
        reader.exists("/a", watch=lambda _event: None)
        writer.set_acls("/a", [make_digest_acl("reader", "secret", read=True), others])
        writer.set("/a", b"1")
        reader.sync("/a")
    entries = [each for each in sim.history.in_order() if told or type(each) is not WatchEvent]
    return check(entries, has_log=True)


def test_who_may_read_by_a_digest_is_told() -> None:
    closed_world(may_read=True, told=True).raise_if_broken()
    verdict = closed_world(may_read=True, told=False)
    assert {each.judge for each in verdict.broken} == {"watches are told"}


def test_whether_who_may_not_read_is_told_is_not_decided() -> None:
    verdict = closed_world(may_read=False, told=False)
    verdict.raise_if_broken()
    assert verdict.undecided["watches are told"]


# -- reads that few use


def changed(operation: str, spoil: Callable[[bytes], bytes], entries: Entries) -> Entries:
    (place,) = (
        place
        for place, entry in enumerate(entries)
        if type(entry) is Reply and entry.operation == operation
    )
    frame = spoil(entries[place].frame)
    assert frame != entries[place].frame
    return [*entries[:place], entries[place]._replace(frame=frame), *entries[place + 1 :]]


@pytest.mark.parametrize(
    ("operation", "spoil"),
    [
        ("getACL", lambda frame: frame[:24] + b"\0\0\0\x01" + frame[28:]),
        ("getACL", lambda frame: frame[:-68] + bytes(8) + frame[-60:]),
        ("multiRead", lambda frame: frame.replace(b"\0\0\0\x011", b"\0\0\0\x010", 1)),
        ("multiRead", lambda frame: frame.replace(b"\0\0\0\x01c", b"\0\0\0\x01d", 1)),
    ],
)
def test_what_is_wrong_in_them_is_seen(
    operation: str, spoil: Callable[[bytes], bytes], entries: Entries
) -> None:
    verdict = judged(changed(operation, spoil, entries), log=True)
    assert {each.judge for each in verdict.broken} == {"states are true"}
