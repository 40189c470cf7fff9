"""ZooKeeperDict: the mapping that users see, made of the parts beside it.

The rules that live here:

- A read looks into the published copy, and nothing else: no request, no lock for `d[key]`.
- Iteration, views and `snapshot()` use one immutable state each.
- `autosync=True` shows every published state as it comes. `autosync=False` shows the state of the
  last `sync()` or own write.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from kazoo.exceptions import NodeExistsError, NoNodeError

from zkdict.encodings import JSON
from zkdict.errors import Timeout
from zkdict.feed import Feed
from zkdict.keys import KeyCodec, KeyEncoding
from zkdict.records import State
from zkdict.storage import ConnectionStorageDict
from zkdict.txn import clear, update
from zkdict.view import Snapshot, View
from zkdict.waiting import deadline_after
from zkdict.writes import UnansweredError, Writer

if TYPE_CHECKING:
    from zkdict.cache import Publication, Znode
    from zkdict.encodings import Encoding

__all__ = ["MSAZookeeperDict", "ZooKeeperDict"]

V = TypeVar("V")
T = TypeVar("T")

_MISSING: Any = object()


class ZooKeeperDict(ConnectionStorageDict[V]):
    """A dict whose keys are the children of one znode, read from a live local copy."""

    def __init__(
        self,
        connection: Any,
        keyspace: str,
        autosync: bool = True,
        encoding: Encoding[V] = JSON,
        old_encoding: Encoding[Any] | None = None,
        *,
        create: bool = True,
        acl: Any = None,
        wait: float | None = 30.0,
        on_outage: Literal["serve", "raise", "block"] = "serve",
        max_age: float | None = None,
        max_staleness: float = 1.0,
        on_bad_value: Literal["omit", "raise"] = "raise",
        key_encoding: KeyEncoding = "plain",
        max_value_bytes: int = 1_000_000,
        write_timeout: float = 30.0,
        read_only: bool = False,
    ) -> None:
        self._create = create
        self._held: dict[str, Znode | None] = {}
        super().__init__(connection, keyspace, autosync, encoding, old_encoding)
        path = _normal(self.keyspace)
        codec = KeyCodec(key_encoding, at_root=path == "/" and not self.connection.chroot)
        self._view: View[V] = View(
            codec, self._codec.decode, omit=on_bad_value == "omit", on_error=self._failed
        )
        self._feed = Feed(
            self.connection,
            path,
            on_publish=self._publish,
            on_state=self._state_changed,
            create=create,
            acl=acl,
            max_staleness=max_staleness,
        )
        self._writer: Writer[V] = Writer(
            self._feed,
            codec,
            self._codec.encode,
            self._view.entry,
            acl=acl,
            max_value_bytes=max_value_bytes,
            write_timeout=write_timeout,
            max_staleness=max_staleness,
            create_root=create,
        )
        self._feed.start()
        if wait is not None and not self.wait_ready(wait):
            self.close()
            raise Timeout(f"{path} was not loaded within {wait} s")

    # -- published states

    def _publish(self, publication: Publication) -> None:
        self._held.update((delta.name, delta.new) for delta in publication.deltas)
        if self.autosync or publication.resynced or self._view.updated == 0:
            self._show()

    def _show(self) -> None:
        cache = self._feed.cache
        self._view.show(
            self._held,
            zxid=cache.zxid,
            updated=cache.content_zxid,
            resynced=False,
            local=self._feed.local,
        )
        self._held.clear()

    def _state_changed(self, old: State, new: State) -> None:
        pass

    def _failed(self, error: Exception) -> None:
        pass

    # -- reads

    def __getitem__(self, key: str) -> V:
        try:
            return self._view.values[key]
        except KeyError:
            return self._missing(key)

    def _missing(self, key: str) -> V:
        bad = self._view.bad.get(key)
        if bad is not None and not self._view.omit:
            raise bad.error
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in self._view

    def __iter__(self) -> Iterator[str]:
        return iter(self.snapshot())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self.snapshot())

    def __len__(self) -> int:
        return len(self._view)

    def keys(self) -> KeysView[str]:
        return KeysView(self)

    def items(self) -> ItemsView[str, V]:
        return _Items(self)

    def values(self) -> ValuesView[V]:
        return _Values(self)

    def snapshot(self) -> Snapshot[V]:
        with self._feed.lock:
            return self._view.snapshot(self._feed.state)

    def copy(self) -> dict[str, V]:
        return dict(self.snapshot())

    def _items(self) -> dict[str, V]:
        return self.copy()

    # -- writes

    def __setitem__(self, key: str, value: V) -> None:
        self._writer.set(key, value)

    def __delitem__(self, key: str) -> None:
        self._writer.delete(key)

    def pop(self, key: str, /, default: Any = _MISSING) -> Any:
        try:
            return self._writer.pop(key).value
        except KeyError:
            if default is _MISSING:
                raise
            return default

    def popitem(self) -> tuple[str, V]:
        while True:
            for key in reversed(self.snapshot()):
                try:
                    return key, self._writer.pop(key).value
                except KeyError:
                    break
            else:
                raise KeyError("popitem(): the dict is empty")

    def setdefault(self, key: str, default: Any = None) -> V:
        while True:
            try:
                return self[key]
            except KeyError:
                pass
            try:
                entry = self._writer.create(key, default, operation="setdefault")
            except NodeExistsError:
                continue
            value: V = entry.value
            return value

    def update(self, other: Any = (), /, **items: Any) -> None:
        update(self._writer, dict(other, **items))

    def clear(self) -> None:
        clear(self._writer, [self._writer.codec.to_name(key) for key in self.snapshot()])

    # -- consistency

    @property
    def state(self) -> State:
        return self._feed.state

    @property
    def zxid(self) -> int:
        return self._view.zxid

    def sync(self, timeout: float | None = None) -> int:
        feed = self._feed
        deadline = deadline_after(timeout)
        while True:
            try:
                self._writer.call(lambda: feed.client.sync_async(feed.path), deadline)
            except UnansweredError:
                continue
            break
        return self.zxid

    def wait_ready(self, timeout: float | None = None) -> bool:
        feed = self._feed

        def ready() -> bool:
            feed.check_usable()
            if feed.failure is not None:
                raise feed.failure
            loaded = feed.cache.published > 0
            return loaded and bool(feed.cache.root_exists or not self._create)

        return feed.signal.wait_for(ready, deadline_after(timeout))

    def close(self) -> None:
        self._feed.close()

    # -- msaStorageDict's names

    @property
    def no_node_error(self) -> type[Exception]:
        return NoNodeError

    def persist(self, key: str, value: V) -> None:
        self[key] = value

    def depersist(self, key: str) -> None:
        del self[key]

    def durables(self) -> dict[str, V]:
        return self.copy()

    def last_updated(self) -> int:
        return self._view.updated


class _Items(ItemsView[str, V]):
    """Items of one state: no value of another, no KeyError for a key that goes meanwhile."""

    def __iter__(self) -> Iterator[tuple[str, V]]:
        snapshot = cast("ZooKeeperDict[V]", self._mapping).snapshot()
        return ((key, snapshot[key]) for key in snapshot)

    def __reversed__(self) -> Iterator[tuple[str, V]]:
        snapshot = cast("ZooKeeperDict[V]", self._mapping).snapshot()
        return ((key, snapshot[key]) for key in reversed(snapshot))


class _Values(ValuesView[V]):
    """Values of one state."""

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping.items())

    def __reversed__(self) -> Iterator[V]:
        snapshot = cast("ZooKeeperDict[V]", self._mapping).snapshot()
        return (snapshot[key] for key in reversed(snapshot))


def _normal(path: str) -> str:
    path = "/" + path.strip("/")
    return path


MSAZookeeperDict = ZooKeeperDict
