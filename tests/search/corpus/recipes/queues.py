"""Programs with kazoo's LockingQueue."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException, NoNodeError

from .people import TROUBLE, again, changes, cut_off, everybody, made_unheard, recorded

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from zkfake.simulation import Simulation

ITEMS = 3
PATH, ENTRIES, TAKEN = "/queue", "/queue/entries", "/queue/taken"


def put(sim: Simulation, client: KazooClient) -> None:
    queue = client.LockingQueue(PATH)
    for item in range(ITEMS):
        again(sim, queue.put, b"%d" % item)
        sim.sleep(1)


def take(sim: Simulation, client: KazooClient) -> None:
    """Take items with a timeout. After an error, go on with a new queue."""
    name = client.handler.client_name
    queue = client.LockingQueue(PATH)
    for _ in range(ITEMS + 1):
        try:
            item = queue.get(timeout=10)
        except NoNodeError:
            sim.history.record("NoNodeError", "get")
            item = None
        except TROUBLE:
            item = None
        if item is None or queue.processing_element is None:
            queue = client.LockingQueue(PATH)
            continue
        entry = queue.processing_element[0]
        sim.history.record("handed", entry)
        with sim.history.claim(f"item {entry}", znode=f"{TAKEN}/{entry}", client=name):
            sim.sleep(1)
        if again(sim, _consume, sim, queue, entry) is not True:
            queue = client.LockingQueue(PATH)


def _consume(sim: Simulation, queue: Any, entry: str) -> bool:
    try:
        consumed = bool(queue.consume())
    except NoNodeError:
        sim.history.record("NoNodeError", "consume")
        return False
    if consumed:
        sim.history.record("consumed", entry)
    return consumed


def work_off(sim: Simulation, client: KazooClient) -> None:
    """Put some items, and take and consume as many as there are."""
    name = client.handler.client_name
    again(sim, client.LockingQueue(PATH).put_all, [b"%s-%d" % (name.encode(), n) for n in range(4)])
    queue = client.LockingQueue(PATH)
    for _ in range(8):
        try:
            item = queue.get(timeout=5)
        except NoNodeError:
            sim.history.record("NoNodeError", "get")
            item = None
        except TROUBLE:
            item = None
        consumed = None
        if item is not None and queue.processing_element is not None:
            consumed = again(sim, _consume, sim, queue, queue.processing_element[0])
        if not consumed:
            queue = client.LockingQueue(PATH)


def wait(sim: Simulation, client: KazooClient) -> None:
    """Take one item, however long that takes."""
    with suppress(KazooException):
        client.LockingQueue(PATH).get()


def give(sim: Simulation, client: KazooClient) -> None:
    """Put an item for each of those who wait, some time later."""
    sim.sleep(10)
    for item in range(2):
        again(sim, client.LockingQueue(PATH).put, b"%d" % item)


def queue(sim: Simulation) -> None:
    everybody(sim, lambda sim, client: _PARTS[client.handler.client_name](sim, client), *_PARTS)


_PARTS = {"ann": put, "bob": take, "cy": take}


def quick(sim: Simulation) -> None:
    everybody(sim, work_off, "ann", "bob")


def waiting(sim: Simulation) -> None:
    def work(sim: Simulation, client: KazooClient) -> None:
        (give if client.handler.client_name == "ann" else wait)(sim, client)

    everybody(sim, work, "ann", "bob", "cy")


def put_once(sim: Simulation) -> None:
    made = [data for what, _name, data in changes(sim, ENTRIES) if what == "made"]
    assert len(made) == len(set(made))


def nobody_is_deaf(sim: Simulation) -> None:
    """Nobody waits while there is an item, and has not tried to take it."""
    assert not [name for name in _waits_for_nothing(sim) if not _failed_to_take(sim, name)]


def nobody_is_dropped(sim: Simulation) -> None:
    """Nobody waits while there is an item, for it has failed to take one."""
    assert not [name for name in _waits_for_nothing(sim) if _failed_to_take(sim, name)]


def _waits_for_nothing(sim: Simulation) -> list[str]:
    tree = sim.dump()
    free = [
        path
        for path in tree
        if path.startswith(f"{ENTRIES}/") and path.replace(ENTRIES, TAKEN) not in tree
    ]
    return recorded(sim, "waits for ever") if free else []


def _failed_to_take(sim: Simulation, client: str) -> bool:
    entries = [name for what, name, _data in changes(sim, ENTRIES) if what == "made"]
    return any(cut_off(sim, client, "create", f"{TAKEN}/{entry}") for entry in entries)


def nothing_is_stuck(sim: Simulation) -> None:
    """Nobody has taken an item and was not told so."""
    assert not [entry for entry in _of_nobody(sim) if made_unheard(sim, entry)]


def nothing_is_ghostly(sim: Simulation) -> None:
    """Nobody has taken an item, was told so, and does not have it."""
    assert not [entry for entry in _of_nobody(sim) if not made_unheard(sim, entry)]


def _of_nobody(sim: Simulation) -> list[str]:
    """The marks of items that nobody was given."""
    tree, handed = sim.dump(), recorded(sim, "handed")
    return [
        path
        for path in tree
        if path.startswith(f"{TAKEN}/")
        and path.replace(TAKEN, ENTRIES) in tree
        and path.rpartition("/")[2] not in handed
    ]


def no_husk(sim: Simulation) -> None:
    tree = sim.dump()
    marks = [path for path in tree if path.startswith(f"{TAKEN}/")]
    assert all(path.replace(TAKEN, ENTRIES) in tree for path in marks)


def consume_tells(sim: Simulation) -> None:
    assert "consume" not in recorded(sim, "NoNodeError")


def get_gets(sim: Simulation) -> None:
    assert "get" not in recorded(sim, "NoNodeError")


def consumed_is_gone(sim: Simulation) -> None:
    """What was consumed is gone, and nobody else can consume it."""
    consumed = recorded(sim, "consumed")
    gone = {name for what, name, _data in changes(sim, ENTRIES) if what == "gone"}
    assert set(consumed) <= gone
    assert len(set(consumed)) == len(consumed)
