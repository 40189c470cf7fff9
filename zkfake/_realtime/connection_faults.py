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
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from zkfake._channel.channel import session_text
from zkfake._channel.conditions import Conditions
from zkfake._channel.connections import ConnectionFaults
from zkfake._realtime.channel import RealTimeChannel
from zkfake._timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._realtime.channel import SocketServed
    from zkfake._realtime.loop import Loop
    from zkfake._realtime.recording import Recording

__all__ = ["RealTime", "SocketFaults"]

logger = logging.getLogger("zkfake")

_FOR_EVER = 10**9
"""Seconds: 30 years."""


class RealTime:
    """Real time and one thread that serves: `zkfake._channel.outages.Driver`. The fake or the proxy
    makes it, and tells it of its life.
    """

    def __init__(self, loop: Loop, now: int) -> None:
        """``now``: milliseconds since the epoch."""
        self._loop = loop
        self._recording: Recording | None = None
        self._news = threading.Condition()
        self._actor = 0
        self._broken = False
        """Whether the serving thread has failed, so that waiting is useless."""
        self.now = now
        self.at_work = loop.at_work
        self.timers = Timers()
        self.conditions: Conditions[RealTimeChannel] = Conditions(self, 1000, random.randint)

    @contextmanager
    def acting(self) -> Iterator[None]:
        with self.at_work():
            self._loop.check_running()
            yield

    def later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        # `now` is rounded down: one more, so that no time is cut short.
        after = round(min(seconds, _FOR_EVER) * 1000) + 1
        return self.timers.at(self.now + after, action).cancel

    def note(self, name: str, text: str) -> None:
        logger.debug("fault: %s: %s", name, text)
        if self._recording is not None:
            self._recording.fault(name, text)

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        if threading.get_ident() == self._actor:
            raise RuntimeError(
                "an action of a rule must not wait: the server does nothing while it runs"
            )
        with self._news:
            met = self._news.wait_for(lambda: condition() or self._broken, timeout)
        if not self._broken:
            with self.at_work():
                pass  # the thread has finished the fault that was waited for
        return met

    def tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def act(self, action: Callable[[], object]) -> None:
        """Runs the action of a rule. `stop` of the fake or the proxy tells of an error in it."""
        before, self._actor = self._actor, threading.get_ident()
        try:
            action()
        except Exception as error:
            self._loop.failed(error, "an action of faults.upon() failed")
        finally:
            self._actor = before

    # -- called by the fake or the proxy

    def record(self, recording: Recording | None) -> None:
        """Each new connection, and each fault, goes into ``recording``; ``None``: nothing does any
        more.
        """
        self._recording = recording
        if recording is None:
            for channel in self.conditions.channels:
                channel.listener = None

    def advance(self, now: int) -> None:
        """Time has passed: what is due arrives, and what ends by itself ends."""
        self.now = now
        self.timers.run_due(now)

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
        conditions = self.conditions
        listener = None if self._recording is None else self._recording.channels
        channel = RealTimeChannel(
            conditions, self.timers, connection, server, longest, on_output, listener
        )
        conditions.add(channel)
        if listener is not None:
            listener.connected(channel)
        return channel

    def stopped(self, heal: Callable[[], object]) -> None:
        """The fake or the proxy has stopped. ``heal``: ends every fault."""
        conditions = self.conditions
        for channel in conditions.channels:
            channel.clear()
        conditions.channels.clear()
        heal()
        conditions.requests = 0
        self._broken = False

    def broken(self) -> None:
        """The serving thread has failed: threads that wait for a fault go on."""
        self._broken = True
        self.tell()


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

    Every method but `heal` raises `RuntimeError` unless the fake or the proxy runs, and
    `ValueError` or `TypeError` for an invalid argument.
    """

    _driver: RealTime

    def __init__(self, driver: RealTime) -> None:
        super().__init__(driver)
        self._known: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def _client(self, client: Any) -> _KnownClient:
        return _KnownClient(client, self._known)
