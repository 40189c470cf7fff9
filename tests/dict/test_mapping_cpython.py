"""CPython's own mapping tests, through the znodes: one dict writes, another client's dict reads.

`test.mapping_tests` comes with most Pythons; where it does not, `test_mapping.py` has checks of the
same things. What a plain dict does and this one cannot is listed in `INSTEAD`, with the reason.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
from collections.abc import Callable, ItemsView, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

import pytest

from zkdict import Pickle, ZooKeeperDict

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from pytest_zkdict.clients import ClientFactory

try:
    mapping_tests: Any = importlib.import_module("test.mapping_tests")
except ImportError:
    mapping_tests = None

INSTEAD = {
    "test_fromkeys": "a new dict needs a path",
    "test_copy": "a copy has no path of its own: it is a plain dict",
    "test_setdefault": "it changes the returned list in place, which no znode can notice",
    "test_popitem": "the same with 4,095 keys, twice",
}


class ThroughZnodes(MutableMapping[Any, Any]):
    """Writes with one dict, reads with another after its `sync()`, and looks into the znodes.

    The tests use a few int keys: they stand as "int:1" here.
    """

    def __init__(self, writer: ZooKeeperDict[Any], reader: ZooKeeperDict[Any]) -> None:
        self.writer = writer
        self.reader = reader

    def synced(self) -> ZooKeeperDict[Any]:
        self.reader.sync()
        return self.reader

    def __getitem__(self, key: Any) -> Any:
        return self.synced()[as_text(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.writer[as_text(key)] = value
        raw, _ = self.reader.connection.get(f"{self.reader.keyspace}/{as_text(key)}")
        assert Pickle().decode(raw) == value

    def __delitem__(self, key: Any) -> None:
        del self.writer[as_text(key)]
        assert not self.reader.connection.exists(f"{self.reader.keyspace}/{as_text(key)}")

    def __iter__(self) -> Iterator[Any]:
        return map(as_given, iter(self.synced()))

    def __len__(self) -> int:
        reader = self.synced()
        assert len(self.reader.connection.get_children(reader.keyspace)) == len(reader)
        return len(reader)

    def __contains__(self, key: Any) -> bool:
        return as_text(key) in self.synced()

    def _views(self) -> Any:
        """The reader's own views, wherever the test has no int keys."""
        reader = self.synced()
        return super() if any(key.startswith("int:") for key in reader) else reader

    def keys(self) -> Any:
        return self._views().keys()

    def values(self) -> Any:
        return self._views().values()

    def items(self) -> Any:
        return self._views().items()

    def get(self, *arguments: Any) -> Any:
        return self.synced().get(*arguments)

    def pop(self, *arguments: Any) -> Any:
        return self.writer.pop(*arguments)

    def popitem(self, *arguments: Any) -> Any:
        return self.writer.popitem(*arguments)

    def setdefault(self, *arguments: Any) -> Any:
        return self.writer.setdefault(*arguments)

    def clear(self, *arguments: Any) -> None:
        self.writer.clear(*arguments)

    def update(self, *arguments: Any, **named: Any) -> None:
        if not arguments:
            self.writer.update(**named)
            return
        (other,) = arguments
        if hasattr(other, "keys"):
            with contextlib.suppress(TypeError):
                if any(isinstance(key, int) for key in other.keys()):  # noqa: SIM118
                    other = {as_text(key): other[key] for key in other.keys()}  # noqa: SIM118
        elif isinstance(other, (ItemsView, list)):
            other = [(as_text(pair[0]), *pair[1:]) for pair in other]
        self.writer.update(other, **named)


def as_text(key: Any) -> Any:
    return f"int:{key}" if isinstance(key, int) else key


def as_given(key: str) -> Any:
    return int(key.removeprefix("int:")) if key.startswith("int:") else key


@pytest.fixture
def make(
    zk_client: KazooClient, zk_client_factory: ClientFactory
) -> Iterator[Callable[..., ThroughZnodes]]:
    """Stands for the class under test: each call is an empty dict on a path of its own."""
    other_client = zk_client_factory()
    numbers = itertools.count()
    with contextlib.ExitStack() as exits:

        def new(*arguments: Any, **named: Any) -> ThroughZnodes:
            path = f"/mapping/{next(numbers)}"
            writer, reader = (
                exits.enter_context(ZooKeeperDict[Any](client, path, encoding=Pickle()))
                for client in (zk_client, other_client)
            )
            made = ThroughZnodes(writer, reader)
            if arguments or named:
                made.update(*arguments, **named)
            return made

        yield new


def names_of(case: str) -> list[str]:
    if mapping_tests is None:
        return []
    return [name for name in dir(getattr(mapping_tests, case)) if name.startswith("test_")]


def run(case: str, name: str, make: Callable[..., ThroughZnodes]) -> None:
    test = getattr(mapping_tests, case)(name)
    test.type2test = make
    getattr(test, name)()


@pytest.mark.parametrize("name", names_of("BasicTestMappingProtocol"))
def test_basic(name: str, make: Callable[..., ThroughZnodes]) -> None:
    run("BasicTestMappingProtocol", name, make)


@pytest.mark.parametrize("name", [n for n in names_of("TestMappingProtocol") if n not in INSTEAD])
def test_like_dict(name: str, make: Callable[..., ThroughZnodes]) -> None:
    run("TestMappingProtocol", name, make)


@pytest.mark.skipif(mapping_tests is None, reason="this Python comes without test.mapping_tests")
def test_the_exceptions_are_tests_that_exist() -> None:
    assert set(INSTEAD) <= set(names_of("TestMappingProtocol"))


# What INSTEAD leaves out, as far as it applies.


def test_copy_is_a_plain_dict(make: Callable[..., ThroughZnodes]) -> None:
    items = make(a=1, b=2)
    copied = items.synced().copy()
    assert type(copied) is dict
    assert copied == {"a": 1, "b": 2}
    copied["c"] = 3
    assert "c" not in items
    with pytest.raises(TypeError):
        items.reader.copy(None)  # type: ignore[call-arg]


def test_setdefault_stores_none_and_keeps_what_is_there(make: Callable[..., ThroughZnodes]) -> None:
    items = make()
    assert items.setdefault("key0") is None
    assert items.setdefault("key0", []) is None
    assert items.setdefault("key", [3]) == [3]
    assert items.setdefault("key", [4]) == [3]
    assert dict(items) == {"key0": None, "key": [3]}


@pytest.mark.parametrize("size", [1, 2, 3, 16, 65])
def test_popitem_takes_every_key_once(size: int, make: Callable[..., ThroughZnodes]) -> None:
    items = make()
    for n in range(size):
        items[str(n)] = n
    taken = [items.popitem() for _ in range(size)]
    assert taken == [(str(n), n) for n in reversed(range(size))]  # last in, first out, as in a dict
    assert not items
    with pytest.raises(KeyError):
        items.popitem()
