"""The search on applications as people write them: see `corpus`."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.exceptions import KazooException

from zkfake._search.trials import Trial
from zkfake._search.wording import in_words
from zkfake._simulation.chance.chance import FaultMoment, Struck
from zkfake._simulation.chance.kinds import DrawnFault, drawn
from zkfake.simulation import Failure, Simulation, explore

from .corpus import CORPUS, Application
from .corpus.measuring import (
    PYTHONS,
    fail_alike_on,
    fails_alike,
    look,
    names_the_cause,
    needed,
    read_rows,
)
from .corpus.rates import Seen
from .corpus.recipes import RECIPES, RecipeUse
from .corpus.wording import BEHIND, LATER, SESSION_ENDS, SLOW

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_NAME = {each.name: each for each in CORPUS}

SAMPLE = ["producer", "batch", "limiter", "registry", "two_keys", "claims"]
"""Those that take little time to find and to shrink."""


@cache
def failure_of(name: str) -> Failure:
    found = look(BY_NAME[name], 100)
    assert found.failures, f"not found in {found.runs} runs"
    return found.failures[0]


@pytest.mark.parametrize("name", SAMPLE)
def test_the_mistake_is_found_shrunk_and_explained(name: str) -> None:
    failure = failure_of(name)
    assert failure.shrunk
    assert len(failure.faults) <= 3
    assert fails_alike(BY_NAME[name], failure)
    named = [each.name for each in CORPUS if names_the_cause(each, failure.explanation)]
    if failure.faults:
        assert named == [name], failure.explanation
    else:  # every message takes long: a cause that some have in common
        assert name in named, failure.explanation


@pytest.mark.parametrize("name", ["LockingQueue_put", "Counter_double", "Party_gone"])
def test_what_a_recipe_does_is_found_shrunk_and_explained(name: str) -> None:
    (recipe,) = (each for each in RECIPES if each.name == name)
    (failure,) = look(recipe, 100).failures
    assert len(failure.faults) <= 3
    assert fails_alike(recipe, failure)
    assert names_the_cause(recipe, failure.explanation)


def _found() -> list[tuple[str, ...]]:
    """The rows of docs/found.md that the search finds: a recipe's program, seed and test."""
    page = Path(__file__).parents[2] / "docs" / "found.md"
    row = r"^\| \[`\w+`\]\(\S+\) \| .* \| (\w+_\w+) \| (\d+) \| `(test_\w+)` \|$"
    found: list[tuple[str, ...]] = re.findall(row, page.read_text("utf-8"), re.MULTILINE)
    return found


@pytest.mark.parametrize(("name", "seed", "test"), _found())
def test_the_seed_of_each_rare_defect_finds_it(name: str, seed: str, test: str) -> None:
    (recipe,) = (each for each in RECIPES if each.name == name)
    assert look(recipe, [int(seed)], shrink=False).failures
    programs = Path(__file__).parents[1] / "simulation"
    assert any(f"def {test}(" in each.read_text() for each in programs.glob("test_kazoo_*.py"))


def test_there_are_rare_defects() -> None:
    assert len(_found()) >= 5


def test_every_finding_of_the_page_of_recipes_is_searched() -> None:
    page = Path(__file__).parents[2] / "docs" / "recipes.md"
    told = re.findall(
        r"^\*\*`([\w-]+)`: |^\*\*A slow (thread)", page.read_text("utf-8"), re.MULTILINE
    )
    searched = {each.name.partition("_")[2] for each in RECIPES}
    kinds = {name or "slow" for name, _ in told}
    assert kinds
    assert kinds <= searched


def test_what_was_seen_is_kept_and_not_run_again(tmp_path: Path) -> None:
    runs = 0

    def program(sim: Simulation) -> None:
        nonlocal runs
        runs += 1
        assert sim.seed % 40 != 30

    class Every40th:
        name, mistake, wrong, check = "every 40th", "", staticmethod(program), lambda _: None
        arguments: Mapping[str, Any] = {}

    seen = Seen([Every40th()], tmp_path / "seen")
    assert seen.first(Every40th(), "swarm", 0, 100) == 30
    assert seen.first(Every40th(), "swarm", 31, 39) is None
    assert runs == 70
    # From 0, 25, 50 and 75 it takes 31, 6, 21 and 36 runs.
    assert seen.runs(Every40th(), "swarm", 100, 4) == (21 + 31) / 2
    assert seen.runs(Every40th(), "swarm", 5, 4) == 6
    again = Seen([Every40th()], tmp_path / "seen")
    before = runs
    assert again.runs(Every40th(), "swarm", 100, 4) == 26
    assert runs == before


def test_what_is_to_be_pasted_fails_alike_on_every_python() -> None:
    failures = {name: failure_of(name) for name in SAMPLE}
    for python in PYTHONS or [sys.executable]:
        assert fail_alike_on(python, failures) == SAMPLE, python


LOST = (
    "- the connection of ann is lost before the reply to request 2, the 2nd of ann "
    "(create /queue/job-)"
)


@pytest.mark.parametrize(
    ("explanation", "named"),
    [
        (f"It needs each of these:\n{LOST}. Without it, it passes.\nThe runs are", True),
        (f"{LOST}. Without it, it passes.\n{LOST}. Without it, it fails with another error.", True),
        (f"{LOST}. Without it, it passes.\n- messages between servers take 0 to 1 s.", False),
        (f"{LOST}. Without it, it passes.".replace("before", "right after"), False),
        (f"{LOST}. Without it, it passes.".replace("create /queue", "getData /queue"), False),
        (f"{LOST}. Without it, it passes.".replace("/queue/job-", "/queue"), False),
        ("- the session of ann expires at 3.0 s. Without it, it passes.", False),
        ("It needs no fault and no delay, only the requests in this order.", False),
    ],
)
def test_only_an_explanation_with_the_cause_and_nothing_else_names_it(
    explanation: str, named: bool
) -> None:
    assert names_the_cause(BY_NAME["producer"], explanation) is named


BEHIND_IT = """Why: ann's create /barrier (0x100000004) had not reached server 3 when it answered
  bob's request 7 (exists /barrier), 2.000 s after the commit: a stale read.
Hint: call sync() before a read that has to show what another client wrote.
Besides: bob got a watch event for /barrier (0x100000004), and did not read it again.
It needs this:
- server 3 is frozen (it answers, and applies nothing) for 60 s, from request 3, the first of cy
  (connect) on. Without it, it passes.
The runs are the same for 39 events."""


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("", "", True),
        ("Why: ann's create", "Why: cy's create", True),
        ("(exists /barrier)", "(exists /other)", False),
        ("Why: ", "Besides: ", False),
        ("server 3 is frozen", "server 3 stops", False),
    ],
)
def test_an_explanation_says_first_what_the_cause_is(old: str, new: str, named: bool) -> None:
    (recipe,) = (each for each in RECIPES if each.name == "Barrier_behind")
    assert names_the_cause(recipe, BEHIND_IT.replace(old, new, 1)) is named


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        (BEHIND, drawn("freeze", 2, duration=6.0)),
        (BEHIND, drawn("lag", 2, (1.5, 1.5))),
        (BEHIND, drawn("isolate", 2, duration=6.0)),
        (BEHIND, drawn("partition_servers", 1, 2, duration=6.0)),
        (BEHIND, drawn("slow_servers", 1, 2, (1.0, 1.0))),
        (BEHIND, drawn("pause_server", 2, duration=6.0)),
        (SLOW, drawn("slow", "ann", (0.4, 0.4), duration=6.0)),
        (LATER, drawn("pause", "ann", duration=6.0)),
        (SESSION_ENDS, drawn("partition", "ann", duration=6.0)),
        (SESSION_ENDS, drawn("expire", "ann")),
    ],
    ids=lambda each: getattr(each, "method", ""),
)
def test_what_goes_wrong_is_known_by_its_words(pattern: str, fault: DrawnFault) -> None:
    with Simulation(servers=3) as sim:
        sim.client("ann").exists("/value")
    words = in_words(Struck(FaultMoment(0.0, "ann", 2), fault), sim)
    ((what, where),) = needed(f"- {words}. Without it, it passes.")
    assert re.fullmatch(pattern, what)
    assert where == "exists /value"


@pytest.mark.parametrize("application", CORPUS, ids=list(BY_NAME))
def test_in_a_calm_world_the_mistake_does_no_harm(application: Application) -> None:
    """Otherwise a single run shows it, and it measures nothing."""
    for program in (application.wrong, application.mended):
        assert Trial(program, application.check).run(seed=0).error is None


@pytest.mark.parametrize("application", CORPUS, ids=list(BY_NAME))
def test_nothing_is_found_in_a_mended_application(application: Application) -> None:
    explore(
        application.mended,
        application.check,
        seeds=5,
        jobs=1,
        allow=KazooException,
        shrink=False,
    ).raise_if_failed()


@pytest.mark.parametrize(("table", "searched"), [("corpus", CORPUS), ("recipes", RECIPES)])
def test_the_page_names_what_is_searched(
    table: str, searched: tuple[Application | RecipeUse, ...]
) -> None:
    assert {(row.name, row.mistake) for row in read_rows(table)} <= {
        (each.name, each.mistake) for each in searched
    }
