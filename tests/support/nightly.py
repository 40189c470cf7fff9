"""The tests that take too long for CI, which has twelve minutes: `make nightly` runs them.

`nightly.txt` lists them. Most of them are one of several: the same test on another backend, with
another planted mistake, with more servers. CI runs one that is shorter.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

LISTED = tuple(Path(__file__).with_name("nightly.txt").read_text("utf-8").splitlines())

_COLLECTED = pytest.StashKey[frozenset[str]]()


def mark_nightly(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the tests that are listed. Has to run before pytest selects tests by ``-m``."""
    config.stash[_COLLECTED] = frozenset(item.nodeid for item in items)
    listed = set(LISTED)
    for item in items:
        if item.nodeid in listed:
            item.add_marker("nightly")


def collected(config: pytest.Config) -> frozenset[str]:
    """The node ids of all tests that this run has collected, with those that it leaves out."""
    return config.stash[_COLLECTED]


def stale(listed: Iterable[str], known: frozenset[str]) -> list[str]:
    """The listed node ids that no test has any more, as far as their files are known."""
    files = {name.partition("::")[0] for name in known}
    return [name for name in listed if name.partition("::")[0] in files and name not in known]
