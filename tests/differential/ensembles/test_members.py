"""A server of an ensemble answers as a standalone one does, byte for byte: follower, leader,
observer.

The programs are those that the fake is compared to live servers with; four-letter words are left
out, for they tell of the ensemble. So that zxids can be equal, the ensemble's first epoch is 0
here, and its configuration znode is a standalone server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkfake import FakeZooKeeper
from zkfake._compare.driver import Pair
from zkfake._ensemble.ensemble import Ensemble
from zkfake._ensemble.leading import Leading

from ..engine import servers
from ..engine.servers import FakeServer
from ..engine.side import Side
from ..engine.steps import Word
from ..programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._ensemble.role import EnsembleReplica

PROGRAMS = 6
STEPS = 100


class OneOfFour(FakeServer):
    """A server of an ensemble of three voters and an observer."""

    def __init__(self, version: str, mode: str) -> None:
        self.version = version
        self.name = f"{mode} {version}"
        self._fake = FakeZooKeeper(
            servers=3,
            observers=1,
            version=version,
            settings=servers.fake_settings(),
        ).start()
        member = next(member for member in self._fake.members if member.mode == mode)
        self._address = ("127.0.0.1", member.port)


@pytest.fixture
def _epoch_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    lead = Leading.__init__

    def lead_epoch_zero(
        self: Leading, ensemble: Ensemble, replica: EnsembleReplica, epoch: int
    ) -> None:
        lead(self, ensemble, replica, 0)
        for each in ensemble.replicas:
            each.store.accepted_epoch = 0

    monkeypatch.setattr(Leading, "__init__", lead_epoch_zero)
    monkeypatch.setattr(Ensemble, "_tell", lambda self, config: None)


@pytest.fixture(params=["3.9", "3.8"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["leader", "follower", "observer"])
def pair(request: pytest.FixtureRequest, version: str, _epoch_zero: None) -> Iterator[Pair]:
    pair = Pair(lambda: Side(FakeServer(version)), lambda: Side(OneOfFour(version, request.param)))
    yield pair
    pair.discard()


def test_its_answers_are_those_of_a_standalone_server(pair: Pair, version: str) -> None:
    for seed in range(PROGRAMS):
        steps = [step for step in program(seed, STEPS, version) if not isinstance(step, Word)]
        pair.run(steps)
