"""What users do with kazoo's LockingQueue, and what comes of it.

Rules that live here: every client puts items and then takes items, two with a timeout, one without;
after trouble it goes on with a new `LockingQueue`, since one that lost its item never gives another
(`RECIPES` in `programs` has the rest). An item that was put has to be in the queue once, handed to
one client at a time, and gone when ``consume()`` said so, and only then.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import KazooException

from zkfake._database.log import Create, Delete

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

    from zkfake.simulation import Simulation

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
        self.put: set[bytes] = set()
        """The items for which ``put`` returned."""
        self.consumed: dict[str, int] = defaultdict(int)
        """How often ``consume`` said yes, by entry."""
        self.uncertain: set[str] = set()
        """The entries whose ``consume`` raised."""
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
            if worker.attempts("LockingQueue.put", put_item, queue, item):
                books.put.add(item)
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
            claim = study.oracle.begin(worker.client, f"{ENTRIES}/{entry}", f"{TAKEN}/{entry}")
            books.handed.add((claim.session, entry))
            worker.busy()
            study.oracle.end(claim)
            consume(worker, claim.session, entry)

    def consume(worker: Worker, session: int, entry: str) -> None:
        """Consume, again after a lost connection; where that is a no, go on with a new queue."""

        def attempt() -> str:
            books.uncertain.add(entry)
            return "yes" if books.queues[worker.name].consume() else "no"

        answer = worker.attempts("LockingQueue.consume", attempt)
        if answer == "yes":
            books.consumed[entry] += 1
            books.uncertain.discard(entry)
            sim.history.note(f"{worker.name} consumed {entry}")
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
            giver.LockingQueue(PATH).put(f"for {worker.name}".encode())
        waiting = study.wait_for(waiting)
    judge_waiting(study, books, waiting)
    judge_items(study, books)
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


def judge_items(study: Study, books: Books) -> None:
    """Compare what was put and consumed with what was made and deleted."""
    oracle = study.oracle
    made: dict[bytes, list[str]] = defaultdict(list)
    present: set[str] = set()
    for transaction in study.truth.transactions():
        for operation in transaction.operations:
            folder, _, entry = operation.path.rpartition("/")
            if folder != ENTRIES:
                continue
            if isinstance(operation, Create):
                made[operation.data or b""].append(entry)
                present.add(entry)
            elif isinstance(operation, Delete):
                present.discard(entry)
    for item in sorted(books.put):
        if not made[item]:
            oracle.found(VANISHED, f"{item!r} was never there")
    for item, entries in made.items():
        if len(entries) > 1:
            oracle.found(PUT_TWICE, f"{item!r}")
        for entry in entries:
            yes = books.consumed[entry]
            if yes > 1 or (yes and entry in present):
                oracle.found(REMAINS, entry)
            if not yes and entry not in present and entry not in books.uncertain:
                oracle.found(VANISHED, entry)
