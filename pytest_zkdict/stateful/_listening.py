"""What a dict tells while a machine's steps go on.

The rule that lives here: looks are kept in the order in which they were taken, and are judged
before anything that was seen after them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kazoo.protocol.states import KazooState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kazoo.client import KazooClient

    from zkdict import Change, Snapshot, ZooKeeperDict

__all__ = ["DictListener"]


class DictListener:
    """Follows what a dict tells, and looks at it each time: states that last for a moment only are
    seen so. And it hears of each connection that the dict's client loses.
    """

    def __init__(self, mapping: ZooKeeperDict[Any], client: KazooClient) -> None:
        self.told: dict[str, Any] = {}
        """What the changes lead to."""
        self.losses = 0
        """How often the connection was lost."""
        self._mapping = mapping
        self._client = client
        self._lock = client.handler.lock_object()
        self._looks: list[Snapshot[Any]] = []
        client.add_listener(self._heard)
        mapping.on_changes(self._follow, initial=True)

    def close(self) -> None:
        self._client.remove_listener(self._heard)

    def _heard(self, state: str) -> None:
        self.losses += state != KazooState.CONNECTED

    def has_lost(self, losses: int) -> bool:
        """Whether there were more than so many losses."""
        return self.losses > losses

    def _follow(self, changes: list[Change[Any]]) -> None:
        for change in changes:
            if change.kind == "resynced":
                continue
            if change.new is None:
                self.told.pop(change.key, None)
            else:
                self.told[change.key] = change.new.value
        self._look()

    def _look(self) -> None:
        # With the lock, or an older snapshot might come after a newer one.
        with self._lock:
            self._looks.append(self._mapping.snapshot())

    def looks(self) -> Iterator[Snapshot[Any]]:
        """What it saw since the last time, in order, and at last what there is now."""
        self._look()
        while self._looks:
            yield self._looks.pop(0)
