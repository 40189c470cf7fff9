"""Leases: ephemeral keys that are made again after the session was lost.

The rules that live here:

- The server removes an ephemeral key when its session ends. A lease makes it again as soon as the
  key is not there, whoever removed it; where it finds the key taken, it waits until it is gone.
- What it goes by is the working copy, after every event and every reply that reached it: a key that
  was made and deleted between two published states is noticed, too.
- The key is made on a task of the lease's own, which exists only while there is something to do.
  Every failure but the end of the dict is told, and tried again after a pause that grows.
- A release is not forgotten: where it failed, or the answer to a create is missing, the same task
  removes the key as soon as it can be.
- `held` is True only while that is certain: a connection that is suspended may have lost its
  session.
- Another client may have made the key in an outage, and its versions begin at 0, too. So whether
  the key is this session's is checked on the very connection that the set or the delete is sent on.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from kazoo.exceptions import BadVersionError, NoNodeError
from kazoo.protocol.states import KazooState

from zkdict._copy.waiting import deadline_after, pause_after, remaining
from zkdict._writes import compare, fresh
from zkdict.entries import ANY, State
from zkdict.errors import (
    Closed,
    ForkedDict,
    KeyExists,
    RootMissing,
    Timeout,
    VersionConflict,
    WriteUncertain,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from zkdict._copy.events import Dispatcher
    from zkdict._copy.items import ReadZnode
    from zkdict._writes.single import Writer

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
    """`release()` was called and the key is gone, or the dict was closed."""
    RELEASING = 6
    """`release()` was called, and the key may still be there: it is being removed; after a failure
    (`Lease.error`) again and again."""


class _Reconnected(Exception):  # noqa: N818  it says what happened, and no user ever sees it
    """What was looked at was seen on another connection. Nothing was sent."""


class Lease(Generic[V]):
    """A key that exists as long as this process's session does; made by `ZooKeeperDict.lease`.

    Also a context manager, which releases it at its end. It keeps its dict alive.

    Attributes:
        key: the key.
        error: why the key could not be made, or removed, the last time that failed; None once it
            was. It was told by `on_error`, too. That somebody else has the key is no error: `state`
            tells of that.
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
        self._releasing = 0  # calls of `release` that are removing it
        self._in_doubt = False  # whether there may be a key that its last state does not tell of
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
        if feed.state is State.CLOSED:
            return LeaseState.RELEASED
        if self._released:
            return LeaseState.RELEASING if self._may_be_left() else LeaseState.RELEASED
        session = feed.client.client_id
        if feed.state is not State.LIVE or session is None:
            return LeaseState.DISCONNECTED
        known = feed.cache.peek(self._name)
        if known is None:
            return LeaseState.MAKING
        return LeaseState.HELD if known.ephemeral_owner == session[0] else LeaseState.TAKEN

    def _may_be_left(self) -> bool:
        return bool(self._in_doubt or self._releasing or self._running)

    def set(self, value: V) -> None:
        """Change the value, now and for every time the key is made again.

        One round trip, and one before it unless the dict is LIVE. After EncodeError, ValueTooLarge
        or RuntimeError the value is as it was. After any other error the new value is stored when
        the key is made again, which a dict that was closed does not do.

        Raises:
            VersionConflict: the key is another's, or not there, or the session was lost, or the
                lease was released.
            EncodeError, ValueTooLarge, Timeout, WriteUncertain, Closed, ForkedDict, KazooException.
        """
        self._writer.encoded(self.key, value)  # what cannot be stored is not kept for later
        deadline = self._writer.begin()
        self._value = value
        self._store(value, deadline)

    def _store(self, value: V, deadline: float | None) -> None:
        while (own := self._own(deadline)) is not None:
            known, check = own
            try:
                compare.replace(self._writer, self.key, known, value, deadline, before=check)
            except _Reconnected:
                continue
            return
        raise VersionConflict(self.key, ANY)

    def release(self) -> None:
        """Remove the key, if it is still this session's. Does nothing once that was done.

        One round trip, and one before it unless the dict is LIVE. If the lease's own task is making
        the key, it waits for that first; all of it for at most `write_timeout` seconds. Where it
        raises, the key is removed all the same as soon as that is possible: `state` is RELEASING
        until then, and RELEASED after it.

        Raises:
            Closed, ForkedDict: the dict cannot remove it any more: it goes with the session.
            Timeout, WriteUncertain, KazooException.
        """
        feed = self._writer.feed
        if self._released and not self._may_be_left():
            return
        deadline = self._writer.begin()
        with feed.lock:
            self._released = True
            self._releasing += 1
            self._look()  # ends a pause of its task
        try:
            self._await_task(deadline)
            self._remove(deadline)
        except BaseException:
            self._in_doubt = True
            raise
        finally:
            with feed.lock:
                self._releasing -= 1
                self._look()  # goes on where that failed

    def _await_task(self, deadline: float | None) -> None:
        """Wait until the task does nothing any more: it may be making the key."""

        def ended() -> bool:
            self._writer.feed.check_usable()
            return not self._running

        if not self._writer.feed.signal.wait_for(ended, deadline):
            raise Timeout(f"the key {self.key!r} was still being created at the deadline")

    def _remove(self, deadline: float | None) -> None:
        while (own := self._own(deadline)) is not None:
            known, check = own
            try:
                self._writer.take(self.key, known.version, deadline, "release", before=check)
            except (NoNodeError, BadVersionError, _Reconnected):
                continue  # the copy has caught up with what made it fail
            except VersionConflict:
                break  # it was made again in that moment, and is gone
        self._in_doubt = False

    def _own(self, deadline: float | None) -> tuple[ReadZnode, Callable[[], None]] | None:
        """The key's znode, if it is this session's. And what is to be called right before a request
        that goes by it: raises _Reconnected, so that nothing is sent, on another connection.

        Costs nothing where the copy tells, else a read that is not older than this call.

        Raises:
            Timeout: no connection until the deadline.
            Closed, ForkedDict, KazooException: it may not be read.
        """
        feed, client = self._writer.feed, self._writer.feed.client

        def lost() -> bool:
            # What its last session made goes with it; but kazoo may keep a create for the next one.
            return client.state == KazooState.LOST and not self._in_doubt

        def told() -> bool:
            feed.check_usable()
            return feed.connected or lost()

        while True:
            if not feed.signal.wait_for(told, deadline):
                raise Timeout(
                    "there was no connection to ZooKeeper before the deadline; nothing was written"
                )
            epoch = feed.cache.epoch
            known = feed.cache.peek(self._name)
            refused = known is not None and known.error is not None
            if not lost() and (self._in_doubt or refused or feed.state is not State.LIVE):
                known = fresh.fetch(self._writer, self.key, sync=True, timeout=remaining(deadline))
            session = client.client_id
            if lost():
                return None
            if session is not None:
                break

        def check() -> None:
            if not feed.connected or feed.cache.epoch != epoch:
                raise _Reconnected

        if known is None or known.ephemeral_owner != session[0]:
            return None
        return known, check

    # -- making it again

    def _look(self) -> None:
        """Something was heard of the server; called with the lock held."""
        if self._pausing:
            self._writer.feed.signal.notify()
        if self._running or not self._is_due():
            self._rest()
            return
        self._running = True
        try:
            self._writer.feed.client.handler.spawn(self._run)
        except RuntimeError:  # no thread can be started, as when the interpreter ends
            self._running = False  # the next look tries again

    def _is_due(self) -> bool:
        """Whether there is something to do now."""
        feed = self._writer.feed
        if self._released:
            return self._in_doubt and not self._releasing and feed.connected
        # A look comes once it is LIVE.
        return feed.state is State.LIVE and feed.cache.peek(self._name) is None

    def _rest(self) -> None:
        """There is nothing to do now; called with the lock held."""
        if self.held:
            self.error, self._in_doubt = None, False
        if self._released and not self._may_be_left():
            self.error = None
            self._writer.feed.unfollow(self._look)

    def _run(self) -> None:
        """The task: make the key until it is there, or remove it until it is not."""
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
            if not self._running:
                self._rest()
                self._writer.feed.signal.notify()
            return self._running

    def _attempt(self) -> Exception | None:
        """Make the key, or take back what was made; what went wrong."""
        try:
            if self._released:
                self._writer.begin()
                # Nobody waits for it: an answer may take longer than a caller would wait.
                self._remove(deadline_after(max(self._writer.write_timeout, _LONGEST_PAUSE)))
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
        while self._value is not value and not self._released:  # `set()` came meanwhile
            value = self._value
            try:
                self._store(value, self._writer.begin())
            except VersionConflict:
                break  # it is gone: made again with the newer one
        if self._released:  # while it was under way
            self._in_doubt = True

    def _pause(self, failure: Exception, failures: int) -> None:
        """Wait, until what made the attempt fail is known to be over, or for some time."""
        feed, released = self._writer.feed, self._released

        def is_over() -> bool:
            if self._released != released or not self._is_due():
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
