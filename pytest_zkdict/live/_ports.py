"""Free ports.

A free port is only known to have been free: who draws one has to cope with its loss. That is
rare: these ports come from below the range from which operating systems choose a free one.
"""

from __future__ import annotations

import random
import socket

__all__ = ["free_port", "free_ports"]

# By default Linux chooses from 32768 on, macOS and Windows from 49152 on. Kubernetes has 30000 to
# 32767 for its services.
_PORTS = range(10_000, 30_000)
_TRIES = 1000
# Hypothesis seeds the module's own generator: then every process would draw the same ones.
_dice = random.SystemRandom()


def free_port() -> int:
    """A TCP port on loopback that nobody listened on a moment ago. Raises `OSError` where there
    seems to be none.
    """
    for _ in range(_TRIES):
        port = _dice.choice(_PORTS)
        with socket.socket() as probe:
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: or others may listen there
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                last = error
            else:
                return port
    raise OSError(
        f"no free TCP port on 127.0.0.1: {_TRIES} were tried, from {_PORTS.start} to "
        f"{_PORTS.stop - 1}, and none could be bound; the last error: {last}"
    ) from last


def free_ports(count: int) -> list[int]:
    """As many, all different."""
    ports: dict[int, None] = {}
    while len(ports) < count:
        ports[free_port()] = None
    return list(ports)
