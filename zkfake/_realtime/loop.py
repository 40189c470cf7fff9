"""One thread that serves sockets: it sleeps until a socket is ready or a timer is due.

Rules that live here:

* The thread holds the lock while it works. Another thread that reads or changes the state takes the
  lock too (`Loop.at_work`), and wakes the thread up afterwards.
* The output of a socket is sent at the end of its turn, or at the end of the round. With
  `before_sending` it is always sent at the end of the round, after that was called once.
* A forked child shares the selector and the sockets with its parent. It does not serve them; it can
  only close its copies.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from zkfake._ensemble.committed import KeeperError
from zkfake._realtime.transport import Transport
from zkfake._realtime.turns import TurnQueue

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from zkfake._protocol.records import Id
    from zkfake._realtime.transport import Carried

__all__ = ["AtWork", "Loop"]

logger = logging.getLogger("zkfake")

_LONGEST_WAIT = 86_400.0
"""Seconds. Selectors accept no more than some weeks."""

_PATIENCE = 0.1
"""Seconds that the thread waits for its lock before it checks whether it has to stop."""


class Loop:
    """The thread, its selector, and the sockets that clients have opened."""

    def __init__(
        self,
        name: str,
        *,
        advance: Callable[[int], None],
        deadline: Callable[[], int | None],
        broken: Callable[[], None],
    ) -> None:
        """``name``: the class that it serves, for error messages. ``advance``: does everything that
        is due at a time. ``deadline``: when it next has something to do; ``None`` if nothing is
        scheduled. ``broken``: the loop has failed, and threads that wait for something have to go
        on. Times are milliseconds since the epoch.
        """
        self.selector: selectors.BaseSelector
        self.turns: TurnQueue[Transport] = TurnQueue()
        self.transports: dict[Transport, int] = {}
        """The open sockets, oldest first, with the numbers of their servers."""
        self.life = threading.RLock()
        """Held while it starts and while it stops."""
        self._name = name
        self._advance = advance
        self._deadline = deadline
        self._broken = broken
        self._lock = threading.RLock()
        self._epoch = time.time() - time.monotonic()
        self._ending = False
        """Whether `stop` is running."""
        self._process: int | None = None
        """The id of the process that the thread and the sockets belong to, while it runs."""
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._dirty: dict[Transport, None] = {}
        self._again: list[Transport] = []
        """Those that have more to do, once this round's output is sent."""
        self.before_sending: Callable[[], None] | None = None
        """Called before output is sent, and at the end of `at_work`. What it raises ends the
        thread.
        """
        self.after_round: Callable[[int], int | None] | None = None
        """Called with the time at the end of each round, when its output was sent; returns the time
        of the next round, if there is to be one. What it raises ends the thread.
        """
        self._failure: tuple[str, Exception] | None = None
        self._waker: socket.socket | None = None

    @property
    def now(self) -> int:
        """Milliseconds since the epoch; never goes back."""
        return int((self._epoch + time.monotonic()) * 1000)

    # -- life

    @property
    def started(self) -> bool:
        """Whether it was started and not stopped since, even if its thread has failed."""
        return self._thread is not None

    @property
    def running(self) -> bool:
        """Whether its thread serves."""
        return self._thread is not None and self._thread.is_alive() and not self.is_parents

    def open(self) -> None:
        """Makes the selector, before anything can be registered. Raises `OSError`."""
        self._stopping.clear()
        selector = selectors.DefaultSelector()
        try:
            waker, woken = socket.socketpair()
        except BaseException:
            selector.close()
            raise
        waker.setblocking(False)
        woken.setblocking(False)
        selector.register(woken, selectors.EVENT_READ, self._drain_wakeups)
        self.selector, self._waker, self._woken = selector, waker, woken

    def start(self) -> None:
        """Starts the thread. Raises `RuntimeError` where there is none to be had."""
        thread = threading.Thread(target=self._run, name="zkfake", daemon=True)
        thread.start()
        self._thread, self._process = thread, os.getpid()

    def stop(self, close: Callable[[], object], abandon: Callable[[], object]) -> None:
        """Ends the thread, then has ``close`` called under the lock. Does nothing where it does not
        run, or in a signal handler that interrupts another `stop`. Raises what had failed, as
        `take_failure` has it.

        In a forked child it closes the child's copies of the sockets, and ``abandon`` closes what
        the owner has of them.
        """
        if self.is_parents:
            if self.started:
                self._abandon()
                abandon()
            return
        with self.life:
            if self._thread is None or self._ending:
                return
            self._ending = True
            try:
                self._stopping.set()
                self._wake()
                self._thread.join()
                with self._lock:
                    self._thread = self._process = None
                    close()
            finally:
                self._ending = False
            failure = self.take_failure()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Closes the clients' sockets and the selector."""
        for transport in list(self.transports):
            transport.close()
        self.turns.clear()
        self._dirty.clear()
        self._again.clear()
        self._close_selector()

    def _close_selector(self) -> None:
        self.selector.close()
        if self._waker is not None:
            self._waker.close()
            self._woken.close()
            self._waker = None

    @property
    def is_parents(self) -> bool:
        """Whether this is a forked child, and the loop runs in its parent."""
        return self._process is not None and self._process != os.getpid()

    def check_process(self) -> None:
        """Raises `RuntimeError` in a forked child."""
        if self.is_parents:
            raise RuntimeError(
                f"this {self._name} runs in process {self._process}, of which this one was "
                "forked; clients can use it from here, but only that process can control it"
            )

    def check_running(self) -> None:
        """Raises `RuntimeError` unless it was started, and in a forked child."""
        self.check_process()
        if not self.started:
            raise RuntimeError(
                f"this {self._name} is not running; start() it or use it in a with block"
            )

    def _abandon(self) -> None:
        """Closes the copies of the sockets that a forked child has. Parent and child share one
        selector, so nothing is unregistered; the thread may have held the locks.
        """
        self._thread = None
        for transport in self.transports:
            transport.abandon()
        self._close_selector()

    # -- sockets

    def take_on(
        self,
        accepted: socket.socket,
        number: int,
        connect: Callable[[Transport, tuple[Id, ...]], Carried],
        tls: ssl.SSLContext | None,
    ) -> Transport | None:
        """Serves a socket that server ``number`` has accepted; ``None`` if it is gone already.
        ``connect``: as for `Transport`.
        """
        try:
            transport = Transport(
                self.selector, self.turns, accepted, connect, self.transports.pop, tls
            )
        except OSError:
            accepted.close()
            return None
        self.transports[transport] = number
        return transport

    # -- other threads

    def at_work(self) -> AtWork:
        """Excludes the thread during the ``with`` block; the thread then sends what the block has
        caused. Raises `RuntimeError` in a forked child.
        """
        self.check_process()
        return AtWork(self._lock, self._catch_up, self._prepare, self._wake)

    def _catch_up(self) -> None:
        """Moves the clock on: an idle loop has the time at which it was last woken."""
        self._advance(self.now)

    def mark(self, transport: Transport) -> None:
        """``transport`` has output to send, or is to be closed."""
        self._dirty[transport] = None

    def failed(self, error: Exception, text: str = "zkfake failed; please report this") -> None:
        """Keeps an error for `take_failure`."""
        logger.error(text, exc_info=error)
        self._failure = text, error

    def take_failure(self) -> RuntimeError | None:
        """The error since the last call, if there was one."""
        failure, self._failure = self._failure, None
        if failure is None:
            return None
        text, error = failure
        raised = RuntimeError(text)
        raised.__cause__ = error
        return raised

    # -- the thread

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:
            if isinstance(error, KeeperError):
                self.failed(error, str(error))
            else:
                self.failed(error)
            self._broken()
            with self._lock:
                for transport in list(self.transports):
                    transport.close()  # otherwise the clients would wait for ever

    def _serve(self) -> None:
        advance, selector, turns = self._advance, self.selector, self.turns
        ready: list[tuple[selectors.SelectorKey, int]] = []
        while True:
            # Whoever stops it may hold the lock: a signal handler can interrupt what has it.
            while not self._lock.acquire(timeout=_PATIENCE):
                if self._stopping.is_set():
                    return
            try:
                if self._stopping.is_set():
                    return
                now = self.now
                advance(now)
                self._prepare()
                registered = selector.get_map()
                for key, mask in ready:
                    if key.fd in registered:
                        self._call(key.data, mask)
                turns.run(self._take_turn)
                self._prepare()
                self._flush()
                due = now if turns else self._deadline()
                if self.after_round is not None and (later := self.after_round(now)) is not None:
                    due = later if due is None else min(due, later)
            finally:
                self._lock.release()
            if self._stopping.is_set():
                return  # the wake-up for it may be among those that were drained just now
            # The clock was rounded down, so this does not end before it is due.
            wait = None if due is None else min(max(0, due - now) / 1000, _LONGEST_WAIT)
            ready = selector.select(wait)

    def _call(self, action: Callable[[int], None], mask: int) -> None:
        """What one socket has to have done; a fault in it is kept for `take_failure`."""
        try:
            action(mask)
        except Exception as error:
            self.failed(error)

    def _take_turn(self, transport: Transport, may_go_on: Callable[[], bool]) -> bool:
        """A turn of one transport, whose answers leave at once; as `_call`. Whether there is
        more.
        """
        try:
            more = transport.take_turn(may_go_on)
            if self.before_sending is not None:
                self._again += [transport] if more else []
                return False
            if transport in self._dirty:
                del self._dirty[transport]
                transport.send()
        except Exception as error:
            self.failed(error)
            return False
        return more and not transport.is_full

    def _prepare(self) -> None:
        if self.before_sending is not None:
            self.before_sending()

    def _flush(self) -> None:
        while self._dirty:
            transport, _ = self._dirty.popitem()
            if transport in self.transports:
                transport.send()
        while self._again:
            transport = self._again.pop()
            if transport in self.transports and not transport.is_full:
                self.turns.add(transport)

    def _wake(self) -> None:
        # Full: the thread wakes up anyway. Closed: there is no thread to wake.
        waker = self._waker
        if waker is not None:
            with suppress(OSError):
                waker.send(b"\0")

    def _drain_wakeups(self, _mask: int) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)


class AtWork:
    """The lock, the right time, and a wake-up for the thread when the lock is let go."""

    def __init__(
        self,
        lock: threading.RLock,
        catch_up: Callable[[], None],
        prepare: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._lock = lock
        self._catch_up = catch_up
        self._prepare = prepare
        self._wake = wake

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._catch_up()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self._prepare()
        finally:
            self._lock.release()
            self._wake()
