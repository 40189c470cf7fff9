"""What the differential tests share: the live server to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkfake._compare.driver import Pair

from .engine.servers import FakeServer, LiveServer
from .engine.side import Side

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fake_and_live(live_home: str | None, live_version: str) -> Iterator[Pair]:
    """The fake beside the live server."""
    pair = Pair(lambda: Side(FakeServer(live_version)), lambda: Side(LiveServer(live_home)))
    yield pair
    pair.discard()
