"""Others write without a pause: the first load, a reconnect, waits and own writes end all the same.

In virtual time: the keys change faster than the client's link can tell, so no state ever holds
still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zkdict import State, ZooKeeperDict
from zkdict.cache import Cache
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = [f"k{number}" for number in range(20)]
LATENCY = 0.05  # seconds, one way


class Busy:
    """Twenty keys, each of which changes some fifty times a second; and a client that is far."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.writer = sim.client("writer")
        self.writer.ensure_path("/dict")
        for key in KEYS:
            self.writer.create(f"/dict/{key}", b"0")
        self.going = True
        self.client = sim.client("reader", timeout=60.0)
        sim.faults.slow("reader", (LATENCY, LATENCY))
        self.task = sim.spawn(self._write)

    def _write(self) -> None:
        number = 0
        while self.going:
            number += 1
            for key in KEYS:
                self.writer.set_async(f"/dict/{key}", b"%d" % number)
                self.sim.sleep(0.001)

    def open(self, **options: Any) -> ZooKeeperDict[Any]:
        return ZooKeeperDict(self.client, "/dict", wait=5, **options)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Busy]:
    monkeypatch.setattr(Cache.__init__, "__defaults__", (7,))  # more keys than reads at a time
    with Simulation() as sim:
        busy = Busy(sim)
        yield busy
        busy.going = False
        busy.task.result()


def test_the_first_load_ends(busy: Busy) -> None:
    """Every key is there, with a value it had since."""
    with busy.open() as items:
        assert set(items) == set(KEYS)
        assert items.state is State.LIVE
        assert not items.snapshot().exact
        assert all(value >= 1 for value in items.values())


def test_a_wait_for_a_zxid_and_a_sync_end(busy: Busy) -> None:
    with busy.open() as items:
        value = int(busy.writer.get("/dict/k3")[0])
        stat = busy.writer.set("/dict/k7", b"-1")
        items.wait_until(stat.mzxid, 5)
        assert items.zxid >= stat.mzxid
        assert items["k3"] >= value
        value = int(busy.writer.get("/dict/k3")[0])
        items.sync(5)
        assert items["k3"] >= value


def test_a_cut_is_healed(busy: Busy) -> None:
    with busy.open() as items:
        before = items["k3"]
        busy.sim.faults.drop("reader")
        busy.sim.run_until(lambda: items.state is not State.LIVE)
        busy.sim.run_until(lambda: items.state is State.LIVE, timeout=5)
        assert items["k3"] > before
        assert set(items) == set(KEYS)


def test_own_writes_end(busy: Busy) -> None:
    with busy.open(max_staleness=0.5) as items:
        for number in range(5):
            began = busy.sim.now
            items["own"] = number
            assert items["own"] == number
            assert busy.sim.now - began < 2
        began = busy.sim.now
        del items["own"]
        assert "own" not in items
        assert busy.sim.now - began < 2


def test_it_settles_once_the_others_do(busy: Busy) -> None:
    with busy.open() as items:
        busy.going = False
        busy.task.result()
        busy.sim.settle()
        items.sync(5)
        assert items.snapshot().exact
        assert {*items.values()} == {int(busy.writer.get("/dict/k0")[0])}
