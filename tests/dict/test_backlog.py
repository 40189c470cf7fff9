"""Changes that nobody fetches: a bounded number of batches, which lead to the same state."""

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zkdict import Change, Entry, ZooKeeperDict
from zkdict._copy.backlog import MOST, Backlog, merged

States = list[dict[str, int]]


def entry(key: str, version: int) -> Entry[int]:
    return Entry(key, version, b"", version, 1, version, 0.0, 0.0, None)


def batches_of(states: States) -> list[list[Change[int]]]:
    """What changed from each state to the next."""
    batches = []
    for zxid, (old, new) in enumerate(itertools.pairwise(states), 1):
        batch = []
        for key in sorted({*old, *new}):
            before = entry(key, old[key]) if key in old else None
            after = entry(key, new[key]) if key in new else None
            if before != after:
                kind = "added" if before is None else "removed" if after is None else "changed"
                batch.append(Change(kind, key, before, after, zxid, zxid % 2 == 0))
        batches.append(batch)
    return batches


states = st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 5)), min_size=2)


@given(states)
def test_many_batches_become_one_that_leads_to_the_same_state(states: States) -> None:
    first, last = states[0], states[-1]
    changes = merged(batches_of(states))
    assert len({change.key for change in changes}) == len(changes)
    followed = dict(first)
    for change in changes:
        assert (change.old and change.old.value) == first.get(change.key)
        assert (change.new and change.new.value) == last.get(change.key)
        assert (change.kind == "added") == (change.key not in first)
        assert (change.kind == "removed") == (change.key not in last)
        if change.new is None:
            del followed[change.key]
        else:
            followed[change.key] = change.new.value
    assert followed == last
    assert len({change.zxid for change in changes}) <= 1


def test_a_resync_is_told_once_and_first() -> None:
    resynced = [Change("resynced", "", None, None, zxid, False) for zxid in (1, 2)]
    added = Change("added", "a", None, entry("a", 1), 1, False)
    assert [change.kind for change in merged([[resynced[0], added], [resynced[1]]])] == [
        "resynced",
        "added",
    ]


def test_a_backlog_has_a_bound() -> None:
    backlog: Backlog[int] = Backlog([])
    for number in range(10 * MOST):
        kind = "changed" if number else "added"
        old = entry("a", number - 1) if number else None
        backlog.put([Change(kind, "a", old, entry("a", number), number, False)])
        assert len(backlog) <= MOST
    seen = [change for _ in range(len(backlog)) for change in backlog.get()]
    assert seen[0].kind == "added"
    assert seen[-1].new == entry("a", 10 * MOST - 1)


def test_an_iterator_that_nobody_asks(open_dict: Callable[..., ZooKeeperDict[Any]]) -> None:
    items = open_dict()
    with items.changes(initial=True) as batches:
        for number in range(2 * MOST):
            items["a"] = number
        items.pop("a")
        items["b"] = 1
        assert len(batches._batches) <= MOST
        items.close()
        followed: dict[str, Any] = {}
        for batch in batches:
            for change in batch:
                if change.new is not None:
                    followed[change.key] = change.new.value
                elif change.kind == "removed":  # else it is about the connection
                    del followed[change.key]
    assert followed == {"b": 1}
