"""The search on applications as people write them: see `corpus`."""

from __future__ import annotations

import sys
from functools import cache

import pytest
from kazoo.exceptions import KazooException

from zkfake._search.trials import Trial
from zkfake.simulation import Failure, explore

from .corpus import CORPUS, Application
from .corpus.measuring import (
    PYTHONS,
    fail_alike_on,
    fails_alike,
    look,
    names_the_cause,
    read_rows,
)

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


def test_what_is_to_be_pasted_fails_alike_on_every_python() -> None:
    failures = {name: failure_of(name) for name in SAMPLE}
    for python in PYTHONS or [sys.executable]:
        assert fail_alike_on(python, failures) == SAMPLE, python


LOST = "- the connection of ann is lost before the reply at request 2 of ann (create /queue/job-)"


@pytest.mark.parametrize(
    ("explanation", "named"),
    [
        (f"It needs each of these:\n{LOST}. Without it, it passes.\nThe runs are", True),
        (f"{LOST}. Without it, it passes.\n{LOST}. Without it, it fails with another error.", True),
        (f"{LOST}. Without it, it passes.\n- messages between servers take 0 to 1 s.", False),
        (f"{LOST}. Without it, it passes.".replace("before", "after"), False),
        (f"{LOST}. Without it, it passes.".replace("create /queue", "getData /queue"), False),
        (f"{LOST}. Without it, it passes.".replace("/queue/job-", "/queue"), False),
        ("- the session of ann expires at 3.0 s. Without it, it passes.", False),
        ("It needs no fault: it fails in a calm world, with every message in order.", False),
    ],
)
def test_only_an_explanation_with_the_cause_and_nothing_else_names_it(
    explanation: str, named: bool
) -> None:
    assert names_the_cause(BY_NAME["producer"], explanation) is named


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


def test_the_page_names_the_applications_as_the_corpus_does() -> None:
    rows = read_rows()
    assert rows
    assert {(row.name, row.mistake) for row in rows} <= {
        (each.name, each.mistake) for each in CORPUS
    }
