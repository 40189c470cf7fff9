"""The list of the tests that CI leaves out (`tests/support/nightly.txt`) names tests."""

from __future__ import annotations

import pytest

from ..support.nightly import LISTED, collected, stale


@pytest.mark.needs_java  # without live servers a part of the listed tests is not collected
def test_what_is_listed_is_there_and_in_order(request: pytest.FixtureRequest) -> None:
    assert stale(LISTED, collected(request.config)) == []
    assert list(LISTED) == sorted(set(LISTED))


def test_a_name_that_no_test_has_is_seen() -> None:
    known = frozenset({"tests/a.py::test_one[fake]", "tests/b.py::test_two"})
    listed = ["tests/a.py::test_one[fake]", "tests/a.py::test_one[live]", "tests/c.py::test_three"]
    assert stale(listed, known) == ["tests/a.py::test_one[live]"]
