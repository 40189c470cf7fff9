"""Tests of `unittest.TestCase`, which pytest does not parametrise.

The rules that live here: such a test runs on the same backends as a function with the same marks.
Where these are several, each has a test of its own, ``TestCase::test_it[live]``, as pytest names
them.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_zkdict.run import Target

__all__ = ["expand", "is_test_case"]


def is_test_case(collector: pytest.Collector) -> bool:
    """Whether it collects the tests of a `unittest.TestCase`."""
    unittest = sys.modules.get("unittest")
    if unittest is None or not isinstance(collector, pytest.Class):
        return False
    cls = collector.obj
    return isinstance(cls, type) and issubclass(cls, unittest.TestCase)


def expand(
    found: Sequence[Any], targets: Callable[[Any], tuple[Sequence[Target], str | None]]
) -> list[Any]:
    """The tests of one class, each once for every backend. ``targets`` tells what a test runs on,
    and why it does not run at all.
    """
    expanded: list[Any] = []
    for item in found:
        if "_zk_target" not in getattr(item, "fixturenames", ()):
            expanded.append(item)
        elif "[" not in item.name:  # one with a bracket is ours, inherited
            expanded.extend(_for_each(item, *targets(item)))
    return expanded


def _for_each(item: Any, targets: Sequence[Target], reason: str | None) -> Iterator[Any]:
    scope = item._fixtureinfo.name2fixturedefs["_zk_target"][-1]._scope  # noqa: SLF001
    for index, target in enumerate(targets):
        one = item
        if len(targets) > 1:
            # unittest finds a test by its method's name, so each name has to be one of a method.
            name = f"{item.name}[{target.backend}]"
            setattr(item.cls, name, getattr(item.cls, item.name))
            one = type(item).from_parent(item.parent, name=name)
        # What pytest makes for a test that is parametrised.
        one.callspec = SimpleNamespace(
            params={"_zk_target": target},
            indices={"_zk_target": index},
            _arg2scope={"_zk_target": scope},
            _idlist=[target.backend],
            id=target.backend,
            marks=[],
        )
        if reason is not None:
            one.add_marker(pytest.mark.skip(reason=reason))
        yield one
