"""Programs with kazoo's Lock and Semaphore."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kazoo.exceptions import NoNodeError

from zkfake._database.log import Create
from zkfake.history import Committed, Recorded, Reply, StateChange

from .people import TROUBLE, again, changes, everybody, has_twin, lost_claims, recorded

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation

ROUNDS = 4
JOBS = 40
TIMES = 60
LONG = 600.0
"""Virtual seconds for those who acquire a lock so many times: servers may be slow."""

# -- Lock


def hold(sim: Simulation, client: KazooClient) -> None:
    """Hold the lock some times, with a timeout."""
    name = client.handler.client_name
    lock = client.Lock("/lock", name)
    for _ in range(ROUNDS):
        if again(sim, _acquire, sim, lock, timeout=20):
            with sim.history.claim("lock", znode=f"/lock/{lock.node}", client=name):
                sim.sleep(2)
                with suppress(*TROUBLE):
                    client.exists("/lock")
            again(sim, lock.release)


def hold_for_ever(sim: Simulation, client: KazooClient) -> None:
    """Hold the lock some times, and wait for it as long as it takes."""
    lock = client.Lock("/lock", client.handler.client_name)
    for _ in range(ROUNDS):
        if again(sim, _acquire, sim, lock):
            sim.sleep(1)
            again(sim, lock.release)


def hold_for_long(sim: Simulation, client: KazooClient) -> None:
    """Hold the lock for longer than others wait for it. Who gives up has a new lock next time."""
    for _ in range(ROUNDS):
        lock = client.Lock("/lock", client.handler.client_name)
        with suppress(*TROUBLE):
            if _acquire(sim, lock, timeout=5):
                sim.sleep(8)
                again(sim, lock.release)
        sim.sleep(1)


def hold_for_jobs(sim: Simulation, client: KazooClient) -> None:
    """Hold a lock for each of its jobs."""
    name = client.handler.client_name
    for job in range(JOBS):
        lock = client.Lock(f"/jobs/{name}-{job}", name)
        if again(sim, _acquire, sim, lock, timeout=20):
            sim.history.record("acquired", f"{lock.path}/{lock.node}", name)
            again(sim, lock.release)


def hold_alone(sim: Simulation, client: KazooClient) -> None:
    """Hold a lock many times that nobody else wants, as who is the only one of its kind does."""
    name = client.handler.client_name
    lock = client.Lock(f"/jobs/{name}", name)
    for _ in range(TIMES):
        if again(sim, _acquire, sim, lock, timeout=20):
            sim.history.record("acquired", f"{lock.path}/{lock.node}", name)
            again(sim, lock.release)


def hold_again(sim: Simulation, client: KazooClient) -> None:
    """Acquire the lock; look whether it is still there; if not, acquire it once more."""
    lock = client.Lock("/lock", client.handler.client_name)
    again(sim, lock.acquire)
    for _ in range(ROUNDS):
        sim.sleep(2)
        if again(sim, client.get_children, "/lock") == [] and lock.acquire(timeout=60) is False:
            sim.history.record("is refused what is free", "/lock")


def _acquire(sim: Simulation, lock: object, timeout: float | None = None) -> bool:
    try:
        return lock.acquire(timeout=timeout)  # type: ignore[attr-defined, no-any-return]
    except NoNodeError:
        sim.history.record("NoNodeError", "Lock.acquire")
        return False


def lock(sim: Simulation) -> None:
    everybody(sim, hold, "ann", "bob", "cy")


def lock_for_ever(sim: Simulation) -> None:
    everybody(sim, hold_for_ever, "ann", "bob")


def lock_for_long(sim: Simulation) -> None:
    everybody(sim, hold_for_long, "ann", "bob", "cy")


def lock_for_jobs(sim: Simulation) -> None:
    everybody(sim, hold_for_jobs, "ann", "bob", "cy")


def lock_alone(sim: Simulation) -> None:
    everybody(sim, hold_alone, "ann", "bob", "cy", busy=LONG)


def lock_again(sim: Simulation) -> None:
    everybody(sim, hold_again, "ann")


def not_paused(sim: Simulation) -> None:
    assert not lost_claims(sim, "it stood still")


def not_unaware(sim: Simulation) -> None:
    assert not lost_claims(sim, "it had not heard of it yet")


def not_told(sim: Simulation) -> None:
    assert not lost_claims(sim, "it was told SUSPENDED or LOST, and went on")


def not_late(sim: Simulation) -> None:
    assert not lost_claims(sim, "it claimed in its next session")


def own_session(sim: Simulation) -> None:
    """Nobody acquires a lock with a znode that it had made before it lost its session: it looks
    only after that, and finds the znode.
    """
    made = {
        operation.path: entry.time
        for entry in sim.history.log or ()
        for operation in (entry.transaction.operations if isinstance(entry, Committed) else ())
        if isinstance(operation, Create)
    }
    lost: dict[str, float] = {}
    looked: dict[str, float] = {}
    """When each client had lost its last session, as of its last look."""
    for event in sim.history:
        if isinstance(event, StateChange) and event.state == "LOST":
            lost[event.client] = event.time
        elif isinstance(event, Reply) and event.operation == "getChildren":
            looked[event.client] = lost.get(event.client, -1.0)
        elif isinstance(event, Recorded) and event.name == "acquired":
            assert made[str(event.key)] > looked[str(event.value)]


def nobody_waits(sim: Simulation) -> None:
    assert not recorded(sim, "waits for ever")


def no_twin(sim: Simulation) -> None:
    """Nobody is done and leaves one of two znodes behind."""
    assert not any(has_twin(sim, "/lock", name) for name in _left(sim))


def no_orphan(sim: Simulation) -> None:
    """Nobody is done and leaves its only znode behind."""
    assert all(has_twin(sim, "/lock", name) for name in _left(sim))


def _left(sim: Simulation) -> list[str]:
    """The znodes of the lock, if everybody is done with it."""
    if recorded(sim, "waits for ever"):
        return []
    return [path.rpartition("/")[2] for path in sim.dump() if path.startswith("/lock/")]


def no_error(sim: Simulation) -> None:
    assert not recorded(sim, "NoNodeError")


def not_refused(sim: Simulation) -> None:
    assert not recorded(sim, "is refused what is free")


# -- Semaphore


def lease(sim: Simulation, client: KazooClient) -> None:
    name = client.handler.client_name
    semaphore = client.Semaphore("/leases", name, max_leases=1)
    for _ in range(ROUNDS):
        if again(sim, semaphore.acquire):
            with sim.history.claim("lease", znode=semaphore.create_path, client=name):
                sim.sleep(1)
            again(sim, semaphore.release)


def semaphore(sim: Simulation) -> None:
    everybody(sim, lease, "ann", "bob")


def one_lease(sim: Simulation) -> None:
    there = 0
    for what, _name, _data in changes(sim, "/leases"):
        there += 1 if what == "made" else -1
        assert there <= 1
