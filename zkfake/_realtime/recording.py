"""The history of a fake, or of a proxy, in real time: who writes it, and by which clock.

Rules that live here: time counts from when the object was made, by a clock that nobody sets. A
client is called by its session, as the faults call it. What happens is recorded by the thread that
serves; a program may add to it from any thread. One that begins later begins with the state that
there is, and leaves out the connections that there are: what was asked on them is not known.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from zkfake._ensemble.events import unheard
from zkfake._ensemble.listener import EnsembleListener
from zkfake._history.channels import ChannelRecorder
from zkfake._history.events import Fault, ServerEvent
from zkfake._history.recorder import EnsembleHistory, History, PassingHistory

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.events import Name
    from zkfake._ensemble.stats import Mode
    from zkfake._history.events import Event, Logged

__all__ = ["Recording"]

_SECOND = 1_000_000

_ROLES: dict[Mode | None, Name] = {
    "leader": "leads",
    "follower": "follows",
    "observer": "observes",
}
"""What a server would have told when it took a role."""


class Recording:
    """The recording of one history."""

    def __init__(self, ensemble: Ensemble | None = None, *, whole: bool = True) -> None:
        """``ensemble``: records what it commits, and what its servers do; its state is the first
        entry of the log. ``whole``: whether it is kept; otherwise it is there for its hearers.
        """
        self._ensemble = ensemble
        self.whole = whole
        self._start = time.perf_counter_ns()
        self.history = self._history(ensemble)
        self.channels = ChannelRecorder(self.history, self, _SECOND)

    @property
    def now(self) -> int:
        """Microseconds since the start."""
        return (time.perf_counter_ns() - self._start) // 1000

    def _seconds(self) -> float:
        return self.now / _SECOND

    def fault(self, name: str, text: str) -> None:
        """A fault began, ended or struck."""
        self.history.append(Fault(self._seconds(), name, text))

    @property
    def hearers(self) -> tuple[Callable[[Event | Logged], object], ...]:
        """Those of the history of an ensemble."""
        return self.history.hearers if isinstance(self.history, EnsembleHistory) else ()

    def tell(self, *hearers: Callable[[Event | Logged], object]) -> None:
        """These are the hearers from now on, of the history of an ensemble."""
        assert isinstance(self.history, EnsembleHistory)
        self.history.tell(*hearers)

    def end(self) -> None:
        """The ensemble tells it nothing any more."""
        if self._ensemble is not None:
            self._ensemble.log.on_append = self._ensemble.log.on_mark = None
            self._ensemble.tell = unheard
            self._ensemble.listener = EnsembleListener()

    def _history(self, ensemble: Ensemble | None) -> History:
        if ensemble is None:
            return History(self._seconds, _thread_name)
        kind = EnsembleHistory if self.whole else PassingHistory
        history = kind(self._seconds, _thread_name, virtual=False)
        history.hear(ensemble)
        if self.whole:
            history.take_state(ensemble)

        def tell(server: int, name: Name, text: str) -> None:
            epoch = ensemble.replicas[server - 1].store.accepted_epoch
            history.append(ServerEvent(self._seconds(), server, epoch, name, text))

        ensemble.tell = tell
        for replica in ensemble.replicas:
            if self.whole and (role := _ROLES.get(replica.role.mode)) is not None:
                tell(replica.id, role, "since before this history")
        return history


def _thread_name() -> str:
    return threading.current_thread().name
