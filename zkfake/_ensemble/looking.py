"""The role of a server that has no leader: it looks for one, and may serve reads meanwhile.

It takes part in elections once its election time is over. With ``readonlymode.enabled`` it serves
read-only clients when it has looked for two seconds, or a tick if that is longer. It refuses a
session that it knows. A session that it does not know goes on here for reads, for a client with its
password: it may have been opened at a server with a quorum. With local sessions it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._ensemble.links import draw
from zkfake._ensemble.role import Role
from zkfake._ensemble.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._ensemble.role import Surroundings
    from zkfake._timers import Timer


class Looking(Role):
    """A server that looks for a leader."""

    def __init__(self, ensemble: Surroundings, designated: int | None = None) -> None:
        """``designated``: the server to which the last leader has handed over."""
        self.ready = False
        """Whether its election time is over, so that it can vote, be elected or follow."""
        self.designated = designated
        self._ensemble = ensemble
        self._timers: list[Timer] = []
        delay = 0 if designated is not None else draw(ensemble.random, ensemble.election_time)
        if delay:
            self._after(delay, self._get_ready)
        else:
            self._get_ready()
        if ensemble.settings.read_only_mode:
            self._after(ensemble.read_only_delay, self._serve_reads)

    def _after(self, delay: int, action: Callable[[], None]) -> None:
        self._timers.append(self._ensemble.timers.at(self._ensemble.now + delay, action))

    def _get_ready(self) -> None:
        self.ready = True
        self._ensemble.review()

    def _serve_reads(self) -> None:
        self.mode = "read-only"

    def renew(self, session_id: int, timeout: int, done: Callable[[Session | None], None]) -> None:
        local = self._ensemble.settings.local_sessions
        done(None if local else Session(session_id, timeout, 0, 0))

    def leave(self) -> None:
        for timer in self._timers:
            timer.cancel()
