"""AsyncZooKeeperDict: waits stand in nobody's way, can be given up, and end with the dict."""

import asyncio
import contextvars
import inspect
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient

from zkdict import AsyncZooKeeperDict, Closed, LeaseState, WriteUncertain, ZooKeeperDict
from zkdict._threads import _Threads

Open = Callable[..., ZooKeeperDict[Any]]


def waiting_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "zkdict-await"]


def no_new_threads(patches: pytest.MonkeyPatch, after: int = 0) -> None:
    """The machine refuses to start threads for calls that are awaited, after so many."""
    start, started = threading.Thread.start, itertools.count()

    def limited(thread: threading.Thread) -> None:
        if thread.name == "zkdict-await" and next(started) >= after:
            raise RuntimeError("can't start new thread")
        start(thread)

    patches.setattr(threading.Thread, "start", limited)


def test_every_method(zk_client: KazooClient, open_dict: Open) -> None:
    other = open_dict()

    async def program() -> None:
        async with await AsyncZooKeeperDict[int].open(zk_client, "/dict") as items:
            batches = items.changes(initial=True)
            await items.set("a", 1)
            assert items.mapping["a"] == 1
            assert [c.key for c in await anext(batches)] == ["a"]
            entry = await items.put("b", 2)
            assert (await items.cas(entry, 3)).version == 1
            assert await items.setdefault("c", 4) == 4
            await items.update({"d": 5, "e": 6})
            assert await items.pop("d") == 5
            assert await items.pop("d", None) is None
            assert (await items.modify("a", lambda n: n + 1)).value == 2
            assert await items.atomically(lambda txn: txn["a"]) == 2
            await items.sync()
            await asyncio.to_thread(other.sync)
            assert dict(other) == dict(items.mapping)
            await items.delete("e")
            assert (await items.fetch("b")).value == 3
            other["far"] = 1
            await items.wait_until(other.zxid)
            assert items.mapping["far"] == 1
            assert (await items.remove("far", version=0)).value == 1
            await asyncio.to_thread(other.sync)
            assert "far" not in other
            await items.clear()
            assert await items.wait_for(lambda now: not now) is True
            await batches.aclose()

    asyncio.run(program())


def test_any_number_of_waits_leaves_room_for_a_write(zk_client: KazooClient) -> None:
    """More than asyncio's thread pool has threads."""

    async def program() -> None:
        async with await AsyncZooKeeperDict[int].open(zk_client, "/dict") as items:
            waits = [
                asyncio.create_task(items.wait_for(lambda now: now.get("a"))) for _ in range(50)
            ]
            await asyncio.sleep(0)
            await items.set("a", 7)
            assert await asyncio.gather(*waits) == [7] * 50

    asyncio.run(program())


def test_a_wait_that_is_cancelled_ends(zk_client: KazooClient) -> None:
    """Its thread too: `asyncio.run` would wait for it, and so would the end of the program."""

    async def program() -> None:
        async with await AsyncZooKeeperDict[int].open(zk_client, "/dict") as items:
            asked = asyncio.Event()
            loop = asyncio.get_running_loop()

            def never(_: Any) -> bool:
                loop.call_soon_threadsafe(asked.set)
                return False

            task = asyncio.create_task(items.wait_for(never))
            await asyncio.wait_for(asked.wait(), 60)
            threads = waiting_threads()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for thread in threads:
                await asyncio.to_thread(thread.join, 60)
                assert not thread.is_alive()

    asyncio.run(program())


def test_the_changes_end_with_the_dict(zk_client: KazooClient) -> None:
    async def program() -> None:
        items = await AsyncZooKeeperDict[int].open(zk_client, "/dict")
        await items.set("a", 1)
        seen = []
        async for batch in items.changes(initial=True):
            seen += [change.key for change in batch]
            await (items.set("b", 2) if seen == ["a"] else items.close())
        assert seen == ["a", "b"]
        with pytest.raises(Closed):
            await anext(items.changes())

    asyncio.run(program())


def test_errors_and_context_come_through(zk_client: KazooClient) -> None:
    name = contextvars.ContextVar("name", default="")

    def fails(_: Any) -> int:
        raise StopIteration

    async def program() -> None:
        async with await AsyncZooKeeperDict[str].open(zk_client, "/dict") as items:
            name.set("mine")
            entry = await items.modify("a", lambda _: name.get(), default="")
            assert entry.value == "mine"
            with pytest.raises(KeyError):
                await items.pop("missing")
            with pytest.raises(RuntimeError, match="StopIteration"):
                await items.modify("a", fails)  # type: ignore[arg-type]

    asyncio.run(program())


def test_sets_take_no_threads(zk_client: KazooClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many at once: the loop sends them, and the copy's own task wakes it."""
    monkeypatch.setattr("zkdict.aio._PATIENCE", 300.0)  # they may take long on a busy machine

    async def program() -> None:
        async with await AsyncZooKeeperDict[int].open(
            zk_client,
            "/dict",
            max_staleness=60.0,  # a set that has waited so long goes on in a thread
        ) as items:
            await items.set("a", -1)
            before = set(threading.enumerate())
            wanted = {str(number): number for number in range(500)}
            await asyncio.gather(*(items.set(str(n), n) for n in range(500)))
            assert not [thread for thread in waiting_threads() if thread not in before]
            assert dict(items.mapping) == {"a": -1, **wanted}

    asyncio.run(program())


def test_a_set_without_a_connection_waits_for_it(
    proxy: Any, client_behind: Callable[..., KazooClient], eventually: Any
) -> None:
    client = client_behind(proxy, timeout=30.0)

    async def program() -> None:
        async with await AsyncZooKeeperDict[int].open(client, "/dict") as items:
            await items.set("a", 1)
            proxy.lose("setData", "request")  # the connection goes with it
            await items.set("a", 2)
            proxy.cut()
            await asyncio.to_thread(eventually, lambda: not client.connected)
            late = asyncio.create_task(items.set("a", 3))
            await asyncio.sleep(0)
            assert not late.done()
            proxy.heal()
            await late
            assert items.mapping["a"] == 3

    asyncio.run(program())


def test_the_rest_of_the_methods(zk_client: KazooClient) -> None:
    async def program() -> None:
        async with await AsyncZooKeeperDict[int].open(zk_client, "/dict") as items:
            assert await items.wait_ready() is True
            await items.update_chunked({"a": 1, "b": 2, "c": 3}, chunk_bytes=1)
            assert await items.popitem() == ("c", 3)
            assert (await items.replace_all({"a": 1}))["b"].kind == "removed"
            async with items.transaction() as txn:
                txn["x"] = txn["a"] + 1
            assert items.mapping["x"] == 2
            with pytest.raises(ZeroDivisionError):
                async with items.transaction() as txn:
                    txn["x"] = 1 // 0
            entry = await items.put("mine", 1, ephemeral=True)
            assert entry.ephemeral_owner == zk_client.client_id[0]
            async with await items.lease("lease", 1) as lease:
                assert (lease.held, lease.key, lease.error) == (True, "lease", None)
                await lease.set(2)
                assert items.mapping["lease"] == 2
            assert lease.state is LeaseState.RELEASED
            seen = [batch async for batch in items.changes(initial=True, timeout=0.2)]
            assert {change.key for batch in seen for change in batch} == {"a", "x", "mine"}

    asyncio.run(program())


def test_every_method_has_its_counterpart() -> None:
    plain = {name for name, _ in inspect.getmembers(ZooKeeperDict, inspect.isfunction)}
    predecessors = {"persist", "depersist", "durables", "last_updated", "connection_hook"}
    reads = {"copy", "snapshot", "entry", "raw", "keys", "values", "items", "get", "validate_key"}
    callbacks = {"on_change", "on_changes", "on_state", "on_error"}  # on threads, as they say
    public = {name for name in plain if not name.startswith("_")}
    assert public - predecessors - reads - callbacks <= set(dir(AsyncZooKeeperDict))


@pytest.mark.parametrize("event", ["closed", "deadline", "cut", "no thread"])
def test_a_set_whose_answer_is_lost_does_not_say_that_nothing_was_sent(
    event: str,
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What goes on in a thread knows of the request that the loop sent."""
    client, other = client_behind(proxy, timeout=30.0), open_dict()
    other["a"] = 1

    async def program() -> WriteUncertain:
        open_it = AsyncZooKeeperDict[int].open
        items = await open_it(client, "/dict", max_staleness=0.05, write_timeout=0.3)
        await items.sync()
        # It is told of the end of the dict; nobody tells of an answer that does not come.
        monkeypatch.setattr("zkdict.aio._PATIENCE", 300.0 if event == "closed" else 0.25)
        # As nobody answers, the cut loses the answer, however late it comes.
        silent = event in ("closed", "deadline", "cut")
        proxy.lose("setData", "silence" if silent else "reply")
        task = asyncio.create_task(items.set("a", 2))
        await asyncio.sleep(0)
        if event == "no thread":
            monkeypatch.setattr("zkdict._threads._threads", _Threads())
            no_new_threads(monkeypatch)
        else:
            assert await asyncio.to_thread(proxy.lost.wait, 60)
        if event == "closed":
            await items.close()
        elif event == "cut":
            proxy.cut()
        with pytest.raises(WriteUncertain) as caught:
            await asyncio.wait_for(task, 60)
        monkeypatch.undo()
        proxy.heal()
        proxy.drop()
        if event != "closed":
            assert await asyncio.to_thread(caught.value.resolve, 60) is True
            await items.close()
        return caught.value

    asyncio.run(program())
    other.sync()
    assert other["a"] == 2


@pytest.mark.parametrize("what", ["request", "reply"])
def test_resolve_tells_of_a_set_all_of_whose_attempts_were_lost(
    what: str, proxy: Any, client_behind: Callable[..., KazooClient], open_dict: Open
) -> None:
    """The first from the event loop, the others from a thread."""
    client, other = client_behind(proxy, timeout=30.0), open_dict()
    other["a"] = 1

    async def program() -> bool:
        open_it = AsyncZooKeeperDict[int].open
        async with await open_it(client, "/dict", max_staleness=0.05, write_timeout=3.0) as items:
            await items.sync()
            proxy.reset()
            proxy.lose("setData", what, times=10_000)
            with pytest.raises(WriteUncertain) as caught:
                await items.set("a", 2)
            assert proxy.counts["setData"] >= 2
            proxy.lose("setData", what, times=0)
            return await asyncio.to_thread(caught.value.resolve, 60)

    applied = asyncio.run(program())
    # An attempt may be on its way when requests are lost no more, and reach the server.
    assert applied or what == "request"
    other.sync()
    assert other["a"] == (2 if applied else 1)


def test_a_set_that_was_answered_is_shown_when_the_connection_goes(
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    open_dict: Open,
    hold_callbacks: Any,
) -> None:
    client = client_behind(proxy, timeout=30.0)
    open_dict()["a"] = 1

    async def program() -> None:
        items = await AsyncZooKeeperDict[int].open(client, "/dict", max_staleness=0.05)
        await items.sync()
        with hold_callbacks(client):
            task = asyncio.create_task(items.set("a", 2))
            await asyncio.sleep(0)
            await asyncio.to_thread(client.sync, "/")  # its answer comes behind that of the set
            proxy.drop()
            await task
            assert items.mapping["a"] == 2
        await items.close()

    asyncio.run(program())


def test_a_set_that_the_server_refuses_is_corrected(
    zk_client_factory: Any,
    open_dict: Open,
    hold_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The copy does not know yet that the key is gone, or there."""
    client, other = zk_client_factory(), open_dict()
    other["gone"] = 1

    async def program() -> None:
        items = await AsyncZooKeeperDict[int].open(client, "/dict", max_staleness=0.05)
        await items.sync()
        with hold_callbacks(client):
            await asyncio.to_thread(other.replace_all, {"made": 1})
            monkeypatch.setattr("zkdict.aio._PATIENCE", 0.05)
            await asyncio.gather(items.set("gone", 2), items.set("made", 2))
            assert dict(items.mapping) == {"gone": 2, "made": 2}
        await items.close()

    asyncio.run(program())
    other.sync()
    assert dict(other) == {"gone": 2, "made": 2}


def test_what_is_refused_for_want_of_a_thread_is_never_made(
    zk_client: KazooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = ZooKeeperDict[int](zk_client, "/dict")
    both = AsyncZooKeeperDict(items)

    async def program() -> None:
        monkeypatch.setattr("zkdict._threads._threads", _Threads())
        with monkeypatch.context() as patches:
            no_new_threads(patches)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await both.add("refused", 1)
        await both.add("made", 1)

    asyncio.run(program())
    items.sync()
    assert dict(items) == {"made": 1}
    items.close()


def test_waits_do_not_hold_up_what_gets_no_thread(
    zk_client: KazooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused at once, also where others have threads; an idle one is used."""

    async def program() -> None:
        async with await AsyncZooKeeperDict[int].open(zk_client, "/dict") as items:
            threads = _Threads()
            monkeypatch.setattr("zkdict._threads._threads", threads)
            no_new_threads(monkeypatch, after=1)
            wait = asyncio.create_task(items.wait_for(lambda now: now.get("a")))
            add = asyncio.create_task(items.add("b", 1))
            await asyncio.wait([wait, add], return_when=asyncio.FIRST_COMPLETED)
            assert not wait.done()
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await add
            await items.set("a", 7)
            assert await wait == 7
            while not threads._idle:
                await asyncio.sleep(0)  # a thread hands its answer over before it is idle
            await items.add("b", 1)
            monkeypatch.undo()
            assert dict(items.mapping) == {"a": 7, "b": 1}

    asyncio.run(program())


def test_a_transaction_in_an_outage_leaves_the_loop_alone(
    proxy: Any, client_behind: Callable[..., KazooClient], eventually: Any
) -> None:
    client = client_behind(proxy, timeout=30.0)

    async def program() -> None:
        items = await AsyncZooKeeperDict[int].open(client, "/dict", on_outage="block")
        await items.set("a", 1)
        proxy.cut()
        await asyncio.to_thread(eventually, lambda: not client.connected)

        async def add() -> None:
            async with items.transaction() as txn:
                txn["a"] += 1

        task = asyncio.create_task(add())
        await asyncio.sleep(0)
        proxy.heal()  # which nobody would do while the loop stands still
        await task
        assert items.mapping["a"] == 2
        await items.close()

    asyncio.run(program())


def test_a_loop_that_was_closed_holds_up_no_other(
    zk_client_factory: Any,
    hold_callbacks: Any,
    open_dict: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It leaves behind a set that was sent, one that was not, and an iteration."""
    client = zk_client_factory()
    items = open_dict(client)
    both, errors = AsyncZooKeeperDict(items), []
    items.on_error(errors.append)
    items["a"] = 1
    first = asyncio.new_event_loop()
    first.set_exception_handler(lambda *_: None)  # of the tasks that never end
    batches = both.changes(initial=True)
    first.run_until_complete(anext(batches))

    async def leave(key: str) -> None:
        kept.append(asyncio.ensure_future(both.set(key, 1)))
        await asyncio.sleep(0)

    kept: list[asyncio.Future[None]] = []
    with hold_callbacks(client):
        first.run_until_complete(leave("b"))
        with monkeypatch.context() as patches:
            patches.setattr("zkdict.aio._TURN", 0.0)
            first.run_until_complete(leave("c"))
        first.close()
    before = waiting_threads()

    async def program() -> None:
        await asyncio.gather(*(both.set(key, 2) for key in "de"))

    asyncio.run(program())
    assert not [thread for thread in waiting_threads() if thread not in before]
    items.sync()
    assert dict(items) == {"a": 1, "b": 1, "d": 2, "e": 2}
    assert not items._feed._followers
    items.close()
    assert not errors
    assert not any(each.done() for each in kept)
