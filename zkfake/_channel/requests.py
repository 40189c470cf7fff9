"""The faults that wait for a request, by what they do to it.

Rules that live here: a rule says which requests it is for by ``client``, ``operation`` (ZooKeeper's
own name, or ``connect``), ``path`` (``*`` matches as in `fnmatch`) and ``number``, the place in the
run; ``nth`` skips the matches before it, ``times`` says how many from there on are hit, ``None``
all. A rule ends with ``cancel()``, with its ``with`` block, or with `RequestFaults.heal`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._channel.outages import Outages
from zkfake._channel.rules import FaultRules, Match

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.conditions import ConnectionDriver
    from zkfake._channel.rules import ChannelRequest, Point, Rule

__all__ = ["RequestFaults"]


class RequestFaults(Outages):
    """The part of the faults that concerns single requests."""

    def __init__(self, driver: ConnectionDriver) -> None:
        super().__init__(driver)
        self._rules = FaultRules(driver, driver.conditions.rules)

    def drop_before_request(
        self,
        client: Any = None,
        *,
        operation: str | None = None,
        path: str | None = None,
        number: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Rule:
        """Break the connection when a matching request is about to reach the server."""
        match = Match(self._owner(client), operation, path, number)
        return self._rules.add("drop before request", "before_request", match, nth, times, _lose)

    def drop_before_reply(
        self,
        client: Any = None,
        *,
        operation: str | None = None,
        path: str | None = None,
        number: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Rule:
        """Break the connection when the server has carried a matching request out: its reply is
        lost.
        """
        match = Match(self._owner(client), operation, path, number)
        return self._rules.add("drop before reply", "before_reply", match, nth, times, _lose)

    def drop_after_reply(
        self,
        client: Any = None,
        *,
        operation: str | None = None,
        path: str | None = None,
        number: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Rule:
        """Break the connection right after the reply to a matching request."""
        match = Match(self._owner(client), operation, path, number)
        return self._rules.add("drop after reply", "after_reply", match, nth, times, _lose)

    def upon(
        self,
        action: Callable[[], object],
        client: Any = None,
        *,
        point: Point = "before_request",
        operation: str | None = None,
        path: str | None = None,
        number: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Rule:
        """Call ``action`` when a matching request is at ``point``. Mostly it is another method of
        this object.

        ``point``: ``"before_request"``, when the request is about to reach the server;
        ``"before_reply"``, when it is carried out and its reply is about to leave;
        ``"after_reply"``, right behind the reply. ``action`` is called without arguments, while
        everybody else stands still, and must not block. The request goes on its way afterwards. If
        ``action`` raises, `stop` of the fake or the proxy raises a `RuntimeError` with that error
        as its ``__cause__``; in a simulation it ends the run.
        """
        if not callable(action):
            raise TypeError(f"action={action!r}; expected a callable without arguments")
        match = Match(self._owner(client), operation, path, number)

        def act(_request: ChannelRequest) -> bool:
            self._driver.act(action)
            return False

        name = getattr(action, "__name__", "action")
        return self._rules.add(f"upon: {name}", point, match, nth, times, act)

    def heal(self) -> None:
        """End every outage and every rule."""
        with self._driver.at_work():
            self._rules.clear()
            super().heal()

    def _owner(self, client: Any) -> Callable[[ChannelRequest], bool] | None:
        """Tells the requests of a client; ``None`` where all are meant."""
        raise NotImplementedError


def _lose(_request: object) -> bool:
    return True
