"""Code under test that knows nothing of simulations; `test_patches` names it in ``patch=``."""

from __future__ import annotations

import datetime as dt
import queue
import random
import threading
import time
import uuid
from threading import Lock
from time import monotonic, sleep

PLACES = threading.BoundedSemaphore(3)
PLACES.acquire()


class Worker(threading.Thread):
    """A thread class made when the module is imported, before any simulation."""

    def __init__(self, jobs: queue.Queue[int | None]) -> None:
        super().__init__()
        self.jobs = jobs
        self.done: list[int] = []

    def run(self) -> None:
        while (job := self.jobs.get()) is not None:
            time.sleep(job)
            self.done.append(job)


def work() -> tuple[list[int], float]:
    """Has a thread sleep 6 seconds, and returns what it did and how long that took."""
    begin = monotonic()
    jobs: queue.Queue[int | None] = queue.Queue()
    worker = Worker(jobs)
    worker.start()
    for job in (1, 2, 3, None):
        jobs.put(job)
    worker.join()
    assert not worker.is_alive()
    return worker.done, monotonic() - begin


def race() -> list[str]:
    """Two plain threads, a lock and an event."""
    order: list[str] = []
    lock, go = Lock(), threading.Event()

    def run(name: str) -> None:
        go.wait()
        with lock:
            sleep(1)
            order.append(name)

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    timer = threading.Timer(5, go.set)
    timer.start()
    for thread in threads:
        thread.join()
    return order


def places() -> list[bool]:
    """Takes as many places as there are of those that were made, and taken, before."""
    return [PLACES.acquire(blocking=False) for _ in range(3)]


def chance() -> tuple[float, int, str]:
    return random.random(), random.randint(0, 10**9), str(uuid.uuid4())


def clocks() -> tuple[str, float]:
    return dt.datetime.now(dt.timezone.utc).isoformat(), time.time()


def imports_when_it_runs() -> float:
    """Seconds that a thread slept, as its own imports tell them."""
    import threading as threads
    import time as clock
    from threading import Event
    from time import monotonic, sleep

    began, done = monotonic(), Event()

    def work() -> None:
        sleep(30)
        clock.sleep(30)
        done.set()

    threads.Thread(target=work).start()
    done.wait()
    return clock.monotonic() - began
