"""What was once answered differently is not any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkfake._compare.driver import Pair

from .engine.servers import FakeServer, LiveServer
from .engine.side import Side
from .known import unsafe
from .regressions import REGRESSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def pair(live_home: str | None, live_version: str) -> Iterator[Pair]:
    made = Pair(lambda: Side(FakeServer(live_version)), lambda: Side(LiveServer(live_home)))
    made.start()
    yield made
    made.discard()


@pytest.mark.parametrize("name", REGRESSIONS)
def test_answered_alike(name: str, pair: Pair, live_version: str) -> None:
    program = REGRESSIONS[name]
    if any(unsafe(step, live_version) for step in program):
        pytest.skip(f"a {live_version} server does not survive it")
    pair.run(program)
