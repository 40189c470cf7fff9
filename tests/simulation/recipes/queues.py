"""What users do with kazoo's LockingQueue, and what comes of it.

Rules that live here: every client puts items and then takes items, two with a timeout, one without;
after trouble it goes on with a new `LockingQueue`, since one that lost its item never gives another
(`RECIPES` in `programs` has the rest). An item that was put has to be in the queue once, handed to
one client at a time, and gone when ``consume()`` said so, and only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException

from zkfake._database.log import Create, Delete
from zkfake.history import Recorded, at_least_once, exactly_once

from .kinds import (
    DEAF,
    DROPPED,
    GHOST,
    HUSK,
    LEFT,
    PUT_TWICE,
    REMAINS,
    STUCK,
    VANISHED,
    WAITS,
)
from .study import Study, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.history import Finding
    from zkfake.simulation import Simulation

    from .kinds import Kind

PATH = "/queue"
ENTRIES = f"{PATH}/entries"
TAKEN = f"{PATH}/taken"
ITEMS = 4
GETS, EMPTY = 12, 2
"""A client has enough after so many items, or when so many attempts gave it nothing."""
TIMEOUT = 20.0
WAITS_FOR_EVER = 2
"""The client whose attempts have no timeout."""
NOTHING = object()


class Books:
    """What the clients of one queue did and were told."""

    def __init__(self) -> None:
        self.failed: set[str] = set()
        """The clients with a ``get`` that raised."""
        self.handed: set[tuple[int, str]] = set()
        """In which session a client was given which entry."""
        self.given_up: set[tuple[int, str]] = set()
        """Likewise what it could not consume, however often it tried."""
        self.queues: dict[str, Any] = {}
        """What each client uses now."""
        self.last: dict[Any, str] = {}
        """How the last attempt of a queue to take an item ended."""


def locking_queue(sim: Simulation) -> Study:
    study = Study(sim)
    books = Books()

    def new_queue(worker: Worker) -> Any:
        queue = worker.client.LockingQueue(PATH)
        books.queues[worker.name] = queue
        queue._take = _noting(books, queue)
        return queue

    def put_item(queue: Any, item: bytes) -> bool:
        queue.put(item)
        return True

    def put(worker: Worker) -> None:
        queue = new_queue(worker)
        for number in range(ITEMS):
            item = f"{worker.name}-{number}".encode()
            sim.history.record("tried to put", item)
            if worker.attempts("LockingQueue.put", put_item, queue, item):
                sim.history.record("put", item)
            sim.sleep(worker.random.random())

    def get(worker: Worker) -> Any:
        timeout = None if worker.number == WAITS_FOR_EVER else TIMEOUT
        try:
            return books.queues[worker.name].get(timeout) or NOTHING
        except KazooException:
            books.failed.add(worker.name)
            raise

    def take(worker: Worker) -> None:
        empty = 0
        for _ in range(GETS):
            if empty == EMPTY:
                return
            if worker.attempts("LockingQueue.get", get, worker) in (None, NOTHING):
                empty += 1
                continue
            entry = books.queues[worker.name].processing_element[0]
            mark = f"{TAKEN}/{entry}"
            with study.oracle.claim(worker.client, f"{ENTRIES}/{entry}", mark) as session:
                books.handed.add((session, entry))
                worker.busy()
            consume(worker, session, entry)

    def consume(worker: Worker, session: int, entry: str) -> None:
        """Consume, again after a lost connection; where that is a no, go on with a new queue."""

        def attempt() -> str:
            sim.history.record("tried to consume", entry)
            return "yes" if books.queues[worker.name].consume() else "no"

        answer = worker.attempts("LockingQueue.consume", attempt)
        if answer == "yes":
            sim.history.record("consumed", entry)
        else:
            new_queue(worker)
            if answer is None:
                books.given_up.add((session, entry))

    def work(worker: Worker) -> None:
        put(worker)
        take(worker)

    waiting = study.run(work)
    if waiting:
        # An item for each of them, from somebody who had no trouble.
        giver = sim.client("giver")
        for worker in waiting:
            item = f"for {worker.name}".encode()
            sim.history.record("tried to put", item)
            giver.LockingQueue(PATH).put(item)
        waiting = study.wait_for(waiting)
    judge_waiting(study, books, waiting)
    judge_items(study)
    return study


def _noting(books: Books, queue: Any) -> Callable[[str], Any]:
    """The queue's ``_take``, which notes how it ended."""
    original = queue._take

    def take(entry: str) -> Any:
        try:
            result = original(entry)
        except Exception:
            books.last[queue] = "raised"
            raise
        books.last[queue] = "late" if result is None else "took"
        return result

    return take


def judge_waiting(study: Study, books: Books, waiting: list[Worker]) -> None:
    """Say why somebody waits though there is something, and what is taken by nobody."""
    oracle, truth = study.oracle, study.truth
    entries, taken = truth.children(ENTRIES), truth.children(TAKEN)
    free = [entry for entry in entries if entry not in taken]
    for worker in waiting:
        if not free:
            continue
        queue = books.queues[worker.name]
        if books.last.get(queue) == "raised":
            kind = DROPPED
        elif not worker.client._child_watchers.get(ENTRIES):
            kind = DEAF
        else:
            kind = WAITS
        oracle.found(kind, f"{worker.name} waits, {free}")
    for entry in taken:
        if entry not in entries:
            oracle.found(HUSK, entry)
            continue
        session = truth.owners(f"{TAKEN}/{entry}")[-1]
        name = oracle.sessions[session]
        if (session, entry) in books.given_up:
            continue
        if oracle.lost_replies(name, "create", f"{TAKEN}/{entry}"):
            kind = STUCK
        elif name in books.failed and (session, entry) not in books.handed:
            kind = GHOST
        else:
            kind = LEFT
        oracle.found(kind, f"{entry} by {name}")


def judge_items(study: Study) -> None:
    """What was put was made, once, and what was consumed was deleted: nothing else was. What was
    made and is gone again is in the log alone.
    """
    oracle, history = study.oracle, study.sim.history
    for transaction in study.truth.transactions():
        for operation in transaction.operations:
            folder, _, entry = operation.path.rpartition("/")
            if folder != ENTRIES:
                continue
            if isinstance(operation, Create):
                history.record("made", operation.data)
            elif isinstance(operation, Delete):
                history.record("deleted", entry)

    def explain(finding: Finding) -> Kind:
        (event,) = finding.evidence
        assert isinstance(event, Recorded)
        return REMAINS if event.name == "consumed" else VANISHED

    oracle.promise(at_least_once("made", of="put", maybe="tried to put"), lambda _: VANISHED)
    oracle.promise(exactly_once("made"), lambda _: PUT_TWICE)
    oracle.promise(at_least_once("deleted", of="consumed", maybe="tried to consume"), explain)
    oracle.promise(exactly_once("consumed"), lambda _: REMAINS)
