"""AsyncZooKeeperDict: the same dict for asyncio.

The rules that live here:

- Reads are plain calls on `mapping`: they come from memory and wait for nothing. Everything that
  waits for the server is awaited.
- `set` sends its request from the event loop, and is woken once the copy holds it. Only where that
  does not come about (no connection, another attempt is needed) the same call goes on in a thread:
  it knows what was sent, and by when it has to be done. Everything else runs in a thread (see
  `threads`); asyncio's own pool is not made for waits without end, and `asyncio.run` would wait for
  them.
- Changes reach the event loop through `call_soon_threadsafe`, in order.
- Cancelling a call stops waiting for it. A call that is in a thread goes on there: it may still be
  sent, and applied.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from zkdict._copy import clock
from zkdict._copy.backlog import Backlog
from zkdict._threads import NoThreadError, run_in_thread
from zkdict.dict import ZooKeeperDict
from zkdict.entries import ANY, Change, Entry, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from typing_extensions import Self

    from zkdict._copy.effects import Submitted
    from zkdict._copy.snapshot import Snapshot
    from zkdict._writes.lease import Lease, LeaseState
    from zkdict._writes.single import SetCall, Writer
    from zkdict._writes.txn import Txn

__all__ = ["AsyncLease", "AsyncZooKeeperDict"]

V = TypeVar("V")
T = TypeVar("T")

_UNSET: Any = object()
_PATIENCE = 1.0  # seconds for a round trip, beside `max_staleness`
_TURN = 0.005  # seconds of sending at a time; then the event loop runs its other callbacks


async def in_thread(call: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Await `call(...)`, made in a daemon thread with the caller's context variables.

    Raises what it raises, or NoThreadError: it was not made.
    """
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
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits for this
            loop.call_soon_threadsafe(settle, result, error)

    def refuse(error: NoThreadError) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, None, error)

    run_in_thread(work, refuse)
    return await future


class _Arrival:
    """One `set` of a coroutine's."""

    __slots__ = ("call", "future", "start")

    def __init__(self, start: Callable[[], SetCall], future: asyncio.Future[bool]) -> None:
        self.start = start
        self.future = future
        self.call: SetCall | None = None
        """What `start` returned, once it was called."""


class _Arrivals:
    """Sends what the coroutines of one event loop have to send, some milliseconds of each turn of
    the loop, and wakes them when the copy holds it.
    """

    def __init__(self, writer: Writer[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._writer = writer
        self._to_send: deque[_Arrival] = deque()
        self._waiting: deque[tuple[Submitted, _Arrival]] = deque()  # as they were sent

    async def of(self, start: Callable[[], SetCall]) -> tuple[bool, SetCall | None]:
        """Whether it was applied, and is shown now; else what there is to go on with, if anything.

        Raises what `start` raises.
        """
        arrival = _Arrival(start, self.loop.create_future())
        self._to_send.append(arrival)
        if len(self._to_send) == 1:
            self._send()
        future = arrival.future
        try:
            # Not `wait_for`: what it does where both happen at once differs between Pythons.
            await asyncio.wait([future], timeout=self._writer.max_staleness + _PATIENCE)
            return future.done() and future.result(), arrival.call
        finally:
            future.cancel()  # without effect where it is done

    def _send(self) -> None:
        feed, end = self._writer.feed, clock.monotonic() + _TURN
        while self._to_send and clock.monotonic() < end:
            arrival = self._to_send[0]
            try:
                if not arrival.future.done():  # else it was cancelled
                    self._start(arrival)
            except Exception as error:
                arrival.future.set_exception(error)
            self._to_send.popleft()
        if self._waiting:
            feed.follow(self._look)
        if self._to_send:
            self.loop.call_soon(self._send)

    def _start(self, arrival: _Arrival) -> None:
        call = arrival.call = arrival.start()
        if call.submitted is None:
            arrival.future.set_result(False)
            return
        with self._writer.feed.lock:
            self._waiting.append((call.submitted, arrival))

    def _look(self) -> None:
        """Something was heard of the server; called with the lock held."""
        feed = self._writer.feed
        arrived: list[tuple[_Arrival, bool]] = []
        lost = feed.state is State.CLOSED or not feed.connected
        while self._waiting:
            submitted, arrival = self._waiting[0]
            held = feed.cache.position >= submitted.request.position
            if not (held or lost):
                break
            arrived.append((arrival, held and submitted.sent.successful()))
            self._waiting.popleft()
        if not self._waiting:
            feed.unfollow(self._look)
        if arrived:
            self._writer.view.refresh()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits for this
                self.loop.call_soon_threadsafe(_settle, arrived)


def _settle(arrived: list[tuple[_Arrival, bool]]) -> None:
    for arrival, shown in arrived:
        if not arrival.future.done():  # else cancelled
            arrival.future.set_result(shown)


class AsyncLease(Generic[V]):
    """A Lease whose calls are awaited. Also an asynchronous context manager, which releases it."""

    def __init__(self, lease: Lease[V]) -> None:
        self._lease = lease

    @property
    def key(self) -> str:
        """The key."""
        return self._lease.key

    @property
    def held(self) -> bool:
        """Whether the key is certainly there and this session's. Costs nothing."""
        return self._lease.held

    @property
    def state(self) -> LeaseState:
        """How the lease stands, and what it waits for. Costs nothing."""
        return self._lease.state

    @property
    def error(self) -> Exception | None:
        """Why making the key, or removing it, failed the last time; None once it succeeded."""
        return self._lease.error

    async def set(self, value: V) -> None:
        """`lease.set(value)`."""
        await in_thread(self._lease.set, value)

    async def release(self) -> None:
        """`lease.release()`."""
        await in_thread(self._lease.release)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.release()


class AsyncZooKeeperDict(Generic[V]):
    """A ZooKeeperDict whose writes and waits are awaited.

    Each method does what the method of this name of ZooKeeperDict does, at the same cost, and
    raises the same. All but `set` run in a daemon thread; RuntimeError says that none can be
    started, and that the call was not made. To cancel a call is to wait for it no longer: its
    thread goes on, so what was to be written may still be sent, and applied. Only `wait_for` ends.

    Args:
        mapping: the dict, whose client uses kazoo's threading handler. It is closed by `close()`.
    """

    def __init__(self, mapping: ZooKeeperDict[V]) -> None:
        self._dict = mapping
        self._arrivals: _Arrivals | None = None

    @classmethod
    async def open(cls, connection: Any, keyspace: str, **options: Any) -> Self:
        """Load a dict. The arguments are those of ZooKeeperDict, and so is what it raises."""

        def load() -> ZooKeeperDict[V]:
            return ZooKeeperDict(connection, keyspace, **options)

        return cls(await in_thread(load))

    @property
    def mapping(self) -> Mapping[str, V]:
        """The dict itself, for reads: they come from memory, and are not awaited."""
        return self._dict

    async def set(self, key: str, value: V) -> None:
        """`d[key] = value`.

        It is sent from the event loop, so hundreds can be under way. It goes on in a thread only
        without a connection, or where it has to be sent again. If it was sent, and no thread can be
        started then, it raises WriteUncertain.
        """
        writer, loop = self._dict._writer, asyncio.get_running_loop()  # noqa: SLF001  the same dict
        # What was queued for a loop that is closed is not sent, and does not delay another loop.
        if self._arrivals is None or self._arrivals.loop is not loop:
            self._arrivals = _Arrivals(writer, loop)
        shown, call = await self._arrivals.of(lambda: writer.start_set(key, value))
        if shown:
            return
        if call is None:  # nothing was sent
            await in_thread(writer.set, key, value)
            return
        sent = call.submitted is not None
        try:
            await in_thread(writer.finish_set, call)
        except NoThreadError as error:
            if sent:
                raise writer.uncertain_set(call) from error
            raise

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

    async def popitem(self) -> tuple[str, V]:
        """`d.popitem()`."""
        return await in_thread(self._dict.popitem)

    async def setdefault(self, key: str, default: V) -> V:
        """`d.setdefault(key, default)`."""
        return await in_thread(self._dict.setdefault, key, default)

    async def update(self, other: Mapping[str, V]) -> None:
        """`d.update(other)`: one transaction."""
        await in_thread(self._dict.update, other)

    async def update_chunked(self, other: Mapping[str, V], *, chunk_bytes: int = 500_000) -> None:
        """`d.update_chunked(other, chunk_bytes=chunk_bytes)`: not atomic."""
        await in_thread(self._dict.update_chunked, other, chunk_bytes=chunk_bytes)

    async def replace_all(self, new: Mapping[str, V]) -> dict[str, Change[V]]:
        """`d.replace_all(new)`."""
        return await in_thread(self._dict.replace_all, new)

    async def clear(self) -> None:
        """`d.clear()`: one transaction."""
        await in_thread(self._dict.clear)

    async def put(
        self, key: str, value: V, *, version: int = ANY, ephemeral: bool = False
    ) -> Entry[V]:
        """`d.put(key, value, version=version, ephemeral=ephemeral)`."""
        return await in_thread(self._dict.put, key, value, version=version, ephemeral=ephemeral)

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
        """`d.atomically(fn, attempts=attempts)`; `fn` is called in a thread."""
        return await in_thread(self._dict.atomically, fn, attempts=attempts)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Txn[V]]:
        """`async with d.transaction() as t:`, as `ZooKeeperDict.transaction`. Reads and writes of
        `t` are not awaited; it is sent at the end of the block.
        """
        txn = await in_thread(self._dict._begin)  # noqa: SLF001
        yield txn
        await in_thread(txn.commit)

    async def lease(self, key: str, value: V) -> AsyncLease[V]:
        """`d.lease(key, value)`: also for `async with await d.lease(...)`."""
        return AsyncLease(await in_thread(self._dict.lease, key, value))

    async def wait_ready(self, timeout: float | None = None) -> bool:
        """`d.wait_ready(timeout)`."""
        return await in_thread(self._dict.wait_ready, timeout)

    async def fetch(self, key: str, *, sync: bool = False) -> Entry[V]:
        """`d.fetch(key, sync=sync)`."""
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

    async def changes(
        self, *, initial: bool = False, timeout: float | None = None
    ) -> AsyncIterator[list[Change[V]]]:
        """Iterate over batches of changes, one per state, as `d.changes()` does. Unlike that, it
        starts with the first step of the iteration, and raises Closed and ForkedDict there.

        It ends when nothing changed for `timeout` seconds, and when the iterator or the dict is
        closed. Batches that were not fetched yet wait.
        """
        loop, come = asyncio.get_running_loop(), asyncio.Event()
        backlog: Backlog[V] = Backlog([])
        closed = False
        subscriptions = contextlib.ExitStack()

        def put(batch: list[Change[V]]) -> None:
            backlog.put(batch)
            come.set()

        def end() -> None:
            nonlocal closed
            closed = True
            come.set()

        def in_loop(call: Callable[..., None], *arguments: Any) -> None:
            try:
                loop.call_soon_threadsafe(call, *arguments)
            except RuntimeError:  # it was closed, and did not end this generator
                subscriptions.close()

        def look(_old: State, new: State) -> None:
            if new is State.CLOSED:
                in_loop(end)

        def told(batch: list[Change[V]]) -> None:
            in_loop(put, batch)

        with subscriptions:
            subscriptions.enter_context(self._dict.on_state(look))
            subscriptions.enter_context(self._dict.on_changes(told, initial=initial))
            while True:
                try:
                    await asyncio.wait_for(come.wait(), timeout)
                except (TimeoutError, asyncio.TimeoutError):
                    return
                while backlog:
                    yield backlog.get()
                come.clear()
                if closed:
                    return

    async def close(self) -> None:
        """`d.close()`."""
        await in_thread(self._dict.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
