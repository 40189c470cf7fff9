"""Leases: ephemeral keys that come back after the session was lost.

The rules that live here:

- The server removes an ephemeral key when its session ends. A lease makes it again in the next one,
  and when it finds the key taken, waits until it is gone.
- `held` says what is known for certain: a connection that is suspended may have lost its session.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from zkdict import compare
from zkdict.errors import (
    Closed,
    KeyExists,
    Timeout,
    VersionConflict,
    WriteUncertain,
    ZkDictError,
)
from zkdict.records import ANY, State

if TYPE_CHECKING:
    from typing_extensions import Self

    from zkdict.events import Dispatcher
    from zkdict.records import Change, Entry
    from zkdict.writes import Writer

__all__ = ["Lease"]

V = TypeVar("V")

_PAUSE = 0.1  # seconds, after an attempt that had no answer in time


class Lease(Generic[V]):
    """A key that exists as long as this process's session does; made by `ZooKeeperDict.lease`.

    Also a context manager, which releases it at its end.

    Attributes:
        key: the key.
    """

    def __init__(
        self, owner: object, writer: Writer[V], dispatcher: Dispatcher[V], key: str, value: V
    ) -> None:
        self.key = key
        self._owner = owner  # a lease keeps its dict alive
        self._writer = writer
        self._value = value
        self._released = False
        compare.add(writer, key, value, ephemeral=True)
        self._subscriptions = [
            dispatcher.on_state(self._state_changed),
            dispatcher.on_change(self._changed, frozenset([key]), []),
        ]
        self._dispatcher = dispatcher
        dispatcher.later(self._take)  # where the session was lost before anybody listened

    @property
    def held(self) -> bool:
        """Whether the key is certainly there and this session's. Costs nothing."""
        live = self._writer.feed.state is State.LIVE
        return live and not self._released and self._ours() is not None

    def _ours(self) -> Entry[V] | None:
        """The key's entry, if it is this session's."""
        session = self._writer.feed.client.client_id
        with contextlib.suppress(ZkDictError):
            entry = self._writer.known(self.key)
            if session and entry is not None and entry.ephemeral_owner == session[0]:
                return entry
        return None

    def set(self, value: V) -> None:
        """Change the value, now and for every time the key is made again.

        Raises:
            VersionConflict: the key is another's, or the session was lost; the value will be stored
                when the key is made again.
            EncodeError, ValueTooLarge, Timeout, WriteUncertain, KazooException.
        """
        self._writer.encoded(self.key, value)  # what cannot be stored is not kept for later
        self._value = value
        entry = self._ours()
        if entry is None:
            raise VersionConflict(self.key, ANY)
        compare.cas(self._writer, entry, value)

    def release(self) -> None:
        """Remove the key, if it is still this session's. Does nothing the second time.

        Raises:
            Timeout, WriteUncertain, KazooException.
        """
        self._released = True
        for subscription in self._subscriptions:
            subscription.cancel()
        self._remove()

    def _remove(self) -> None:
        entry = self._ours()
        if entry is not None:
            with contextlib.suppress(VersionConflict):
                compare.remove(self._writer, self.key, entry.version)

    def _state_changed(self, _old: State, new: State) -> None:
        if new is State.LIVE:
            self._take()

    def _changed(self, change: Change[V]) -> None:
        if change.kind == "removed":
            self._take()

    def _take(self) -> None:
        """Make the key, on the task of the callbacks; what goes wrong is told by `on_error`."""
        live = self._writer.feed.state is State.LIVE  # else it is tried once that is so
        if self._released or not live or self._ours() is not None:
            return
        try:
            compare.add(self._writer, self.key, self._value, ephemeral=True)
            self._remove_if_released()  # while it was under way
        except (KeyExists, Closed):
            pass  # it is tried again when the key goes
        except (WriteUncertain, Timeout) as error:
            self._dispatcher.failed(error)
            self._writer.feed.client.handler.sleep_func(_PAUSE)
            self._dispatcher.later(self._take)

    def _remove_if_released(self) -> None:
        if self._released:
            self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()
