"""Leases: ephemeral keys that come back after the session was lost.

The rules that live here:

- The server removes an ephemeral key when its session ends. A lease makes it again as soon as the
  key is not there, whoever removed it; where it finds the key taken, it waits until it is gone.
- What it goes by is the working copy, after every event and every reply that reached it: a key that
  was made and deleted between two published states is noticed, too.
- The key is made on a task of the lease's own, which exists only while there is something to do.
  Every failure but the end of the dict is told, and tried again after a pause that grows.
- `held` says what is known for certain: a connection that is suspended may have lost its session.
"""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from kazoo.exceptions import BadVersionError, NoNodeError

from zkdict import compare
from zkdict.errors import (
    Closed,
    ForkedDict,
    KeyExists,
    RootMissing,
    Timeout,
    VersionConflict,
    WriteUncertain,
)
from zkdict.records import ANY, State
from zkdict.waiting import deadline_after, pause_after

if TYPE_CHECKING:
    from typing_extensions import Self

    from zkdict.cache import Znode
    from zkdict.events import Dispatcher
    from zkdict.writes import Writer

__all__ = ["Lease", "LeaseState"]

V = TypeVar("V")

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0  # seconds


class LeaseState(Enum):
    """How a lease stands, and what it waits for."""

    HELD = 1
    """The key is certainly there and this session's."""
    DISCONNECTED = 2
    """The dict is not LIVE: it waits until it is."""
    TAKEN = 3
    """The key is somebody else's, or this client's last session's: it waits until it is gone."""
    MAKING = 4
    """The key is not there, and is being made; after a failure (`Lease.error`) again and again."""
    RELEASED = 5
    """`release()` was called, or the dict was closed."""


class Lease(Generic[V]):
    """A key that exists as long as this process's session does; made by `ZooKeeperDict.lease`.

    Also a context manager, which releases it at its end.

    Attributes:
        key: the key.
        error: why the key could not be made the last time that was tried; None once it was made.
            It was told by `on_error`, too.
    """

    def __init__(
        self, owner: object, writer: Writer[V], dispatcher: Dispatcher[V], key: str, value: V
    ) -> None:
        self.key = key
        self.error: Exception | None = None
        self._owner = owner  # a lease keeps its dict alive
        self._writer = writer
        self._dispatcher = dispatcher
        self._name = writer.codec.to_name(key)
        self._value = value
        self._released = False
        self._in_doubt = False  # whether a create may have been applied that had no answer
        self._running = self._pausing = False  # its task
        compare.add(writer, key, value, ephemeral=True)
        writer.feed.follow(self._look)  # which looks at once

    @property
    def held(self) -> bool:
        """Whether the key is certainly there and this session's. Costs nothing."""
        return self.state is LeaseState.HELD

    @property
    def state(self) -> LeaseState:
        """How the lease stands, and what it waits for. Costs nothing."""
        feed = self._writer.feed
        if self._released or feed.state is State.CLOSED:
            return LeaseState.RELEASED
        if feed.state is not State.LIVE:
            return LeaseState.DISCONNECTED
        if feed.cache.working(self._name) is None:
            return LeaseState.MAKING
        return LeaseState.HELD if self._ours() is not None else LeaseState.TAKEN

    def _ours(self) -> Znode | None:
        """The key's znode, if it is this session's."""
        session = self._writer.feed.client.client_id
        known = self._writer.feed.cache.working(self._name)
        if session and known is not None and known.ephemeral_owner == session[0]:
            return known
        return None

    def set(self, value: V) -> None:
        """Change the value, now and for every time the key is made again.

        Raises:
            VersionConflict: the key is another's, or the session was lost; the value will be stored
                when the key is made again.
            EncodeError, ValueTooLarge, Timeout, WriteUncertain, KazooException.
        """
        self._writer.encoded(self.key, value)  # what cannot be stored is not kept for later
        self._value = value
        known = self._ours()
        if known is None:
            raise VersionConflict(self.key, ANY)
        compare.replace(self._writer, self.key, known, value)

    def release(self) -> None:
        """Remove the key, if it is still this session's. Does nothing the second time.

        Raises:
            Timeout, WriteUncertain, KazooException.
        """
        feed = self._writer.feed
        with feed.lock:
            self._released = True
            self._look()
        self._remove()

    def _remove(self) -> None:
        deadline = deadline_after(self._writer.write_timeout)
        while (known := self._ours()) is not None:
            self._writer.begin()
            try:
                self._writer.take(self.key, known.version, deadline, "release")
            except (NoNodeError, BadVersionError):
                continue  # the copy has caught up with what made it fail
            except VersionConflict:
                return  # it was made again in that moment, and is gone

    # -- making it again

    def _look(self) -> None:
        """Something was heard of the server; called with the lock held."""
        if self._pausing:
            self._writer.feed.signal.notify()
        if self._running or not self._is_due():
            self._stop_looking()
            return
        self._running = True
        try:
            self._writer.feed.client.handler.spawn(self._run)
        except RuntimeError:  # no thread can be started, as when the interpreter ends
            self._running = False  # the next look tries again

    def _is_due(self) -> bool:
        """Whether there is something to do now."""
        if self._writer.feed.state is not State.LIVE:
            return False  # a look comes once it is
        if self._released:
            return self._in_doubt
        return self._writer.feed.cache.working(self._name) is None

    def _run(self) -> None:
        """The task: make the key until it is there."""
        failures = 0
        try:
            while self._goes_on():
                failure = self._attempt()
                if isinstance(failure, (Closed, ForkedDict)):
                    return
                if failure is None:
                    failures, self.error = 0, None
                    continue
                failures += 1
                if not isinstance(failure, KeyExists):  # `state` tells of that
                    self.error = failure
                    self._dispatcher.failed(failure)
                self._pause(failure, failures)
        except BaseException:  # somebody ends this task
            self._running = False
            raise

    def _goes_on(self) -> bool:
        with self._writer.feed.lock:
            self._running = self._is_due()
            self._stop_looking()
            return self._running

    def _stop_looking(self) -> None:
        if self._released and not self._running and not self._in_doubt:
            self._writer.feed.unfollow(self._look)

    def _attempt(self) -> Exception | None:
        """Make the key, or take back what may have been made; what went wrong."""
        try:
            if self._released:
                self._withdraw()
            else:
                self._make()
        except (WriteUncertain, Timeout) as error:
            self._in_doubt = self._in_doubt or isinstance(error, WriteUncertain)
            return error
        except Exception as error:  # an encoding is user's code
            return error
        return None

    def _make(self) -> None:
        value = self._value
        compare.add(self._writer, self.key, value, ephemeral=True)
        self._in_doubt = False
        while self._value is not value:  # `set()` came meanwhile
            value, known = self._value, self._ours()
            if known is not None:
                with contextlib.suppress(VersionConflict):
                    compare.replace(self._writer, self.key, known, value)
        if self._released:  # while it was under way
            self._remove()

    def _withdraw(self) -> None:
        """It was released, and the answer to a create is missing."""
        timeout = self._writer.write_timeout
        self._writer.fetch(self.key, sync=True, timeout=timeout)  # the copy is as new after it
        self._remove()
        self._in_doubt = False

    def _pause(self, failure: Exception, failures: int) -> None:
        """Wait, until what made the attempt fail is known to be over, or for some time."""
        feed = self._writer.feed

        def is_over() -> bool:
            if self._released or not self._is_due():
                return True
            if isinstance(failure, RootMissing):
                return bool(feed.cache.root_exists)
            # What took the key is gone already, by a list of children that was read after it.
            return (
                isinstance(failure, KeyExists) and failures == 1 and feed.cache.predicts(self._name)
            )

        self._pausing = True
        pause = pause_after(failures, _FIRST_PAUSE, _LONGEST_PAUSE)
        feed.signal.wait_for(is_over, deadline_after(pause))
        self._pausing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()
