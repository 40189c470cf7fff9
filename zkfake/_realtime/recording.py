"""The history of a fake, or of a proxy, in real time: who writes it, and by which clock.

Rules that live here: time counts from when the object was made, by a clock that nobody sets. A
client is called by its session, as the faults call it. What happens is recorded by the thread that
serves; a program may add to it from any thread.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from zkfake._history.channels import ChannelRecorder
from zkfake._history.events import Fault, ServerEvent
from zkfake._history.recorder import EnsembleHistory, History

if TYPE_CHECKING:
    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._ensemble.events import Name

__all__ = ["Recording"]

_SECOND = 1_000_000


class Recording:
    """The recording of one history."""

    def __init__(self, ensemble: Ensemble | None = None) -> None:
        """``ensemble``: records what it commits, and what its servers do."""
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

    def _history(self, ensemble: Ensemble | None) -> History:
        if ensemble is None:
            return History(self._seconds, _thread_name)
        history = EnsembleHistory(self._seconds, _thread_name)
        history.hear(ensemble)

        def tell(server: int, name: Name, text: str) -> None:
            epoch = ensemble.replicas[server - 1].store.accepted_epoch
            history.append(ServerEvent(self._seconds(), server, epoch, name, text))

        ensemble.tell = tell
        return history


def _thread_name() -> str:
    return threading.current_thread().name
