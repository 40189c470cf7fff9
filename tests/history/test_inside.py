"""What servers do among themselves stands beside the events of a history, and is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkfake import FakeZooKeeper
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.listener import EnsembleListener
from zkfake._history.telling import Telling
from zkfake.history import (
    AppliedNext,
    Configured,
    Elected,
    Followed,
    History,
    Inside,
    LastHeard,
    LinkChanged,
    Restored,
    ServerEvent,
    ServerPaused,
    Vote,
)
from zkfake.simulation import Simulation

from .inside import INSIDE
from .runs import hostile
from .test_storage import CHANGING

if TYPE_CHECKING:
    from pathlib import Path


def of(events: list[Any], *, log: bool = False) -> History:
    """A history of servers 1, 2 and 3, of which the first leads. ``log``: it has an empty one."""
    history = History()
    history.log = [] if log else None
    history._add_all(
        [
            Followed(0.0, 1, 1, (1, 2), ((1, 2, 3),), 2.0),
            ServerEvent(0.0, 1, 1, "leads", "servers 1 2"),
            *events,
        ]
    )
    return history


def alone(time: float) -> Followed:
    return Followed(time, 1, 1, (1,), ((1, 2, 3),), 2.0)


def accompanied(time: float) -> Followed:
    return Followed(time, 1, 1, (1, 3), ((1, 2, 3),), 2.0)


def test_a_world_with_every_fault_has_all_kinds() -> None:
    with Simulation(seed=1, servers=3, settings=CHANGING) as sim:
        client, absent = sim.client(hosts="zk1:2181"), sim.client(hosts="zk1:2181")
        sim.sleep(5)  # it is heard of
        sim.faults.pause(absent, duration=20)
        sim.sleep(20)
        with sim.faults.partition_servers(1, 2):
            sim.sleep(5)
        with sim.faults.pause_server(3):
            sim.sleep(5)
        sim.settle()
        client.reconfig(joining=None, leaving="3", new_members=None)
        sim.sleep(5)
        with sim.faults.stop_server(sim.leader or 0):
            sim.sleep(5)
        sim.settle()
        client.retry(client.ensure_path, "/a")
        history = sim.history
        for kind in (
            AppliedNext,
            Configured,
            Elected,
            Followed,
            LastHeard,
            LinkChanged,
            ServerPaused,
        ):
            assert history.of(kind), kind
        assert not any(isinstance(event, Inside) for event in history)
        assert sum(isinstance(entry, Inside) for entry in history.in_order()) > 20
        verdict = history.check()
        verdict.raise_if_broken()
        assert verdict.events == len(history)
        assert verdict.transactions == len(history.log or ())
        story = history.story(verdict)
        assert f"in {len(history)} events" in story
        assert "server 1" in history.timeline(verdict)


def test_the_events_are_the_same_whether_it_is_recorded_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = hostile(1, servers=3).history
    assert recorded.of(Elected)
    unheard = property(lambda _self: EnsembleListener(), lambda _self, _listener: None)
    monkeypatch.setattr(Ensemble, "listener", unheard, raising=False)
    other = hostile(1, servers=3).history
    assert not other.of(Elected)
    assert other.digest() == recorded.digest()
    assert other.log == recorded.log


def test_one_server_does_nothing_among_servers() -> None:
    with Simulation() as sim:
        sim.client().create("/a", b"")
        assert not any(isinstance(entry, Inside) for entry in sim.history.in_order())


def test_in_real_time_what_is_judged_by_the_time_is_not_recorded() -> None:
    with FakeZooKeeper(servers=3, history=True) as server:
        assert server.history is not None
        assert server.history.of(Elected)
        assert server.history.of(Configured)
        assert not server.history.of(Followed)
        assert not server.history.of(LastHeard)


@settings(max_examples=60, deadline=None)
@given(events=st.lists(INSIDE, max_size=10))
def test_it_is_loaded_as_it_was_saved_and_can_be_judged_told_and_drawn(
    events: list[Inside], tmp_path_factory: pytest.TempPathFactory
) -> None:
    history = of(sorted(events, key=lambda event: event.time))
    path = tmp_path_factory.mktemp("saved") / "h"
    history.save(path)
    found = History.load(path)
    assert found == history
    assert list(map(type, found.in_order())) == list(map(type, history.in_order()))
    assert repr(list(found.in_order())) == repr(list(history.in_order()))
    verdict = history.check()
    assert all(1 <= len(each.evidence) <= 6 for each in verdict.broken)
    assert history.story(verdict)
    assert history.timeline(verdict).isascii()


def test_a_history_of_an_earlier_form_is_read(tmp_path: Path) -> None:
    with Simulation(servers=1) as sim:
        sim.client().create("/a", b"")
    path = tmp_path / "h"
    sim.history.save(path)
    text = path.read_text("utf-8")
    path.write_text(text.replace('{"zkfake-history":3', '{"zkfake-history":2', 1), "utf-8")
    assert History.load(path) == sim.history


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            Elected(1.0, 2, 3, (Vote(2, 1, 7), Vote(1, 1, 5)), ((1, 2, 3), (2, 3, 4))),
            "gets the votes of 1 2 to lead epoch 3, of the voters 1 2 3; and 2 3 4",
        ),
        (Followed(1.0, 2, 3, (1, 2), (), 2.0), "has 1 with it, in epoch 3"),
        (Followed(1.0, 2, 3, (2,), (), 2.0), "has nobody with it, in epoch 3"),
        (LastHeard(9.0, 2, 3, -1, 1, 1.0), "heard from server 1 of session -0x1 8.000 s ago"),
        (Configured(1.0, 2, 3, 0x2A, False, True), "proposes the configuration 0x2a"),
        (Configured(1.0, 2, 3, 0x2A, False, False), "goes by the configuration 0x2a"),
        (
            Configured(1.0, 2, 3, 0x2A, True, False),
            "goes by the configuration 0x2a, as an observer",
        ),
        (AppliedNext(1.0, 2, 0x20, 0x10), "applies 0x20 next to 0x10"),
        (LinkChanged(1.0, 2, 3, True), "its link to server 3 is cut"),
        (LinkChanged(1.0, 2, 3, False), "its link to server 3 has one cut less"),
        (ServerPaused(1.0, 2, True), "stands still"),
        (ServerPaused(1.0, 2, False), "is awake again"),
    ],
)
def test_it_is_told_in_words(event: Inside, words: str) -> None:
    assert Telling([])(event) == ("server 2", words)


# -- a leader without a quorum


@pytest.mark.parametrize(
    "events",
    [
        [alone(5.0), accompanied(7.0)],
        [alone(5.0), ServerEvent(7.0, 1, 1, "steps down", "")],
        [alone(5.0), ServerPaused(6.0, 1, True), ServerPaused(60.0, 1, False), accompanied(62.0)],
        [ServerPaused(4.0, 1, True), alone(5.0), ServerPaused(60.0, 1, False), accompanied(61.0)],
        [alone(5.0), ServerEvent(6.0, 2, 2, "looks", "")],
        [Followed(5.0, 1, 2, (1,), ((1, 2, 3),), 2.0), ServerEvent(60.0, 1, 2, "looks", "")],
    ],
    ids=[
        "is followed again",
        "steps down",
        "stands still",
        "stands still before",
        "the history ends",
        "does not lead yet",
    ],
)
def test_a_leader_may_be_alone_until_its_next_look(events: list[Any]) -> None:
    of(events).check().raise_if_broken()


@pytest.mark.parametrize(
    "events",
    [
        [alone(5.0), accompanied(7.1)],
        [alone(5.0), alone(6.5), ServerEvent(7.1, 1, 1, "steps down", "")],
        [alone(5.0), ServerPaused(7.1, 1, True)],
        [ServerPaused(4.0, 1, True), alone(5.0), ServerPaused(6.0, 1, False), accompanied(8.1)],
        [alone(5.0), ServerEvent(7.1, 2, 2, "looks", "")],
    ],
    ids=["is followed again", "steps down", "stands still", "is awake again", "goes on"],
)
def test_a_leader_that_goes_on_alone_is_found(events: list[Any]) -> None:
    (finding,) = of(events).check().broken
    assert finding.judge == "a quorum follows who leads"
    assert finding.text.startswith("server 1 led epoch 1 for 2.1")
    assert finding.text.endswith("s with server 1 alone, of the voters 1 2 3")


def test_a_cut_counts_as_often_as_it_was_made() -> None:
    joins = ServerEvent(5.0, 2, 1, "joins", "server 1; its log ends at 0x0")
    cut, mended = LinkChanged(1.0, 1, 2, True), LinkChanged(2.0, 1, 2, False)
    assert of([cut, mended, mended, joins]).check()
    assert of([cut, cut, mended, mended, joins]).check()
    assert not of([cut, cut, mended, joins]).check()
    assert not of([LinkChanged(1.0, 2, 1, True), joins]).check()
    assert of([LinkChanged(1.0, 2, 3, True), joins]).check()


def test_a_restored_ensemble_may_give_a_server_another_place() -> None:
    """Its servers look for a leader because of that; what they tell says nothing of the place."""
    follows = ServerEvent(1.0, 2, 1, "follows", "server 1")
    place = Configured(3.0, 2, 1, 1 << 32, observer=True, proposed=False)
    looks = ServerEvent(3.0, 2, 1, "looks", "the ensemble was restored")
    assert of([follows, Restored(2.0, 7, ()), place, looks]).check()
    (finding,) = of([follows, place, looks], log=True).check().broken
    assert finding.judge == "members are agreed on"
    assert finding.evidence == (follows, place, looks)
    leaves = looks._replace(text="a configuration gives it, or its leader, another place")
    assert of([follows, place, leaves], log=True).check()


def test_an_observer_may_have_more_in_its_log_than_who_it_elects() -> None:
    for observer in (False, True):
        votes = (Vote(1, 1, 5), Vote(2, 1, 5), Vote(3, 1, 9, observer))
        assert bool(of([Elected(1.0, 1, 2, votes, ((1, 2, 3),))]).check()) == observer
