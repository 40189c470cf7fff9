"""The search on applications as people write them: see `corpus`."""

from __future__ import annotations

import pytest
from kazoo.exceptions import KazooException

from zkfake.simulation import explore

from .corpus import CORPUS, Application
from .corpus.measuring import fails_alike, look, names_the_cause, read_rows

SAMPLE = ["producer", "visits", "batch", "two_keys", "limiter"]
"""Those that take little time to find and to shrink."""

ROWS = {row.name: row for row in read_rows()}


@pytest.mark.parametrize("name", SAMPLE)
def test_the_mistake_is_found_shrunk_and_explained_as_the_page_says(name: str) -> None:
    (application,) = (each for each in CORPUS if each.name == name)
    found = look(application, 100)
    assert found.failures, f"not found in {found.runs} runs"
    (failure,) = found.failures
    assert len(failure.faults) == int(ROWS[name].parts) <= 3
    assert fails_alike(application, failure)
    assert names_the_cause(application, failure), failure.explanation


@pytest.mark.parametrize("application", CORPUS, ids=[each.name for each in CORPUS])
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
