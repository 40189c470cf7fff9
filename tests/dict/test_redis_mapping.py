"""CPython's own mapping tests on a RedisDict: one dict writes, another client's dict reads."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from zkdict import Pickle, RedisDict

from ..support.cpython_mapping import TESTS, Stored, ThroughStore, filled, run

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

        stored = Stored(value, lambda: clients[1].hlen(name))
        return filled(ThroughStore(writer, reader, stored), arguments, named)

    return new


@pytest.mark.parametrize(("case", "name"), TESTS)
def test_like_dict(case: str, name: str, make: Callable[..., ThroughStore]) -> None:
    run(case, name, make)
