"""What it made when it was imported: locks, events, queues, thread-local attributes."""

from __future__ import annotations

import queue
import threading
import time


class Context(threading.local):
    """Each thread's own."""

    sold = 0


class Store:
    """With a lock for all stores, and one for each."""

    _all = threading.RLock()

    def __init__(self) -> None:
        self.counter = threading.Semaphore(2)

    def sell(self) -> int:
        with self.counter, Store._all:
            time.sleep(1)
            context.sold += 1
            return context.sold


lock = threading.Lock()
changed = threading.Condition(lock)
is_open = threading.Event()
is_open.set()
orders: queue.Queue[str] = queue.Queue()
orders.put("made at import")
context = Context()
plain = threading.local()
store = Store()
