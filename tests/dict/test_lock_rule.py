"""The dict's copy is used with its lock held: all tests of this folder look at that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkdict import ZooKeeperDict


def test_a_call_without_the_lock_is_found(
    open_dict: Callable[..., ZooKeeperDict[Any]], broken_lock_rule: list[str]
) -> None:
    """Of a method and of a property, of the cache and of the view."""
    items = open_dict()
    cache, view = items._feed.cache, items._view
    calls: dict[str, Callable[[], object]] = {
        "Cache.troubles": lambda: cache.troubles,
        "Cache.working_names": cache.working_names,
        "View.refresh": view.refresh,
    }
    for call in calls.values():
        with pytest.raises(AssertionError, match="without the dict's lock"):
            call()
    assert broken_lock_rule == [*calls]
    broken_lock_rule.clear()
    with items._feed.lock:
        for call in calls.values():
            call()
    assert cache.peek("a") is None
    assert view.loaded
