"""What the tests of the commands for offline development share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper
from zkfake._transfer.connection import Access, PatientClient

from ..support.programs import interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["interruptible"]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeZooKeeper]:
    with FakeZooKeeper(settings={"extendedTypesEnabled": True}) as server:
        yield server


@pytest.fixture(scope="module")
def connection(server: FakeZooKeeper) -> Iterator[PatientClient]:
    with PatientClient(server.hosts, Access(patience=60)) as connection:
        yield connection
