"""Defects of kazoo's partitioner, barriers, parties and leases, each in the smallest world.

As in `test_kazoo_limits`: none is a fault of the fake, and `docs/recipes.md` says where each comes
from.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from zkfake.history import Sent
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from kazoo.client import KazooClient


def partitioner(client: KazooClient, *items: str) -> Any:
    """A partitioner whose party settles in a second."""
    return client.SetPartitioner(
        "/p", items or ("a",), identifier=client.handler.client_name, time_boundary=1
    )


def deletes(sim: Simulation, path: str) -> int:
    """How many were sent of znodes below ``path``."""
    return sum(
        event.operation == "delete" and event.paths[0].startswith(f"{path}/")
        for event in sim.history.of(Sent)
    )


# -- SetPartitioner


def test_release_set_raises_when_the_allocation_gives_its_locks_back_as_well() -> None:
    """Somebody joins during an allocation, whose task gives its locks back then; the connection is
    lost, and it tries again. `release_set` is called, which does the same, and comes second.
    """
    with Simulation(latency=(0.1, 0.1)) as sim:
        client, other = sim.client("c"), sim.client("other")
        other.Lock("/p/locks/b").acquire()
        mine = partitioner(client, "a", "b")
        sim.run_until(lambda: other.exists("/p/locks/a") and other.get_children("/p/locks/a"))
        with sim.faults.drop_before_request(client, operation="delete", path="/p/locks/a/*"):
            other.ShallowParty("/p/party", "other").join()
            sim.run_until(lambda: mine.release and deletes(sim, "/p/locks/a") == 2)
        with pytest.raises(ValueError, match=r"list\.remove\(x\)"):
            mine.release_set()


def test_a_partitioner_that_is_finished_while_it_allocates_keeps_a_lock() -> None:
    """The allocation's task gets the lock after that, and leaves it as it is."""
    with Simulation() as sim:
        client, other = sim.client("c"), sim.client("other")
        lock = other.Lock("/p/locks/a")
        lock.acquire()
        mine = partitioner(client, "a")
        sim.run_until(lambda: len(other.get_children("/p/locks/a")) == 2)
        mine.finish()
        lock.release()
        sim.sleep(600)
        assert mine.failed
        assert len(other.get_children("/p/locks/a")) == 1


def is_revived(seed: int) -> bool:
    with Simulation(seed=seed, reorder=1.0, preemption=0.5) as sim:
        client, other = sim.client("c", timeout=4.0), sim.client("other")
        other.Lock("/p/locks/a").acquire()
        mine = partitioner(client, "a")
        sim.run_until(lambda: len(other.get_children("/p/locks/a")) == 2)
        with sim.faults.pause(client, duration=20):
            sim.sleep(20)
        sim.run_until(lambda: mine.release)
        mine.release_set()
        sim.settle()
        sim.sleep(60)
        return not mine.failed and not other.get_children("/p/party")


def test_a_failed_partitioner_comes_back_without_a_place_in_its_party() -> None:
    """An allocation's task that was overtaken looks at the state, waits for the lock, and sets
    RELEASE. The state was FAILURE by then: the session was lost.
    """
    assert any(is_revived(seed) for seed in range(50))


# -- barriers


def test_a_wait_at_a_barrier_does_not_survive_a_lost_connection() -> None:
    with Simulation() as sim:
        client, other = sim.client("c"), sim.client("other")
        other.Barrier("/b").create()
        waiting = sim.spawn(client.Barrier("/b").wait)
        sim.sleep(1)
        sim.faults.drop(client)
        sim.settle()
        assert other.Barrier("/b").remove()
        sim.sleep(600)
        assert not waiting.done


def test_a_barrier_says_that_it_was_not_there_when_the_reply_to_its_removal_is_lost() -> None:
    with Simulation() as sim:
        barrier = sim.client("c").Barrier("/b")
        barrier.create()
        with sim.faults.drop_before_reply("c", operation="delete"):
            assert not barrier.remove()


def test_a_server_that_is_behind_lets_through_a_barrier_that_stands() -> None:
    with Simulation(servers=3) as sim:
        assert sim.leader != 1
        client, other = sim.client(hosts="zk1:2181"), sim.client(hosts=f"zk{sim.leader}:2181")
        with sim.faults.freeze(1):
            other.Barrier("/b").create()
            assert client.Barrier("/b").wait()


def test_the_doors_of_a_double_barrier_do_not_open_after_a_lost_connection() -> None:
    with Simulation() as sim:
        client, other = sim.client("c"), sim.client("other")
        entering = sim.spawn(client.DoubleBarrier("/d", 2).enter)
        sim.sleep(1)
        sim.faults.drop(client)
        sim.settle()
        other.DoubleBarrier("/d", 2).enter()
        sim.sleep(600)
        assert not entering.done


def test_leave_returns_early_when_the_reply_to_its_delete_is_lost() -> None:
    """It is tried again, and finds its own znode gone: an error, and errors end `leave`."""
    with Simulation() as sim:
        barriers = [sim.client(name).DoubleBarrier("/d", 2) for name in ("one", "two")]
        for task in [sim.spawn(barrier.enter) for barrier in barriers]:
            task.result()
        _, last = sorted(barriers, key=lambda barrier: barrier.node_name)
        with sim.faults.drop_before_reply(last.client, operation="delete", path=last.create_path):
            last.leave()
        assert len(last.client.get_children("/d")) == 1


# -- Party


def test_leave_says_that_it_was_not_in_the_party_when_its_reply_is_lost() -> None:
    with Simulation() as sim:
        party = sim.client("c").Party("/party", "c")
        party.join()
        with sim.faults.drop_before_reply("c", operation="delete"):
            assert not party.leave()


def test_a_member_whose_session_was_lost_believes_that_it_takes_part() -> None:
    with Simulation() as sim:
        client = sim.client()
        party = client.Party("/party", "c")
        party.join()
        sim.faults.expire(client)
        sim.settle()
        assert party.participating
        assert len(party) == 0


# -- NonBlockingLease


def test_a_lease_that_has_ended_is_handed_out() -> None:
    """The process stands still when its lease is written down, and goes on when that is over."""
    with Simulation() as sim:
        first, second = sim.client("first"), sim.client("second")

        def clock() -> datetime:
            return datetime.fromtimestamp(sim.epoch_time, timezone.utc).replace(tzinfo=None)

        def take(client: KazooClient, seconds: float) -> bool:
            name, duration = client.handler.client_name, timedelta(seconds=seconds)
            return bool(client.NonBlockingLease("/lease", duration, name, clock))

        taking = sim.spawn(take, first, 4, process=first)
        sim.run_until(lambda: second.exists("/lease/lease_holder"))
        with sim.faults.pause(first):
            sim.sleep(5)
            assert take(second, 600)
        assert taking.result()  # the second has it by now
        assert b'"second"' in second.get("/lease/lease_holder")[0]
