"""Free ports.

A free port is only known to have been free: who draws one has to cope with its loss. It is lost
seldom, as it is none of those that a system gives to who asks for any.
"""

from __future__ import annotations

import random
import socket
from contextlib import suppress

__all__ = ["free_port", "free_ports"]

# Linux gives those from 32768 on, other systems those from 49152 on.
_PORTS = range(10_000, 32_000)
# Hypothesis seeds the module's own generator: then every process would draw the same ones.
_dice = random.SystemRandom()


def free_port() -> int:
    """A TCP port on loopback that nobody listened on a moment ago. Raises `OSError` if none of many
    is free.
    """
    for _ in range(1000):
        port = _dice.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no TCP port from {_PORTS.start} to {_PORTS.stop - 1} on 127.0.0.1 is free")


def free_ports(count: int) -> list[int]:
    """As many, all different."""
    ports: dict[int, None] = {}
    while len(ports) < count:
        ports[free_port()] = None
    return list(ports)
