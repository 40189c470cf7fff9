"""CPython's own mapping tests, through the znodes: one dict writes, another client's dict reads."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import NoNodeError

from zkdict import Pickle, ZooKeeperDict

from ..support.cpython_mapping import (
    INSTEAD,
    TESTS,
    Stored,
    ThroughStore,
    filled,
    mapping_tests,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kazoo.client import KazooClient

    from pytest_zkdict.clients import ClientFactory


@pytest.fixture
def make(
    zk_client: KazooClient, zk_client_factory: ClientFactory
) -> Iterator[Callable[..., ThroughStore]]:
    """Stands for the class under test: each call is an empty dict on a path of its own."""
    other_client = zk_client_factory()
    numbers = itertools.count()
    with contextlib.ExitStack() as exits:

        def new(*arguments: Any, **named: Any) -> ThroughStore:
            path = f"/mapping/{next(numbers)}"
            writer, reader = (
                exits.enter_context(ZooKeeperDict[Any](client, path, encoding=Pickle()))
                for client in (zk_client, other_client)
            )

            def value(key: str) -> Any:
                try:
                    raw, _ = other_client.get(f"{path}/{key}")
                except NoNodeError:
                    raise KeyError(key) from None
                return Pickle().decode(raw)

            stored = Stored(value, lambda: len(other_client.get_children(path)))
            return filled(ThroughStore(writer, reader, stored, reader.sync), arguments, named)

        yield new


@pytest.mark.parametrize(("case", "name"), TESTS)
def test_like_dict(case: str, name: str, make: Callable[..., ThroughStore]) -> None:
    run(case, name, make)


@pytest.mark.skipif(mapping_tests is None, reason="this Python comes without test.mapping_tests")
def test_the_exceptions_are_tests_that_exist() -> None:
    assert all(hasattr(mapping_tests.TestMappingProtocol, name) for name in INSTEAD)


# What INSTEAD leaves out, as far as it applies.


def test_copy_is_a_plain_dict(make: Callable[..., ThroughStore]) -> None:
    items = make(a=1, b=2)
    copied = items.synced().copy()
    assert type(copied) is dict
    assert copied == {"a": 1, "b": 2}
    copied["c"] = 3
    assert "c" not in items
    with pytest.raises(TypeError):
        items.reader.copy(None)  # type: ignore[call-arg]


def test_setdefault_stores_none_and_keeps_what_is_there(make: Callable[..., ThroughStore]) -> None:
    items = make()
    assert items.setdefault("key0") is None
    assert items.setdefault("key0", []) is None
    assert items.setdefault("key", [3]) == [3]
    assert items.setdefault("key", [4]) == [3]
    assert dict(items) == {"key0": None, "key": [3]}


@pytest.mark.parametrize("size", [1, 2, 3, 16, 65])
def test_popitem_takes_every_key_once(size: int, make: Callable[..., ThroughStore]) -> None:
    items = make()
    for n in range(size):
        items[str(n)] = n
    taken = [items.popitem() for _ in range(size)]
    assert taken == [(str(n), n) for n in reversed(range(size))]  # last in, first out, as in a dict
    assert not items
    with pytest.raises(KeyError):
        items.popitem()
