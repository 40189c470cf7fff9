"""The lanes of a timeline: one for each client, its sessions, each task and server, and the faults.

Rules that live here:

- The fields of an event say whose lane it is on: ``dict``, ``task``, ``client``, ``server``, in
  this order. That holds for events of kinds that are not known here, too.
- A task stands with its client: the one that its claims name, or the one of the same name. A dict
  stands with the task that has made it. The callbacks and the sessions of a client have a lane each
  below it.
- From the top: faults, clients in the order of their first event, tasks without a client, servers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from zkfake._history.events import Committed, Fault, Restored

__all__ = ["ENSEMBLE", "FAULTS", "Key", "Lane", "Lanes"]


class Key(NamedTuple):
    """Which lane."""

    kind: str
    """``task``, ``dict``, ``client``, ``callbacks``, ``sessions``, ``server`` or ``faults``."""
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
        self._owners: dict[str, str] = {}
        """The client of a task, and the task of a dict, where an event names both."""

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
        number = getattr(event, "dict", None)
        if number is not None:
            if task is not None:
                self._owners.setdefault(f"dict {number}", str(task))
            return self[Key("dict", f"dict {number}")]
        if task is not None:
            if client is not None:
                self._owners.setdefault(str(task), str(client))
            return self[Key("task", str(task))]
        if client is not None:
            called = type(event).__name__.startswith("Callback")
            return self[Key("callbacks" if called else "client", str(client))]
        number = getattr(event, "server", None)
        return self[Key("task", type(event).__name__) if number is None else server(number)]

    def in_order(self) -> tuple[list[Lane], list[int]]:
        """The lanes from the top, and for each number its place among them."""
        groups: dict[str, int] = {}
        for key in self._numbers:
            if key.kind == "client":
                groups[key.name] = len(groups)
        for kind in ("task", "dict", "callbacks", "sessions"):
            for key in self._numbers:
                if key.kind == kind and key.name not in groups:
                    owner = self._owners.get(key.name, "")
                    groups[key.name] = groups.get(owner, len(groups))

        def place(key: Key) -> tuple[int, int, int]:
            """A sorting key; of equal ones the lane that was there first comes first."""
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


_WITHIN = ("task", "dict", "client", "callbacks", "sessions")


def server(number: object) -> Key:
    """The lane of a server."""
    return Key("server", f"server {number}")
