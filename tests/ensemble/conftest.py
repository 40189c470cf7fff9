"""Ensembles of the core for tests by example, and their clients."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from zkfake._connection.connection import Connection
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.replica import Replica
from zkfake._settings import Settings

from ..support.core import START, Client, World

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., "Servers"]


class Servers(World):
    """An ensemble that has elected its last voter."""

    def __init__(self, voters: int = 3, observers: int = 0, **settings: object) -> None:
        parsed = replace(Settings.parse(settings), keep_log=None)
        self.ensemble = Ensemble(parsed, START, Random(1))
        self.servers = [
            Replica(self.ensemble, number, observer=number > voters)
            for number in range(1, voters + observers + 1)
        ]
        for server in self.servers[voters - (voters // 2 + 1) :]:
            server.start()
        for server in self.servers:
            server.start()
        self.now = START
        self._ports = 40_000
        self.replica = self.servers[0]

    def at(self, number: int) -> Client:
        """A connection to one of the servers, before its handshake."""
        self._ports += 1
        peer = ("127.0.0.1", self._ports)
        return Client(self, Connection(self.servers[number - 1], peer, lambda _: None))

    def split(self, *group: int) -> None:
        """Cuts the links between ``group`` and the others."""
        for one in group:
            for other in {server.id for server in self.servers} - {*group}:
                self.ensemble.cut(one, other)
                self.ensemble.cut(other, one)

    def join(self, *group: int) -> None:
        """Takes `split` back."""
        for one in group:
            for other in {server.id for server in self.servers} - {*group}:
                self.ensemble.mend(one, other)
                self.ensemble.mend(other, one)


@pytest.fixture
def servers() -> Make:
    """Makes ensembles: the numbers of voters and observers, settings by name."""
    return Servers
