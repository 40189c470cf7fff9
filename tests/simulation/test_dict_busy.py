"""Others write without a pause: the first load, a reconnect, waits and own writes end all the same.

In virtual time: the keys change faster than the client's link can tell, so no state ever holds
still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zkdict import State, ZooKeeperDict
from zkdict._copy.subtree import SubtreeCache
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = [f"k{number}" for number in range(20)]
LATENCY = (0.05, 0.05)  # seconds, one way


class Busy:
    """Keys that change one after the other, so many times a second; and a client that is far."""

    def __init__(
        self,
        sim: Simulation,
        keys: list[str] = KEYS,
        rate: int = 1000,
        latency: tuple[float, float] = LATENCY,
        *,
        creates: bool = False,
    ) -> None:
        self.sim = sim
        self.writer = sim.client("writer")
        self.writer.ensure_path("/dict")
        for key in keys:
            self.writer.create_async(f"/dict/{key}", b"0")
        self.writer.sync("/dict")
        self.going = True
        self.written = 0
        self.client = sim.client("reader", timeout=60.0)
        sim.faults.slow("reader", latency)
        self.task = sim.spawn(self._create if creates else self._write, keys, rate)

    def _write(self, keys: list[str], rate: int) -> None:
        number = 0
        while self.going:
            number += 1
            for key in keys:
                self.writer.set_async(f"/dict/{key}", b"%d" % number)
                self.written += 1
                self.sim.sleep(1 / rate)

    def _create(self, _: list[str], rate: int) -> None:
        while self.going:
            self.written += 1
            self.writer.create_async(f"/dict/new {self.written}", b"0")
            self.sim.sleep(1 / rate)

    def open(self, **options: Any) -> ZooKeeperDict[Any]:
        return ZooKeeperDict(self.client, "/dict", wait=5, **options)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Busy]:
    monkeypatch.setattr(SubtreeCache.__init__, "__defaults__", (7,))  # fewer reads than keys
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


def test_a_thousand_keys_and_two_thousand_changes_a_second() -> None:
    """All of this, with as many reads at a time as there ever are. No bound is the length of the
    outage, or of the dict: each is `max_staleness`, a second, and what a round trip takes.
    """
    keys = [f"k{number}" for number in range(1000)]
    with Simulation() as sim:
        # Its requests reach the server one by one, not in one moment, and so do the answers.
        busy = Busy(sim, keys, rate=2000, latency=(0.0005, 0.005))

        def seconds(do: Callable[[], object]) -> float:
            began, written = sim.now, busy.written
            do()
            assert busy.written - written > 1900 * (sim.now - began) - 10, "it was not busy"
            return sim.now - began

        def own_write() -> None:
            items["own"] = items.get("own", 0) + 1

        def wait() -> None:
            stat = busy.writer.set("/dict/k7", b"-1")
            items.wait_until(stat.mzxid, 5)
            assert items.zxid >= stat.mzxid

        def cut() -> None:
            before = items["k3"]
            sim.faults.drop("reader")
            sim.run_until(lambda: items.state is not State.LIVE)
            sim.run_until(lambda: items.state is State.LIVE)
            assert items["k3"] > before

        sim.sleep(1)
        began = sim.now
        items = busy.open()
        assert sim.now - began < 2
        assert set(items) == set(keys)
        assert not items.snapshot().exact
        assert seconds(wait) < 1.4  # two answers, one of which a state has to hold
        assert seconds(lambda: items.sync(5)) < 2
        assert seconds(own_write) < 2
        assert items["own"] == 1
        assert seconds(cut) < 2
        assert seconds(own_write) < 2
        assert items["own"] == 2
        busy.going = False
        busy.task.result()
        sim.settle()
        items.sync(5)
        assert items.snapshot().exact
        assert all(items[key] == int(busy.writer.get(f"/dict/{key}")[0]) for key in keys[:20])
        items.close()


def test_a_wait_ends_where_keys_are_created_faster_than_lists_come() -> None:
    """Each list of children is overtaken by the event of the next key: what it tells is kept. A
    new key is shown two round trips after the list has it, and a round trip takes up to a second.
    """
    with Simulation() as sim:
        busy = Busy(sim, rate=500, latency=(0.05, 0.5), creates=True)
        with busy.open() as items:
            for _ in range(4):
                written = busy.written
                items.sync(3)
                assert len(items) > written - 100  # those on their way from the writer
        busy.going = False
        busy.task.result()


def test_a_load_ends_where_a_key_changes_faster_than_its_answer_comes() -> None:
    """Each changes every half second, and an answer takes longer."""
    keys = [f"k{number}" for number in range(1000)]
    with Simulation() as sim:
        busy = Busy(sim, keys, rate=2000, latency=(0.1, 1.0))
        with busy.open() as items:
            assert set(items) == set(keys)
        busy.going = False
        busy.task.result()


def test_it_settles_once_the_others_do(busy: Busy) -> None:
    with busy.open() as items:
        busy.going = False
        busy.task.result()
        busy.sim.settle()
        items.sync(5)
        assert items.snapshot().exact
        assert {*items.values()} == {int(busy.writer.get("/dict/k0")[0])}
