"""Ten known failures of programs that use kazoo's recipes, each in the smallest world that shows
it, with what the program promised: `docs/stories.md` has the story of each.

Rules that live here: a program's docstring says what it does, for somebody who has seen neither it
nor ZooKeeper's recipes. Its tasks are called like their clients. Who waits does so for ten minutes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from kazoo.exceptions import ConnectionLoss, LockTimeout

from zkfake.history import Claimed, adds_up, at_least_once, at_most, exactly_once
from zkfake.simulation import Simulation, SimulationTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    Program = Callable[[Simulation], None]

    from zkfake._history.promises import Promise
    from zkfake._simulation.scheduling.tasks import Task
    from zkfake.history import Verdict

__all__ = ["FAILURES", "Failure", "run"]

PATIENCE = 600.0


class Failure(NamedTuple):
    """``cause``: its name in `docs/recipes.md`. ``says``: what its story has to give as causes."""

    title: str
    cause: str
    says: tuple[str, ...]
    promise: Promise
    servers: int
    program: Program


FAILURES: list[Failure] = []


def _shows(
    title: str, cause: str, promise: Promise, *says: str, servers: int = 1
) -> Callable[[Program], Program]:
    def keep(program: Program) -> Program:
        FAILURES.append(Failure(title, cause, says, promise, servers, program))
        return program

    return keep


def run(failure: Failure) -> tuple[Simulation, Verdict]:
    """The world after the failure, and what its history shows."""
    with Simulation(servers=failure.servers) as sim:
        failure.program(sim)
    return sim, sim.history.check(failure.promise)


def _followers(sim: Simulation) -> tuple[int, int]:
    one, other = (number for number in (1, 2, 3) if number != sim.leader)
    return one, other


def _hosts(*servers: int | None) -> dict[str, Any]:
    """Arguments for a client that goes to these servers, in this order."""
    hosts = ",".join(f"zk{number}:2181" for number in servers)
    return {"hosts": hosts, "randomize_hosts": False}


def _for_a_while(sim: Simulation, task: Task) -> None:
    with suppress(SimulationTimeout):
        sim.run_until(lambda: task.done, timeout=PATIENCE)
    sim.history.note(f"{PATIENCE / 60:g} minutes are over")


@_shows(
    "A counter counts twice",
    "double",
    adds_up("value", of="added"),
    "did not hear that its request 6 (setData /counter) was done",
    "asked for the same again",
)
def _counter(sim: Simulation) -> None:
    """ann adds 1 to a `Counter`, and then reads it."""
    client = sim.client("ann")

    def work() -> None:
        counter = client.Counter("/counter")
        with sim.faults.drop_before_reply(client, operation="setData"):
            counter += 1
        sim.history.record("added", "/counter", 1)
        sim.history.record("value", "/counter", counter.value)

    sim.spawn(work, name="ann").result()


@_shows(
    "A lock waits for a node of its own",
    "itself",
    at_least_once("got", of="wanted"),
    "did not hear that its request 6 (create",
    "had not reached server 3 when it answered ann's request 8 (getChildren /lock)",
    "by ann itself, and nobody changes it",
    servers=3,
)
def _lock_of_its_own(sim: Simulation) -> None:
    """ann takes a `Lock` that nobody else wants. Its server dies meanwhile, and it goes on at
    another one.
    """
    home, behind = _followers(sim)
    client = sim.client("ann", **_hosts(home, behind))
    client.ensure_path("/lock")
    sim.sleep(1)

    def its_server_dies() -> None:
        sim.faults.stop_server(home)

    def work() -> None:
        sim.history.record("wanted", "lock")
        client.Lock("/lock", "ann").acquire()
        sim.history.record("got", "lock")

    sim.faults.lag(behind, (3, 3), duration=10)
    made = {"operation": "create", "path": "/lock/*"}
    sim.faults.drop_before_reply(client, **made)
    sim.faults.upon(its_server_dies, client, point="before_reply", **made)
    _for_a_while(sim, sim.spawn(work, name="ann"))


@_shows(
    "A lock that nobody has and nobody gets",
    "orphan",
    at_least_once("got", of="wanted"),
    "bob's request 13 (delete",
    "was lost with its connection, and never done. bob did not ask again",
    "cyd waits for",
)
def _lock_of_nobody(sim: Simulation) -> None:
    """ann has a `Lock`. bob wants it too, and gives up after five seconds. Then ann releases it,
    and cyd wants it.
    """
    ann, bob, cyd = (sim.client(name) for name in ("ann", "bob", "cyd"))
    held = ann.Lock("/lock", "ann")

    def give_up() -> None:
        with (
            sim.faults.drop_before_request(bob, operation="delete", path="/lock/*"),
            suppress(LockTimeout),
        ):
            bob.Lock("/lock", "bob").acquire(timeout=5)

    def work() -> None:
        sim.history.record("wanted", "lock")
        cyd.Lock("/lock", "cyd").acquire()
        sim.history.record("got", "lock")

    held.acquire()
    sim.spawn(give_up, name="bob").result()
    held.release()
    _for_a_while(sim, sim.spawn(work, name="cyd"))


def _hold(sim: Simulation, client: Any, seconds: float, timeout: float | None = None) -> None:
    name = client.handler.client_name
    lock = client.Lock("/lock", name)
    lock.acquire(timeout=timeout)
    with sim.history.claim("lock", znode=f"/lock/{lock.node}", client=name):
        sim.sleep(seconds)
    lock.release()


@_shows(
    "Two have a lock, and one of them stood still",
    "paused",
    at_most(1, "lock", good=False),
    "ann's session ended",
    "ann was paused from",
    "ann claimed 'lock' with it before. ann had not become LOST by then",
)
def _lock_of_who_stood_still(sim: Simulation) -> None:
    """ann has a `Lock`, and its process stands still for longer than its session lives. bob wants
    the lock.
    """
    ann, bob = sim.client("ann"), sim.client("bob")
    first = sim.spawn(_hold, sim, ann, 20, name="ann", process=ann)
    sim.sleep(1)
    sim.faults.pause(ann, duration=40)
    sim.spawn(_hold, sim, bob, 60, name="bob", process=bob).result()
    first.result()


@_shows(
    "A lock is got with the node of a lost session",
    "late",
    at_most(1, "lock", good=False),
    "ann's session ended",
    "ann claimed 'lock' with it",
    "had not reached server 3 when it answered ann's request",
    servers=3,
)
def _lock_of_the_last_session(sim: Simulation) -> None:
    """ann takes a `Lock`, and loses its session meanwhile. It goes on in its next session, at
    another server, and has the lock. Then bob wants it.
    """
    home, behind = _followers(sim)
    ann = sim.client("ann", **_hosts(home, behind))
    bob = sim.client("bob", **_hosts(sim.leader))
    ann.ensure_path("/lock")

    def its_session_ends() -> None:
        sim.faults.drop_after_reply(ann, operation="connect", nth=2)
        sim.faults.freeze(behind, duration=60)
        sim.faults.expire(ann)

    sim.faults.upon(its_session_ends, ann, operation="getChildren", path="/lock")
    first = sim.spawn(_hold, sim, ann, 5, 60, name="ann")
    sim.run_until(lambda: bool(sim.history.of(Claimed)))
    sim.spawn(_hold, sim, bob, 1, 5, name="bob").result()
    first.result()


@_shows(
    "A semaphore gives one lease twice",
    "late",
    at_most(1, "lease", good=False),
    "ann's session ended",
    "ann claimed 'lease' with it",
    "delete /leases-__lock__/",
)
def _lease_of_the_last_session(sim: Simulation) -> None:
    """ann takes the one lease of a `Semaphore`, and loses its session while it does so. Then bob
    takes it.
    """
    ann, bob = sim.client("ann"), sim.client("bob")

    def its_session_ends() -> None:
        sim.faults.expire(ann)

    def work(client: Any) -> None:
        name = client.handler.client_name
        mine = client.Semaphore("/leases", name, max_leases=1)
        mine.acquire()
        with sim.history.claim("lease", znode=mine.create_path, client=name):
            sim.sleep(5)

    sim.faults.upon(its_session_ends, ann, operation="delete", path="/leases-__lock__/*")
    first = sim.spawn(work, ann, name="ann")
    sim.sleep(1)
    sim.spawn(work, bob, name="bob").result()
    first.result()


@_shows(
    "A queue gives one item to two",
    "late",
    exactly_once("taken"),
    "ann's session ended",
    "/queue/taken/entry-100-0000000000 was deleted with it. ann recorded 'taken'",
)
def _item_of_the_last_session(sim: Simulation) -> None:
    """bob puts an item into a `LockingQueue`. ann takes it, and loses its session while it does so.
    Then bob takes one.
    """
    ann, bob = sim.client("ann"), sim.client("bob")

    def its_session_ends() -> None:
        sim.faults.expire(ann)

    def work(client: Any) -> None:
        item = client.LockingQueue("/queue").get(timeout=60)
        sim.history.record("taken", item)

    bob.LockingQueue("/queue").put(b"paint")
    sim.faults.upon(its_session_ends, ann, operation="getData", path="/queue/entries/*")
    sim.spawn(work, ann, name="ann").result()
    sim.spawn(work, bob, name="bob").result()


@_shows(
    "An item that nobody has and nobody gets",
    "stuck",
    at_least_once("taken", of="put"),
    "did not hear that its request 16 (create /queue/taken/entry-100-0000000000) was done",
    "is there until the end",
)
def _item_of_nobody(sim: Simulation) -> None:
    """bob puts an item into a `LockingQueue`. ann takes one, gets a `ConnectionLoss`, and tries
    again; then bob tries.
    """
    ann, bob = sim.client("ann"), sim.client("bob")
    bob.LockingQueue("/queue").put(b"paint")
    sim.history.record("put", b"paint")

    def work(client: Any) -> None:
        queue = client.LockingQueue("/queue")
        for _ in range(2):
            with suppress(ConnectionLoss):
                if item := queue.get(timeout=60):
                    sim.history.record("taken", item)
                return

    with sim.faults.drop_before_reply(ann, operation="create", path="/queue/taken/*"):
        sim.spawn(work, ann, name="ann").result()
    sim.spawn(work, bob, name="bob").result()


@_shows(
    "A barrier is gone, and somebody waits at it",
    "deaf",
    at_least_once("passed", of="came"),
    "ann watched /barrier",
    "The watch ended with its connection",
    "it got no watch event for bob's delete /barrier (0x4)",
)
def _barrier_that_is_gone(sim: Simulation) -> None:
    """ann waits at a `Barrier` that bob has put up. ann's connection breaks, and is made anew at
    once. Then bob removes the barrier.
    """
    ann, bob = sim.client("ann"), sim.client("bob")
    barrier = bob.Barrier("/barrier")
    barrier.create()

    def work() -> None:
        sim.history.record("came", "ann")
        ann.Barrier("/barrier").wait()
        sim.history.record("passed", "ann")

    waiting = sim.spawn(work, name="ann")
    sim.sleep(1)
    sim.faults.drop(ann)
    sim.sleep(1)
    barrier.remove()
    _for_a_while(sim, waiting)


@_shows(
    "A barrier that stands lets somebody through",
    "behind",
    at_most(1, "place"),
    "bob's create /barrier (0x100000003) had not reached server 1",
    servers=3,
)
def _barrier_that_stands(sim: Simulation) -> None:
    """bob puts up a `Barrier`, and has the place behind it for itself. A second later ann comes to
    the barrier.
    """
    behind, _ = _followers(sim)
    ann, bob = sim.client("ann", **_hosts(behind)), sim.client("bob", **_hosts(sim.leader))
    sim.faults.freeze(behind, duration=60)

    def keep() -> None:
        barrier = bob.Barrier("/barrier")
        barrier.create()
        with sim.history.claim("place", znode="/barrier"):
            sim.sleep(5)
        barrier.remove()

    def enter() -> None:
        ann.Barrier("/barrier").wait()
        with sim.history.claim("place"):
            sim.sleep(1)

    first = sim.spawn(keep, name="bob")
    sim.sleep(1)
    sim.spawn(enter, name="ann").result()
    first.result()
