"""Each defect of msaStorageDict 0.0.3 and durabledict 0.9.4, as a test that passes here.

Every docstring says what the old dicts do. Each test was seen to fail with msaStorageDict's
`MSAZookeeperDict` put in the place of `ZooKeeperDict`, and with durabledict's unless it says so.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import gc
import os
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.protocol.states import Callback

import zkdict
from zkdict import JSON, TEXT, Pickle

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_zkdict.clients import ClientFactory, ServerFactory

T = TypeVar("T")

PATH = "/app/config"
LIMIT = 30.0  # seconds, after which something that should not block is said to


@pytest.fixture
def open_dict(zk_client_factory: ClientFactory) -> Iterator[Callable[..., Any]]:
    """Opens dicts on one path, each on a client of its own: two are two processes."""
    with contextlib.ExitStack() as exits:

        def open_one(**arguments: Any) -> Any:
            return exits.enter_context(zkdict.ZooKeeperDict(zk_client_factory(), PATH, **arguments))

        yield open_one


def in_time(function: Callable[[], T]) -> T:
    """What `function` returns or raises; fails the test where it is still busy at the limit."""
    done: list[Callable[[], T]] = []

    def run() -> None:
        try:
            value = function()
        except Exception as error:
            caught = error

            def again() -> T:
                raise caught

            done.append(again)
        else:
            done.append(lambda: value)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert done, f"still blocked after {LIMIT} s"
    return done[0]()


def all_at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work(0)`, `work(1)`, ... return or raise, in threads started together."""
    start = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(index: int) -> None:
        start.wait(LIMIT)
        try:
            results[index] = work(index)
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive(), f"still blocked after {LIMIT} s"
    return results


def events_delivered(client: KazooClient) -> None:
    """Wait until the callbacks of everything committed so far have run in `client`."""
    client.sync(PATH)
    ran = client.handler.event_object()
    client.handler.dispatch_callback(Callback("test", ran.set, ()))
    assert ran.wait(LIMIT)


def test_the_documented_example(zk_client: KazooClient) -> None:
    """The old constructor takes the two arguments the other way round, so its example raises."""
    items = zkdict.ZooKeeperDict[Any](zk_client, "/app/config")
    items["exchange_rate"] = 25
    items["language"] = "en-US"
    assert items["exchange_rate"] == 25
    assert items["language"] == "en-US"
    assert items.pop("exchange_rate") == 25
    with pytest.raises(KeyError, match="exchange_rate"):
        items["exchange_rate"]
    items.close()


def test_update_clear_and_popitem_lose_data(open_dict: Callable[..., Any]) -> None:
    """All three come from `__getattr__` and change the local copy alone, until the next load."""
    one, two = open_dict(), open_dict()
    one.update({"a": 1, "b": 2}, c=3)
    two.sync()
    assert [two.get(key) for key in "abc"] == [1, 2, 3]
    key, value = one.popitem()
    two.sync()
    assert key not in two
    assert value in (1, 2, 3)
    one.clear()
    two.sync()
    assert len(two) == 0


def test_iteration_raises_key_error_0(open_dict: Callable[..., Any]) -> None:
    """There is no `__iter__`, so Python tries the keys 0, 1, 2, ..."""
    items = open_dict()
    items["b"] = 1
    items["a"] = 2
    assert list(items) == ["b", "a"]
    assert [key for key in items if key] == ["b", "a"]


def test_not_a_mapping(open_dict: Callable[..., Any]) -> None:
    """The base class is `object`: no isinstance check, and `**items` fails."""
    items = open_dict()
    items["a"] = 1
    assert isinstance(items, Mapping)
    assert isinstance(items, MutableMapping)
    assert dict(**items) == {"a": 1}


@pytest.mark.parametrize("default", [None, 0, "", False, []])
def test_falsy_pop_default(open_dict: Callable[..., Any], default: object) -> None:
    """A default that is not true is taken for none, and KeyError raised."""
    assert open_dict().pop("missing", default) is default


def test_pop_of_a_missing_key_names_it(open_dict: Callable[..., Any]) -> None:
    """The KeyError has no key."""
    with pytest.raises(KeyError) as caught:
        open_dict().pop("missing")
    assert caught.value.args == ("missing",)


def test_del_of_a_missing_key_raises_no_node_error(open_dict: Callable[..., Any]) -> None:
    """kazoo's NoNodeError comes through."""
    items = open_dict()
    with pytest.raises(KeyError):
        del items["missing"]


def test_two_poppers_both_win(open_dict: Callable[..., Any]) -> None:
    """pop reads, then deletes, and takes a failed delete for its own."""
    jobs = [f"job {n}" for n in range(100)]
    poppers = [open_dict(), open_dict()]
    for job in jobs:
        poppers[0][job] = job
    poppers[1].sync()

    def pop_all(index: int) -> list[str]:
        won = []
        for job in jobs:
            with contextlib.suppress(KeyError, NoNodeError):
                won.append(poppers[index].pop(job))
        return won

    results = all_at_once(2, pop_all)
    assert collections.Counter(results[0] + results[1]) == dict.fromkeys(jobs, 1)


def test_setdefault_loses_races(open_dict: Callable[..., Any]) -> None:
    """It reads, then creates; whoever comes second gets NodeExistsError."""
    dicts = [open_dict() for _ in range(4)]
    for n in range(25):
        key = f"key {n}"

        def set_it(index: int, key: str = key) -> Any:
            return dicts[index].setdefault(key, index)

        values = all_at_once(4, set_it)
        assert len(set(map(repr, values))) == 1, values
        assert values[0] in range(4)


def test_set_beside_a_deleter_fails_and_leaves_empty_znodes(
    open_dict: Callable[..., Any], zk_client: KazooClient
) -> None:
    """It makes an empty znode and then sets it: NoNodeError in between, or an empty znode seen."""
    items = open_dict()
    path = f"{PATH}/a"
    done = threading.Event()
    found: list[bytes] = []

    def delete_and_look() -> None:
        while not done.is_set():
            with contextlib.suppress(NoNodeError):
                found.append(zk_client.get(path)[0])
                zk_client.delete(path)

    deleter = threading.Thread(target=delete_and_look)
    deleter.start()
    try:
        for n in range(300):
            items["a"] = n
    finally:
        done.set()
        deleter.join(60)
    assert found
    assert b"" not in found


def test_one_bad_znode_poisons_every_key(
    open_dict: Callable[..., Any], zk_client: KazooClient
) -> None:
    """Loading decodes all values and raises on the first bad one: no key can be read any more."""
    items = open_dict()
    items["good"] = 1
    zk_client.create(f"{PATH}/bad", b"\xffnot what the dict writes")
    events_delivered(items.connection)
    items.sync()
    assert items["good"] == 1
    assert items.get("good") == 1
    assert "good" in items
    assert len(items) == 2
    with pytest.raises(zkdict.DecodeError) as caught:
        items["bad"]
    assert caught.value.key == "bad"
    assert caught.value.raw == b"\xffnot what the dict writes"


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("arguments", [{}, {"encoding": Pickle()}, {"old_encoding": Pickle()}])
def test_a_pickle_from_a_znode_runs_code(
    arguments: dict[str, Any],
    open_dict: Callable[..., Any],
    zk_client: KazooClient,
    tmp_path: Path,
) -> None:
    """Values are unpickled by default, so whoever can write a znode runs code in every reader."""
    target = tmp_path / "made by a pickle"
    zk_client.create(
        f"{PATH}/evil", base64.encodebytes(pickle.dumps(Evil(str(target)))), makepath=True
    )
    items = open_dict(**arguments)
    items.sync()
    with contextlib.suppress(zkdict.DecodeError):
        items["evil"]
    assert not target.exists()


def test_json_writes_str(open_dict: Callable[..., Any], zk_client: KazooClient) -> None:
    """The JSON encoding returns str, which kazoo refuses to send: nothing can be written."""
    items = open_dict(encoding=JSON)
    items["a"] = {"b": [1, None]}
    assert zk_client.get(f"{PATH}/a")[0] == b'{"b":[1,null]}'


def test_old_encoding_dead(open_dict: Callable[..., Any]) -> None:
    """Nothing calls the code that looks at `old_encoding`."""
    open_dict(encoding=Pickle())["a"] = [1]
    items = open_dict(encoding=JSON, old_encoding=Pickle())
    items.sync()
    assert items["a"] == [1]


def test_root_re_created_goes_unseen(open_dict: Callable[..., Any], zk_client: KazooClient) -> None:
    """kazoo's ChildrenWatch ends with its znode, so the dict never looks again."""
    items = open_dict()
    items["a"] = 1
    data, _ = zk_client.get(f"{PATH}/a")
    zk_client.delete(PATH, recursive=True)
    events_delivered(items.connection)
    zk_client.create(f"{PATH}/b", data, makepath=True)
    events_delivered(items.connection)
    items.sync()
    assert items.get("a") is None
    assert items.get("b") == 1
    zk_client.create(f"{PATH}/c", data)
    events_delivered(items.connection)
    items.sync()
    assert items.get("c") == 1


def test_the_empty_key_writes_the_root(
    open_dict: Callable[..., Any], zk_client: KazooClient
) -> None:
    """The empty key's path is the root's own, with a slash."""
    items = open_dict()
    with pytest.raises(zkdict.InvalidKey):
        items[""] = 1
    assert zk_client.get(PATH)[0] == b""


def test_the_empty_key_deletes_the_root(
    open_dict: Callable[..., Any], zk_client: KazooClient
) -> None:
    """As above: the root goes, and the dict with it."""
    items = open_dict()
    with contextlib.suppress(KeyError, zkdict.InvalidKey):
        del items[""]
    with contextlib.suppress(KeyError, zkdict.InvalidKey):
        items.pop("", None)
    assert zk_client.exists(PATH)


def test_autosync_false_starts_empty(open_dict: Callable[..., Any]) -> None:
    """The first load is commented out in msaStorageDict (not in durabledict)."""
    open_dict()["a"] = 1
    items = open_dict(autosync=False)
    assert items["a"] == 1


def test_sync_syncs_nothing(open_dict: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It never asks the server, and loads only if a watch callback has run already."""
    writer, reader = open_dict(), open_dict(autosync=False)
    writer["a"] = 1
    events_delivered(reader.connection)
    reader.sync()
    assert reader["a"] == 1
    client = reader.connection
    asked, in_time = threading.Event(), []
    transaction = client.transaction

    def noticed() -> Any:
        asked.set()
        return transaction()

    # It asks by a transaction that checks nothing: a leader's answer to a sync may be old.
    monkeypatch.setattr(client, "transaction", noticed)
    # Watch callbacks wait, as behind a slow one, until the server is asked.
    client.handler.dispatch_callback(
        Callback("test", lambda: in_time.append(asked.wait(LIMIT)), ())
    )
    try:
        writer["a"] = 2
        reader.sync()
        assert reader["a"] == 2
    finally:
        asked.set()
    events_delivered(client)
    assert in_time == [True]


def test_repr_empty_before_the_first_read(open_dict: Callable[..., Any]) -> None:
    """repr never loads (durabledict does in its constructor, but shows what it found then)."""
    open_dict()["a"] = 1
    assert "'a': 1" in repr(open_dict())


def test_never_collected(zk_client: KazooClient) -> None:
    """The client's watch holds a bound method, and so the dict, as long as the client lives."""
    items = zkdict.ZooKeeperDict[Any](zk_client, PATH)
    items["a"] = 1
    gone = weakref.ref(items)
    del items
    events_delivered(zk_client)
    gc.collect()
    assert gone() is None


def test_a_read_blocks_during_an_outage(zk_server_factory: ServerFactory) -> None:
    """A read after a change loads all keys, and kazoo's retry waits for the server without end."""
    server = zk_server_factory()
    clients = [KazooClient(server.hosts), KazooClient(server.hosts)]
    try:
        for client in clients:
            client.start()
        writer, reader = (zkdict.ZooKeeperDict[Any](client, PATH) for client in clients)
        writer["a"] = 1
        reader.sync()
        assert reader["a"] == 1
        writer["a"] = 2
        events_delivered(clients[1])
        server.stop()
        assert in_time(lambda: reader["a"]) in (1, 2)
        assert in_time(lambda: "a" in reader)
        server.start()
        for items in (writer, reader):
            items.close()
    finally:
        for client in clients:
            client.stop()
            client.close()


def test_16_threads_cause_16_reloads(
    open_dict: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every thread that reads after a change loads all keys for itself."""
    writer, reader = open_dict(), open_dict()
    writer.update({f"key {n}": n for n in range(10)})
    writer["key 0"] = 0
    reader.sync()
    assert reader["key 0"] == 0
    asked: list[str] = []
    client = reader.connection
    get_async = client.get_async

    def counted(path: str, watch: Any = None) -> Any:
        asked.append(path)
        return get_async(path, watch)

    monkeypatch.setattr(client, "get_async", counted)
    writer["key 0"] = 1
    events_delivered(client)
    all_at_once(16, lambda index: reader[f"key {index % 10}"])
    reader.sync()
    assert reader["key 0"] == 1
    assert len(asked) <= 1


def test_an_oversize_value_blocks_its_caller_for_ever(open_dict: Callable[..., Any]) -> None:
    """The server drops the connection, and kazoo's retry sends the value again without end."""
    items = open_dict(encoding=TEXT)

    def write() -> None:
        items["a"] = "x" * 2_000_000

    with pytest.raises(zkdict.ValueTooLarge) as caught:
        in_time(write)
    assert caught.value.key == "a"
    assert (caught.value.size, caught.value.limit) == (2_000_000, 1_000_000)
    items["b"] = "the connection lives"
    assert items["b"] == "the connection lives"


class Lowered:
    """An encoding whose values are not what was put in: what is stored is what counts."""

    def encode(self, value: str) -> bytes:
        return value.lower().encode()

    def decode(self, data: bytes) -> str:
        return data.decode()


def test_decode_of_setdefaults_value_missing(open_dict: Callable[..., Any]) -> None:
    """A new key's value is returned as it was passed in, not as it was stored and will be read."""
    items = open_dict(encoding=Lowered())
    assert items.setdefault("a", "TEXT") == "text"
    assert items.setdefault("a", "OTHER") == "text"


def test_a_slash_in_a_key_is_still_a_value_error(open_dict: Callable[..., Any]) -> None:
    """This one they had right, for writes; nothing else was checked, and reads were not."""
    items = open_dict()
    for wrong in ("a/b", ".", "..", "\x00", "😀", "\ud800"):
        with pytest.raises(ValueError, match="cannot be a key"):
            items[wrong] = 1
        assert items.get(wrong) is None
        assert wrong not in items
