"""What a test in the simulation cannot have, and is told of when it reaches for it.

The rules that live here: a process that a test starts, and a peer that it connects to, go on in
real time while the simulation stands still. Only the thread of the simulation is refused, and only
while a test runs on the backend ``simulation``.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KEEP_IN_REAL_TIME", "refused"]

KEEP_IN_REAL_TIME = (
    "A test that needs it stays on the fake and on live: @pytest.mark.zk_backend('both')"
)

_PROCESS = "starts a process, which would run beside the simulation, in real time"
_FORK = "forks, and the child would have half of the simulation"
_SOCKET = "uses a real socket, which knows nothing of the simulation and its time"


@contextmanager
def refused() -> Iterator[None]:
    """While it lasts, `SimulationBlocked` tells what is real."""
    import os
    import socket
    import subprocess

    places: list[tuple[Any, str, str]] = [
        (subprocess.Popen, "__init__", _PROCESS),
        *((socket.socket, name, _SOCKET) for name in ("bind", "connect", "connect_ex")),
    ]
    if hasattr(os, "fork"):
        places.append((os, "fork", _FORK))
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, what in places:
            patch.setattr(owner, name, _refusing(getattr(owner, name), what))
        yield


def _refusing(real: Any, what: str) -> Any:
    from zkfake._simulation.stand_ins.current import current
    from zkfake.simulation import SimulationBlocked

    @wraps(real)
    def call(*arguments: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        simulation = current()
        if simulation is None:
            return real(*arguments, **named)
        if what is _SOCKET:
            arguments[
                0
            ].close()  # `socket.create_connection` does so where it fails with an OSError
        raise SimulationBlocked(f"{simulation.scheduler.current.name} {what}. {KEEP_IN_REAL_TIME}")

    return call
