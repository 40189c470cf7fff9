"""AsyncZooKeeperDict: the same dict for asyncio.

The rules that live here:

- Reads are plain calls on `mapping`: they come from memory and wait for nothing. Everything that
  waits for the server is awaited; it runs in asyncio's default thread pool.
- Changes reach the event loop through `call_soon_threadsafe`, in order.
- Cancelling a call stops waiting for it; what was sent may still be applied.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from zkdict.dict import ZooKeeperDict
from zkdict.records import ANY, Change, Entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from typing_extensions import Self

    from zkdict.txn import Txn
    from zkdict.view import Snapshot

__all__ = ["AsyncZooKeeperDict"]

V = TypeVar("V")
T = TypeVar("T")

_UNSET: Any = object()


class AsyncZooKeeperDict(Generic[V]):
    """A ZooKeeperDict whose writes and waits are awaited.

    Each method does what the method of this name of ZooKeeperDict does, at the same cost, and
    raises the same.

    Args:
        mapping: the dict, whose client uses kazoo's threading handler.
    """

    def __init__(self, mapping: ZooKeeperDict[V]) -> None:
        self._dict = mapping

    @classmethod
    async def open(cls, connection: Any, keyspace: str, **options: Any) -> Self:
        """Load a dict; the arguments are those of ZooKeeperDict."""

        def load() -> ZooKeeperDict[V]:
            return ZooKeeperDict(connection, keyspace, **options)

        return cls(await asyncio.to_thread(load))

    @property
    def mapping(self) -> Mapping[str, V]:
        """The dict itself, for reads."""
        return self._dict

    async def set(self, key: str, value: V) -> None:
        """`d[key] = value`."""
        await asyncio.to_thread(self._dict.__setitem__, key, value)

    async def delete(self, key: str) -> None:
        """`del d[key]`."""
        await asyncio.to_thread(self._dict.__delitem__, key)

    @overload
    async def pop(self, key: str) -> V: ...
    @overload
    async def pop(self, key: str, default: T) -> V | T: ...
    async def pop(self, key: str, default: Any = _UNSET) -> Any:
        """`d.pop(key)` or `d.pop(key, default)`."""
        if default is _UNSET:
            return await asyncio.to_thread(lambda: self._dict.pop(key))
        return await asyncio.to_thread(lambda: self._dict.pop(key, default))

    async def setdefault(self, key: str, default: V) -> V:
        """`d.setdefault(key, default)`."""
        return await asyncio.to_thread(self._dict.setdefault, key, default)

    async def update(self, other: Mapping[str, V]) -> None:
        """`d.update(other)`: one transaction."""
        await asyncio.to_thread(self._dict.update, other)

    async def clear(self) -> None:
        """`d.clear()`: one transaction."""
        await asyncio.to_thread(self._dict.clear)

    async def put(self, key: str, value: V, *, version: int = ANY) -> Entry[V]:
        """`d.put(key, value, version=version)`."""
        return await asyncio.to_thread(self._dict.put, key, value, version=version)

    async def add(self, key: str, value: V) -> Entry[V]:
        """`d.add(key, value)`."""
        return await asyncio.to_thread(self._dict.add, key, value)

    async def cas(self, entry: Entry[V], value: V) -> Entry[V]:
        """`d.cas(entry, value)`."""
        return await asyncio.to_thread(self._dict.cas, entry, value)

    async def remove(self, key: str, *, version: int = ANY) -> Entry[V]:
        """`d.remove(key, version=version)`."""
        return await asyncio.to_thread(self._dict.remove, key, version=version)

    async def modify(self, key: str, fn: Callable[[V], V], **options: Any) -> Entry[V]:
        """`d.modify(key, fn, ...)`; `fn` is called in a thread."""
        return await asyncio.to_thread(self._dict.modify, key, fn, **options)

    async def atomically(self, fn: Callable[[Txn[V]], T], *, attempts: int = 20) -> T:
        """`d.atomically(fn)`; `fn` is called in a thread."""
        return await asyncio.to_thread(self._dict.atomically, fn, attempts=attempts)

    async def fetch(self, key: str, *, sync: bool = False) -> Entry[V]:
        """`d.fetch(key)`."""
        return await asyncio.to_thread(self._dict.fetch, key, sync=sync)

    async def sync(self, timeout: float | None = None) -> int:
        """`d.sync(timeout)`."""
        return await asyncio.to_thread(self._dict.sync, timeout)

    async def wait_until(self, zxid: int, timeout: float | None = None) -> None:
        """`d.wait_until(zxid, timeout)`."""
        await asyncio.to_thread(self._dict.wait_until, zxid, timeout)

    async def wait_for(self, pred: Callable[[Snapshot[V]], T], timeout: float | None = None) -> T:
        """`d.wait_for(pred, timeout)`; `pred` is called in a thread."""
        return await asyncio.to_thread(self._dict.wait_for, pred, timeout)

    async def changes(self, *, initial: bool = False) -> AsyncIterator[list[Change[V]]]:
        """Iterate over batches of changes, one per state, from the first step of the iteration on.

        Ends when the iterator is closed.
        """
        loop = asyncio.get_running_loop()
        batches: asyncio.Queue[list[Change[V]]] = asyncio.Queue()

        def put(batch: list[Change[V]]) -> None:
            loop.call_soon_threadsafe(batches.put_nowait, batch)

        with self._dict.on_changes(put, initial=initial):
            while True:
                yield await batches.get()

    async def close(self) -> None:
        """`d.close()`."""
        await asyncio.to_thread(self._dict.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
