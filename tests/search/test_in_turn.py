"""A program that does the same again and again: the first of each kind is looked at first."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from kazoo.exceptions import ConnectionLoss, KazooException

from zkfake._search.shrinking import shrink
from zkfake._search.simple import in_turn
from zkfake._search.trials import Trial

if TYPE_CHECKING:
    from zkfake.simulation import Simulation


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_the_first_of_each_kind_comes_first_then_the_second(items: list[tuple[str, int]]) -> None:
    ordered = in_turn(items, lambda item: item[0])
    assert Counter(ordered) == Counter(items)
    for kind in "abc":  # among their own kind they keep their order
        own = [item for item in items if item[0] == kind]
        assert [item for item in ordered if item[0] == kind] == own
    seen: Counter[str] = Counter()
    ranks = []
    for kind, _ in ordered:
        seen[kind] += 1
        ranks.append(seen[kind])
    assert ranks == sorted(ranks)


def look_often(sim: Simulation) -> None:
    """Looks nine hundred times, and makes something once; again, where that failed."""
    client = sim.client("ann")
    for number in range(900):
        with suppress(KazooException):
            client.exists(f"/job-{number}")
    while True:
        try:
            client.create("/done-", sequence=True)
        except ConnectionLoss:
            continue
        return


def one_for_each(sim: Simulation) -> None:
    assert len([path for path in sim.dump() if path.startswith("/done-")]) == 1


def test_a_request_that_is_rare_in_a_long_program_is_soon_found() -> None:
    arguments = {"profile": "calm", "drop_before_reply": 0.1, "drop_after_reply": 0.1}
    trial = Trial(look_often, one_for_each, (KazooException,), arguments)
    seed = next(seed for seed in range(1000) if trial.run(seed=seed).error is not None)
    found = shrink(trial, {"seed": seed}, 60)  # one after the other there are 900 before it
    assert found is not None
    assert found.complete
    (lost,) = found.world.faults
    assert lost.fault.method == "drop_before_reply"
