"""Which tests run where.

The tests of the client and of the dict run on the fake, on live and in the simulation, but for
those that are marked `in_real_time`, with the reason. All others are about servers in real time,
unless they say otherwise.

A run with `--zk-backend fake` starts no JVM, whatever its tests do.

- Tests that need one are deselected: they take `live_home` or `java_client`, or are marked
  `needs_java`, of which a parameter can be marked, too.
- A `java` stands first in the `PATH` that only says so: what starts one all the same fails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_zkdict.marks import marked
from pytest_zkdict.options import resolve

TESTS = Path(__file__).parents[1]
SIMULATED = (TESTS / "client", TESTS / "dict")
"""Where the tests are that run in the simulation, too."""

NEEDS_JAVA = {"live_home", "java_client"}
_SAYS_NO = """\
#!/bin/sh
echo "a run with --zk-backend fake starts no JVM: mark the test needs_java" >&2
exit 1
"""


def has_live(config: pytest.Config) -> bool:
    """Whether a run has tests on live servers."""
    return "live" in resolve(config).backends


def keep_in_real_time(test: pytest.Item) -> None:
    """Keeps a test out of the simulation, where its place or its mark say so."""
    is_simulated = any(folder in test.path.parents for folder in SIMULATED)
    if is_simulated and test.get_closest_marker("in_real_time") is None:
        return
    if "zk_simulation" not in test.fixturenames and marked(test).backends is None:  # type: ignore[attr-defined]
        test.add_marker(pytest.mark.zk_backend("both"))


def deselect(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes out the tests that need Java, where the run does without."""
    if has_live(config):
        return
    without = [item for item in items if _needs_java(item)]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in set(without)]


def _needs_java(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return (
        bool(NEEDS_JAVA.intersection(fixtures)) or item.get_closest_marker("needs_java") is not None
    )


def refuse_java(directory: Path) -> None:
    """From now on no process of this one's, or of its children's, finds a Java but this one."""
    java = directory / "java"
    java.write_text(_SAYS_NO, "utf-8")
    java.chmod(0o755)
    os.environ["PATH"] = os.pathsep.join([str(directory), os.environ.get("PATH", "")])
    os.environ.pop("JAVA_HOME", None)
