"""A load that is slow is waited for, one that stands still is not: what `wait` means.

In virtual time, on a link where each answer takes two seconds, one read at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdict import Timeout, ZooKeeperDict
from zkdict._copy.callbacks import SentBatch
from zkdict._copy.items import NOTHING
from zkdict._copy.progress import LoadProgress
from zkdict._copy.subtree import SubtreeCache
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = [f"k{number:02}" for number in range(50)]
WAIT = 30.0


class FarServer:
    """A dict of `KEYS`, and a client that is a second away, one way."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        writer = sim.client("writer")
        writer.ensure_path("/dict")
        for key in KEYS:
            writer.create(f"/dict/{key}", b"0")
        self.client = sim.client("reader", timeout=60.0)
        sim.faults.slow("reader", (1.0, 1.0))

    def open(self) -> ZooKeeperDict[Any]:
        return ZooKeeperDict(self.client, "/dict", wait=WAIT)

    def fails_after(self) -> float:
        begin = self.sim.now
        with pytest.raises(Timeout, match=r"nothing of it came for 30\.0 s"):
            self.open()
        return float(self.sim.now - begin)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarServer]:
    monkeypatch.setattr(SubtreeCache.__init__, "__defaults__", (1,))  # one read at a time
    with Simulation() as sim:
        yield FarServer(sim)


def test_a_slow_load_is_waited_for(far: FarServer) -> None:
    begin = far.sim.now
    with far.open() as items:
        assert list(items) == KEYS
    assert far.sim.now - begin > 100


def test_a_slow_load_is_waited_for_over_a_lost_connection(far: FarServer) -> None:
    def drop() -> None:
        far.sim.sleep(80)
        assert far.sim.faults.drop("reader") == 1

    task = far.sim.spawn(drop)
    with far.open() as items:
        task.result()
        assert list(items) == KEYS


def test_a_load_that_stands_still_fails_so_long_after_the_last_answer(far: FarServer) -> None:
    answered = 80

    def stop() -> None:
        far.sim.sleep(answered)
        far.sim.faults.partition("reader")

    far.sim.spawn(stop)
    assert answered + WAIT - 3 < far.fails_after() < answered + WAIT * 1.1 + 1


def test_a_server_that_never_answers(far: FarServer) -> None:
    far.sim.faults.partition("reader")
    assert WAIT <= far.fails_after() < WAIT * 1.1 + 1


def test_connections_that_are_lost_again_and_again_are_no_progress(far: FarServer) -> None:
    dropped = 0

    def drop() -> None:
        nonlocal dropped
        while True:
            far.sim.sleep(20)
            dropped += far.sim.faults.drop("reader")

    far.sim.spawn(drop)
    assert far.fails_after() < 8 * WAIT
    assert dropped > 2


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(["answer", "take", "lose"]), st.integers(1, 5)), max_size=30
)


class Result:
    """kazoo's, of a read that may be answered."""

    came = False

    def successful(self) -> bool:
        return self.came


@given(steps)
def test_progress_is_an_answer_of_a_connection_that_gets_anywhere(steps: list[Step]) -> None:
    """Answers count as they come, whether their batch is complete or not."""
    progress, taken = LoadProgress(), 0
    came: list[int] = [0]  # answers on each connection that answered, the last may go on
    batches: list[SentBatch] = []
    for step, count in steps:
        before = progress.reached(taken)
        if step == "answer":
            for _ in range(count):
                if not batches or batches[-1].results[-1].came:
                    batches.append(SentBatch().add(NOTHING, Result()).add(NOTHING, Result()))
                    progress.sent(batches[-1])
                next(result for result in batches[-1].results if not result.came).came = True
                came[-1] += 1
            *earlier, last = came
            farthest = max(earlier, default=0)
            gets_on = not earlier or earlier[-1] > max(earlier[:-1], default=0)
            assert (progress.reached(taken) > before) == (gets_on or last > farthest)
        elif step == "take":
            while batches and batches[0].results[-1].came:
                progress.handed_over(batches[0])
                taken += len(batches.pop(0))
            assert progress.reached(taken) == before
        else:
            progress.lost(taken)
            taken, batches = 0, []
            came += [0] if came[-1] else []
            assert progress.reached(taken) == before
