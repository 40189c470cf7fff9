"""The rules for the contents of a release see a file too many and a file too few. `make release`
holds the built files to them.
"""

from __future__ import annotations

import pytest

from .contents import METADATA, wrong_with_sdist, wrong_with_wheel

PACKAGES = {
    "pytest_zkdict/plugin.py",
    "pytest_zkdict/py.typed",
    "zkdict/__init__.py",
    "zkdict/py.typed",
    "zkfake/_web/console.html",
    "zkfake/py.typed",
}
TRACKED = {
    ".ci/run",
    ".gitignore",
    "docs/zkdict.md",
    "pyproject.toml",
    "tests/conftest.py",
} | PACKAGES
WHEEL = PACKAGES | {f"zkdict-1.dist-info/{name}" for name in METADATA}
SDIST = (TRACKED - {".ci/run"}) | {"PKG-INFO"}


def test_what_is_right() -> None:
    assert wrong_with_wheel(WHEEL, TRACKED) == []
    assert wrong_with_sdist(SDIST, TRACKED) == []


@pytest.mark.parametrize(
    "name", ["tests/conftest.py", "zkfake/left.py", "zkdict-1.dist-info/direct_url.json", "t.pth"]
)
def test_a_file_too_many_in_the_wheel(name: str) -> None:
    (wrong,) = wrong_with_wheel(WHEEL | {name}, TRACKED)
    assert wrong.startswith(name.rpartition("dist-info/")[2])
    assert wrong.endswith("and should not be")


@pytest.mark.parametrize("name", sorted(WHEEL))
def test_a_file_too_few_in_the_wheel(name: str) -> None:
    (wrong,) = wrong_with_wheel(WHEEL - {name}, TRACKED)
    assert wrong.startswith(name.rpartition("dist-info/")[2] + " is not in the wheel")


def test_a_package_that_is_not_typed_is_found_though_nobody_tracks_the_file() -> None:
    without = {"zkdict/py.typed"}
    assert wrong_with_wheel(WHEEL - without, TRACKED - without) == [
        "zkdict/py.typed is not in the wheel"
    ]


def test_the_source_distribution_has_the_pages_and_the_tests_and_nothing_that_was_left() -> None:
    assert wrong_with_sdist(
        SDIST - {"docs/zkdict.md", "tests/conftest.py"} | {"a.log"}, TRACKED
    ) == [
        "docs/zkdict.md is not in the source distribution",
        "tests/conftest.py is not in the source distribution",
        "a.log is in the source distribution, and should not be",
    ]
