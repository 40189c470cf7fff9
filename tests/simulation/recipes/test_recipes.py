"""kazoo's recipes in a hostile world: what is found is known, and mistakes are found."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ...support.mistakes import logged_counts
from .kinds import (
    BEHIND,
    CONSUME,
    DEAF,
    DENIES,
    DOUBLE,
    GHOST,
    GONE,
    KINDS,
    PAUSED,
    PUT_TWICE,
    TOLD,
    is_expected,
)
from .mistakes import MISTAKES
from .programs import RECIPES, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...support.mistakes import Mistake
    from .kinds import Kind

SEEDS = int(os.environ.get("ZKFAKE_SEEDS", "25"))

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "recipes.md"
FOUND = ROOT / "docs" / "found.md"
TESTS = [
    ROOT / "tests" / "simulation" / "test_kazoo_limits.py",
    ROOT / "tests" / "simulation" / "test_kazoo_queue_limits.py",
    ROOT / "tests" / "simulation" / "test_kazoo_group_limits.py",
    ROOT / "tests" / "client" / "test_recipe_limits.py",
]

LONG = {"Lock", "Election", "Semaphore", "LockingQueue", "Counter"}
"""Those whose runs differ most: they get more seeds."""

FREQUENT: dict[str, set[Kind]] = {
    "Lock": {PAUSED, TOLD},
    "Election": {PAUSED, TOLD},
    "Semaphore": set(),
    "LockingQueue": {CONSUME, GHOST, PUT_TWICE},
    "Counter": {DOUBLE},
    "SetPartitioner": set(),
    "Barrier": {BEHIND},
    "DoubleBarrier": {DEAF},
    "Party": {DENIES, GONE},
    "NonBlockingLease": set(),
    "TreeCache": set(),
}
"""What so many seeds cannot do without: an oracle that misses it is blind. (A client that stands
still is rarer with three servers, which stand still themselves.)
"""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A callback that fails is logged; here that is part of the trade."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("recipe", RECIPES)
def test_what_a_hostile_world_makes_of_a_recipe_is_known(recipe: str, servers: int) -> None:
    seen: set[Kind] = set()
    unexplained: list[str] = []
    for seed in range(SEEDS if recipe in LONG else max(10, SEEDS - 15)):
        _, findings = run(recipe, servers, seed)
        seen.update(findings)
        unexplained += [
            f"seed {seed}, {kind.name} ({kind.text}): {texts[0]}"
            for kind, texts in findings.items()
            if not is_expected(kind, recipe, servers)
        ]
    again = f"python -m tests.simulation.recipes --recipe {recipe} --servers {servers}"
    assert not unexplained, "\n".join([f"{again} --seeds 1 --history --first SEED", *unexplained])
    if SEEDS >= 25:
        frequent = {kind for kind in FREQUENT[recipe] if is_expected(kind, recipe, servers)}
        assert seen >= frequent - ({PAUSED} if servers > 1 else set())


@MISTAKES.each
def test_a_mistake_in_a_recipe_is_found(mistake: Mistake) -> None:
    recipe = mistake.found_by
    with mistake.planted():
        for seed in range(25):
            with logged_counts():
                _, findings = run(recipe, 1, seed)
            if not all(is_expected(kind, recipe, 1) for kind in findings):
                return
    pytest.fail("nothing was found")


def test_every_kind_and_every_test_of_one_is_in_the_documentation() -> None:
    text = PAGE.read_text("utf-8")
    for kind in KINDS:
        assert kind.recipes.keys() <= RECIPES.keys()
        assert bool(kind.recipes) == (kind.nature != "wrong")
        assert bool(kind.recipes) == (f"`{kind.name}`" in text), kind.name
    tests = set(re.findall(r"`(test_\w+)`", text))
    code = "".join(_read(TESTS))
    assert {name for name in tests if f"def {name}(" not in code} == set()
    known = set(re.findall(r"^def (test_\w+)", "".join(_read(TESTS[:3])), re.MULTILINE))
    assert known - tests == {"test_the_sweep_finds_the_counters_limit_and_no_other_in_it"}


def _found() -> list[tuple[str, ...]]:
    """The rows of docs/found.md that the study finds: name, recipe, servers, seed, test."""
    text = FOUND.read_text("utf-8")
    row = r"^\| \[`(\w+)`\]\(\S+\) \| .* \| (\w+) \| (\d) \| (\d+) \| `(test_\w+)` \|$"
    found: list[tuple[str, ...]] = re.findall(row, text, re.MULTILINE)
    return found


@pytest.mark.parametrize(("name", "recipe", "servers", "seed", "test"), _found())
def test_the_seed_of_each_defect_finds_it(
    name: str, recipe: str, servers: str, seed: str, test: str
) -> None:
    _, findings = run(recipe, int(servers), int(seed))
    assert name in {kind.name for kind in findings}
    assert f"def {test}(" in "".join(_read(TESTS))


def test_each_defect_of_kazoo_has_a_seed() -> None:
    named = set(re.findall(r"^\| \[`(\w+)`\]", FOUND.read_text("utf-8"), re.MULTILINE))
    assert named >= {kind.name for kind in KINDS if kind.nature == "defect"}
    tests = {test for *_, test in _found()}
    assert len(tests) == len(_found()) >= 20


def _read(paths: list[Path]) -> list[str]:
    return [path.read_text("utf-8") for path in paths]
