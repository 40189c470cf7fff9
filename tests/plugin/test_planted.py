"""docs/pytest_explained.md: each mistake is found, and told of as the page shows; without it
nothing is.
"""

from __future__ import annotations

import re

import pytest

from .planted import OPTIONS, Planted, read, shown

PLANTED = read()
NAMES = [each.title for each in PLANTED]

_VARYING = (
    (re.compile(r"fails in \d+ of \d+ worlds"), "fails in some worlds"),
    (re.compile(r"; \d+ ended early, with an error that the mark allows"), ""),
    (re.compile(r"first with seed \d+"), "first with some seed"),
    (re.compile(r"\s+"), " "),
)
"""How often a mistake is found depends on what worlds there are, and how lines break on that."""


def alike(lines: list[str]) -> str:
    text = "\n".join(lines)
    for pattern, by in _VARYING:
        text = pattern.sub(by, text)
    return text


def run(pytester: pytest.Pytester, files: dict[str, str], *options: str) -> pytest.RunResult:
    for name, text in files.items():
        (pytester.path / name).write_text(text, "utf-8")
    pytester.syspathinsert()
    return pytester.runpytest_inprocess(*OPTIONS, "-Werror", *options)


@pytest.mark.parametrize("planted", PLANTED, ids=NAMES)
def test_a_mistake_is_found_and_told_of_as_the_page_shows(
    pytester: pytest.Pytester, planted: Planted
) -> None:
    result = run(pytester, planted.wrong)
    result.assert_outcomes(failed=1)
    command = planted.text[0].split()[-1]
    assert alike(shown(result.outlines, command)) == alike(planted.text), (
        "run: python -m tests.plugin.planted"
    )


@pytest.mark.parametrize("planted", PLANTED, ids=NAMES)
def test_nothing_is_found_without_it(pytester: pytest.Pytester, planted: Planted) -> None:
    run(pytester, planted.mended, "--zk-seeds=10").assert_outcomes(passed=1)
