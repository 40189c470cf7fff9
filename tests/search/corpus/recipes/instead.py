"""What does the work of kazoo's recipes and has no mistake: applications of the corpus, mended, and
some more that are here. kazoo's recipes themselves cannot be mended.

`python -m tests.search.corpus --mended` looks for false alarms in them. Rules that live here:

- A request is sent again until it is answered. So each may be carried out twice, and must do no
  harm by it: a znode has a name by which its maker knows it.
- Having something means that one's session has its znode. Two who believe that they have it are no
  mistake while one of them has only not heard yet that it has lost it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from kazoo.exceptions import BadVersionError, ConnectionLoss, NodeExistsError, NoNodeError

from zkfake._database.log import SetData
from zkfake.history import Committed

from .. import CORPUS
from ..people import recorded, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation

__all__ = ["INSTEAD", "Instead"]

T = TypeVar("T")


class Instead(NamedTuple):
    """A program, and the check of what it promises beside its claims."""

    name: str
    recipes: tuple[str, ...]
    """Whose work it does."""
    mended: Callable[[Simulation], None]
    check: Callable[[Simulation], None]


def answered(sim: Simulation, request: Callable[[], T]) -> T:
    """Sends a request until it is answered."""
    while True:
        try:
            return request()
        except ConnectionLoss:  # noqa: PERF203  # it may have been carried out
            sim.sleep(0.5)


def make(sim: Simulation, client: KazooClient, path: str) -> None:
    """A znode that stays, and is nobody else's."""
    with suppress(NodeExistsError):
        answered(sim, lambda: client.create(path))


def remove(sim: Simulation, client: KazooClient, path: str) -> None:
    with suppress(NoNodeError):
        answered(sim, lambda: client.delete(path))


def has(client: KazooClient, path: str) -> bool:
    stat, session = client.exists(path), client.client_id
    if session is None:  # it is not connected any more
        raise ConnectionLoss
    return stat is not None and stat.ephemeralOwner == session[0]


def take(sim: Simulation, client: KazooClient, path: str) -> bool:
    """Whether the session has that ephemeral znode now."""

    def attempt() -> bool:
        try:
            client.create(path, ephemeral=True)
        except NodeExistsError:
            return has(client, path)
        return True

    return answered(sim, attempt)


def give_back(sim: Simulation, client: KazooClient, path: str) -> None:
    def attempt() -> None:
        if has(client, path):
            client.delete(path)

    with suppress(NoNodeError):  # the session has ended
        answered(sim, attempt)


def children(
    client: KazooClient, path: str, watch: Callable[[object], object] | None = None
) -> list[str]:
    try:
        names: list[str] = client.get_children(path, watch=watch)
    except NoNodeError:  # a server that is behind, asked by a new session
        return []
    return names


def name_of(client: KazooClient) -> str:
    name: str = client.handler.client_name
    return name


def is_asserted_meanwhile(sim: Simulation) -> None:
    """All that it promises is asserted while it runs."""


# -- Semaphore: a znode for each lease


def use_a_lease(sim: Simulation, client: KazooClient) -> None:
    for _ in range(3):
        for path in ("/leases/0", "/leases/1"):
            if take(sim, client, path):
                with sim.history.claim(path, znode=path, client=name_of(client)):
                    sim.sleep(1)
                give_back(sim, client, path)
                break
        sim.sleep(0.5)


def leases(sim: Simulation) -> None:
    sim.load({"/leases": b""})
    together(sim, use_a_lease, "ann", "bob", "cy", apart=0.1)


def all_are_given_back(sim: Simulation) -> None:
    left = [path for path in sim.dump() if path.startswith("/leases/")]
    assert not left or recorded(sim, "gives up"), left


# -- LockingQueue: a job is done in one transaction with what it leads to


def work_off(sim: Simulation, client: KazooClient) -> None:
    if name_of(client) == "ann":
        for number in range(3):
            answered(sim, partial(put, client, number))
            sim.sleep(1)
        return
    came = client.handler.event_object()
    for _ in range(600):
        if len(answered(sim, lambda: children(client, "/done"))) == 3:
            break
        if recorded(sim, "gives up"):
            break  # nobody waits for those who are gone
        came.clear()
        jobs = answered(sim, lambda: children(client, "/queue", lambda _: came.set()))
        for job in sorted(jobs):
            if take(sim, client, f"/taken/{job}"):
                with sim.history.claim(job, znode=f"/taken/{job}", client=name_of(client)):
                    sim.sleep(1)
                answered(sim, partial(done, client, job))
                give_back(sim, client, f"/taken/{job}")
                break
        else:
            came.wait(1)


def put(client: KazooClient, job: int) -> None:
    both = client.transaction()
    both.create(f"/known/{job}")  # stays, so that what is done already is not put again
    both.create(f"/queue/{job}")
    both.commit()


def done(client: KazooClient, job: str) -> None:
    both = client.transaction()
    both.delete(f"/queue/{job}")
    both.create(f"/done/{job}")
    both.commit()


def queue(sim: Simulation) -> None:
    sim.load({"/known": b"", "/queue": b"", "/taken": b"", "/done": b""})
    together(sim, work_off, "ann", "bob", "cy")


def each_job_is_done(sim: Simulation) -> None:
    tree = sim.dump()
    done = [path for path in tree if path.startswith("/done/")]
    assert not [path for path in done if path.replace("/done", "/queue") in tree]
    assert len(done) == 3 or recorded(sim, "gives up")


# -- SetPartitioner: a znode for each item, taken by whoever is to have it


def share(sim: Simulation, client: KazooClient) -> None:
    me = name_of(client)
    held: set[str] = set()
    take(sim, client, f"/members/{me}")
    for _ in range(8):
        members = sorted(answered(sim, lambda: children(client, "/members")))
        for number, item in enumerate(("a", "b", "c")):
            to_have = bool(members) and members[number % len(members)] == me
            if to_have and take(sim, client, f"/items/{item}"):
                held.add(item)
                with sim.history.claim(item, znode=f"/items/{item}", client=me):
                    sim.sleep(0.5)
            elif item in held:
                give_back(sim, client, f"/items/{item}")
                held.discard(item)
        sim.sleep(0.5)
    for path in (*(f"/items/{item}" for item in held), f"/members/{me}"):
        give_back(sim, client, path)


def shares(sim: Simulation) -> None:
    sim.load({"/members": b"", "/items": b""})
    together(sim, share, "ann", "bob", apart=3)


def nothing_is_kept(sim: Simulation) -> None:
    left = [path for path in sim.dump() if path.startswith(("/items/", "/members/"))]
    assert not left or recorded(sim, "gives up"), left


# -- Barrier: who waits asks a quorum first


def pass_through(sim: Simulation, client: KazooClient) -> None:
    if name_of(client) == "ann":
        make(sim, client, "/gate/closed")
        sim.history.record("closed", "/gate")
        sim.sleep(5)
        sim.history.record("opens", "/gate")
        remove(sim, client, "/gate/closed")
        return
    for _ in range(600):
        if recorded(sim, "closed"):
            break
        sim.sleep(0.1)
    else:
        return
    opened = client.handler.event_object()
    answered(sim, lambda: ask_a_quorum(client))
    for _ in range(600):
        if not answered(sim, lambda: client.exists("/gate/closed", watch=lambda _: opened.set())):
            break
        opened.wait(1)
        opened.clear()
    else:
        raise ConnectionLoss("nobody opens the gate: who closed it may have given up")
    assert recorded(sim, "opens"), f"{name_of(client)} went through a closed gate"


def ask_a_quorum(client: KazooClient) -> None:
    """From now on, the client's server knows what was there before."""
    check = client.transaction()
    check.check("/gate", -1)
    check.commit()


def gate(sim: Simulation) -> None:
    sim.load({"/gate": b""})
    together(sim, pass_through, "ann", "bob", "cy")


# -- DoubleBarrier: who came and who has left are znodes that stay


def meet(sim: Simulation, client: KazooClient) -> None:
    me = name_of(client)
    sim.history.record("comes", me)
    make(sim, client, f"/came/{me}")
    wait_for_all(sim, client, "/came")
    assert len(recorded(sim, "comes")) == 2, f"{me} is in before the others came"
    sim.sleep(1)
    sim.history.record("leaves", me)
    make(sim, client, f"/left/{me}")
    wait_for_all(sim, client, "/left")
    assert len(recorded(sim, "leaves")) == 2, f"{me} is out before the others left"


def wait_for_all(sim: Simulation, client: KazooClient, path: str) -> None:
    one_more = client.handler.event_object()

    for _ in range(60):
        if len(answered(sim, lambda: children(client, path, lambda _: one_more.set()))) == 2:
            return
        one_more.wait(1)
        one_more.clear()
    raise ConnectionLoss(f"the other one does not come to {path}: it may have given up")


def meeting(sim: Simulation) -> None:
    sim.load({"/came": b"", "/left": b""})
    together(sim, meet, "ann", "bob", apart=1)


# -- NonBlockingLease: the holder and the end in one znode, set by version


def rent(sim: Simulation, client: KazooClient) -> None:
    me = name_of(client)
    for _ in range(4):
        try:
            data, stat = answered(sim, lambda: client.get("/rental"))
        except NoNodeError:  # a server that is behind, asked by a new session
            sim.sleep(1)
            continue
        holder, until = data.decode().split()
        if holder == me or float(until) < sim.now:
            end = sim.now + 4
            try:
                take_over(client, f"{me} {end}", stat.version)
            except (BadVersionError, ConnectionLoss):
                continue  # it may be rented: the next look tells
            if sim.now < end:
                sim.history.record("rented", me)
                sim.sleep(1)
        sim.sleep(2)


def take_over(client: KazooClient, holder: str, version: int) -> None:
    client.set("/rental", holder.encode(), version=version)


def rental(sim: Simulation) -> None:
    sim.load({"/rental": b"nobody 0"})
    together(sim, rent, "ann", "bob", apart=0.1)


def nobody_is_turned_out(sim: Simulation) -> None:
    """Nobody else rents it before its time is over."""
    holder, until = "nobody", 0.0
    for entry in sim.history.log or ():
        for change in entry.transaction.operations if isinstance(entry, Committed) else ():
            if isinstance(change, SetData) and change.data is not None:
                assert change.data.split()[0].decode() == holder or entry.time > until
                holder, until = change.data.split()[0].decode(), float(change.data.split()[1])


_MENDED = {each.name: each for each in CORPUS}


def _of_the_corpus(name: str, *recipes: str) -> Instead:
    return Instead(name, recipes, _MENDED[name].mended, _MENDED[name].check)


INSTEAD = (
    _of_the_corpus("lock", "Lock"),
    _of_the_corpus("own_lock", "Lock"),
    Instead("leases", ("Semaphore",), leases, all_are_given_back),
    _of_the_corpus("producer", "LockingQueue"),
    Instead("queue", ("LockingQueue",), queue, each_job_is_done),
    _of_the_corpus("counter", "Counter"),
    Instead("shares", ("SetPartitioner",), shares, nothing_is_kept),
    Instead("gate", ("Barrier",), gate, is_asserted_meanwhile),
    Instead("meeting", ("DoubleBarrier",), meeting, is_asserted_meanwhile),
    _of_the_corpus("registry", "Party"),
    Instead("rental", ("NonBlockingLease",), rental, nobody_is_turned_out),
)
"""An application for each recipe of `RECIPES`, some with one of `CORPUS`."""
