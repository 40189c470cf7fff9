"""The lanes of a timeline: one for each client, its sessions, each task and server, and the faults.

Rules that live here:

- The fields of an event say whose lane it is on: ``task``, ``client``, ``server``, in this order.
  That holds for events of kinds that are not known here, too.
- A task stands with its client: the one that its claims name, or the one of the same name. The
  sessions of a client share a lane below it.
- From the top: faults, clients in the order of their first event, tasks without a client, servers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from zkfake._history.events import Committed, Fault, Restored

__all__ = ["ENSEMBLE", "FAULTS", "Key", "Lane", "Lanes"]


class Key(NamedTuple):
    """Which lane."""

    kind: str
    """``client``, ``task``, ``sessions``, ``server`` or ``faults``."""
    name: str


FAULTS = Key("faults", "faults")
ENSEMBLE = Key("server", "ensemble")
"""Where commits are while it is not known who leads."""


class Lane(NamedTuple):
    """What the page is told of a lane. Lanes of one ``group`` belong to one client."""

    kind: str
    name: str
    group: int


class Lanes:
    """The lanes of one history, numbered in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._numbers: dict[Key, int] = {}
        self._clients: dict[str, str] = {}
        """The client of a task, where an event names both."""

    def __getitem__(self, key: Key) -> int:
        """The number of a lane, which is made if there is none yet."""
        return self._numbers.setdefault(key, len(self._numbers))

    def __contains__(self, key: Key) -> bool:
        return key in self._numbers

    def clients(self) -> list[int]:
        """The lanes of all clients so far."""
        return [number for key, number in self._numbers.items() if key.kind == "client"]

    def of(self, event: Any, leader: Key) -> int:
        """The lane of an event; ``leader``: that of the server that commits."""
        if isinstance(event, Fault):
            return self[FAULTS]
        if isinstance(event, (Committed, Restored)):
            return self[leader]
        client, task = getattr(event, "client", None), getattr(event, "task", None)
        if task is not None:
            if client is not None:
                self._clients.setdefault(str(task), str(client))
            return self[Key("task", str(task))]
        if client is not None:
            return self[Key("client", str(client))]
        number = getattr(event, "server", None)
        return self[Key("task", type(event).__name__) if number is None else server(number)]

    def in_order(self) -> tuple[list[Lane], list[int]]:
        """The lanes from the top, and for each number its place among them."""
        groups: dict[str, int] = {}
        for key in self._numbers:
            if key.kind == "client":
                groups[key.name] = len(groups)
        for key in self._numbers:
            if key.kind in ("task", "sessions"):
                groups.setdefault(
                    key.name, groups.get(self._clients.get(key.name, ""), len(groups))
                )

        def place(key: Key) -> tuple[int, int, int]:
            if key.kind == "faults":
                return 0, 0, 0
            if key.kind == "server":
                number = key.name.rpartition(" ")[2]
                return 2, int(number) if number.isdecimal() else 0, 0
            return 1, groups[key.name], _WITHIN.index(key.kind)

        keys = sorted(self._numbers, key=place)
        places = {self._numbers[key]: number for number, key in enumerate(keys)}
        lanes = [Lane(key.kind, key.name, groups.get(key.name, -1)) for key in keys]
        return lanes, [places[number] for number in range(len(keys))]


_WITHIN = ("task", "client", "sessions")


def server(number: object) -> Key:
    """The lane of a server."""
    return Key("server", f"server {number}")
