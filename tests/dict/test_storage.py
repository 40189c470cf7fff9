"""StorageDict: any store behind four methods is a dict; shown over a plain dict, SQLite, Redis."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from zkdict import RedisDict
from zkdict._pickles import Pickle
from zkdict.encodings import JSON, TEXT
from zkdict.errors import DecodeError, EncodeError, Timeout
from zkdict.storage import ConnectionStorageDict, StorageDict

from ..support.redis_server import RedisServer


class Shared:
    """A store in this process, which several dicts may share."""

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.updated = 0
        self.loads = 0


class MemoryDict(StorageDict[Any]):
    def __init__(self, store: Shared, *args: Any, **kwargs: Any) -> None:
        self.store = store
        super().__init__(*args, **kwargs)

    def persist(self, key: str, value: Any) -> None:
        self.store.items[key] = self._encode(value, key)
        self.store.updated += 1

    def depersist(self, key: str) -> None:
        del self.store.items[key]
        self.store.updated += 1

    def durables(self) -> dict[str, Any]:
        self.store.loads += 1
        return {key: self._decode(data, key) for key, data in self.store.items.items()}

    def last_updated(self) -> int:
        return self.store.updated


class SqliteDict(ConnectionStorageDict[Any]):
    """A table as a dict; `pop` in one statement, so exactly one popper gets the value."""

    def connection_hook(self) -> None:
        self.connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self.keyspace} (key TEXT PRIMARY KEY, value BLOB)"
        )
        self.connection.commit()

    def persist(self, key: str, value: Any) -> None:
        with self.connection:
            self.connection.execute(
                f"INSERT INTO {self.keyspace} VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, self._encode(value, key)),
            )

    def depersist(self, key: str) -> None:
        with self.connection:
            done = self.connection.execute(f"DELETE FROM {self.keyspace} WHERE key = ?", (key,))
        if not done.rowcount:
            raise KeyError(key)

    def durables(self) -> dict[str, Any]:
        rows = self.connection.execute(f"SELECT key, value FROM {self.keyspace} ORDER BY rowid")
        return {key: self._decode(value, key) for key, value in rows}

    def last_updated(self) -> int:
        # Grows with every commit, of this connection and of any other one.
        (others,) = self.connection.execute("PRAGMA data_version").fetchone()
        return int(others) * 1_000_000 + int(self.connection.total_changes)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_dict(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens dicts on one store: a second one is what another process would see.

    In Redis a hash as small as these keeps the order of insertion.
    """
    shared = Shared()
    connections = []
    redis_server = request.getfixturevalue("redis_server") if request.param == "redis" else None

    def open_one(**kwargs: Any) -> StorageDict[Any]:
        if request.param == "memory":
            return MemoryDict(shared, **kwargs)
        if redis_server is not None:
            return RedisDict(redis_server.client(), "items", **kwargs)
        connection = sqlite3.connect(tmp_path / "store.db")
        connections.append(connection)
        return SqliteDict(connection, "items", **kwargs)

    yield open_one
    for connection in connections:
        connection.close()


def test_it_is_a_dict(open_dict: Callable[..., Any]) -> None:
    items, other = open_dict(), open_dict()
    assert issubclass(type(items), MutableMapping)
    items["a"] = 1
    items["b"] = [2]
    items.update(c=None, d=0)
    assert dict(items) == dict(other) == {"a": 1, "b": [2], "c": None, "d": 0}
    assert list(items) == ["a", "b", "c", "d"]
    assert list(reversed(items)) == ["d", "c", "b", "a"]
    assert len(items) == 4
    assert "a" in items
    assert "x" not in items
    assert items.get("x", 7) == 7
    assert items == other
    assert items == {"a": 1, "b": [2], "c": None, "d": 0}
    assert items.pop("a") == 1
    assert items.pop("a", 0) == 0
    assert items.pop("a", None) is None
    with pytest.raises(KeyError):
        items.pop("a")
    with pytest.raises(KeyError):
        del items["a"]
    with pytest.raises(KeyError):
        items["a"]
    assert items.setdefault("b") == [2]
    assert items.setdefault("e", "new") == "new"
    assert items.setdefault("f") is None
    items |= {"g": 1}
    assert items | {"h": 2} == {**items, "h": 2}
    assert {"b": 0, "h": 2} | items == {**items, "h": 2}
    key, value = items.popitem()
    assert (key, value) not in other.items()
    other.clear()
    assert not items
    assert items.copy() == {}
    assert repr(items).endswith("Dict({})")
    with pytest.raises(TypeError):
        hash(items)


def test_another_dicts_changes_are_seen(open_dict: Callable[..., Any]) -> None:
    one, two = open_dict(), open_dict()
    for n in range(3):
        one["n"] = n
        assert two["n"] == n


def test_without_autosync_the_copy_stays(open_dict: Callable[..., Any]) -> None:
    one = open_dict()
    one["a"] = 1
    two = open_dict(autosync=False)
    assert two == {"a": 1}  # the first read loads
    one["b"] = 2
    assert two == {"a": 1}
    two.sync()
    assert two == {"a": 1, "b": 2}
    one["c"] = 3
    two["d"] = 4
    assert two == {"a": 1, "b": 2, "c": 3, "d": 4}  # an own write is always seen


def test_a_running_iteration_is_not_disturbed(open_dict: Callable[..., Any]) -> None:
    one, two = open_dict(), open_dict()
    one.update(a=1, b=2, c=3)
    seen = []
    for key in one:
        seen.append(key)
        two.pop("b", None)
        two[f"new {key}"] = 0
    assert seen == ["a", "b", "c"]


def test_what_cannot_be_written_changes_nothing(open_dict: Callable[..., Any]) -> None:
    items = open_dict()
    items["a"] = 1
    with pytest.raises(EncodeError):
        items["a"] = (1, 2)
    assert items == {"a": 1}


def test_the_old_encoding_is_read_and_never_written(open_dict: Callable[..., Any]) -> None:
    old = open_dict(encoding=Pickle())
    old["a"] = (1, 2)
    new = open_dict(encoding=JSON, old_encoding=Pickle())
    assert new["a"] == (1, 2)
    new["a"] = [3]
    assert open_dict(encoding=TEXT)["a"] == "[3]"
    with pytest.raises(EncodeError):
        new["c"] = (1, 2)


def test_unchanged_stores_are_not_loaded_again() -> None:
    store = Shared()
    items = MemoryDict(store)
    items["a"] = 1
    for _ in range(100):
        assert items["a"] == 1
    assert store.loads == 1


def test_a_change_while_loading_is_loaded_by_the_next_read() -> None:
    store = Shared()
    other = MemoryDict(store)

    class Overtaken(MemoryDict):
        def durables(self) -> dict[str, Any]:
            items = super().durables()
            if "late" not in items:
                other.persist("late", 1)
            return items

    items = Overtaken(store)
    assert "late" not in items
    assert "late" in items


def test_many_threads_cause_one_load() -> None:
    store = Shared()
    items = MemoryDict(store)
    MemoryDict(store)["a"] = 1
    start = threading.Barrier(16)
    seen = []

    def read() -> None:
        start.wait(60)
        seen.append(items["a"])

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [1] * 16
    assert store.loads == 1


def test_sync_waits_no_longer_than_told() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(MemoryDict):
        def durables(self) -> dict[str, Any]:
            entered.set()
            leave.wait(60)
            return super().durables()

    items = Slow(Shared())
    loading = threading.Thread(target=items.sync)
    loading.start()
    assert entered.wait(60)
    for timeout in (0, -1, -0.5):
        with pytest.raises(Timeout, match="still loading"):
            items.sync(timeout=timeout)
    leave.set()
    loading.join(60)
    for timeout in (0, -1, 1e300):
        assert items.sync(timeout=timeout) == 0


def test_both_orders_of_connection_and_keyspace() -> None:
    connection = sqlite3.connect(":memory:")
    try:
        for items in (SqliteDict(connection, "one"), SqliteDict("one", connection)):  # type: ignore[arg-type]
            assert items.connection is connection
            assert items.keyspace == "one"
        for wrong in (("one", "two"), (connection, connection), (connection, None)):
            with pytest.raises(TypeError, match="a connection and a keyspace"):
                SqliteDict(*wrong)
    finally:
        connection.close()


def test_a_store_lacking_a_method_cannot_be_made() -> None:
    class Half(StorageDict[int]):
        def persist(self, key: str, value: int) -> None: ...

    with pytest.raises(TypeError, match="depersist"):
        Half()  # type: ignore[abstract]


class TwoDicts(RuleBasedStateMachine):
    """Two dicts on one store against a plain dict."""

    keys = st.sampled_from(["a", "b", "c", "d"])
    values = st.none() | st.integers(0, 3)

    def open_dicts(self) -> list[StorageDict[Any]]:
        store = Shared()
        return [MemoryDict(store), MemoryDict(store)]

    @initialize()
    def begin(self) -> None:
        self.dicts = self.open_dicts()
        self.model: dict[str, Any] = {}

    @rule(which=st.integers(0, 1), key=keys, value=values)
    def set(self, which: int, key: str, value: Any) -> None:
        self.dicts[which][key] = self.model[key] = value

    @rule(which=st.integers(0, 1), key=keys, value=values)
    def pop(self, which: int, key: str, value: Any) -> None:
        assert self.dicts[which].pop(key, value) == self.model.pop(key, value)

    @rule(which=st.integers(0, 1), key=keys, value=values)
    def setdefault(self, which: int, key: str, value: Any) -> None:
        assert self.dicts[which].setdefault(key, value) == self.model.setdefault(key, value)

    @rule(which=st.integers(0, 1), changes=st.dictionaries(keys, values))
    def update(self, which: int, changes: dict[str, Any]) -> None:
        self.dicts[which].update(changes)
        self.model.update(changes)

    @rule(which=st.integers(0, 1))
    def popitem(self, which: int) -> None:
        if self.model:
            assert self.dicts[which].popitem() == self.model.popitem()

    @rule(which=st.integers(0, 1))
    def clear(self, which: int) -> None:
        self.dicts[which].clear()
        self.model.clear()

    @invariant()
    def both_agree(self) -> None:
        for items in self.dicts:
            assert list(items.items()) == list(self.model.items())


TestTwoDicts = TwoDicts.TestCase


def test_two_redis_dicts(redis_server: RedisServer) -> None:
    clients = [redis_server.client(), redis_server.client()]

    class TwoRedisDicts(TwoDicts):
        def open_dicts(self) -> list[StorageDict[Any]]:
            clients[0].flushall()
            return [RedisDict(client, "items") for client in clients]

    run_state_machine_as_test(
        TwoRedisDicts, settings=settings(max_examples=15, stateful_step_count=20)
    )


def test_the_hooks_of_the_old_base_class_are_called() -> None:
    """msaStorageDict documents `_pop` and `_setdefault`, for stores that do them in one step."""
    asked: list[Any] = []

    class Old(MemoryDict):
        def _pop(self, key: str, /, *default: Any) -> Any:
            asked.append((key, *default))
            self.store.updated += 1
            return self._decode(self.store.items.pop(key, b"0"))

        def _setdefault(self, key: str, default: Any = None) -> Any:
            asked.append((key, default))
            self.store.updated += 1
            return self._decode(self.store.items.setdefault(key, self._encode(default)))

    for autosync in (True, False):
        items = Old(Shared(), autosync=autosync)
        assert items.setdefault("a") is None
        assert items.setdefault("b", 1) == 1
        assert items == {"a": None, "b": 1}
        assert items.pop("a") is None
        assert items.pop("x", 7) == 0
        assert items == {"b": 1}
        assert asked == [("a", None), ("b", 1), ("a",), ("x", 7)]
        asked.clear()


def test_an_error_of_the_encoding_names_the_key(open_dict: Callable[..., Any]) -> None:
    items = open_dict()
    for write in (
        items.__setitem__,
        items.setdefault,
        lambda key, value: items.update({key: value}),
    ):
        with pytest.raises(EncodeError, match="the value of 'a': ") as refused:
            write("a", [(1,)])
        assert refused.value.key == "a"
    open_dict(encoding=TEXT)["a"] = "no JSON"
    with pytest.raises(DecodeError, match="the value of 'a' does not decode: ") as unread:
        open_dict()["a"]
    assert unread.value.key == "a"
