"""Named snapshots: in the data directory, if the fake has one, and otherwise in memory.

Rules that live here: a name means one snapshot, until that is deleted. Those in memory end with the
endpoint.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from zkfake._control.seeding import Snapshot
from zkfake._data_dir.directory import NamedSnapshot
from zkfake._web.errors import Refused, refusing

if TYPE_CHECKING:
    from zkfake._data_dir.directory import DataDirectory
    from zkfake._realtime.server import FakeZooKeeper

__all__ = ["Snapshots"]

_MOST = 100
"""In memory. Each has a reference per znode."""


class _InMemory(NamedTuple):
    told: NamedSnapshot
    snapshot: Snapshot


class Snapshots:
    """The snapshots of one fake."""

    def __init__(self, server: FakeZooKeeper, directory: DataDirectory | None) -> None:
        self._server = server
        self._directory = directory
        self._kept: dict[str, _InMemory] = {}

    def saved(self) -> list[NamedSnapshot]:
        """All, the oldest first. Raises `Refused`."""
        if self._directory is not None:
            with refusing():
                return self._directory.snapshots()
        return [each.told for each in self._kept.values()]

    def save(self, name: str) -> NamedSnapshot:
        """Keeps the present state. Raises `Refused`."""
        if self._directory is not None:
            with refusing():
                return self._directory.save(name)
        if name in self._kept:
            raise Refused(409, f"There is a snapshot {name!r} already; delete it first")
        if len(self._kept) >= _MOST:
            raise Refused(409, f"There are {_MOST} snapshots already; delete some of them")
        snapshot = self._server.snapshot()
        made = int(time.time() * 1000)
        told = NamedSnapshot(name, snapshot.zxid, len(snapshot.paths()), made)
        self._kept[name] = _InMemory(told, snapshot)
        return told

    def restore(self, name: str) -> int:
        """Goes back to a snapshot: the zxid of the new state. Raises `Refused`."""
        self._check(name)
        with refusing():
            if self._directory is None:
                snapshot = self._kept[name].snapshot
            else:
                state = self._directory.named(name)
                snapshot = Snapshot(state.zxid, state.tree)
            self._server.restore(snapshot)
        return self._server.last_zxid

    def delete(self, name: str) -> None:
        """Raises `Refused`."""
        self._check(name)
        if self._directory is None:
            del self._kept[name]
        else:
            with refusing():
                self._directory.delete(name)

    def _check(self, name: str) -> None:
        if name not in [each.name for each in self.saved()]:
            raise Refused(404, f"There is no snapshot {name!r}")
