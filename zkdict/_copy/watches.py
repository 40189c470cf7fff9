"""The watch callbacks that a dict gives to kazoo, and their use after the dict is gone.

The rules that live here:

- A callback belongs to one request, so that its event tells which read it makes stale.
- kazoo keeps a callback until it fires, and cannot remove one. A callback whose dict is gone is
  idle. The next dict that reads the same path takes it over instead of adding one more. So kazoo
  holds no more callbacks than there were dicts at the same time. Such a callback may fire for the
  older read: that costs a read, and never misses a change.
- The callback of a watch on a whole subtree does not end when it fires. Its dict has one for all
  connections, so that a client which sets watches again by itself has no second one. It ends with
  the connection: an idle one that is told of that is forgotten.
"""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from kazoo.protocol.states import EventType

from zkdict._copy.items import Kind, SentRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    Told = Callable[[SentRequest, str], None]
    """Is told which request's watch has fired, and the type of the event; does not keep the dict
    alive."""
    ToldBelow = Callable[[str, str], None]
    """Is told the path of a change in the subtree, and the type of the event; likewise."""

__all__ = ["FeedWatches"]


class _Watch:
    """The watch callback that one request leaves with kazoo."""

    __slots__ = ("_idle", "_request", "_told")

    def __init__(self, told: Told, request: SentRequest) -> None:
        self._told: Told | None = told
        self._request: SentRequest | None = request
        self._idle: list[_Watch] | None = None

    def serve(self, told: Told, request: SentRequest) -> None:
        self._told, self._request = told, request

    def retire(self, idle: list[_Watch]) -> None:
        """Its dict is gone: wait in this list to be taken over."""
        self._told = self._request = None
        self._idle = idle
        idle.append(self)

    def __call__(self, event: Any) -> None:
        told, request = self._told, self._request
        if told is None or request is None:
            if self._idle is not None:
                with contextlib.suppress(ValueError):  # another dict may take it at this moment
                    self._idle.remove(self)
        # NONE tells of the connection, and so does the listener, in its place between the events.
        elif event.type != EventType.NONE:
            told(request, event.type)


class _SubtreeWatch:
    """The callback of a dict's watch on its root and all below it."""

    __slots__ = ("_idle", "told")

    def __init__(self, idle: list[_SubtreeWatch]) -> None:
        self.told: ToldBelow | None = None
        self._idle = idle

    def retire(self) -> None:
        """Its dict is gone: wait to be taken over."""
        self.told = None
        self._idle.append(self)

    def __call__(self, event: Any) -> None:
        told = self.told
        if event.type != EventType.NONE:
            if told is not None:
                told(event.path, event.type)
        elif told is None:
            with contextlib.suppress(ValueError):  # another dict may take it at this moment
                self._idle.remove(self)


_idle_of: weakref.WeakKeyDictionary[Any, dict[tuple[str, bool], list[_Watch]]]
_idle_of = weakref.WeakKeyDictionary()  # client -> (path, whether of its children) -> idle ones
_idle_below: weakref.WeakKeyDictionary[Any, dict[str, list[_SubtreeWatch]]]
_idle_below = weakref.WeakKeyDictionary()  # client -> path -> idle ones


class FeedWatches:
    """The watches of one feed, and the idle ones of its client."""

    def __init__(self, client: Any) -> None:
        self._idle = _idle_of.setdefault(client, {})
        self._of_data: dict[str, _Watch] = {}  # path -> the last one
        self._of_children: dict[str, _Watch] = {}
        self._idle_below = _idle_below.setdefault(client, {})
        self._below: _SubtreeWatch | None = None

    def below(self, path: str, told: ToldBelow) -> _SubtreeWatch:
        """The feed's watch callback for all that is at this path or below it."""
        if self._below is None:
            idle = self._idle_below.setdefault(path, [])
            try:
                self._below = idle.pop()
            except IndexError:
                self._below = _SubtreeWatch(idle)
        self._below.told = told
        return self._below

    def take(self, path: str, told: Told, request: SentRequest) -> _Watch:
        """A watch callback for this request of this path."""
        children = request.kind is Kind.CHILDREN
        watch = self._take_over(path, children) if self._idle else None
        if watch is None:
            watch = _Watch(told, request)
        else:
            watch.serve(told, request)
        (self._of_children if children else self._of_data)[path] = watch
        return watch

    def _take_over(self, path: str, children: bool) -> _Watch | None:
        idle = self._idle.get((path, children))
        try:
            return idle.pop() if idle else None
        except IndexError:  # another dict took the last one at this moment
            return None

    def forget(self, path: str) -> None:
        """This child is gone."""
        self._of_data.pop(path, None)

    def retire(self) -> None:
        """The feed is gone."""
        if self._below is not None:
            self._below.retire()
            self._below = None
        for last, children in ((self._of_data, False), (self._of_children, True)):
            while last:
                path, watch = last.popitem()
                watch.retire(self._idle.setdefault((path, children), []))
