"""``docs/worlds.md`` says how often rare things happen; a few worlds hold it to that."""

from __future__ import annotations

import logging
from math import comb
from typing import TYPE_CHECKING

import pytest

from .__main__ import count
from .table import COLUMNS, PAGE, PROBES, explained, read, unexplained

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = {"calm": 3, "realistic": 10, "hostile": 25, "swarm": 15}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def chance(worlds: int, seen: int, share: float) -> float:
    """How likely so many are seen, or something as far away from what is expected."""
    likely = [comb(worlds, n) * share**n * (1 - share) ** (worlds - n) for n in range(worlds + 1)]
    return sum(each for each in likely if each <= likely[seen] * (1 + 1e-9))


@pytest.mark.parametrize(("profile", "servers"), COLUMNS)
def test_what_happens_is_as_frequent_as_the_page_says(profile: str, servers: int) -> None:
    worlds = SEEDS[profile]
    seeds, listed = read(PAGE.read_text("utf-8"))
    happened, struck = count(profile, servers, range(worlds))
    assert happened.keys() <= PROBES.keys() <= listed.keys()
    assert struck.keys() <= listed.keys()
    column = COLUMNS.index((profile, servers))
    for name, counts in listed.items():
        said = counts[column]
        if said is None:
            assert servers < PROBES[name].servers
            continue
        seen = happened[name] + struck[name]
        share = (said + 0.5) / (seeds + 1)  # what the page has never seen may be rare
        assert chance(worlds, seen, share) > 1e-5, (
            f"{name}: {seen} of {worlds}, and the page says {said} of {seeds}: "
            "python -m tests.simulation.happenings writes it anew"
        )


def test_the_page_lists_what_is_counted_and_why_something_never_happens() -> None:
    text = PAGE.read_text("utf-8")
    _, listed = read(text)
    assert [name for name in listed if name in PROBES] == list(PROBES)
    assert unexplained(listed) == []
    for name, each in PROBES.items():
        assert f"| `{name}` | {explained(name, each)} |" in text
