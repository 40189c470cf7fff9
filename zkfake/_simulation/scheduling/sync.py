"""Locks, events and queues on the scheduler, with the interfaces of `threading` and `queue`.

Rules that live here:

- A primitive wakes tasks; it never switches to them. So ``set``, ``release``, ``notify`` and
  ``put`` do not block.
- A wake-up that meets a task whose time-out has just come goes to the next waiter: none is lost.
- A released lock is free for whoever comes first, as a real one is; it is not handed to the longest
  waiter.
- With the scheduler's ``preemption``, taking a lock, setting an event and putting into a queue are
  points at which another task may go first.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Sized
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zkfake._simulation.scheduling.scheduler import Scheduler
    from zkfake._simulation.scheduling.tasks import ScheduledTask

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "LifoQueue",
    "Lock",
    "PriorityQueue",
    "Queue",
    "RLock",
    "Semaphore",
]


_Container = tuple[Sized, Callable[[Any], None], Callable[[], Any]]
"""A queue's container, and the functions that put an item in and take one out."""


class _Waiters:
    """The tasks that wait for one object, the longest wait first."""

    __slots__ = ("_scheduler", "tasks")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.tasks: deque[ScheduledTask] = deque()

    def __len__(self) -> int:
        return len(self.tasks)

    def wait(self, reason: object, deadline: int | None) -> bool:
        """Returns False when the deadline came first."""
        scheduler = self._scheduler
        task = scheduler.current
        self.tasks.append(task)
        try:
            woken = scheduler.block(reason, deadline)
        except BaseException:
            self._forget(task)
            raise
        if not woken:
            self._forget(task)
        return woken

    def _forget(self, task: ScheduledTask) -> None:
        if task in self.tasks:
            self.tasks.remove(task)

    def wake_one(self) -> bool:
        tasks = self.tasks
        while tasks:
            if self._scheduler.wake(tasks.popleft()):
                return True
        return False

    def wake_all(self) -> None:
        tasks, self.tasks = self.tasks, deque()
        for task in tasks:
            self._scheduler.wake(task)


class Event:
    """`threading.Event`."""

    __slots__ = ("__weakref__", "_flag", "_scheduler", "_waiters")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._flag = False
        self._waiters = _Waiters(scheduler)

    def __str__(self) -> str:
        return "an event"

    def is_set(self) -> bool:
        return self._flag

    isSet = is_set  # noqa: N815  # the old name, which kazoo 2.8 uses

    def set(self) -> None:
        self._flag = True
        if self._waiters.tasks:
            self._waiters.wake_all()
        if self._scheduler.pauses:
            self._scheduler.pause_point()

    def clear(self) -> None:
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._flag:
            deadline = self._scheduler.deadline_after(timeout)
            if deadline == self._scheduler.now:
                # Who asks again and again, as `as_completed` does once its time is over, would do
                # so for ever if that took no time.
                deadline += 1
            # Woken is enough: as with threading, the flag may be down again when the waiter runs.
            return self._waiters.wait(self, deadline) or self._flag
        return True


class Lock:
    """`threading.Lock`."""

    __slots__ = ("__weakref__", "_holder", "_locked", "_scheduler", "_waiters")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._locked = False
        self._holder: ScheduledTask | None = None
        self._waiters = _Waiters(scheduler)

    def __str__(self) -> str:
        return f"a lock taken by {self._holder.name}" if self._holder else "a lock"

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        scheduler = self._scheduler
        if scheduler.pauses:
            scheduler.pause_point()
        if self._locked:
            if not blocking or timeout == 0:
                return False
            deadline = scheduler.deadline_after(None if timeout < 0 else timeout)
            while self._locked:
                if not self._waiters.wait(self, deadline):
                    return False
        self._locked = True
        self._holder = scheduler.current
        return True

    def release(self) -> None:
        if not self._locked:
            raise RuntimeError("release unlocked lock")
        self._locked = False
        self._holder = None
        self._waiters.wake_one()

    def locked(self) -> bool:
        return self._locked

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_exc: object) -> None:
        self.release()


class RLock:
    """`threading.RLock`: its holder may take it again."""

    __slots__ = ("__weakref__", "_count", "_holder", "_scheduler", "_waiters")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._holder: ScheduledTask | None = None
        self._count = 0
        self._waiters = _Waiters(scheduler)

    def __str__(self) -> str:
        return f"a lock taken by {self._holder.name}" if self._holder else "a lock"

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        scheduler = self._scheduler
        if self._holder is scheduler.current:
            self._count += 1
            return True
        if scheduler.pauses:
            scheduler.pause_point()
        if self._holder is not None:
            if not blocking or timeout == 0:
                return False
            deadline = scheduler.deadline_after(None if timeout < 0 else timeout)
            while self._holder is not None:
                if not self._waiters.wait(self, deadline):
                    return False
        self._holder = scheduler.current
        self._count = 1
        return True

    def release(self) -> None:
        if self._holder is not self._scheduler.current:
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._holder = None
            self._waiters.wake_one()

    def locked(self) -> bool:
        return self._holder is not None

    def release_all(self) -> int:
        """Release it entirely and return how often it was held, for `Condition`."""
        count, self._count = self._count, 1
        self.release()
        return count

    def acquire_again(self, count: int) -> None:
        self.acquire()
        self._count = count

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_exc: object) -> None:
        self.release()


class Condition:
    """`threading.Condition`, over an `RLock` of its own unless it is given a lock."""

    __slots__ = ("__weakref__", "_lock", "_scheduler", "_waiters", "acquire", "release")

    def __init__(self, scheduler: Scheduler, lock: Lock | RLock | None = None) -> None:
        self._scheduler = scheduler
        self._lock: Lock | RLock = RLock(scheduler) if lock is None else lock
        self._waiters = _Waiters(scheduler)
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __str__(self) -> str:
        return "a condition"

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        lock = self._lock
        deadline = self._scheduler.deadline_after(timeout)
        if isinstance(lock, RLock):
            count = lock.release_all()
            try:
                return self._waiters.wait(self, deadline)
            finally:
                lock.acquire_again(count)
        lock.release()
        try:
            return self._waiters.wait(self, deadline)
        finally:
            lock.acquire()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        deadline = self._scheduler.deadline_after(timeout)
        result = predicate()
        while not result:
            left = None if deadline is None else (deadline - self._scheduler.now) / 1e6
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self, n: int = 1) -> None:
        if not self._lock.locked():
            raise RuntimeError("cannot notify on un-acquired lock")
        while n > 0 and self._waiters.wake_one():
            n -= 1

    def notify_all(self) -> None:
        if not self._lock.locked():
            raise RuntimeError("cannot notify on un-acquired lock")
        self._waiters.wake_all()

    notifyAll = notify_all  # noqa: N815  # the old name


class Semaphore:
    """`threading.Semaphore`."""

    __slots__ = ("__weakref__", "_scheduler", "_value", "_waiters")

    def __init__(self, scheduler: Scheduler, value: int = 1) -> None:
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._scheduler = scheduler
        self._value = value
        self._waiters = _Waiters(scheduler)

    def __str__(self) -> str:
        return "a semaphore"

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        scheduler = self._scheduler
        if scheduler.pauses:
            scheduler.pause_point()
        if not self._value:
            if not blocking:
                return False
            deadline = scheduler.deadline_after(timeout)
            while not self._value:
                if not self._waiters.wait(self, deadline):
                    return False
        self._value -= 1
        return True

    def release(self, n: int = 1) -> None:
        if n < 1:
            raise ValueError("n must be one or more")
        self._value += n
        while n > 0 and self._waiters.wake_one():
            n -= 1

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_exc: object) -> None:
        self.release()


class BoundedSemaphore(Semaphore):
    """`threading.BoundedSemaphore`: released no more often than taken."""

    __slots__ = ("_bound",)

    def __init__(self, scheduler: Scheduler, value: int = 1) -> None:
        super().__init__(scheduler, value)
        self._bound = value

    def release(self, n: int = 1) -> None:
        if self._value + n > self._bound:
            raise ValueError("Semaphore released too many times")
        super().release(n)


class Barrier:
    """`threading.Barrier` without ``abort`` and ``reset``."""

    __slots__ = ("__weakref__", "_action", "_condition", "_generation", "_inside", "parties")

    def __init__(
        self, scheduler: Scheduler, parties: int, action: Callable[[], Any] | None = None
    ) -> None:
        self.parties = parties
        self._action = action
        self._condition = Condition(scheduler)
        self._inside = 0
        self._generation = 0

    def wait(self, timeout: float | None = None) -> int:
        with self._condition:
            index, generation = self._inside, self._generation
            self._inside += 1
            if self._inside == self.parties:
                if self._action is not None:
                    self._action()
                self._inside = 0
                self._generation += 1
                self._condition.notify_all()
            elif not self._condition.wait_for(lambda: self._generation != generation, timeout):
                self._inside -= 1
                raise TimeoutError("the other parties did not reach the barrier")
            return index


class Queue:
    """`queue.Queue`."""

    __slots__ = (
        "__weakref__",
        "_add",
        "_getters",
        "_items",
        "_joiners",
        "_putters",
        "_scheduler",
        "_take",
        "_unfinished",
        "maxsize",
    )

    def __init__(self, scheduler: Scheduler, maxsize: int = 0) -> None:
        self._scheduler = scheduler
        self.maxsize = maxsize
        self._items, self._add, self._take = self._container()
        self._unfinished = 0
        self._getters = _Waiters(scheduler)
        self._putters = _Waiters(scheduler)
        self._joiners = _Waiters(scheduler)

    def _container(self) -> _Container:
        items: deque[Any] = deque()
        return items, items.append, items.popleft

    def __str__(self) -> str:
        return "a queue"

    def qsize(self) -> int:
        return len(self._items)

    def empty(self) -> bool:
        return not self._items

    def full(self) -> bool:
        return 0 < self.maxsize <= len(self._items)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        scheduler = self._scheduler
        if self.maxsize and self.full():
            deadline = scheduler.deadline_after(timeout)
            while self.full():
                if not block or not self._putters.wait(self, deadline):
                    raise queue.Full
        self._add(item)
        self._unfinished += 1
        if self._getters.tasks:
            self._getters.wake_one()
        if scheduler.pauses:
            scheduler.pause_point()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self._items:
            deadline = None if timeout is None else self._scheduler.deadline_after(timeout)
            while not self._items:
                if not block or not self._getters.wait(self, deadline):
                    raise queue.Empty
        item = self._take()
        if self.maxsize:
            self._putters.wake_one()
        return item

    def put_nowait(self, item: Any) -> None:
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def task_done(self) -> None:
        if not self._unfinished:
            raise ValueError("task_done() called too many times")
        self._unfinished -= 1
        if not self._unfinished and self._joiners.tasks:
            self._joiners.wake_all()

    @property
    def unfinished_tasks(self) -> int:
        return self._unfinished

    def join(self) -> None:
        while self._unfinished:
            self._joiners.wait(self, None)


class LifoQueue(Queue):
    """`queue.LifoQueue`."""

    __slots__ = ()

    def _container(self) -> _Container:
        items: list[Any] = []
        return items, items.append, items.pop


class PriorityQueue(Queue):
    """`queue.PriorityQueue`."""

    __slots__ = ()

    def _container(self) -> _Container:
        items: list[Any] = []
        return items, partial(heappush, items), partial(heappop, items)
