"""A kazoo client that can watch a subtree: what kazoo's pull request 715 adds, and forks ship.

The interface is that of the pull request (python-zk/kazoo, `feat(core): add support for persistent
recursive watches`), and so is what it does: a watch is known to the client once the reply to it was
read, and is forgotten, with an event of type NONE, when the connection is lost.

A client that `sets_again` sends setWatches2 on each new connection instead, as Java's does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import kazoo.client
from kazoo.client import KazooClient
from kazoo.protocol.connection import ConnectionHandler
from kazoo.protocol.serialization import Watch, int_struct, long_struct, write_string
from kazoo.protocol.states import (
    EVENT_TYPE_MAP,
    Callback,
    EventType,
    KeeperState,
    WatchedEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

PERSISTENT, PERSISTENT_RECURSIVE = 0, 1
_CHILD_EVENT = 4
_ANY = 3


class AddWatch(NamedTuple):
    """Not `watcher`: kazoo would take it for a watch that fires once."""

    path: str
    watch: Callable[[Any], object]
    mode: int

    type = 106

    def serialize(self) -> bytes:
        return bytes(write_string(self.path)) + int_struct.pack(self.mode)

    @classmethod
    def deserialize(cls, buffer: bytes, offset: int) -> None:
        """The reply has nothing that anybody wants."""


class RemoveWatches(NamedTuple):
    path: str
    kind: int

    type = 18

    def serialize(self) -> bytes:
        return bytes(write_string(self.path)) + int_struct.pack(self.kind)

    @classmethod
    def deserialize(cls, buffer: bytes, offset: int) -> None:
        """The reply has no body."""


class SetWatches2(NamedTuple):
    zxid: int
    persistent: list[str]
    recursive: list[str]

    type = 105

    def serialize(self) -> bytes:
        lists: list[list[str]] = [[], [], [], self.persistent, self.recursive]
        paths = b"".join(
            int_struct.pack(len(each)) + b"".join(bytes(write_string(path)) for path in each)
            for each in lists
        )
        return bytes(long_struct.pack(self.zxid)) + paths

    @classmethod
    def deserialize(cls, buffer: bytes, offset: int) -> None:
        """The reply has no body."""


class _WatchingConnection(ConnectionHandler):  # type: ignore[misc]
    def _read_watch_event(self, buffer: bytes, offset: int) -> None:
        super()._read_watch_event(buffer, offset)
        client = self.client
        watch, _ = Watch.deserialize(buffer, offset)
        if client._stopped.is_set():
            return
        event = WatchedEvent(EVENT_TYPE_MAP[watch.type], client._state, client.unchroot(watch.path))
        for (path, mode), watches in list(client.standing.items()):
            below = path if path == "/" else f"{path}/"
            if watch.path == path or (
                mode == PERSISTENT_RECURSIVE
                and watch.type != _CHILD_EVENT
                and watch.path.startswith(below)
            ):
                for each in list(watches):
                    client.handler.dispatch_callback(Callback("watch", each, (event,)))

    def _read_response(self, header: Any, buffer: bytes, offset: int) -> Any:
        client = self.client
        request = client._pending[0][0]
        end = super()._read_response(header, buffer, offset)
        if not header.err and isinstance(request, AddWatch):
            client.standing.setdefault((request.path, request.mode), {})[request.watch] = None
        if not header.err and isinstance(request, RemoveWatches):
            for tables in (client._data_watchers, client._child_watchers):
                tables.pop(request.path, None)
            for mode in (PERSISTENT, PERSISTENT_RECURSIVE):
                client.standing.pop((request.path, mode), None)
        return end


class WatchingClient(KazooClient):  # type: ignore[misc]
    """See the module's docstring. All arguments are those of `KazooClient`."""

    sets_again = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.standing: dict[tuple[str, int], dict[Callable[[Any], object], None]] = {}
        """The callbacks of the watches that no event ends, by path and mode."""
        super().__init__(*arguments, **named)
        self._connection.__class__ = _WatchingConnection

    def add_watch(self, path: str, watch: Callable[[Any], object], mode: int) -> None:
        """Watch a path, or with mode 1 a path and all below it, until the connection is lost."""
        self.add_watch_async(path, watch, mode).get()

    def add_watch_async(self, path: str, watch: Callable[[Any], object], mode: int) -> Any:
        """The same, not waited for."""
        if not isinstance(path, str) or not callable(watch) or not isinstance(mode, int):
            raise TypeError("a path, a function and a mode are wanted")
        return self._ask(AddWatch(self._prefixed(path), watch, mode))

    def remove_all_watches(self, path: str, watcher_type: int = _ANY) -> None:
        """Take back every watch of a path."""
        self._ask(RemoveWatches(self._prefixed(path), watcher_type)).get()

    def _prefixed(self, path: str) -> str:
        return str(kazoo.client._prefix_root(self.chroot, path))

    def _ask(self, request: Any) -> Any:
        result = self.handler.async_result()
        self._call(request, result)
        return result

    def _reset_watchers(self) -> None:
        super()._reset_watchers()
        event = WatchedEvent(EventType.NONE, self._state, None)
        for watches in self.standing.values():
            for watch in watches:
                self.handler.dispatch_callback(Callback("watch", watch, (event,)))
        if not self.sets_again:
            self.standing.clear()

    def _session_callback(self, state: Any) -> None:
        new = state != self._state
        super()._session_callback(state)
        if new and self.standing and state in (KeeperState.CONNECTED, KeeperState.CONNECTED_RO):
            paths = [
                [path for path, each in self.standing if each == mode]
                for mode in (PERSISTENT, PERSISTENT_RECURSIVE)
            ]
            self._ask(SetWatches2(self.last_zxid, *paths))


class SettingAgainClient(WatchingClient):
    """Sets its watches again, as the Java client does."""

    sets_again = True


PlainClient: type[Any] = KazooClient
CLIENTS = {"watching": WatchingClient, "setting-again": SettingAgainClient}


def install(name: str) -> None:
    """From now on, whoever imports `kazoo.client.KazooClient` gets this one. Raises KeyError."""
    kazoo.client.PlainKazooClient = PlainClient  # simulations look into it
    kazoo.client.KazooClient = CLIENTS[name]


def plant(patch: pytest.MonkeyPatch, name: str) -> None:
    """The same, until it is undone."""
    patch.setattr(kazoo.client, "PlainKazooClient", PlainClient, raising=False)
    patch.setattr(kazoo.client, "KazooClient", CLIENTS[name])
