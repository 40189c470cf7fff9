"""Programs with kazoo's Counter, SetPartitioner, Barrier, DoubleBarrier, Party and
NonBlockingLease.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from .people import again, everybody, has_twin, recorded

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation

# -- Counter


def add(sim: Simulation, client: KazooClient) -> None:
    counter = client.Counter("/counter")
    for _ in range(3):
        sim.history.record("tried", len(recorded(sim, "tried")))
        try:
            counter += 1
        except Exception:  # it may count or not
            continue


def counter(sim: Simulation) -> None:
    sim.load({"/counter": b"0"})
    everybody(sim, add, "ann", "bob")


def counted_once(sim: Simulation) -> None:
    assert int(sim.dump("/counter")["/counter"]) <= len(recorded(sim, "tried"))


# -- SetPartitioner


def divide(sim: Simulation, client: KazooClient) -> None:
    """Be one of those who share the items for a while, and join again after that."""
    for _ in range(3):
        mine = again(sim, _partitioner, client)
        for _ in range(20):
            if mine is None or mine.failed:
                break
            if mine.release:
                again(sim, _told, sim, mine.release_set)
            elif mine.acquired:
                sim.sleep(1)
            else:
                mine.wait_for_acquire(2)
        if mine is not None and mine.failed:
            sim.sleep(5)
        if mine is not None:
            again(sim, _told, sim, mine.finish)


def divide_what_is_locked(sim: Simulation, client: KazooClient) -> None:
    """Be one of those who share the items, and join again after a failure, while somebody else has
    the items for a while.
    """
    if client.handler.client_name == "operator":
        locks = [client.Lock(f"/p/locks/{item}", "operator") for item in ("a", "b")]
        while sim.now < 50:
            for lock in locks:
                again(sim, lock.acquire, timeout=20)
            sim.sleep(15)
            for lock in locks:
                again(sim, lock.release)
        return
    while sim.now < 50:
        changed = client.handler.event_object()
        mine = again(sim, _partitioner, client, state_change_event=changed, max_reaction_time=0.3)
        while mine is not None and not mine.failed and sim.now < 50:
            changed.clear()
            if mine.release:
                again(sim, _told, sim, mine.release_set)
            _look(sim, mine)
            changed.wait(5)
        if mine is not None:
            sim.sleep(1)
            _look(sim, mine)
            again(sim, _told, sim, mine.finish)


def _look(sim: Simulation, mine: Any) -> None:
    """One that has left its party has failed, for good."""
    if not mine.failed and not mine._party.participating:
        sim.history.record("goes on", mine._identifier)


def _partitioner(client: KazooClient, **given: Any) -> Any:
    name = client.handler.client_name
    return client.SetPartitioner("/p", ("a", "b"), identifier=name, time_boundary=1, **given)


def _told(sim: Simulation, call: Any) -> None:
    try:
        call()
    except ValueError as error:
        sim.history.record("ValueError", str(error))


def partitioner(sim: Simulation) -> None:
    everybody(sim, divide, "ann", "bob")


def locked_partitioner(sim: Simulation) -> None:
    everybody(sim, divide_what_is_locked, "ann", "bob", "operator")


def no_value_error(sim: Simulation) -> None:
    assert not recorded(sim, "ValueError")


def keeps_no_lock(sim: Simulation) -> None:
    """Nobody is done and has a lock still, but for one who made two znodes for it."""
    if not recorded(sim, "waits for ever"):
        for item in ("a", "b"):
            lock = f"/p/locks/{item}"
            names = [path.rpartition("/")[2] for path in sim.dump() if path.startswith(f"{lock}/")]
            first = min(names, key=lambda name: name[-10:], default="")  # others wait for it
            assert not first or has_twin(sim, lock, first)


def stays_failed(sim: Simulation) -> None:
    assert not recorded(sim, "goes on")


# -- Barrier and DoubleBarrier


def wait(sim: Simulation, client: KazooClient) -> None:
    name = client.handler.client_name
    barrier = client.Barrier("/barrier")
    if name == "ann":
        again(sim, barrier.create)
        sim.history.record("stands", 0)
        sim.sleep(5)
        sim.history.record("is to go", 0)
        removed = again(sim, barrier.remove)
        if removed is False:
            sim.history.record("was not there", 0)
    else:
        sim.sleep(2)
        if not recorded(sim, "stands"):
            return
        again(sim, barrier.wait)
        if not recorded(sim, "is to go"):
            sim.history.record("is let through", name)


def barrier(sim: Simulation) -> None:
    everybody(sim, wait, "ann", "bob", "cy")


def nobody_waits_at_it(sim: Simulation) -> None:
    if "/barrier" not in sim.dump():
        assert not recorded(sim, "waits for ever")


def it_was_there(sim: Simulation) -> None:
    assert not recorded(sim, "was not there")


def nobody_is_let_through(sim: Simulation) -> None:
    assert not recorded(sim, "is let through")


def meet(sim: Simulation, client: KazooClient) -> None:
    name = client.handler.client_name
    barrier = client.DoubleBarrier("/double", 2, name)
    barrier.enter()
    if barrier.participating:
        sim.sleep(3 if name == "ann" else 1)
        sim.history.record("wants to leave", name)
        barrier.leave()
        inside = [path for path in sim.dump() if path.startswith("/double/")]
        if len(recorded(sim, "wants to leave")) < 2 and any("ready" not in path for path in inside):
            sim.history.record("left early", name)


def double_barrier(sim: Simulation) -> None:
    everybody(sim, meet, "ann", "bob")


def nobody_waits_for_all(sim: Simulation) -> None:
    assert len(recorded(sim, "waits for ever")) != 1


def nobody_leaves_early(sim: Simulation) -> None:
    """Nobody is outside while somebody else is still inside."""
    assert not recorded(sim, "left early")


# -- Party


def join(sim: Simulation, client: KazooClient) -> None:
    name = client.handler.client_name
    party = client.Party("/party", name)
    again(sim, party.join)
    for _ in range(3):
        sim.sleep(2)
        members = again(sim, lambda: [*party])
        if members is not None and party.participating and name not in members:
            sim.history.record("is no member", name)
    if again(sim, party.leave) is False and not recorded(sim, "is no member"):
        sim.history.record("was no member", name)


def party(sim: Simulation) -> None:
    everybody(sim, join, "ann", "bob")


def everybody_is_a_member(sim: Simulation) -> None:
    assert not recorded(sim, "is no member")


def everybody_was_a_member(sim: Simulation) -> None:
    assert not recorded(sim, "was no member")


# -- NonBlockingLease


def rent(sim: Simulation, client: KazooClient) -> None:
    name = client.handler.client_name

    def clock() -> datetime:
        return datetime.fromtimestamp(sim.epoch_time, timezone.utc).replace(tzinfo=None)

    for _ in range(4):
        lease = again(sim, client.NonBlockingLease, "/lease", timedelta(seconds=4), name, clock)
        if lease:
            holder = json.loads(sim.dump("/lease")["/lease/lease_holder"])["holder"]
            if holder != name:
                sim.history.record("is somebody else's", name)
        sim.sleep(2)


def lease(sim: Simulation) -> None:
    everybody(sim, rent, "ann", "bob")


def a_lease_lasts(sim: Simulation) -> None:
    assert not recorded(sim, "is somebody else's")
