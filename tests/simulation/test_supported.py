"""A kazoo that lacks what a simulation patches is refused, and the text says what is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.recipe.lease import NonBlockingLease
from kazoo.retry import KazooRetry

from zkfake._simulation.patching import patches, supported
from zkfake.simulation import Simulation, UnsupportedKazoo

if TYPE_CHECKING:
    from collections.abc import Callable


def _without_the_handler(patch: pytest.MonkeyPatch) -> None:
    patch.delattr("kazoo.client.SequentialThreadingHandler")


def _with_more_in_the_handler(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SequentialThreadingHandler, "barrier_object", None, raising=False)


def _without_the_default_of_sleep(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KazooRetry.__init__, "__defaults__", (1, 0.1, 2, 0.4, 60.0, True, None))


def _with_another_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NonBlockingLease.__init__, "__defaults__", (None, lambda: None))


def _without_a_class(patch: pytest.MonkeyPatch) -> None:
    patch.delattr("kazoo.recipe.lease.MultiNonBlockingLease")


def _with_another_kind_of_set(patch: pytest.MonkeyPatch) -> None:
    from kazoo.recipe import lock

    def init(self: Any, *_args: object) -> None:
        self._exclude_names = {*()}
        self.event.set()

    for kind in (lock.Lock, lock.Semaphore):
        patch.setattr(kind, "__init__", init)


CHANGES = {
    "handler": (
        _without_the_handler,
        "there is no kazoo.client.SequentialThreadingHandler to replace",
    ),
    "more": (_with_more_in_the_handler, "the simulation's handler has no barrier_object"),
    "sleep": (_without_the_default_of_sleep, "kazoo.retry.KazooRetry has no default argument"),
    "clock": (_with_another_clock, "kazoo.recipe.lease.NonBlockingLease has no default argument"),
    "class": (_without_a_class, "kazoo.recipe.lease.MultiNonBlockingLease has no default"),
    "set": (_with_another_kind_of_set, "kazoo.recipe.lock makes no set by set()"),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_what_is_missing_is_named(
    change: Callable[[pytest.MonkeyPatch], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patches, "_checked", False)
    change(monkeypatch)
    with pytest.raises(UnsupportedKazoo) as refused, Simulation():
        pass
    assert str(refused.value).startswith(
        f"zkfake.simulation supports kazoo {supported.SUPPORTED}, not the installed one ("
    )
    assert said in str(refused.value)
    monkeypatch.undo()
    with Simulation() as sim:
        sim.client()


def test_a_module_that_is_gone() -> None:
    found = supported.problems(["kazoo.recipe.gone"], [("kazoo.gone", "Gone")])
    assert [*found] == [
        "kazoo.gone.Gone has no default argument that stands for time",
        "kazoo.recipe.gone makes no set by set()",
    ]


def test_the_metadata_says_the_same() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    bounds = re.search(r'^dependencies = .*"kazoo>=(\d+\.\d+),<(\d+)\.(\d+)"', project, re.M)
    assert bounds is not None
    lowest, major, minor = bounds.groups()
    assert f"{lowest} to {major}.{int(minor) - 1}" == supported.SUPPORTED
