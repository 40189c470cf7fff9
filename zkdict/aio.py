"""AsyncZooKeeperDict: the same dict for asyncio.

The rules that live here:

- Reads are plain calls on `mapping`: they come from memory and wait for nothing. Everything that
  waits for the server is awaited, and runs in a thread of its own: waits without end would fill
  asyncio's thread pool, and `asyncio.run` would wait for them at its end.
- Changes reach the event loop through `call_soon_threadsafe`, in order.
- Cancelling a call stops waiting for it; what was sent may still be applied.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from zkdict.dict import ZooKeeperDict
from zkdict.records import ANY, Change, Entry, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from typing_extensions import Self

    from zkdict.txn import Txn
    from zkdict.view import Snapshot

__all__ = ["AsyncZooKeeperDict"]

V = TypeVar("V")
T = TypeVar("T")

_UNSET: Any = object()


async def in_thread(call: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Await `call(...)`, made in a daemon thread with the caller's context variables."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():  # cancelled
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        elif isinstance(error, StopIteration):  # no future takes it
            future.set_exception(RuntimeError("the call raised StopIteration"))
        else:
            future.set_exception(error)

    def work() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = context.run(call, *arguments, **options)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="zkdict-await", daemon=True).start()
    return await future


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

        return cls(await in_thread(load))

    @property
    def mapping(self) -> Mapping[str, V]:
        """The dict itself, for reads."""
        return self._dict

    async def set(self, key: str, value: V) -> None:
        """`d[key] = value`."""
        await in_thread(self._dict.__setitem__, key, value)

    async def delete(self, key: str) -> None:
        """`del d[key]`."""
        await in_thread(self._dict.__delitem__, key)

    @overload
    async def pop(self, key: str) -> V: ...
    @overload
    async def pop(self, key: str, default: T) -> V | T: ...
    async def pop(self, key: str, default: Any = _UNSET) -> Any:
        """`d.pop(key)` or `d.pop(key, default)`."""
        if default is _UNSET:
            return await in_thread(lambda: self._dict.pop(key))
        return await in_thread(lambda: self._dict.pop(key, default))

    async def setdefault(self, key: str, default: V) -> V:
        """`d.setdefault(key, default)`."""
        return await in_thread(self._dict.setdefault, key, default)

    async def update(self, other: Mapping[str, V]) -> None:
        """`d.update(other)`: one transaction."""
        await in_thread(self._dict.update, other)

    async def clear(self) -> None:
        """`d.clear()`: one transaction."""
        await in_thread(self._dict.clear)

    async def put(self, key: str, value: V, *, version: int = ANY) -> Entry[V]:
        """`d.put(key, value, version=version)`."""
        return await in_thread(self._dict.put, key, value, version=version)

    async def add(self, key: str, value: V) -> Entry[V]:
        """`d.add(key, value)`."""
        return await in_thread(self._dict.add, key, value)

    async def cas(self, entry: Entry[V], value: V) -> Entry[V]:
        """`d.cas(entry, value)`."""
        return await in_thread(self._dict.cas, entry, value)

    async def remove(self, key: str, *, version: int = ANY) -> Entry[V]:
        """`d.remove(key, version=version)`."""
        return await in_thread(self._dict.remove, key, version=version)

    async def modify(self, key: str, fn: Callable[[V], V], **options: Any) -> Entry[V]:
        """`d.modify(key, fn, ...)`; `fn` is called in a thread."""
        return await in_thread(self._dict.modify, key, fn, **options)

    async def atomically(self, fn: Callable[[Txn[V]], T], *, attempts: int = 100) -> T:
        """`d.atomically(fn)`; `fn` is called in a thread."""
        return await in_thread(self._dict.atomically, fn, attempts=attempts)

    async def fetch(self, key: str, *, sync: bool = False) -> Entry[V]:
        """`d.fetch(key)`."""
        return await in_thread(self._dict.fetch, key, sync=sync)

    async def sync(self, timeout: float | None = None) -> int:
        """`d.sync(timeout)`."""
        return await in_thread(self._dict.sync, timeout)

    async def wait_until(self, zxid: int, timeout: float | None = None) -> None:
        """`d.wait_until(zxid, timeout)`."""
        await in_thread(self._dict.wait_until, zxid, timeout)

    async def wait_for(self, pred: Callable[[Snapshot[V]], T], timeout: float | None = None) -> T:
        """`d.wait_for(pred, timeout)`; `pred` is called in a thread. Can be cancelled."""
        given_up = threading.Event()
        try:
            wait = self._dict._wait_for  # noqa: SLF001  it is the same dict
            return await in_thread(wait, pred, timeout, given_up.is_set)
        except asyncio.CancelledError:
            given_up.set()
            self._dict._wake()  # noqa: SLF001
            raise

    async def changes(self, *, initial: bool = False) -> AsyncIterator[list[Change[V]]]:
        """Iterate over batches of changes, one per state, from the first step of the iteration on.

        Ends when the iterator or the dict is closed. Raises Closed, ForkedDict.
        """
        loop = asyncio.get_running_loop()
        batches: asyncio.Queue[list[Change[V]] | None] = asyncio.Queue()

        def put(batch: list[Change[V]]) -> None:
            loop.call_soon_threadsafe(batches.put_nowait, batch)

        def look(_old: State, new: State) -> None:
            if new is State.CLOSED:
                loop.call_soon_threadsafe(batches.put_nowait, None)

        with self._dict.on_state(look), self._dict.on_changes(put, initial=initial):
            while (batch := await batches.get()) is not None:
                yield batch

    async def close(self) -> None:
        """`d.close()`."""
        await in_thread(self._dict.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
