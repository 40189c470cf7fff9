"""CPython's own mapping tests on a RedisDict: one dict writes, another client's dict reads."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from zkdict import Pickle, RedisDict

from ..support.cpython_mapping import Stored, ThroughStore, names_of, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..support.redis_server import RedisServer


@pytest.fixture
def make(redis_server: RedisServer) -> Callable[..., ThroughStore]:
    """Stands for the class under test: each call is an empty dict on a hash of its own."""
    clients = redis_server.client(), redis_server.client()
    numbers = itertools.count()

    def new(*arguments: Any, **named: Any) -> ThroughStore:
        name = f"mapping-{next(numbers)}"
        writer, reader = (RedisDict[Any](client, name, encoding=Pickle()) for client in clients)

        def value(key: str) -> Any:
            raw = clients[1].hget(name, key)
            if raw is None:
                raise KeyError(key)
            return Pickle().decode(raw)

        made = ThroughStore(writer, reader, Stored(value, lambda: clients[1].hlen(name)))
        if arguments or named:
            made.update(*arguments, **named)
        return made

    return new


@pytest.mark.parametrize("name", names_of("BasicTestMappingProtocol"))
def test_basic(name: str, make: Callable[..., ThroughStore]) -> None:
    run("BasicTestMappingProtocol", name, make)


@pytest.mark.parametrize("name", names_of("TestMappingProtocol"))
def test_like_dict(name: str, make: Callable[..., ThroughStore]) -> None:
    run("TestMappingProtocol", name, make)
