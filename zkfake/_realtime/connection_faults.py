"""The faults of clients' connections on real sockets, in real time: of a fake, or of a proxy.

Rules that live here:

- A fault may be set from any thread and is in force when the call returns. A rule strikes on the
  thread that serves the sockets.
- A client is named by its session id, or by its `KazooClient` (anything with kazoo's
  ``client_id``), which then stands for its present session.
- Requests are known from the moment at which faults are first used; their numbers count from there,
  or from the start of the server, whichever is later.
- Faults of a client's process are not here, because a fake cannot stop a real process: `Faults` of
  the simulation can pause a client and hold its callbacks.
"""

from __future__ import annotations

import logging
import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from zkfake._channel.channel import session_text
from zkfake._channel.conditions import Conditions
from zkfake._channel.connections import ConnectionFaults
from zkfake._realtime.channel import RealTimeChannel
from zkfake._timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from zkfake._realtime.channel import SocketServed
    from zkfake._realtime.recording import Recording

__all__ = ["RealTime", "SocketFaults"]

logger = logging.getLogger("zkfake")

_FOR_EVER = 10**9
"""Seconds: 30 years."""


class ConnectionsOwner(Protocol):
    """The fake or the proxy, as the faults of its connections see it."""

    def check_running(self) -> None:
        """Raises `RuntimeError` unless it runs."""

    def at_work(self) -> AbstractContextManager[None]: ...
    def failed(self, error: Exception, text: str) -> None:
        """Keeps what went wrong for ``stop()``."""


class RealTime:
    """Real time and one thread that serves: `zkfake._channel.outages.Driver`."""

    def __init__(self, owner: ConnectionsOwner, now: int) -> None:
        """``now``: milliseconds since the epoch."""
        self._owner = owner
        self._news = threading.Condition()
        self._actor = 0
        self.broken = False
        """Whether the serving thread has failed, so that waiting is useless."""
        self.now = now
        self.recording: Recording | None = None
        """Records every fault, if there is a history."""
        self.at_work = owner.at_work
        self.timers = Timers()
        self.conditions: Conditions[RealTimeChannel] = Conditions(self, 1000, random.randint)

    @contextmanager
    def acting(self) -> Iterator[None]:
        with self.at_work():
            self._owner.check_running()
            yield

    def advance(self, now: int) -> None:
        """Time has passed: what ends by itself ends."""
        self.now = now
        self.timers.run_due(now)

    def later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        # `now` is rounded down: one more, so that no time is cut short.
        after = round(min(seconds, _FOR_EVER) * 1000) + 1
        return self.timers.at(self.now + after, action).cancel

    def note(self, name: str, text: str) -> None:
        logger.debug("fault: %s: %s", name, text)
        if self.recording is not None:
            self.recording.fault(name, text)

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        if threading.get_ident() == self._actor:
            raise RuntimeError(
                "an action of a rule must not wait: the server does nothing while it runs"
            )
        with self._news:
            met = self._news.wait_for(lambda: condition() or self.broken, timeout)
        if not self.broken:
            with self.at_work():
                pass  # the thread has finished the fault that was waited for
        return met

    def tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def act(self, action: Callable[[], object]) -> None:
        """Runs the action of a rule. `FakeZooKeeper.stop` raises an error in it."""
        before, self._actor = self._actor, threading.get_ident()
        try:
            action()
        except Exception as error:
            self._owner.failed(error, "an action of server.faults.upon() failed")
        finally:
            self._actor = before


class _KnownClient:
    """A client that is named by its `KazooClient`."""

    def __init__(self, client: Any, known: WeakKeyDictionary[Any, int]) -> None:
        self._client = client
        self._known = known
        if not hasattr(client, "client_id"):
            raise TypeError(f"{client!r} is not a client: expected a session id or a KazooClient")
        if not self.session_id:
            raise ValueError(f"{client!r} has no session at present; pass its session id instead")

    @property
    def session_id(self) -> int:
        """Its present session; while it has none, the last one that was seen."""
        present = self._client.client_id
        if present is not None and present[0]:
            self._known[self._client] = present[0]
        return self._known.get(self._client, 0)

    def __str__(self) -> str:
        return session_text(self.session_id)

    def owns(self, channel: RealTimeChannel) -> bool:
        return channel.session_id != 0 and channel.session_id == self.session_id


class SocketFaults(ConnectionFaults):
    """The faults of clients' connections on sockets.

    Every action raises `RuntimeError` unless the server runs, `ValueError` or `TypeError` for an
    argument that is not valid.
    """

    _driver: RealTime

    def __init__(self, driver: RealTime) -> None:
        super().__init__(driver)
        self.timers = driver.timers
        self._known: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._recording: Recording | None = None

    def _client(self, client: Any) -> _KnownClient:
        return _KnownClient(client, self._known)

    # -- called by the server

    def record(self, recording: Recording) -> None:
        """Let a history hear of every connection, from the next one on, and of every fault."""
        self._recording = recording
        self._driver.recording = recording

    def advance(self, now: int) -> None:
        """Time has passed: what is due arrives, and what ends by itself ends."""
        self._driver.advance(now)

    def channel(
        self,
        connection: SocketServed,
        server: int,
        longest: int,
        on_output: Callable[[], None],
    ) -> RealTimeChannel:
        """What a socket of server ``server`` is to have in the place of its connection.
        ``longest``: frame that the server takes, bytes. ``on_output`` is called when there is
        something to send or the socket is to be closed.
        """
        conditions, timers = self._conditions, self.timers
        listener = None if self._recording is None else self._recording.channels
        channel = RealTimeChannel(
            conditions, timers, connection, server, longest, on_output, listener
        )
        conditions.add(channel)
        if listener is not None:
            listener.connected(channel)
        return channel

    def stopped(self) -> None:
        """The server has stopped: every fault ends."""
        conditions = self._conditions
        for channel in conditions.channels:
            channel.clear()
        conditions.channels.clear()
        self.heal()
        conditions.requests = 0
        self._driver.broken = False

    def broken(self) -> None:
        """The server has failed: threads that wait for a fault go on."""
        self._driver.broken = True
        self._driver.tell()
