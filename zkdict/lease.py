"""Leases: ephemeral keys that come back after the session was lost.

The rules that live here:

- The server removes an ephemeral key when its session ends. A lease makes it again in the next one,
  and when it finds the key taken, waits until it is gone.
- `held` says what is known for certain: a connection that is suspended may have lost its session.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from zkdict.errors import Closed, KeyExists, VersionConflict, ZkDictError
from zkdict.records import State

if TYPE_CHECKING:
    from typing_extensions import Self

    from zkdict.dict import ZooKeeperDict
    from zkdict.records import Change

__all__ = ["Lease"]

V = TypeVar("V")


class Lease(Generic[V]):
    """A key that exists as long as this process's session does; made by `ZooKeeperDict.lease`.

    Also a context manager, which releases it at its end.

    Attributes:
        key: the key.
    """

    def __init__(self, owner: ZooKeeperDict[V], key: str, value: V) -> None:
        self.key = key
        self._dict = owner
        self._value = value
        self._released = False
        owner.put(key, value, version=-2, ephemeral=True)
        self._subscriptions = [
            owner.on_state(self._state_changed),
            owner.on_change(self._changed, keys=key),
        ]

    @property
    def held(self) -> bool:
        """Whether the key is certainly there and this session's. Costs nothing."""
        return not self._released and self._dict.state is State.LIVE and self._is_ours()

    def _is_ours(self) -> bool:
        session = self._dict.connection.client_id
        with contextlib.suppress(KeyError, ZkDictError):
            return bool(session and self._dict.entry(self.key).ephemeral_owner == session[0])
        return False

    def set(self, value: V) -> None:
        """Change the value, now and for every time the key is made again.

        Raises:
            VersionConflict: the key is another's, or the session was lost; the value will be stored
                when the key is made again.
            EncodeError, ValueTooLarge, Timeout, WriteUncertain, KazooException.
        """
        self._value = value
        if not self._is_ours():
            raise VersionConflict(self.key, -1)
        self._dict.cas(self._dict.entry(self.key), value)

    def release(self) -> None:
        """Remove the key, if it is still this session's. Does nothing the second time.

        Raises:
            Timeout, WriteUncertain, KazooException.
        """
        self._released = True
        for subscription in self._subscriptions:
            subscription.cancel()
        if self._is_ours():
            with contextlib.suppress(KeyError, VersionConflict):
                self._dict.remove(self.key, version=self._dict.entry(self.key).version)

    def _state_changed(self, _old: State, new: State) -> None:
        if new is State.LIVE:
            self._take()

    def _changed(self, change: Change[V]) -> None:
        if change.kind == "removed":
            self._take()

    def _take(self) -> None:
        """Make the key, on the task of the callbacks; what goes wrong is told by `on_error`."""
        if not self._released and not self._is_ours():
            with contextlib.suppress(KeyExists, VersionConflict, Closed):
                self._dict.put(self.key, self._value, version=-2, ephemeral=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()
